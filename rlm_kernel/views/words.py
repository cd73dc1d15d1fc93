"""The words, figures and marks that every view shares."""

from __future__ import annotations

import math
from typing import Literal

from rlm_kernel.trajectory.events import Status
from rlm_kernel.trajectory.records import Change
from rlm_kernel.usage import Usage

State = Literal["running", "paused", "done", "stopped", "limit", "failed", "unfinished"]
"""A run's status, or a step's; `unfinished` is a step or call that its run left open when it ended."""

MARKS: dict[State, str] = {
    "running": "◐",
    "paused": "‖",
    "done": "✓",
    "stopped": "■",
    "limit": "▲",
    "failed": "✗",
    "unfinished": "○",
}
"""Every state has its own sign, so that none depends on colour."""

_RUN_WORDS: dict[Status, str] = {"limit": "stopped at a limit"}

_MINUTE = 60.0
_HOUR = 3600.0


def status_word(status: Status) -> str:
    """A run's status as a person says it."""
    return _RUN_WORDS.get(status, status)


def count(number: int, thing: str) -> str:
    """``1 call``, ``1,284 calls``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def short(number: int) -> str:
    """A number of tokens in at most four characters or so: ``812``, ``4.2k``, ``41k``, ``1.3M``."""
    value = float(number)
    for unit in ("", "k", "M"):
        if value < 999.5:  # noqa: PLR2004 - from here on it would print as 1000
            return _two_digits(value, unit)
        value /= 1000
    return f"{value:,.0f}G" if value >= 10 else f"{value:.1f}G"  # noqa: PLR2004 - one decimal below ten


def duration(seconds: float) -> str:
    """A time span: ``0.4 s``, ``38 s``, ``2 min 5 s``, ``1 h 12 min``."""
    if not math.isfinite(seconds):
        return "?"
    seconds = max(seconds, 0.0)
    if seconds < 9.95:  # noqa: PLR2004 - from here on it would print as 10.0
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def token_words(usage: Usage) -> str:
    """Tokens with their parts: ``41k tokens (38k in, 61 % cached, 3.1k out)``."""
    if not usage.tokens:
        return "no tokens"
    cached = f", {100 * usage.cached_tokens / usage.input_tokens:.0f} % cached" if usage.cached_tokens else ""
    return f"{short(usage.tokens)} tokens ({short(usage.input_tokens)} in{cached}, {short(usage.output_tokens)} out)"


def money(usage: Usage) -> str:
    """What calls cost: ``$0.012``; empty if they cost nothing. A price that is not known is never taken for nothing."""
    if not usage.unpriced:
        return f"${usage.dollars:.2g}" if usage.dollars else ""
    unknown = f"{count(usage.unpriced, 'call')} of unknown price"
    return f"${usage.dollars:.2g} and {unknown}" if usage.dollars else unknown


def memo_words(known: int, calls: int) -> str:
    """``from the memo``, ``3 from the memo``."""
    return "from the memo" if calls == 1 else f"{known:,} from the memo"


def change_words(change: Change) -> tuple[str, str, str]:
    """What happened to a name: a sign, the name, and the rest of the sentence."""
    value = f" {change.summary}" if change.summary else ""
    if change.kept_apart:
        return "=", change.name, f": yours is kept, {_kept_apart(change)}"
    match change.how:
        case "bound":
            return "+", change.name, value
        case "rebound":
            return "~", change.name, f" is now{value}" if value else " has a new value"
        case "deleted":
            return "-", change.name, " deleted"
        case "mutated":
            return "~", change.name, f" changed in place{f':{value}' if value else ''}"


def _kept_apart(change: Change) -> str:
    if change.how == "deleted":
        return "the run works on without it"
    value = f" ({change.summary})" if change.summary else ""
    return f"the run's version{value} is in run.vars"


def _two_digits(value: float, unit: str) -> str:
    if not unit:
        return f"{value:.0f}"
    return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"  # noqa: PLR2004 - 10.0 has three digits
