"""How many calls are in flight at once: as many as the server takes.

A gate begins wide open. When the server says that it is too busy (429, 503), the gate halves what it lets through and
waits as long as the server asked; every answer opens it a little again. So a server that takes 20 calls at a time is
found out within seconds, and one that takes 500 is used. (Additive increase, multiplicative decrease, as TCP does.)

A server that refuses every call to its last try for a minute, as for an account without credit, is not asked by those
that still wait: one after the other they would take hours to learn the same.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import ModelError

MOST_AT_ONCE = 256
"""Calls in flight to one model, unless it or the limits ask for fewer."""
_LONGEST_PAUSE = 30.0
"""Seconds that a gate stays shut at the most, whatever the server asks for."""
_PATIENCE = 60.0
"""Seconds of calls given up and none answered after which those that wait are given up too; rates are by the minute."""
_ONE_CUT = 0.25
"""Seconds in which refusals count as one: calls that left together are refused together."""


class Gate:
    """Lets calls through. Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        """Open the gate.

        Args:
            most: calls in flight at once; at least 1.
        """
        self.most = most
        self.width = float(most)
        """How many may be in flight now."""
        self.open = 0
        """How many are."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._shut_until = 0.0
        self._cut_at = 0.0
        self._in_vain_since: float | None = None
        self._opening: asyncio.TimerHandle | None = None

    async def enter(self) -> None:
        """Wait for a place, first come, first served. Raises a ModelError if the server refuses all the others."""
        if not self._waiting and self._may_pass():
            self.open += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._let_in()  # the gate may be shut with nobody in it: then a timer must open it
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # let in and cancelled in the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back."""
        self.open -= 1
        self._let_in()

    def answered(self) -> None:
        """A call was answered: open a little."""
        self.width = min(self.most, self.width + 1 / max(self.width, 1))
        self._in_vain_since = None

    def refused(self, seconds: float | None) -> None:
        """The server is too busy: let fewer through, and none for as long as it asked.

        Args:
            seconds: what the server asked for; None if it did not say.
        """
        now = time.monotonic()
        if now - self._cut_at >= _ONE_CUT:
            self._cut_at = now
            self.width = max(1.0, min(self.width, self.open) / 2)
        if seconds:
            self._shut_until = max(self._shut_until, now + min(seconds, _LONGEST_PAUSE))

    def given_up(self, why: ModelError) -> None:
        """A call was refused to its last try; after a minute of nothing else, those that wait are not sent."""
        now = time.monotonic()
        if self._in_vain_since is None:
            self._in_vain_since = now
        elif now - self._in_vain_since >= _PATIENCE:
            for place in self._waiting:
                if not place.done():
                    place.set_exception(ModelError(f"not sent, since those before it were refused: {why}"))
            self._waiting.clear()

    def _may_pass(self) -> bool:
        return self.open < max(int(self.width), 1) and time.monotonic() >= self._shut_until

    def _let_in(self) -> None:
        while self._waiting and self._may_pass():
            place = self._waiting.popleft()
            if not place.done():
                self.open += 1
                place.set_result(None)
        pause = self._shut_until - time.monotonic()
        if self._waiting and pause > 0 and self._opening is None:
            self._opening = asyncio.get_running_loop().call_later(pause, self._reopen)

    def _reopen(self) -> None:
        self._opening = None
        self._let_in()


class Gates:
    """The gates of one tree of runs: one for each model, or one for all where the limits say how many."""

    def __init__(self, concurrency: int | None = None) -> None:
        """Make gates as they are needed.

        Args:
            concurrency: calls in flight at once in the whole tree; None for no bound of our own.
        """
        self._concurrency = concurrency
        self._gates: dict[tuple[str, str], Gate] = {}

    def change(self, concurrency: int | None) -> None:
        """Have another number of calls in flight from now on; those that are, are let be."""
        self._concurrency = concurrency
        self._gates.clear()

    def of(self, model: Model) -> Gate:
        """The gate in front of a model."""
        place = (model.endpoint, model.name) if self._concurrency is None else ("", "")
        gate = self._gates.get(place)
        if gate is None:
            gate = self._gates[place] = Gate(self._most(model))
        return gate

    def _most(self, model: Model) -> int:
        return min(filter(None, (self._concurrency, model.concurrency, MOST_AT_ONCE)))
