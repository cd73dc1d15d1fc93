"""What is asked of the operating system about processes and processors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_CLOCK_STEP = 2.0
"""Seconds by which two readings of one start time may differ."""
_MOST_THREADS = 16
"""More threads than this gain nothing for a model of this size."""


def started_at(pid: int) -> float | None:
    """When the process began, in seconds of the clock; None if there is none. A zombie is none."""
    import psutil  # type: ignore[import-untyped]

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.Error:
        return None


def is_same(pid: int, created: float) -> bool:
    """Whether `pid` is still the process that began at `created`, and not another that was given its number."""
    now = started_at(pid)
    return now is not None and abs(now - created) < _CLOCK_STEP


def resident_bytes(pid: int) -> int | None:
    """Memory that the process holds; None if it cannot be read."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def end(pid: int, *, gently: bool) -> None:
    """Ask the process to end, or end it."""
    import psutil

    try:
        process = psutil.Process(pid)
        if gently:
            process.terminate()
        else:
            process.kill()
    except psutil.Error:
        return


def good_threads() -> int:
    """Threads that compute well side by side: physical cores, as far as this process may use them."""
    import psutil

    physical = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if sys.platform == "linux" else physical
    return max(1, min(physical, usable, _quota() or physical, _MOST_THREADS))


def _quota() -> int | None:
    """Processors that a container may use, rounded up; None where nothing bounds them."""
    for read in (_quota_v2, _quota_v1):
        try:
            return read()
        except (OSError, ValueError):
            continue
    return None


def _quota_v2(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> int | None:
    quota, period = path.read_text(encoding="ascii").split()
    return None if quota == "max" else -(-int(quota) // int(period))


def _quota_v1(directory: Path = Path("/sys/fs/cgroup/cpu")) -> int | None:
    quota = int((directory / "cpu.cfs_quota_us").read_text(encoding="ascii"))
    period = int((directory / "cpu.cfs_period_us").read_text(encoding="ascii"))
    return None if quota <= 0 else -(-quota // period)
