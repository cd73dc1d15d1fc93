"""Which process does a run, and whether it still lives: a process number alone may have gone to another one since."""

from __future__ import annotations

import functools
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

_SILENT_SECONDS = 3600
"""A process that cannot be looked at from here is taken to be gone when it has written nothing for so long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """A process, so that it can be found again."""

    machine: str
    boot: str
    """Changes when the machine starts anew; empty where that cannot be told."""
    space: str
    """Within which its number is unique: containers on one machine have their own."""
    pid: int
    started: str


def this_process() -> Process:
    """The process that calls."""
    return _process(os.getpid())


def lives(process: Process, last_sign: float) -> bool:
    """Whether a process still lives.

    Args:
        process: as it was once.
        last_sign: when it last wrote something, in seconds since the epoch.
    """
    here = this_process()
    if process.machine == here.machine and process.boot != here.boot:
        return False
    if (process.machine, process.space) == (here.machine, here.space):
        return process == here or _started(process.pid) == process.started
    return time.time() - last_sign < _SILENT_SECONDS


@functools.lru_cache(maxsize=2)  # a fork has another number
def _process(pid: int) -> Process:
    boot = _first_line("/proc/sys/kernel/random/boot_id")
    try:
        space = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - no path
    except OSError:
        space = ""
    return Process(machine=platform.node(), boot=boot, space=space, pid=pid, started=_started(pid))


def _started(pid: int) -> str:
    """When a process began, in the system's own words; empty if there is none."""
    if status := _first_line(f"/proc/{pid}/stat"):
        fields = status.rpartition(")")[2].split()  # a name may hold blanks and brackets
        return "" if fields[0] in {"Z", "X"} else fields[19]
    if Path("/proc/self/stat").exists():
        return ""
    import psutil  # type: ignore[import-untyped]  # comes with ipykernel

    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ""
