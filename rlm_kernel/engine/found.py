"""Finding values in a model's reply: JSON inside prose and fences, or the bare text."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Iterator
from itertools import islice

_MOST_CHARS = 400_000  # a reply longer than this is read up to here
_MOST_TRIES = 100  # how often an opening bracket may turn out to open no JSON
_MOST_VALUES = 1_000  # a reply that holds more values or lines than these is no answer with something around it
_MOST_LITERAL = 20_000  # characters of a Python literal

_THINKING = re.compile(r"\s*<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL)
_END_OF_THINKING = re.compile(r"</(?:think|thinking|reasoning)>")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[^`]*")
_MARKED = re.compile(
    r"^\W*(?:the\s+)?(?:final\s+|correct\s+)?"
    r"(?:answer|label|category|class|classification|value|result|output|response)\W*(?::|=|\bis\b)\s*(.+)$",
    re.IGNORECASE,
)
_ROUND = " \t\r\n\"'`*_“”‘’"  # noqa: RUF001 - quotes of every kind
_OPENING = re.compile(r"[{\[]")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def without_thinking(text: str) -> str:
    """The reply after its thinking."""
    text = text[:_MOST_CHARS]
    while match := _THINKING.match(text):
        text = text[match.end() :]
    if not text.lstrip().startswith(("{", "[", '"')):
        text = _END_OF_THINKING.split(text)[-1]  # its beginning was taken away by the server
    return text.strip()


def json_values(text: str) -> list[object]:
    """Every value that is written in the text as JSON, from the outside; Python literals where they stand alone.

    One that is the whole text, or a whole fence, may be a scalar.
    """
    try:
        if (whole := _loaded(text)) is not None:
            return whole
        found = [value for body in _fenced(text) for value in _loaded(body) or ()]
        found += islice(_scanned(text), _MOST_VALUES)
        return found if len(found) < _MOST_VALUES else []
    except _TwiceError:
        return []


def bare_values(text: str) -> list[str]:
    """Texts that may be the value of a scalar: what follows "Answer:", else lines that stand alone; the whole first."""
    lines = [line for line in text.splitlines() if line.strip() and not line.strip().startswith(("```", "~~~"))]
    if len(lines) > _MOST_VALUES:
        return []
    marked = [match[1] for line in lines if (match := _MARKED.match(line))]
    texts = [bare(line) for line in marked or lines]
    return [found for found in dict.fromkeys(texts) if found]


def bare(text: str) -> str:
    """A text without quotes, emphasis, a final full stop and the commas of thousands."""
    stripped = text.strip(_ROUND)
    stripped = stripped.removesuffix(".").strip(_ROUND)
    return stripped.replace(",", "") if _THOUSANDS.fullmatch(stripped) else stripped


def spelling(text: str) -> str:
    """A label as it is compared: without case, with one kind of space."""
    return re.sub(r"[\s_-]+", " ", text).strip().casefold()


def is_number(value: object) -> bool:
    """False for nan and the infinite numbers."""
    return not isinstance(value, float) or math.isfinite(value)


def _fenced(text: str) -> Iterator[str]:
    """What stands in fences, in one pass over the lines."""
    fence, body = "", list[str]()
    for line in text.splitlines():
        stripped = line.strip()
        if fence and stripped.startswith(fence) and not stripped.strip(fence[0]):
            yield "\n".join(body)
            fence = ""
        elif fence:
            body.append(line)
        elif match := _FENCE.fullmatch(line):
            fence, body = match[1], []


def _loaded(text: str) -> list[object] | None:
    """The one value that a whole text spells, in a list; None if it spells none."""
    try:
        return [_DECODER.decode(text.strip())]
    except _TwiceError:
        raise
    except (ValueError, RecursionError):
        pass
    if not text.strip().startswith(("{", "[", "(")) or len(text) > _MOST_LITERAL:
        return None
    try:
        with warnings.catch_warnings():  # "\d" in a string is the model's business
            warnings.simplefilter("ignore")
            return [_as_json(ast.literal_eval(text.strip()))]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _as_json(value: object) -> object:
    return json.loads(json.dumps(list(value) if isinstance(value, tuple | set) else value, allow_nan=False))


def _scanned(text: str) -> Iterator[object]:
    at, tries = 0, 0
    while tries < _MOST_TRIES and (opening := _OPENING.search(text, at)):
        try:
            value, at = _DECODER.raw_decode(text, opening.start())
        except _TwiceError:
            raise
        except json.JSONDecodeError as exc:
            if exc.msg.startswith("Unterminated") or exc.pos >= len(text):
                return  # cut off: what is inside is part of a value
            at, tries = opening.end(), tries + 1
        except (ValueError, RecursionError):
            at, tries = opening.end(), tries + 1
        else:
            yield value


class _TwiceError(ValueError):
    """One key with two values."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys stand once: of two values for one key neither is taken."""
    made: dict[str, object] = {}
    for key, value in pairs:
        if key in made and made[key] != value:
            raise _TwiceError(key)
        made[key] = value
    return made


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
