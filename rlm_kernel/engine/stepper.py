"""Where a run waits for its user, and what the user says then.

A run is paused after a reply, before its code is executed. Then the code may run as it is, run otherwise, be skipped or
be rejected with a reason that the model is told. The same words serve buttons and line commands.
"""

from __future__ import annotations

import contextlib
import queue
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


BUTTONS = frozenset({"pause", "resume", "step", "into", "approve", "edit", "skip", "reject"})
_SLICE = 0.05  # seconds that a child run's thread waits at a time


@dataclass(slots=True)
class Stepper:
    """Decides whether a run waits. Its wishes may be set from any thread at any time."""

    stops: Stops = field(default_factory=Stops)
    risks: Callable[[str], tuple[str, ...]] = lambda _code: ()
    """Why a piece of code should be looked at before it runs."""
    calls_models: Callable[[str], bool] = lambda _code: False
    """Whether a piece of code makes sub-calls."""
    hold: Callable[[], None] | None = None
    """Waits a moment while a person's buttons decide; None where there are none: then the run is suspended instead."""
    above: Stepper | None = None
    """The root run's, for a child run: stepping into one pauses there."""
    _pause: bool = False
    _stepping: bool = False
    _costly: bool = False
    _by_button: bool = False
    _into: bool = False
    _waiting: bool = False
    _inbox: queue.SimpleQueue[Decision] = field(default_factory=queue.SimpleQueue)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        """Let go of the user's names: the run is over for good."""
        self.risks, self.calls_models = (lambda _code: ()), (lambda _code: False)

    def pause(self) -> None:
        """Wait before the next step."""
        self._pause = True

    def go_on(self, *, one_step: bool = False) -> None:
        """Go on from a wait: to the next one after a single step, or as far as the other stops let it."""
        self._pause, self._stepping, self._into, self._by_button = False, one_step, False, False
        if not one_step:
            self.stops = replace(self.stops, each=False)

    def press(self, action: str, code: str = "", reason: str = "") -> None:
        """Take the word of a button, from any thread.

        Args:
            action: ``pause``, ``resume``, ``step``, ``into``, ``approve``, ``edit``, ``skip`` or ``reject``.
            code: to run instead, for ``edit``.
            reason: for ``reject``.
        """
        if action not in BUTTONS:
            return
        self.go_on(one_step=action != "resume")
        self._by_button, self._into = action != "resume", action == "into"
        self._pause = action == "pause"
        if self._waiting and action != "pause":
            named: Action = action if action in {"edit", "skip", "reject"} else "run"  # type: ignore[assignment]  # one of them
            self._inbox.put(Decision(action=named, code=code, reason=reason))

    def decided(self, ended: Callable[[], bool]) -> Decision | None:
        """Wait in the running cell for what buttons decide; None if none will and the run is to be suspended.

        Args:
            ended: tells whether the run was stopped meanwhile.
        """
        top = self.above or self
        if top.hold is None or not top._by_button:
            return None
        top._waiting = True
        try:
            while not ended():
                with contextlib.suppress(queue.Empty):
                    return top._inbox.get(timeout=0 if self is top else _SLICE)
                if self is top:
                    top.hold()
            return None
        finally:
            top._waiting = False

    def why(self, coming: Coming) -> str | None:
        """Why the run waits before this step; None if it goes on."""
        if self.above is not None:
            return "stepped into" if self.above._into else None
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
