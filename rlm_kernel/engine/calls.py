"""Calls to models: reserved in the budget, recorded as events, owned by the run's scope. The root's and sub-calls'."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rlm_kernel.budget import Budget, Reservation
from rlm_kernel.engine.background import Scope
from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import LimitReached, ModelError, RunEnded, SubcallError
from rlm_kernel.trajectory.events import CallFinished, CallStarted
from rlm_kernel.trajectory.recorder import Stream
from rlm_kernel.trajectory.records import Message, Purpose, Reply, Request
from rlm_kernel.usage import Usage

MOST_AT_ONCE = 256
"""Calls in flight of one run, unless the model asks for fewer."""
_ROOM_FOR_ANSWER = 256  # tokens that a sub-call's prompt must leave free


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One call to be made."""

    request: Request
    purpose: Purpose
    step: int
    batch: int | None = None


class Calls:
    """Makes calls for one run."""

    def __init__(self, *, scope: Scope, budget: Budget, stream: Stream) -> None:
        self.scope = scope
        self.budget = budget
        self.stream = stream

    def one(self, model: Model, ask: Ask, reservation: Reservation) -> Reply:
        """Make a call and wait for it. Raises a ModelError, or RunEnded if the run was stopped."""
        return self.scope.wait(self.scope.start(self._answer(model, ask, reservation)))

    def many(self, model: Model, asks: Sequence[tuple[Ask, Reservation]], at_once: int) -> list[Reply | BaseException]:
        """Make calls together, `at_once` at a time, and wait for all. A failed one is its error, in its place."""
        return self.scope.wait(self.scope.start(self._gather(model, asks, at_once)))

    async def _gather(
        self, model: Model, asks: Sequence[tuple[Ask, Reservation]], at_once: int
    ) -> list[Reply | BaseException]:
        gate = asyncio.Semaphore(at_once)
        unsent = {id(reservation): reservation for _, reservation in asks}

        async def gated(ask: Ask, reservation: Reservation) -> Reply:
            async with gate:
                unsent.pop(id(reservation))
                return await self._answer(model, ask, reservation)

        try:
            return await asyncio.gather(*(gated(*ask) for ask in asks), return_exceptions=True)
        finally:
            for reservation in unsent.values():  # stopped before they left: nothing was used
                self.budget.settle(reservation, Usage())

    async def _answer(self, model: Model, ask: Ask, reservation: Reservation) -> Reply:
        call, began = self.stream.recorder.next_call(), time.perf_counter()
        self.stream.emit(
            CallStarted,
            call=call,
            step=ask.step,
            purpose=ask.purpose,
            model=model.name,
            request=ask.request,
            batch=ask.batch,
        )
        reply, error = None, "cancelled"
        try:
            reply = await model.complete(ask.request)
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


class Subcalls:
    """What ``llm_query`` and ``llm_query_batched`` do in one run."""

    def __init__(  # noqa: PLR0913 - the settings of a call, each on its own
        self,
        calls: Calls,
        model: Model,
        *,
        window: int,
        temperature: float | None = None,
        seed: int | None = None,
        blank: Callable[[str], str] = str,
    ) -> None:
        """Make the sub-calls of a run.

        Args:
            calls: make the calls.
            model: asked where no other is named.
            window: tokens that it takes, answer included.
            temperature: of each call; None leaves it to the server.
            seed: of each call.
            blank: takes known secrets out of a prompt.
        """
        self._calls = calls
        self._blank = blank
        self._model = model
        self._window = window
        self._temperature = temperature
        self._seed = seed
        self._warned = False
        self.step = 0
        """The step being executed: calls are accounted to it."""

    @property
    def ended(self) -> bool:
        """True once the run sends nothing more."""
        return self._calls.scope.stopped

    def query(self, prompt: str, model: Model | None = None) -> str:
        """One sub-call. Raises SubcallError or RunEnded."""
        asked = model or self._model
        ask = self._ask(prompt, None)
        reservation = self._reserve(ask, asked)
        try:
            return _text(self._calls.one(asked, ask, reservation))
        except ModelError as exc:
            raise SubcallError(f"{asked.name} gave no answer: {exc}") from exc

    def query_batched(self, prompts: Sequence[str], model: Model | None = None) -> list[str | SubcallError]:
        """Sub-calls together, answers in order; a failed item is a SubcallError in its place."""
        asked = model or self._model
        batch = self._calls.stream.recorder.next_batch()
        results: list[str | SubcallError] = [SubcallError("not asked")] * len(prompts)
        sent: list[tuple[int, Ask, Reservation]] = []
        for index, prompt in enumerate(prompts):
            try:
                ask = self._ask(prompt, batch)
                sent.append((index, ask, self._reserve(ask, asked)))
            except SubcallError as exc:
                results[index] = exc
        if sent:
            at_once = asked.concurrency or MOST_AT_ONCE
            replies = self._calls.many(asked, [(ask, held) for _, ask, held in sent], at_once)
            for (index, _, _), reply in zip(sent, replies, strict=True):
                results[index] = _result(reply, asked)
        return results

    def _ask(self, prompt: str, batch: int | None) -> Ask:
        if not isinstance(prompt, str):
            kind = type(prompt).__name__
            raise SubcallError(f"a sub-call takes one str, not {kind}; put the text into it with an f-string")
        if not prompt.strip():
            raise SubcallError("the prompt of a sub-call is empty")
        limits = self._calls.budget.limits
        request = Request(
            messages=(Message("user", self._blank(prompt)),),
            temperature=self._temperature,
            seed=self._seed,
            timeout=limits.call_seconds,
        )
        return Ask(request=request, purpose="sub-call", step=self.step, batch=batch)

    def _reserve(self, ask: Ask, model: Model) -> Reservation:
        if self.ended:
            raise RunEnded("the run has ended; it makes no more sub-calls")
        prompt = ask.request.messages[0].content
        tokens = model.count(prompt)
        if tokens + _ROOM_FOR_ANSWER > self._window:
            raise SubcallError(
                f"the prompt has about {tokens:,} tokens, {model.name} takes {self._window:,} with its answer; "
                "split the text into smaller pieces",
            )
        try:
            # Two calls stay free: the root's next reply, and the one kept for an answer from the evidence.
            return self._calls.budget.reserve(tokens=tokens, keep_calls=2)
        except LimitReached as exc:
            self._warn(exc)
            raise SubcallError(f"not asked: {exc}") from exc

    def _warn(self, limit: LimitReached) -> None:
        if not self._warned:
            self._warned = True
            self._calls.stream.note(self.step, "warning", f"sub-calls were refused: {limit}")


def _text(reply: Reply) -> str:
    if not reply.text.strip():
        why = "its reply was cut off while it was thinking" if reply.finish == "length" else "its reply was empty"
        raise SubcallError(f"{reply.model} gave no answer: {why}")
    return reply.text


def _result(reply: Reply | BaseException, model: Model) -> str | SubcallError:
    if isinstance(reply, Reply):
        try:
            return _text(reply)
        except SubcallError as exc:
            return exc
    return SubcallError(f"{model.name} gave no answer: {reply}")
