"""Calls to models: reserved in the budget, recorded as events, owned by the run's scope. The root's and sub-calls'."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rlm_kernel.budget import Budget, Reservation
from rlm_kernel.engine.background import Scope
from rlm_kernel.engine.gate import MOST_AT_ONCE, Gates
from rlm_kernel.engine.ports import Memo, Model
from rlm_kernel.errors import ModelError
from rlm_kernel.trajectory.events import CallFinished, CallStarted
from rlm_kernel.trajectory.recorder import Stream
from rlm_kernel.trajectory.records import Purpose, Reply, Request
from rlm_kernel.usage import Usage

T = TypeVar("T")
J = TypeVar("J")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One call to be made."""

    request: Request
    purpose: Purpose
    step: int
    batch: int | None = None
    key: str | None = None
    """Under which the memo keeps the answer; None for a call that must be made."""


class Calls:
    """Makes calls for one run."""

    def __init__(
        self, *, scope: Scope, budget: Budget, stream: Stream, gates: Gates | None = None, memo: Memo | None = None
    ) -> None:
        """Take what the calls of a run share.

        Args:
            scope: owns everything in flight.
            budget: what every call is charged to.
            stream: where every call is recorded.
            gates: hold back what the servers do not take; shared in a tree of runs.
            memo: keeps answers for another day; None for none.
        """
        self.scope = scope
        self.budget = budget
        self.stream = stream
        self.gates = gates or Gates(budget.limits.concurrency)
        self._memo = memo
        self._to_keep: dict[str, Reply] = {}

    def needs(self, model: Model, tokens: int, request: Request) -> Reservation:
        """What a call is taken to need: its prompt, and a reply as long as those before."""
        reply = self.budget.reply_tokens
        if request.max_tokens is not None:
            reply = min(reply, request.max_tokens)
        dollars = model.cost(Usage(calls=1, input_tokens=tokens, output_tokens=reply))
        return Reservation(calls=1, tokens=tokens + reply, dollars=dollars or 0.0)

    def one(self, model: Model, ask: Ask, reservation: Reservation) -> Reply:
        """Make a call and wait for it. Raises a ModelError, or RunEnded if the run was stopped."""
        return self.scope.wait(self.scope.start(self.answer(model, ask, reservation)))

    async def each(
        self, jobs: Sequence[J], work: Callable[[J], Coroutine[object, object, T]], unsent: Callable[[J], None]
    ) -> list[T]:
        """Do `work` for every job, many at a time; results in the order of the jobs.

        Args:
            jobs: what to do.
            work: does one job; must not raise.
            unsent: told of each job that was never begun because all were cancelled.
        """
        results: dict[int, T] = {}
        left: Iterator[tuple[int, J]] = iter(enumerate(jobs))

        async def worker() -> None:
            for index, job in left:
                results[index] = await work(job)

        try:
            # As many tasks as can be of use, not one for each of ten thousand jobs.
            await asyncio.gather(*(worker() for _ in range(min(len(jobs), MOST_AT_ONCE))))
        finally:
            for _, job in left:
                unsent(job)
        return [results[index] for index in range(len(jobs))]

    async def answer(self, model: Model, ask: Ask, reservation: Reservation) -> Reply:
        """Make a call when its turn has come; whatever happens, the reservation is settled once."""
        gate = self.gates.of(model)
        try:
            await gate.enter()
        except BaseException:
            self.budget.settle(reservation, Usage())
            raise
        busy = False

        def refused(seconds: float | None) -> None:
            nonlocal busy
            busy = True
            gate.refused(seconds)

        try:
            reply = await self._send(model, ask, reservation, refused)
            gate.answered()
        except ModelError as exc:
            if busy:
                gate.given_up(exc)
            raise
        finally:
            gate.leave()
        if ask.key is not None and reply.finish == "stop" and reply.text.strip():
            self._keep(ask.key, reply)
        return reply

    def known(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The answers that the memo holds."""
        return dict(self._memo.get(keys)) if self._memo is not None and keys else {}

    def key(self, request: Request, model: Model, sample: int) -> str | None:
        """Under which the memo keeps the answer to a request; None if it does not.

        Args:
            request: what is asked.
            model: who is asked.
            sample: how many equal requests there were before it in the batch: each wants an answer of its own.
        """
        place = model.identity
        if self._memo is None or place is None:
            return None
        return self._memo.key(request, model=model.name, endpoint=place, sample=sample)

    def flush(self) -> None:
        """Let the memo write what it was given."""
        kept, self._to_keep = self._to_keep, {}
        if kept and self._memo is not None:
            self._memo.put(kept)

    def _keep(self, key: str, reply: Reply) -> None:
        if not self._to_keep:  # many answers arrive together: they are written together
            loop = asyncio.get_running_loop()
            loop.call_later(_WRITTEN_AFTER, loop.run_in_executor, None, self.flush)  # the disk may be slow
        self._to_keep[key] = reply

    def remembered(self, model: Model, ask: Ask, reply: Reply) -> Reply:
        """Record that an answer was taken from the memo: nothing is sent, nothing is charged."""
        call = self._started(model, ask)
        free = replace(reply, usage=Usage(), retries=0)
        self.stream.emit(CallFinished, call=call, reply=free, seconds=0.0, memo=True)
        return free

    async def _send(
        self, model: Model, ask: Ask, reservation: Reservation, refused: Callable[[float | None], None]
    ) -> Reply:
        call, began = self._started(model, ask), time.perf_counter()
        reply, error = None, "cancelled"
        try:
            reply = _priced(await model.complete(ask.request, refused), model)
        except asyncio.CancelledError:
            raise
        except Exception as exc:
            error = str(exc) or type(exc).__name__
            raise
        else:
            return reply
        finally:
            self.budget.settle(reservation, reply.usage if reply else Usage())
            self.stream.emit(
                CallFinished,
                call=call,
                reply=reply,
                error=None if reply else error,
                seconds=time.perf_counter() - began,
            )

    def _started(self, model: Model, ask: Ask) -> int:
        call = self.stream.recorder.next_call()
        self.stream.emit(
            CallStarted,
            call=call,
            step=ask.step,
            purpose=ask.purpose,
            model=model.name,
            request=ask.request,
            batch=ask.batch,
        )
        return call


_WRITTEN_AFTER = 0.05
"""Seconds after which an answer is in the memo at the latest."""


def _priced(reply: Reply, model: Model) -> Reply:
    """The reply with what it cost, or marked as of unknown price."""
    usage = reply.usage
    dollars = model.cost(usage)
    usage = replace(usage, unpriced=usage.calls) if dollars is None else replace(usage, dollars=dollars)
    return replace(reply, usage=usage)
