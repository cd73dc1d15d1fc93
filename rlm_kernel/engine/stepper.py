"""Where a run waits for its user, and what the user says then.

A run is paused after a reply, before its code is executed. Then the code may run as it is, run otherwise, be skipped or
be rejected with a reason that the model is told. The same words serve buttons and line commands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from rlm_kernel.errors import ConfigError

Action = Literal["run", "edit", "skip", "reject"]
Approve = Literal["never", "always", "risky"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is to become of a step that waits."""

    action: Action = "run"
    code: str = ""
    """The code to run instead, for ``edit``."""
    reason: str = ""
    """What the model is told, for ``reject``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stops:
    """Where a run is to pause, as its user said beforehand."""

    each: bool = False
    """Before every step."""
    approve: Approve = "never"
    """Before every step, or before those whose code does something risky."""
    after_errors: bool = False
    before_subcalls: bool = False
    """Before code that makes sub-calls."""
    steps: frozenset[int] = frozenset()
    dollars: float | None = None
    """Once the run has cost as much."""

    @property
    def any(self) -> bool:
        """True if it may pause at all."""
        return self != Stops()


def parse_stops(*, step: bool, approve: str | None, pause_on: tuple[str, ...]) -> Stops:
    """The stops that options ask for: ``error``, ``subcall``, ``step:N``, ``cost:X``. Raises ConfigError."""
    if approve not in {None, "never", "always", "risky"}:
        raise ConfigError(f"--approve takes never, always or risky, not {approve!r}")
    stops = Stops(each=step, approve=approve or "never")  # type: ignore[arg-type]  # checked above
    steps: set[int] = set()
    error = subcall = False
    dollars = None
    for word in (word.strip() for words in pause_on for word in words.split(",")):
        kind, _, value = word.partition(":")
        if word == "error":
            error = True
        elif word == "subcall":
            subcall = True
        elif kind == "step" and value.isdigit() and int(value) > 0:
            steps.add(int(value))
        elif kind == "cost" and _is_amount(value):
            dollars = float(value)
        else:
            raise ConfigError(f"--pause-on takes error, subcall, step:N or cost:X, not {word!r}")
    return Stops(
        each=stops.each,
        approve=stops.approve,
        after_errors=error,
        before_subcalls=subcall,
        steps=frozenset(steps),
        dollars=dollars,
    )


def _is_amount(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Coming:
    """A step that is about to execute."""

    step: int
    code: str
    failed_before: bool
    """True if the step before it raised."""
    dollars: float


@dataclass(slots=True)
class Stepper:
    """Decides whether a run waits. Its wishes may be set from any thread at any time."""

    stops: Stops = field(default_factory=Stops)
    risks: Callable[[str], tuple[str, ...]] = lambda _code: ()
    """Why a piece of code should be looked at before it runs."""
    calls_models: Callable[[str], bool] = lambda _code: False
    """Whether a piece of code makes sub-calls."""
    _pause: bool = False
    _stepping: bool = False
    _costly: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Let go of the user's names: the run is over for good."""
        self.risks, self.calls_models = (lambda _code: ()), (lambda _code: False)

    def pause(self) -> None:
        """Wait before the next step."""
        self._pause = True

    def go_on(self, *, one_step: bool = False) -> None:
        """Go on from a wait: to the next one after a single step, or as far as the other stops let it."""
        self._pause, self._stepping = False, one_step
        if not one_step:
            self.stops = replace(self.stops, each=False)

    def why(self, coming: Coming) -> str | None:
        """Why the run waits before this step; None if it goes on."""
        with self._lock:
            if self._pause:
                return "paused by you"
            if self._stepping or self.stops.each:
                return "stepping"
            return self._stop(coming)

    def _stop(self, coming: Coming) -> str | None:
        stops = self.stops
        if coming.step in stops.steps:
            return f"step {coming.step} is reached"
        if stops.after_errors and coming.failed_before:
            return "the step before it raised an error"
        if stops.before_subcalls and self.calls_models(coming.code):
            return "it makes sub-calls"
        if stops.dollars is not None and coming.dollars >= stops.dollars and not self._costly:
            self._costly = True
            return f"the run has cost ${coming.dollars:.4g}"
        if stops.approve == "always":
            return "it waits for your approval"
        found = self.risks(coming.code) if stops.approve == "risky" else ()
        return f"it {', '.join(found)}" if found else None
