"""An exception of the model's code as plain, bounded text."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import TracebackType

from rlm_kernel.trajectory.records import Failure

_MESSAGE_CHARS = 2_000
_TEXT_CHARS = 4_000
_TEXT_LINES = 40
_FRAMES_BELOW = 3
"""Frames of libraries that are kept of each run of them: the last ones, nearest to the error."""
_CHAIN = 3
"""Exceptions of one chain of causes that are told."""

_OURS = str(Path(__file__).resolve().parent.parent) + os.sep


def failure_of(error: BaseException, filename: str, *, label: str = "the code", interrupted: bool = False) -> Failure:
    """Tell what happened.

    Args:
        error: what the code raised.
        filename: the name that the code was compiled under.
        label: what to call that code in the text.
        interrupted: whether it came from outside.
    """
    return Failure(
        kind=type(error).__name__,
        message=_message(error),
        traceback=_bounded(_told(error, filename, label)),
        line=_line(error, filename),
        interrupted=interrupted,
    )


def trimmed(trace: TracebackType | None, filename: str) -> TracebackType | None:
    """The part of a traceback that begins in the code named `filename`; the whole if it never gets there."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename != filename:
        start = start.tb_next
    return start or trace


def _message(error: BaseException) -> str:
    try:
        text = str(error.msg if isinstance(error, SyntaxError) else error)
    except Exception as exc:
        return f"(its message could not be read: {type(exc).__name__})"
    return text if len(text) <= _MESSAGE_CHARS else text[:_MESSAGE_CHARS] + " [...]"


def _line(error: BaseException, filename: str) -> int | None:
    if isinstance(error, SyntaxError) and error.filename == filename:
        return error.lineno
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _told(error: BaseException, filename: str, label: str) -> list[str]:
    """The chain of exceptions, the first cause first."""
    lines: list[str] = []
    chain: list[tuple[BaseException, str]] = [(error, "")]
    while len(chain) < _CHAIN:
        last = chain[-1][0]
        if last.__cause__ is not None:
            chain.append((last.__cause__, "which was the cause of:"))
        elif last.__context__ is not None and not last.__suppress_context__:
            chain.append((last.__context__, "and while that was handled:"))
        else:
            break
    for one, link in reversed(chain):
        lines += _one(one, filename, label)
        if link:
            lines += ["", link, ""]
    return lines


def _one(error: BaseException, filename: str, label: str) -> list[str]:
    frames = traceback.extract_tb(trimmed(error.__traceback__, filename))
    lines: list[str] = []
    below: list[traceback.FrameSummary] = []
    for frame in frames:
        if frame.filename == filename:
            lines += _libraries(below)
            below = []
            lines += _frame(frame, label)
        elif not _is_machinery(frame.filename):
            below.append(frame)
    lines += _libraries(below)
    return lines + _exception_only(error, filename, label)


def _exception_only(error: BaseException, filename: str, label: str) -> list[str]:
    try:
        text = "".join(traceback.format_exception_only(type(error), error))
    except Exception:
        text = f"{type(error).__name__}: {_message(error)}"
    text = text.replace(f'File "{filename}"', label)
    if isinstance(error, BaseExceptionGroup):
        inner = "".join(f"  - {type(one).__name__}: {_message(one)}\n" for one in error.exceptions[:10])
        text = f"{text.rstrip()}\n{inner}"
    return text.rstrip().splitlines()


def _libraries(frames: list[traceback.FrameSummary]) -> list[str]:
    lines = []
    if len(frames) > _FRAMES_BELOW:
        lines.append(f"  ({len(frames) - _FRAMES_BELOW} more calls)")
    for frame in frames[-_FRAMES_BELOW:]:
        lines += _frame(frame, Path(frame.filename).name)
    return lines


def _frame(frame: traceback.FrameSummary, label: str) -> list[str]:
    where = "" if frame.name == "<module>" else f", in {frame.name}"
    return [f"  {label}, line {frame.lineno}{where}", *([f"    {frame.line}"] if frame.line else [])]


def _is_machinery(filename: str) -> bool:
    shell = sys.modules.get("IPython")
    places = [_OURS, *([str(Path(shell.__file__).parent) + os.sep] if shell and shell.__file__ else [])]
    return filename.startswith(tuple(places))


def _bounded(lines: list[str]) -> str:
    if len(lines) > _TEXT_LINES:
        half = _TEXT_LINES // 2
        lines = [*lines[:half], f"  [... {len(lines) - 2 * half} lines left out ...]", *lines[-half:]]
    text = "\n".join(lines)
    if len(text) <= _TEXT_CHARS:
        return text
    half = _TEXT_CHARS // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"
