"""The interpreter's process-wide names while steps execute: sys.stdout, sys.stdin, input and their like.

Steps may execute in several threads at once (a root run waits while its children work), but there is one
``sys.stdout``. So the first capture replaces these names by stand-ins that look up which step the calling thread
belongs to, and the last one puts the originals back. A thread that was there before the step is none of its business:
its output goes where it always went.
"""

from __future__ import annotations

import builtins
import getpass
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rlm_kernel.namespace.lineage import ancestry, recording
from rlm_kernel.namespace.processes import Pipe, popen_init, system
from rlm_kernel.namespace.streams import STREAM_CHARS, BoundedText


class Capture:
    """What one step writes, and which threads are its own."""

    def __init__(self, limit: int = STREAM_CHARS, *, is_child: bool = False) -> None:
        self.is_child = is_child
        """True for a step of a child run: it shares the process with its siblings and may not change it."""
        self.stdout = BoundedText(limit)
        self.stderr = BoundedText(limit)
        self.echo = BoundedText(limit)
        self.processes = Pipe(self.stdout.write)
        self.thread = threading.get_ident()
        self.elders = frozenset(thread.ident for thread in threading.enumerate())

    @property
    def dropped(self) -> int:
        """Characters that were written and not kept."""
        return self.stdout.dropped + self.stderr.dropped + self.echo.dropped


_lock = threading.Lock()
_active: tuple[Capture, ...] = ()
_originals: list[tuple[object, str, object]] = []


def current() -> Capture | None:
    """The capture that the calling thread belongs to, if any."""
    ident = threading.get_ident()
    for capture in reversed(_active):
        if capture.thread == ident:
            return capture
    if len(_active) > 1:
        idents = {thread.ident for thread in ancestry(threading.current_thread())}
        for capture in reversed(_active):
            if capture.thread in idents:
                return capture
    for capture in _active:
        if ident not in capture.elders:
            return capture
    return None


@contextmanager
def capturing(limit: int = STREAM_CHARS, *, is_child: bool = False) -> Iterator[Capture]:
    """Give what this thread, and threads it starts, write to a fresh capture."""
    capture = Capture(limit, is_child=is_child)
    _enter(capture)
    try:
        yield capture
    finally:
        capture.processes.close()
        _leave(capture)


def _enter(capture: Capture) -> None:
    global _active  # noqa: PLW0603  # one process has one sys.stdout
    with _lock:
        if not _active:
            for owner, name, stand_in in _stand_ins():
                _originals.append((owner, name, getattr(owner, name)))
                setattr(owner, name, stand_in)
        _active = (*_active, capture)


def _leave(capture: Capture) -> None:
    global _active  # noqa: PLW0603  # see _enter
    with _lock:
        _active = tuple(other for other in _active if other is not capture)
        if not _active:
            while _originals:
                owner, name, original = _originals.pop()
                setattr(owner, name, original)


def _stand_ins() -> list[tuple[object, str, object]]:
    return [
        (sys, "stdout", _Out("stdout", sys.stdout)),
        (sys, "stderr", _Out("stderr", sys.stderr)),
        (sys, "stdin", _NoInput(sys.stdin)),
        (sys, "breakpointhook", _refusing("breakpoint()", sys.breakpointhook)),
        (builtins, "input", _refusing("input()", builtins.input)),
        (getpass, "getpass", _refusing("getpass()", getpass.getpass)),
        (threading.Thread, "start", recording(threading.Thread.start)),
        (os, "chdir", _for_the_root_only("os.chdir()", os.chdir)),
        (subprocess.Popen, "__init__", popen_init(subprocess.Popen.__init__, _pipe)),
        (os, "system", system(os.system, _pipe)),
    ]


def _for_the_root_only(what: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """The directory is the whole process's: a child run must not change it below its siblings."""

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        capture = current()
        if capture is not None and capture.is_child:
            raise PermissionError(f"{what} is not possible in a child run: it shares the process; use full paths")
        return original(*args, **kwargs)

    return stand_in


def _pipe() -> Pipe | None:
    capture = current()
    return capture.processes if capture is not None else None


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(f"{what} is not possible here: nobody is there to type; use the variables that exist")


def _refusing(what: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        if current() is None:
            return original(*args, **kwargs)
        _refuse(what)

    return stand_in


class _Out(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in the stubs
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]  # a plain attribute in the stubs
        return "replace"

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        capture = current()
        if capture is None:
            return int(self._original.write(text) or 0) if self._original is not None else len(text)
        stream: BoundedText = getattr(capture, self._name)
        return stream.write(text)

    def flush(self) -> None:
        if current() is None and self._original is not None:
            self._original.flush()


class _NoInput(io.TextIOBase):
    """Stands for sys.stdin."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def readable(self) -> bool:
        return True

    def _source(self) -> Any:
        if current() is None and self._original is not None:
            return self._original
        _refuse("reading sys.stdin")

    def read(self, size: int | None = -1, /) -> str:
        return str(self._source().read(size))

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]  # the stub knows bytes only
        return str(self._source().readline(size))

    def fileno(self) -> int:
        return int(self._source().fileno())
