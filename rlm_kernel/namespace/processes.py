"""What processes of the model's code write where nobody asked for their output: into the step, not past it.

A child inherits file descriptors, not ``sys.stdout``: its output would go to the terminal or the notebook as it is,
control sequences and all, and the model would never see it.
"""

from __future__ import annotations

import codecs
import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

_PATIENCE = 0.5
"""Seconds that what is still in the pipe has to arrive when the step ends."""


class Pipe:
    """One step's pipe for its processes, made when the first of them is started."""

    def __init__(self, write: Callable[[str], object]) -> None:
        """Prepare.

        Args:
            write: takes the text, from a thread.
        """
        self._write = write
        self._lock = threading.Lock()
        self._end: int | None = None
        self._reader: threading.Thread | None = None

    def end(self) -> int:
        """The descriptor that children write to."""
        with self._lock:
            if self._end is None:
                read, self._end = os.pipe()
                self._reader = threading.Thread(target=self._read, args=(read,), name="rlm-processes", daemon=True)
                self._reader.start()
            return self._end

    def close(self) -> None:
        """The step is over. What a process in the background writes from now on is read and dropped."""
        with self._lock:
            if self._end is not None:
                os.close(self._end)
                self._end = None
        if self._reader is not None:
            self._reader.join(_PATIENCE)
        self._write = len

    def _read(self, source: int) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with open(source, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65_536):
                self._write(decoder.decode(chunk))


def popen_init(original: Any, pipe: Callable[[], Pipe | None]) -> Any:
    """What stands for ``subprocess.Popen.__init__``: outputs that would be inherited go to the step's pipe."""

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        target = pipe()
        # The first six parameters may come by position: args, bufsize, executable, stdin, stdout, stderr.
        given = list(args[4:6])
        if target is not None and not (given or kwargs.get("stdout") is not None):
            kwargs["stdout"] = target.end()
        if target is not None and len(given) < 2 and kwargs.get("stderr") is None:  # noqa: PLR2004 - both are given
            kwargs["stderr"] = target.end()
        original(self, *args, **kwargs)

    return init


def system(original: Callable[[Any], int], pipe: Callable[[], Pipe | None]) -> Callable[[Any], int]:
    """What stands for ``os.system``."""

    def run(command: Any) -> int:
        if pipe() is None:
            return original(command)
        code = subprocess.call(command, shell=True)  # noqa: S602 - it is what os.system does
        return code << 8 if code >= 0 else -code

    return run
