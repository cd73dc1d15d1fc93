"""Limits on a run, and the account that holds a run to them.

Budgets are a tree: a child charges every ancestor, so a child run never gets a fresh allowance. A call is reserved
before it is sent and settled after it was answered; reservations of calls in flight count as used.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from rlm_kernel.errors import LimitKind, LimitReached
from rlm_kernel.usage import Usage

Clock = Callable[[], float]

_FIRST_REPLY = 128
"""Tokens that a reply is taken to have before any was seen; afterwards it is the mean of those seen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a run may use. A field left out keeps its default; ``None`` switches the limit off."""

    steps: int | None = 30
    """Steps of one run; each child run has as many."""
    depth: int | None = 1
    """How deep models are called below the root, as in the paper: 0 is no sub-calls, 1 sub-calls, 2 child runs that
    make sub-calls, and so on."""
    calls: int | None = 500
    """Answered calls to models, root replies included, in the whole tree."""
    tokens: int | None = None
    """Tokens sent and received in the whole tree."""
    cost: float | None = 1.0
    """Dollars in the whole tree. Models whose price is not known never reach it."""
    seconds: float | None = 900.0
    """Seconds of wall clock for the whole tree, pauses not counted."""
    call_seconds: float | None = 120.0
    """Seconds that one call may take, retries included."""
    concurrency: int | None = None
    """Calls in flight at once in the whole tree; None leaves it to what the servers take."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reservation:
    """What is held back for calls in flight. Each is itself alone, whatever it holds."""

    calls: int = 0
    tokens: int = 0
    dollars: float = 0.0


@dataclass(slots=True)
class _Held:
    """The sum of the open reservations."""

    calls: int = 0
    tokens: int = 0
    dollars: float = 0.0

    def add(self, reservation: Reservation, sign: int) -> None:
        self.calls += sign * reservation.calls
        self.tokens += sign * reservation.tokens
        self.dollars += sign * reservation.dollars


@dataclass(slots=True)
class _Stopwatch:
    clock: Clock
    before: float = 0.0
    since: float | None = None

    @property
    def seconds(self) -> float:
        return self.before + (self.clock() - self.since if self.since is not None else 0.0)

    def start(self) -> None:
        if self.since is None:
            self.since = self.clock()

    def stop(self) -> None:
        self.before, self.since = self.seconds, None


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one limit."""

    kind: LimitKind
    left: float | None
    """None if there is no limit."""
    limit: float | None


class Budget:
    """The account of one run. Safe to use from any thread."""

    def __init__(self, limits: Limits, *, clock: Clock = time.monotonic, parent: Budget | None = None) -> None:
        self.limits = limits
        self._parent = parent
        self._lock: threading.Lock = parent._lock if parent else threading.Lock()  # one a tree: a charge is atomic
        self._used = Usage()
        self._held = _Held()
        self._open: set[Reservation] = set()
        self._watch = _Stopwatch(clock)
        self._watch.start()

    def child(self, clock: Clock = time.monotonic) -> Budget:
        """The account of a child run: steps of its own, everything else is this budget's."""
        own = Limits(
            steps=self.limits.steps,
            depth=self.limits.depth,
            call_seconds=self.limits.call_seconds,
            concurrency=self.limits.concurrency,
            calls=None,
            tokens=None,
            cost=None,
            seconds=None,
        )
        return Budget(own, clock=clock, parent=self)

    @property
    def used(self) -> Usage:
        """Settled usage of this run and everything under it."""
        return self._used

    @property
    def seconds(self) -> float:
        """Seconds that the run has been going on."""
        return self._watch.seconds

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the nearest time limit of this run or an ancestor; None if there is none."""
        left = [b.limits.seconds - b.seconds for b in self._chain() if b.limits.seconds is not None]
        return min(left, default=None)

    @property
    def reply_tokens(self) -> int:
        """Tokens that the next reply is taken to have: the mean of the tree's replies so far."""
        top = self._chain()[-1]._used
        return top.output_tokens // top.calls if top.calls else _FIRST_REPLY

    def pause(self) -> None:
        """The run waits for its user: its time stands still."""
        self._watch.stop()

    def go_on(self) -> None:
        """The run goes on after `pause`."""
        self._watch.start()

    def change(self, **limits: float | None) -> None:
        """Give this run other limits, by name; those not named stay."""
        self.limits = replace(self.limits, **limits)  # type: ignore[arg-type]  # validated where they came in

    def left(self) -> tuple[Left, ...]:
        """What is left of each limit that calls are held to, the nearest of this run's and its ancestors'."""
        with self._lock:
            used = [(b.limits, b._used, b._held, b.seconds) for b in self._chain()]
        return (
            _nearest("calls", [(lim.calls, use.calls + held.calls) for lim, use, held, _ in used]),
            _nearest("tokens", [(lim.tokens, use.tokens + held.tokens) for lim, use, held, _ in used]),
            _nearest("cost", [(lim.cost, use.dollars + held.dollars) for lim, use, held, _ in used]),
            _nearest("seconds", [(lim.seconds, seconds) for lim, _, _, seconds in used]),
        )

    def reserve(self, wanted: Reservation, *, keep_calls: int = 0) -> Reservation:
        """Hold something back.

        Args:
            wanted: what the calls about to be made are known or taken to need.
            keep_calls: calls that must stay free afterwards, such as the one kept for the last answer.

        Raises:
            LimitReached: this budget or an ancestor would be overdrawn; nothing is held then.
        """
        with self._lock:
            for budget in self._chain():
                budget._check(wanted, keep_calls)
            self._hold_back(wanted)
        return wanted

    def reserve_last(self) -> Reservation:
        """Hold back the one call that answers from the evidence after a limit. Never refused, always accounted."""
        last = Reservation(calls=1)
        with self._lock:
            self._hold_back(last)
        return last

    def settle(self, reservation: Reservation, usage: Usage) -> None:
        """Replace a reservation by what was really used."""
        with self._lock:
            self._give_back(reservation)
            for budget in self._chain():
                budget._used += usage

    def release(self) -> None:
        """Give back what is still held for this run's own calls: it was stopped, and some of them never began."""
        with self._lock:
            for reservation in tuple(self._open):
                self._give_back(reservation)

    def check_time(self) -> None:
        """Raise LimitReached if the time of this run or an ancestor is over."""
        for budget in self._chain():
            limit = budget.limits.seconds
            if limit is not None and budget.seconds >= limit:
                raise LimitReached("seconds", budget.seconds, limit)

    def _hold_back(self, reservation: Reservation) -> None:
        self._open.add(reservation)
        for budget in self._chain():
            budget._held.add(reservation, 1)

    def _give_back(self, reservation: Reservation) -> None:
        if reservation in self._open:  # else it was given back when the run was stopped
            self._open.remove(reservation)
            for budget in self._chain():
                budget._held.add(reservation, -1)

    def _chain(self) -> list[Budget]:
        chain: list[Budget] = []
        budget: Budget | None = self
        while budget is not None:
            chain.append(budget)
            budget = budget._parent
        return chain

    def _check(self, wanted: Reservation, keep_calls: int) -> None:
        limits, used, held = self.limits, self._used, self._held
        _hold("calls", used.calls + held.calls + wanted.calls + keep_calls, limits.calls)
        _hold("tokens", used.tokens + held.tokens + wanted.tokens, limits.tokens)
        if wanted.dollars:
            _hold("cost", used.dollars + held.dollars + wanted.dollars, limits.cost)
        if limits.seconds is not None and self.seconds >= limits.seconds:
            raise LimitReached("seconds", self.seconds, limits.seconds)


def _hold(kind: LimitKind, wanted: float, limit: float | None) -> None:
    if limit is not None and wanted > limit:
        raise LimitReached(kind, wanted, limit)


def _nearest(kind: LimitKind, pairs: list[tuple[float | None, float]]) -> Left:
    found = [(limit - used, limit) for limit, used in pairs if limit is not None]
    left, limit = min(found, default=(None, None))
    return Left(kind, None if left is None else max(left, 0), limit)
