"""The driver: performs the loop's actions for real, one at a time, and keeps the one that is pending."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rlm_kernel.budget import Reservation
from rlm_kernel.engine.actions import Action, Execute, Generate, Note, Solved
from rlm_kernel.engine.calls import Ask
from rlm_kernel.engine.loop import Solving
from rlm_kernel.engine.ports import Executor, Model
from rlm_kernel.engine.stepper import Coming, Decision, Stepper
from rlm_kernel.engine.subcalls import KEPT_FREE, Subcalls
from rlm_kernel.errors import LimitReached, ModelError, RLMError, RunEnded, RunNotDone
from rlm_kernel.trajectory.events import Paused, Resumed, Status, StepFinished, StepStarted
from rlm_kernel.trajectory.records import Outcome, Output, Reply, Request

_LAST_CALL_SECONDS = 20.0
"""Time for the one call that answers from the evidence after the time limit."""


class _Waits(Exception):  # no error: it leaves the drive
    """The run waits for its user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a drive ended."""

    status: Status
    value: object = None
    has_value: bool = False
    extracted: bool = False
    error: RLMError | None = None


class Driver:
    """Drives one loop."""

    def __init__(
        self,
        solving: Solving,
        *,
        model: Model,
        executor: Executor,
        subcalls: Subcalls,
        stepper: Stepper | None = None,
    ) -> None:
        self._solving = solving
        self._model = model
        self._executor = executor
        self._calls = subcalls.calls
        self._subcalls = subcalls
        self._began = False
        self.pending: Action | None = None
        """The action that was asked for and has no outcome yet: what a stopped run would go on with."""
        self._interrupted: Outcome | None = None
        self.stepper = stepper or Stepper()
        self._decision: Decision | None = None
        self._failed = False
        self._sizes: dict[str, int] = {}  # each request repeats the texts of the one before it

    def run(self, interrupted: Callable[[], bool] = lambda: False) -> Ending:
        """Perform actions until the loop ends.

        Args:
            interrupted: tells whether the user stopped the run; asked when a wait was cut short.

        Returns:
            The ending: done, limit, failed, paused, or stopped if the scope was stopped.

        Raises:
            KeyboardInterrupt: a real one; the pending action is kept.
        """
        try:
            self._begin()
            while self.pending is not None:
                self._take_one(self.pending)
        except StopIteration as stop:
            solved: Solved = stop.value
            return Ending(
                status="limit" if solved.extracted else "done",
                value=solved.value,
                has_value=True,
                extracted=solved.extracted is not None,
                error=solved.extracted,
            )
        except _Waits:
            return Ending(status="paused")
        except LimitReached as exc:
            return Ending(status="limit", error=exc)
        except RunEnded as exc:
            if interrupted():
                raise KeyboardInterrupt from None
            return Ending(status="stopped", error=exc)
        except RunNotDone as exc:
            return Ending(status="failed", error=exc, value=exc.value, has_value=exc.value is not None)
        except RLMError as exc:
            return Ending(status="failed", error=exc)
        raise AssertionError("a loop ends by returning")

    @property
    def waiting(self) -> Execute | None:
        """The step that waits to be run, if one does."""
        return self.pending if isinstance(self.pending, Execute) and self._interrupted is None else None

    def decide(self, decision: Decision) -> None:
        """Say what is to become of the step that waits; it happens with the next `run`."""
        waiting = self.waiting
        if waiting is None:
            return
        self._decision = decision
        self._calls.stream.emit(
            Resumed, step=waiting.step, action=decision.action, code=decision.code, reason=decision.reason
        )

    def restart(self, solving: Solving) -> None:
        """Go on with another generator: the loop ended at a limit that has been raised since."""
        self._solving, self._began, self.pending, self._interrupted = solving, False, None, None

    def _begin(self) -> None:
        if not self._began:
            self._advance(None)
        elif self._interrupted is not None:  # its code is not run again: what it did is its outcome
            outcome, self._interrupted = self._interrupted, None
            self._advance(outcome)

    def _take_one(self, action: Action) -> None:
        if isinstance(action, Execute) and self._decision is None and (why := self._why(action)) is not None:
            self._calls.stream.emit(Paused, step=action.step, code=action.code, why=why)
            decision = self.stepper.decided(lambda: self._calls.scope.stopped)
            if decision is None:
                raise _Waits
            self.decide(decision)
        try:
            outcome = self._perform(action)
        except (ModelError, LimitReached) as exc:
            self._throw(exc)
        else:
            self._advance(outcome)

    def _advance(self, outcome: Reply | Outcome | None) -> None:
        self.pending = self._solving.send(outcome) if self._began else next(self._solving)
        self._began = True

    def _throw(self, exc: RLMError) -> None:
        self.pending = self._solving.throw(exc)

    def _perform(self, action: Action) -> Reply | Outcome | None:
        match action:
            case Generate():
                return self._generate(action)
            case Execute():
                outcome = self._decided(action)
                self._failed = outcome.output.failure is not None
                return outcome
            case Note():
                self._calls.stream.note(action.step, action.kind, action.text)
                return None

    def _generate(self, action: Generate) -> Reply:
        budget = self._calls.budget
        last = action.purpose == "extract"
        left, most = budget.seconds_left, budget.limits.call_seconds
        times = [
            t for t in (_LAST_CALL_SECONDS if last and left is not None and left < 1 else left, most) if t is not None
        ]
        request = Request(
            messages=action.messages,
            temperature=action.temperature,
            seed=action.seed,
            max_tokens=action.max_tokens,
            timeout=min(times, default=None),
        )
        ask = Ask(request=request, purpose=action.purpose, step=action.step)
        reservation = self._reserve(request, last=last)
        try:
            return self._calls.one(self._model, ask, reservation)
        except ModelError:
            if not last:
                budget.check_time()  # a call cut short by the run's own time limit is that limit, not a model's failure
            raise
        except RLMError:
            raise
        except Exception as exc:  # a model object of the user's own may raise anything
            said = " ".join(str(exc).split())
            raise ModelError(f"{self._model.name} failed: {type(exc).__name__}: {said}") from exc

    def _reserve(self, request: Request, *, last: bool) -> Reservation:
        budget, is_child = self._calls.budget, self._calls.stream.depth > 0
        if last and not is_child:
            return budget.reserve_last()
        # A child leaves free what its ancestors need to end: a reply, and an answer from the evidence.
        keep = KEPT_FREE if is_child else min(1, budget.used.calls)
        tokens = sum(self._tokens(message.content) for message in request.messages)
        return budget.reserve(self._calls.needs(self._model, tokens, request), keep_calls=keep)

    def _tokens(self, text: str) -> int:
        size = self._sizes.get(text)
        if size is None:
            size = self._sizes[text] = self._model.count(text)
        return size

    def _why(self, action: Execute) -> str | None:
        """Why the run waits before a step; None if it goes on."""
        dollars = self._calls.budget.used.dollars
        coming = Coming(step=action.step, code=action.code, failed_before=self._failed, dollars=dollars)
        return self.stepper.why(coming)

    def _decided(self, action: Execute) -> Outcome:
        decision, self._decision = self._decision or Decision(), None
        match decision.action:
            case "skip":
                return Outcome(output=Output(), refused="")
            case "reject":
                return Outcome(output=Output(), refused=decision.reason)
            case "edit":
                return replace(self._execute(replace(action, code=decision.code)), ran=decision.code)
            case _:
                return self._execute(action)

    def _execute(self, action: Execute) -> Outcome:
        budget, stream = self._calls.budget, self._calls.stream
        budget.check_time()
        self._subcalls.step = action.step
        stream.emit(StepStarted, step=action.step, code=action.code)
        try:
            outcome = self._executor.execute(action.code, step=action.step, seconds=budget.seconds_left)
        except KeyboardInterrupt as exc:
            partial = getattr(exc, "outcome", None)
            if isinstance(partial, Outcome):  # what the step did before it was interrupted stays on record
                self._interrupted = partial
                stream.emit(StepFinished, step=action.step, output=partial.output, final=partial.final is not None)
            raise
        stream.emit(StepFinished, step=action.step, output=outcome.output, final=outcome.final is not None)
        return outcome
