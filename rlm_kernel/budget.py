"""Limits on a run, and the account that holds a run to them.

Budgets are a tree: a child charges every ancestor, so a sub-run never gets a fresh allowance. A call is reserved
before it is sent and settled after it was answered; reservations of calls in flight count as used.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from rlm_kernel.errors import LimitReached
from rlm_kernel.usage import Usage

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a run may use. A field left out keeps its default; ``None`` switches the limit off."""

    steps: int | None = 30
    """Steps of one run."""
    calls: int | None = 500
    """Answered calls to models, root replies included, in the whole tree."""
    tokens: int | None = None
    """Tokens sent and received in the whole tree."""
    seconds: float | None = 900.0
    """Seconds of wall clock for the whole tree."""
    call_seconds: float | None = 120.0
    """Seconds that one call may take, retries included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """Calls and tokens held back for calls in flight."""

    calls: int
    tokens: int


class Budget:
    """The account of one run. Safe to use from any thread."""

    def __init__(self, limits: Limits, *, clock: Clock = time.monotonic, parent: Budget | None = None) -> None:
        self.limits = limits
        self._clock = clock
        self._parent = parent
        self._lock: threading.Lock = parent._lock if parent else threading.Lock()  # one a tree: a charge is atomic
        self._used = Usage()
        self._held_calls = 0
        self._held_tokens = 0
        self._started = clock()

    @property
    def used(self) -> Usage:
        """Settled usage of this run and everything under it."""
        return self._used

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the nearest time limit of this run or an ancestor; None if there is none."""
        left = [b.limits.seconds - b.seconds for b in self._chain() if b.limits.seconds is not None]
        return min(left, default=None)

    def reserve(self, *, calls: int = 1, tokens: int = 0, keep_calls: int = 0) -> Reservation:
        """Hold back `calls` and `tokens`.

        Args:
            calls: calls about to be made.
            tokens: tokens they are known to need (the prompt's).
            keep_calls: calls that must stay free afterwards, such as the one kept for the last answer.

        Raises:
            LimitReached: this budget or an ancestor would be overdrawn; nothing is held then.
        """
        with self._lock:
            for budget in self._chain():
                budget._check(calls + keep_calls, tokens)
            for budget in self._chain():
                budget._held_calls += calls
                budget._held_tokens += tokens
        return Reservation(calls=calls, tokens=tokens)

    def reserve_last(self) -> Reservation:
        """Hold back the one call that answers from the evidence after a limit. Never refused, always accounted."""
        with self._lock:
            for budget in self._chain():
                budget._held_calls += 1
        return Reservation(calls=1, tokens=0)

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Replace a reservation by what was really used."""
        with self._lock:
            for budget in self._chain():
                budget._held_calls -= reservation.calls
                budget._held_tokens -= reservation.tokens
                budget._used += usage

    def check_time(self) -> None:
        """Raise LimitReached if the time of this run or an ancestor is over."""
        for budget in self._chain():
            limit = budget.limits.seconds
            if limit is not None and budget.seconds >= limit:
                raise LimitReached("seconds", budget.seconds, limit)

    def _chain(self) -> list[Budget]:
        chain: list[Budget] = []
        budget: Budget | None = self
        while budget is not None:
            chain.append(budget)
            budget = budget._parent
        return chain

    def _check(self, calls: int, tokens: int) -> None:
        limits = self.limits
        wanted_calls = self._used.calls + self._held_calls + calls
        if limits.calls is not None and wanted_calls > limits.calls:
            raise LimitReached("calls", wanted_calls, limits.calls)
        wanted_tokens = self._used.tokens + self._held_tokens + tokens
        if limits.tokens is not None and wanted_tokens > limits.tokens:
            raise LimitReached("tokens", wanted_tokens, limits.tokens)
        if limits.seconds is not None and self.seconds >= limits.seconds:
            raise LimitReached("seconds", self.seconds, limits.seconds)
