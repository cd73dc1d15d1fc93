"""What ``llm_query`` and its like do in one run: prepare prompts, ask, check what came back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rlm_kernel.budget import Reservation
from rlm_kernel.engine.calls import Ask, Calls
from rlm_kernel.engine.mapping import Answer, Mapped, map_rows
from rlm_kernel.engine.ports import Model
from rlm_kernel.engine.returns import Misfit, Returns
from rlm_kernel.errors import ConfigError, LimitReached, ModelError, ModelUnavailable, RunEnded, SubcallError
from rlm_kernel.prompts.pack import Pack
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage

_ROOM_FOR_ANSWER = 256  # tokens that a sub-call's prompt must leave free
KEPT_FREE = 2
"""Calls that sub-calls leave free: the root's next reply, and the one kept for an answer from the evidence."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How the sub-calls of a run are made."""

    model: Model
    """Asked where no other is named."""
    pack: Pack
    temperature: float | None = None
    """None leaves it to the pack of the model asked, or the server."""
    seed: int | None = None
    blank: Callable[[str], str] = str
    """Takes known secrets out of a prompt."""

    @property
    def fresh(self) -> bool:
        """True if every call wants a sample of its own."""
        return bool(self.temperature) and self.seed is None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Job:
    """One sub-call that may be made."""

    ask: Ask
    model: Model
    reservation: Reservation
    returns: Returns | None


class Subcalls:
    """The sub-calls of one run. Safe to use from any thread."""

    def __init__(self, calls: Calls, manner: Manner) -> None:
        self.calls = calls
        self._manner = manner
        self._warned: set[str] = set()
        self._windows: dict[tuple[str, str], int] = {}
        self.step = 0
        """The step being executed: calls are accounted to it."""

    @property
    def ended(self) -> bool:
        """True once the run sends nothing more."""
        return self.calls.scope.stopped

    @property
    def model(self) -> Model:
        """The model that is asked where no other is named."""
        return self._manner.model

    def query(self, prompt: str, model: Model | None = None, returns: object = None) -> object:
        """One sub-call.

        Returns:
            The reply's text, or a value of the type that `returns` says.

        Raises:
            SubcallError: there was no answer, or none of that type.
            RunEnded: the run is over.
        """
        answer = self.ask([prompt], model, returns)[0]
        if answer.error is not None:
            raise answer.error
        return answer.value

    def query_batched(
        self, prompts: Sequence[str], model: Model | None = None, returns: object = None
    ) -> list[object | SubcallError]:
        """Sub-calls together, answers in order; a failed item is a SubcallError in its place."""
        batch = self.calls.stream.recorder.next_batch()
        answers = self.ask(prompts, model, returns, batch=batch)
        return [answer.value if answer.error is None else answer.error for answer in answers]

    async def query_async(self, prompt: str, model: Model | None = None, returns: object = None) -> object:
        """One sub-call, awaited in any event loop; cancelling the wait cancels the call."""
        ready = self._prepare([prompt], model, returns, None)[0]
        if isinstance(ready, _Job):
            future = self.calls.scope.start(self._work(ready))
            try:
                ready = await asyncio.wrap_future(future)
            except asyncio.CancelledError:
                if self.ended:
                    raise RunEnded("the run was stopped while this call was in flight") from None
                raise
        if ready.error is not None:
            raise ready.error
        return ready.value

    def map(
        self, data: object, instruction: str, *, returns: object = None, columns: Sequence[str] | None = None
    ) -> Mapped:
        """One judgement for each row of `data`; see `rlm_kernel.engine.mapping`."""
        settings = self._manner.pack.settings
        batch = self.calls.stream.recorder.next_batch()
        return map_rows(
            data,
            instruction,
            ask=lambda prompts, form: self.ask(prompts, None, form, batch=batch, says_form=True),
            say=self._manner.pack.say,
            returns=returns,
            columns=columns,
            per_call=settings.rows_a_call,
        )

    def ask(
        self,
        prompts: Sequence[str],
        model: Model | None = None,
        returns: object = None,
        *,
        batch: int | None = None,
        says_form: bool = False,
    ) -> list[Answer]:
        """Ask all prompts at once and wait; answers in order.

        Args:
            prompts: what to ask.
            model: whom; None is the run's sub-model.
            returns: the form of the answers.
            batch: number under which the calls are recorded.
            says_form: True if the prompts state the form themselves.

        Raises:
            RunEnded: the run is over.
        """
        prepared = self._prepare(prompts, model, returns, batch, says_form=says_form)
        jobs = [job for job in prepared if isinstance(job, _Job)]
        if not jobs:
            done: list[Answer] = []
        elif len(jobs) == 1:
            done = [self.calls.scope.run(self._work(jobs[0]))]
        else:
            done = self.calls.scope.run(self.calls.each(jobs, self._work, self._unsent))
        answers = iter(done)
        return [next(answers) if isinstance(ready, _Job) else ready for ready in prepared]

    # -- before a call

    def _prepare(
        self,
        prompts: Sequence[str],
        model: Model | None,
        returns: object,
        batch: int | None,
        *,
        says_form: bool = False,
    ) -> list[_Job | Answer]:
        """A job for each prompt, or its answer where that is known already: refused, or in the memo."""
        if self.ended:
            raise RunEnded("the run has ended; it makes no more sub-calls")
        form = _form(returns)
        told = None if says_form else form
        asked = model or self._manner.model
        checked = [self._checked(prompt, asked) for prompt in prompts]
        asks = [
            error if isinstance(error, SubcallError) else self._ask(self._with_form(prompt, told), form, batch)
            for prompt, error in zip(prompts, checked, strict=True)
        ]
        keys = self._keys(asks, asked)
        known = self.calls.known(list(keys.values()))
        prepared: list[_Job | Answer] = []
        for index, (ask, tokens) in enumerate(zip(asks, checked, strict=True)):
            if isinstance(ask, SubcallError) or isinstance(tokens, SubcallError):
                prepared.append(Answer(error=ask if isinstance(ask, SubcallError) else None))
                continue
            keyed = replace(ask, key=keys.get(index))
            remembered = known.get(keys.get(index, ""))
            answer = None if remembered is None else self._from_memo(asked, keyed, remembered, form)
            prepared.append(answer or self._reserved(keyed, asked, tokens, form))
        if self.ended:  # stopped while the batch was prepared: nothing of it is sent
            for job in prepared:
                if isinstance(job, _Job):
                    self._unsent(job)
            raise RunEnded("the run has ended; it makes no more sub-calls")
        return prepared

    def _checked(self, prompt: object, model: Model) -> int | SubcallError:
        """Tokens of a prompt, or why it cannot be sent."""
        limit = self.calls.budget.limits.depth
        if limit is not None and limit < 1:
            return SubcallError.at_the_end("not asked: this run makes no sub-calls; allow them with --depth 1")
        if not isinstance(prompt, str):
            kind = type(prompt).__name__
            return SubcallError(f"a sub-call takes one str, not {kind}; put the text into it with an f-string")
        if not prompt.strip():
            return SubcallError("the prompt of a sub-call is empty")
        tokens, window = model.count(prompt), self._window(model)
        if tokens + _ROOM_FOR_ANSWER > window:
            return SubcallError(
                f"the prompt has about {tokens:,} tokens, {model.name} takes {window:,} with its answer; "
                "split the text into smaller pieces",
            )
        return tokens

    def _window(self, model: Model) -> int:
        place = (model.endpoint, model.name)
        if place not in self._windows:
            self._windows[place] = self.calls.scope.run(model.window())
        return self._windows[place]

    def _with_form(self, prompt: str, form: Returns | None) -> str:
        return prompt if form is None else f"{prompt}\n\n{self._manner.pack.say('returns', form=form.words)}"

    def _ask(self, text: str, form: Returns | None, batch: int | None) -> Ask:
        manner = self._manner
        temperature = manner.temperature if manner.temperature is not None else manner.pack.settings.temperature
        request = Request(
            messages=(Message("user", manner.blank(text)),),
            temperature=temperature,
            seed=manner.seed,
            timeout=self.calls.budget.limits.call_seconds,
            schema=form.schema if form else None,
            strict=bool(form and form.strict),
        )
        return Ask(request=request, purpose="sub-call", step=self.step, batch=batch)

    def _keys(self, asks: Sequence[Ask | SubcallError], model: Model) -> dict[int, str]:
        """Under which the memo keeps each of these calls; equal prompts of a batch have different keys."""
        if self._manner.fresh:
            return {}
        seen: Counter[Request] = Counter()
        keys: dict[int, str] = {}
        for index, ask in enumerate(asks):
            if isinstance(ask, Ask):
                plain = replace(ask.request, schema=None)  # a dict has no hash, and one batch has one schema
                key = self.calls.key(ask.request, model, seen[plain])
                if key is None:
                    return {}
                keys[index] = key
                seen[plain] += 1
        return keys

    def _reserved(self, ask: Ask, model: Model, tokens: int, form: Returns | None) -> _Job | Answer:
        try:
            reservation = self._reserve(ask, model, tokens)
        except LimitReached as exc:
            return Answer(error=SubcallError.at_the_end(f"not asked: {exc}"))
        return _Job(ask=ask, model=model, reservation=reservation, returns=form)

    def _reserve(self, ask: Ask, model: Model, tokens: int) -> Reservation:
        try:
            needs = self.calls.needs(model, tokens, ask.request)
            return self.calls.budget.reserve(needs, keep_calls=KEPT_FREE)
        except LimitReached as exc:
            self.warn("refused", f"sub-calls were refused: {exc}")
            raise

    def _unsent(self, job: _Job) -> None:
        self.calls.budget.settle(job.reservation, Usage())

    # -- the call

    async def _work(self, job: _Job) -> Answer:
        try:
            reply = await self.calls.answer(job.model, job.ask, job.reservation)
        except ModelError as exc:
            error = SubcallError(f"{job.model.name} gave no answer: {exc}")
            error.final = isinstance(exc, ModelUnavailable)  # nobody is there: the next call would meet the same
            return Answer(error=error)
        except Exception as exc:  # a model object of the user's may raise anything: that item's error, not the batch's
            return Answer(error=SubcallError(f"{job.model.name} gave no answer: {type(exc).__name__}: {exc}"))
        return await self._read(job, reply, reply.usage)

    async def _read(self, job: _Job, reply: Reply, usage: Usage, *, again: bool = True) -> Answer:
        if not reply.text.strip():
            return Answer(error=_no_text(reply), usage=usage)
        if reply.finish == "length":
            self.warn("cut", f"a reply of {reply.model} was cut off at its length limit; its text is not whole")
        if job.returns is None:
            return Answer(value=reply.text, usage=usage)
        try:
            return Answer(value=job.returns.read(reply.text), usage=usage)
        except Misfit as misfit:
            if not again:
                error = SubcallError(f"{reply.model} gave no answer of the form asked for, twice: {misfit}")
                return Answer(error=error, usage=usage)
            return await self._repair(job, reply, usage, misfit)

    async def _repair(self, job: _Job, reply: Reply, usage: Usage, misfit: Misfit) -> Answer:
        """Ask once more, with what was wrong."""
        say, request = self._manner.pack.say, job.ask.request
        told = say("misfit", error=str(misfit), form=job.returns.words if job.returns else "")
        messages = (*request.messages, Message("assistant", reply.text), Message("user", told))
        ask = replace(job.ask, request=replace(request, messages=messages), key=None)
        tokens = sum(job.model.count(message.content) for message in messages)
        try:
            again = await self.calls.answer(job.model, ask, self._reserve(ask, job.model, tokens))
        except Exception as exc:  # a model object of the user's may raise anything
            error = SubcallError(f"{reply.model} gave no answer of the form asked for: {misfit} (not repaired: {exc})")
            return Answer(error=error, usage=usage)
        return await self._read(job, again, usage + again.usage, again=False)

    def _from_memo(self, model: Model, ask: Ask, reply: Reply, form: Returns | None) -> Answer | None:
        """The answer that the memo kept; None if it is of no use now."""
        if not reply.text.strip():
            return None
        try:
            value = reply.text if form is None else form.read(reply.text)
        except Misfit:
            return None
        self.calls.remembered(model, ask, reply)
        return Answer(value=value)

    # -- bookkeeping

    def warn(self, kind: str, text: str) -> None:
        """Say something of this run's sub-calls, once for each kind."""
        if kind not in self._warned:
            self._warned.add(kind)
            self.calls.stream.note(self.step, "warning", text)


def _form(returns: object) -> Returns | None:
    """The form asked for; None for plain text. Raises ConfigError for one that no model can write."""
    if returns is None or returns is str:
        return None
    form = Returns.of(returns)
    if not form.writable:
        raise ConfigError(f"a model can write no {form.words}; ask for a type made of text, numbers, lists and fields")
    return form


def _no_text(reply: Reply) -> SubcallError:
    why = "its reply was cut off while it was thinking" if reply.finish == "length" else "its reply was empty"
    return SubcallError(f"{reply.model} gave no answer: {why}")
