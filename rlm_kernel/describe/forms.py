"""Guesses at what a text or a file is, from its beginning alone."""

from __future__ import annotations

import re

_LINES = 8
_LINES_OF_TABLE = 3
_LOG_LINE = re.compile(
    r"""(?x) [\[(<]?\d{4}-\d\d-\d\d[T\ ]\d\d:\d\d | [\[(]?\w{3}\ +\d+\ \d\d:\d\d:\d\d
           | \S+\ \S+\ \S+\ \[\d+/\w+/\d{4} | (DEBUG|INFO|WARN|ERROR)\b""",
)
_CODE_LINE = re.compile(
    r"""(?x) (from\ [\w.]+\ )?import\ [\w.*]+;?$ | (async\ )?def\ \w+\( | class\ \w+[:({] | \#include
           | package\ [\w.]+;?$ | func\ \w+\( | function\ \w+\( | using\ [\w.]+; | const\ \w+\ = | let\ \w+\ =""",
)
_SEPARATORS = {
    "\t": "tab-separated values",
    ",": "CSV",
    ";": "CSV with semicolons",
    "|": "a table with | between columns",
}
_MAGIC = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\x7fELF", "a program"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
)


def form_of(beginning: str) -> str | None:
    """Guess what a text is from its first lines. None where it is plain text or nothing is sure."""
    start = beginning.lstrip("\ufeff \t\r\n")
    # The last line was probably cut.
    lines = [line for line in start.splitlines()[:-1][:_LINES] if line.strip()]
    return _marked_up(start, lines) or _lined_up(lines) or _separated(lines)


def _marked_up(start: str, lines: list[str]) -> str | None:
    if start[:5].lower() == "<?xml":
        return "XML"
    if re.match(r"(?i)<!doctype html|<html\b", start):
        return "HTML"
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        return "JSON Lines"
    return "JSON" if re.match(r'\{\s*"[^"]*"\s*:|\[\s*([\[{"]|-?\d+[\s,])', start) else None


def _lined_up(lines: list[str]) -> str | None:
    if sum(bool(_LOG_LINE.match(line)) for line in lines) * 2 > len(lines) > 1:
        return "a log, one event a line"
    return "source code" if sum(bool(_CODE_LINE.match(line)) for line in lines) > 1 else None


def _separated(lines: list[str]) -> str | None:
    """Recognise a table in text: the same number of separators in every line."""
    for sign, name in _SEPARATORS.items():
        numbers = {line.count(sign) for line in lines}
        enough = 0 if sign == "\t" else 1  # one comma in every line may be chance
        if len(lines) >= _LINES_OF_TABLE and len(numbers) == 1 and (found := numbers.pop()) > enough:
            return f"{name}, {found + 1} columns"
    return None


def bytes_form(beginning: bytes) -> str | None:
    """Recognise a file format by its first bytes."""
    return next((name for magic, name in _MAGIC if beginning.startswith(magic)), None)


def text_in(beginning: bytes) -> str | None:
    """Decode the beginning of bytes if they are text in UTF-8; the last sign may be cut."""
    for cut in range(4):
        try:
            text = beginning[: len(beginning) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return text if text and "\x00" not in text else None
    return None
