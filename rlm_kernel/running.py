"""One run, as the user holds it: the answer, the steps, the calls, the namespace, and how to go on.

Named `running` because `rlm_kernel.run` and `rlm_kernel.runs` are functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rlm_kernel.config import changed_limits
from rlm_kernel.engine.background import Scope
from rlm_kernel.engine.calls import Calls
from rlm_kernel.engine.driver import Driver, Ending
from rlm_kernel.engine.feedback import text_of
from rlm_kernel.engine.loop import Root
from rlm_kernel.engine.ports import Model
from rlm_kernel.engine.stepper import Decision, Stepper
from rlm_kernel.errors import ConfigError, LimitReached, RLMError, RunEnded
from rlm_kernel.recorded import RecordedRun
from rlm_kernel.trajectory.events import AnyEvent, RunFinished, Status
from rlm_kernel.trajectory.grounding import unseen_figures
from rlm_kernel.trajectory.recorder import Sink, Stream
from rlm_kernel.trajectory.secrets import Secrets
from rlm_kernel.trajectory.tree import Node, Tree

_ANSWER_CHARS = 20_000


class Interrupts(Protocol):
    """Guards a drive against Ctrl-C: a context manager that tells afterwards whether the user interrupted."""

    interrupted: bool

    def __enter__(self) -> object: ...

    def __exit__(self, *exc: object) -> bool | None: ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a run is wired from."""

    root: Root
    driver: Driver
    calls: Calls
    sub_model: Model
    stream: Stream
    interrupts: Interrupts
    namespace: dict[str, object]
    vars: Mapping[str, object]
    secrets: Secrets
    replay: Callable[[Run, Mapping[str, object] | None], Run]
    """Runs a run again from its record."""
    close: Callable[[], None]
    """Gives the user's names back for good and lets go of what was held for the run."""


class Run(RecordedRun):
    """A run of the root model over the user's data. Made by `rlm_kernel.run` and by ``%%rlm``."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ending: Ending | None = None
        self._released = False
        self._status: Status = "running"

    @property
    def status(self) -> Status:
        """``running``, ``paused``, ``done``, ``stopped``, ``limit`` or ``failed``."""
        return self._status

    # -- what it found

    @property
    def answer(self) -> object:
        """The answer, a live object; None if there is none. See `extracted`."""
        return self._ending.value if self._ending else None

    @property
    def extracted(self) -> bool:
        """True if the answer was taken from the evidence after a limit, not given by FINAL."""
        return bool(self._ending and self._ending.extracted)

    @property
    def error(self) -> RLMError | None:
        """Why the run ended otherwise than done."""
        return self._ending.error if self._ending else None

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """The trajectory."""
        return tuple(self._parts.stream.recorder.events)

    def listen(self, sink: Sink) -> Callable[[], None]:
        """Tell a sink all events so far and every one to come; gives what ends that."""
        recorder = self._parts.stream.recorder
        recorder.listen(sink)
        return lambda: recorder.leave(sink)

    @property
    def stepper(self) -> Stepper:
        """Where the run waits, for whoever shows buttons."""
        return self._parts.driver.stepper

    # -- what it left

    @property
    def namespace(self) -> dict[str, object]:
        """The namespace it ran in: the user's own in a notebook, a fresh one in a script."""
        return self._parts.namespace

    @property
    def vars(self) -> Mapping[str, object]:
        """The run's versions of names: what it made, and its own values of names that the user keeps."""
        return self._parts.vars

    @property
    def sub_model(self) -> Model:
        """The model that its sub-calls ask."""
        return self._parts.sub_model

    # -- going on

    def drive(self) -> Run:
        """Go on until the run ends. Called once by the session; afterwards use `resume`.

        Raises:
            KeyboardInterrupt: a real one. The run is ``stopped`` and can be resumed.
        """
        self._status = "running"
        self._parts.calls.budget.go_on()
        try:
            with self._parts.interrupts as interrupts:
                ending = self._parts.driver.run(lambda: bool(getattr(interrupts, "interrupted", False)))
        except BaseException:
            self._finish(Ending(status="stopped", error=RunEnded("interrupted")))
            raise
        self._finish(ending)
        return self

    @property
    def waiting(self) -> str | None:
        """The code that waits to be run while the run is paused or stopped before a step."""
        waiting = self._parts.driver.waiting
        return waiting.code if waiting is not None and self.status in {"paused", "stopped"} else None

    def step(self, code: str | None = None) -> Run:
        """Run the code that waits, ask for the next, and pause again.

        Args:
            code: run this instead; the model is told that it is what ran.

        Raises:
            RunEnded: no code waits.
        """
        return self._decided(Decision() if code is None else Decision(action="edit", code=code), one_step=True)

    def skip(self) -> Run:
        """Let the code that waits not run, ask for the next, and pause again. Raises RunEnded if none waits."""
        return self._decided(Decision(action="skip"), one_step=True)

    def reject(self, reason: str) -> Run:
        """Let it not run and tell the model why; then pause again. Raises RunEnded if no code waits."""
        if not reason.strip():
            raise ConfigError("say why the code may not run: the model is told")
        return self._decided(Decision(action="reject", reason=reason.strip()), one_step=True)

    def hint(self, text: str) -> None:
        """Tell the model something with its next request. Raises RunEnded if there will be none."""
        if self._released or self.status in {"done", "failed"}:
            raise RunEnded(f"run {self.id} is {self.status}; the model is asked nothing more")
        self._parts.root.hint(self._parts.secrets.blank(text.strip()))

    def _decided(self, decision: Decision, *, one_step: bool) -> Run:
        if self.waiting is None or self._released:
            raise RunEnded(f"run {self.id} is {self.status}; no code of it waits to be run")
        self._parts.driver.decide(decision)
        return self._go_on(one_step=one_step)

    def resume(self, **limits: float | None) -> Run:
        """Go on from a pause, a stop or a limit. Code that was interrupted is not run again.

        Args:
            limits: new limits by the names of `Limits`, such as ``cost=2``; those not named stay.

        Raises:
            RunEnded: the run is neither paused, stopped nor at a limit, or another one has taken over since.
            ConfigError: a limit does not fit, or the one that it reached has not been raised.
        """
        changed = changed_limits(limits, "resume")
        if self.status not in {"paused", "stopped", "limit"}:
            raise RunEnded(f"run {self.id} is {self.status}; only a run that is paused, stopped or at a limit goes on")
        if self._released:
            raise RunEnded(f"run {self.id} was let go when a later one began; ask its question again")
        parts = self._parts
        if isinstance(self.error, LimitReached):
            self._check_raised(self.error, changed)
            parts.driver.restart(parts.root.solve())
        parts.root.most_steps = changed.get("steps", parts.root.most_steps)  # type: ignore[assignment]  # an int
        parts.calls.budget.change(**changed)
        if "concurrency" in changed:
            parts.calls.gates.change(parts.calls.budget.limits.concurrency)
        parts.driver.decide(Decision())
        return self._go_on(one_step=False)

    def _check_raised(self, reached: LimitReached, changed: Mapping[str, float | None]) -> None:
        """Raise a ConfigError if the run would meet the limit again: it would pay for one more last answer."""
        kind, budget = reached.kind, self._parts.calls.budget
        used = {"calls": budget.used.calls, "tokens": budget.used.tokens, "cost": budget.used.dollars}
        enough = max(reached.limit, used.get(kind, 0))
        value = changed.get(kind, enough)
        if value is not None and value <= enough:
            raise ConfigError(
                f"the run would meet the same limit at once: {kind}; name one higher than {enough:g} ({kind}=...)"
            )

    def _go_on(self, *, one_step: bool) -> Run:
        parts = self._parts
        parts.driver.stepper.go_on(one_step=one_step)
        parts.calls.scope = Scope(parts.calls.scope.on_tick)
        return self.drive()

    def replay(self, context: Mapping[str, object] | None = None) -> Run:
        """Run it again: its recorded replies drive the real loop, with no network and no cost.

        Args:
            context: the context variables, by name; those of the run's namespace if left out.

        Returns:
            The new run. Where its outputs differ, its `warnings` say so.
        """
        return self._parts.replay(self, context)

    def pause(self) -> None:
        """Have the run wait before its next step. From any thread."""
        self._parts.driver.stepper.pause()

    def stop(self) -> None:
        """Stop the run, from any thread: every request in flight is cancelled, none is sent after."""
        self._parts.calls.scope.stop()
        if self.status == "paused":
            self._finish(Ending(status="stopped", error=RunEnded("stopped while it was paused")))

    def release(self) -> None:
        """Let go of what is held for going on: another run takes the namespace over."""
        self._released = True
        self._parts.close()

    def _finish(self, ending: Ending) -> None:
        parts = self._parts
        parts.calls.scope.stop()  # threads that the run left behind make no more calls
        parts.calls.budget.release()
        parts.calls.budget.pause()
        parts.calls.flush()
        if ending.status == "paused":
            self._ending, self._status = ending, "paused"
            return
        if ending.status not in {"stopped", "limit"}:
            self.release()
        answer = parts.secrets.blank(text_of(ending.value, _ANSWER_CHARS)) if ending.has_value else ""
        if isinstance(ending.value, str) and (unseen := unseen_figures(answer, self._node)):
            step = self._node.steps[-1].number if self._node.steps else 0
            parts.stream.note(step, "remark", f"in no output that the model saw: {', '.join(unseen)}")
        self._say_what_has_no_price()
        self._ending, self._status = ending, ending.status
        parts.stream.emit(
            RunFinished,
            status=ending.status,
            answer=answer,
            extracted=ending.extracted,
            error=str(ending.error) if ending.error else None,
        )

    def remark(self, text: str) -> None:
        """Add a warning for whoever reads the answer."""
        self._parts.stream.note(self._node.steps[-1].number if self._node.steps else 0, "warning", text)

    def _say_what_has_no_price(self) -> None:
        limit = self._parts.calls.budget.limits.cost
        if self._node.started.parent is not None or limit is None or self._tree.usage.cost is not None:
            return
        models = dict.fromkeys(call.model for call in self.calls if call.usage.unpriced)
        text = f"the price of {', '.join(models)} is not known: the limit of ${limit:g} does not hold it"
        self._parts.stream.note(self._node.steps[-1].number if self._node.steps else 0, "notice", text)

    # -- looks

    @property
    def id(self) -> str:
        """The run's id."""
        return self._parts.stream.run

    @property
    def _known_secrets(self) -> Secrets:
        return self._parts.secrets

    @property
    def _tree(self) -> Tree:  # type: ignore[override]  # the fold grows while the run goes on
        return self._parts.stream.recorder.tree

    @property
    def _node(self) -> Node:  # type: ignore[override]  # the same
        return self._tree.runs[self.id]

    def __repr__(self) -> str:
        said = f", error={self.error}" if self.error else ""
        if self._ending and self._ending.has_value:
            said = f", answer={self._parts.secrets.blank(text_of(self.answer, 80))!r}"
        return f"<Run {self.id} {self.status}: {self._used()}{said}>"
