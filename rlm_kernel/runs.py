"""One run, as the user holds it: the answer, the steps, the calls, the namespace, and how to go on.

Named `runs` because `rlm_kernel.run` is the function.
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
from rlm_kernel.engine.stepper import Decision
from rlm_kernel.errors import ConfigError, LimitReached, RLMError, RunEnded
from rlm_kernel.trajectory.events import AnyEvent, RunFinished, Status
from rlm_kernel.trajectory.grounding import unseen_figures
from rlm_kernel.trajectory.recorder import Stream
from rlm_kernel.trajectory.records import Change, Failure, Rich
from rlm_kernel.trajectory.secrets import Secrets
from rlm_kernel.trajectory.tree import Call, Node, Tree
from rlm_kernel.trajectory.tree import Step as StepNode
from rlm_kernel.usage import Usage

_ANSWER_CHARS = 20_000


class Interrupts(Protocol):
    """Guards a drive against Ctrl-C: a context manager that tells afterwards whether the user interrupted."""

    interrupted: bool

    def __enter__(self) -> object: ...

    def __exit__(self, *exc: object) -> bool | None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run. `number` counts from 1."""

    number: int
    code: str
    output: str
    """What it printed and echoed, whole."""
    changed: tuple[Change, ...]
    """Names bound, rebound, deleted or mutated."""
    failure: Failure | None
    """The exception that ended it, if one did."""
    rich: tuple[Rich, ...]
    """Figures and tables, as mime bundles."""
    calls: int
    """Sub-calls made in it."""
    seconds: float


class TreeView:
    """The recursion tree of a run: prints as text, shows as HTML in a notebook."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    @property
    def folded(self) -> Tree:
        """The fold of events that it shows."""
        return self._tree

    def __str__(self) -> str:
        from rlm_kernel.views.text import render

        return render(self._tree)

    __repr__ = __str__

    def _repr_mimebundle_(self, **_: object) -> dict[str, object]:
        from rlm_kernel.views.bundle import bundle

        return bundle(self._tree)


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
    close: Callable[[], None]
    """Gives the user's names back for good and lets go of what was held for the run."""


class Run:
    """A run of the root model over the user's data. Made by `rlm_kernel.run` and by ``%%rlm``."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ending: Ending | None = None
        self._released = False
        self.status: Status = "running"

    # -- what it found

    @property
    def id(self) -> str:
        """The run's id."""
        return self._parts.stream.run

    @property
    def question(self) -> str:
        """What was asked."""
        return self._node.started.question

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
    def warnings(self) -> tuple[str, ...]:
        """What the reader of the answer should know, one line each: of this run, and the warnings of those below it."""
        own = _said(self._node, "warning", "remark")
        below = [text for run in self._tree.below(self.id) for text in _said(self._tree.runs[run], "warning")]
        return (*own, *dict.fromkeys(f"in a child run: {text}" for text in below))

    # -- how it went

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in order. ``steps[0].number`` is 1."""
        return tuple(_step(step) for step in self._node.steps if step.started)

    @property
    def calls(self) -> tuple[Call, ...]:
        """Every call to a model, the root's and sub-calls, in the order they left."""
        return tuple(self._tree.calls.values())

    @property
    def usage(self) -> Usage:
        """Calls and tokens, its own and its children's."""
        return self._tree.usage

    @property
    def cost(self) -> float | None:
        """Dollars, its own and its children's; None if the price of any call is not known."""
        return self.usage.cost

    @property
    def seconds(self) -> float:
        """Wall clock from the first event to the last."""
        events = self.events
        return events[-1].at - events[0].at if events else 0.0

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """The trajectory."""
        return tuple(self._parts.stream.recorder.events)

    def tree(self) -> TreeView:
        """The recursion tree; print it, or let the notebook show it."""
        return TreeView(self._tree)

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
        self.status = "running"
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
            self._ending, self.status = ending, "paused"
            return
        if ending.status not in {"stopped", "limit"}:
            self.release()
        answer = parts.secrets.blank(text_of(ending.value, _ANSWER_CHARS)) if ending.has_value else ""
        if isinstance(ending.value, str) and (unseen := unseen_figures(answer, self._node)):
            step = self._node.steps[-1].number if self._node.steps else 0
            parts.stream.note(step, "remark", f"in no output that the model saw: {', '.join(unseen)}")
        self._say_what_has_no_price()
        self._ending, self.status = ending, ending.status
        parts.stream.emit(
            RunFinished,
            status=ending.status,
            answer=answer,
            extracted=ending.extracted,
            error=str(ending.error) if ending.error else None,
        )

    def _say_what_has_no_price(self) -> None:
        limit = self._parts.calls.budget.limits.cost
        if self._node.started.parent is not None or limit is None or self._tree.usage.cost is not None:
            return
        models = dict.fromkeys(call.model for call in self.calls if call.usage.unpriced)
        text = f"the price of {', '.join(models)} is not known: the limit of ${limit:g} does not hold it"
        self._parts.stream.note(self._node.steps[-1].number if self._node.steps else 0, "notice", text)

    # -- looks

    @property
    def _tree(self) -> Tree:
        return self._parts.stream.recorder.tree

    @property
    def _node(self) -> Node:
        return self._tree.runs[self.id]

    def __repr__(self) -> str:
        from rlm_kernel.views.words import count

        usage = self.usage
        said = f", error={self.error}" if self.error else ""
        if self._ending and self._ending.has_value:
            said = f", answer={self._parts.secrets.blank(text_of(self.answer, 80))!r}"
        used = f"{count(len(self.steps), 'step')}, {count(usage.calls, 'call')}, {usage.tokens:,} tokens"
        return f"<Run {self.id} {self.status}: {used}{said}>"


def _said(node: Node, *kinds: str) -> list[str]:
    return [note.text for step in node.steps for note in step.notes if note.kind in kinds]


def _step(step: StepNode) -> Step:
    assert step.started is not None
    output = step.finished.output if step.finished else None
    return Step(
        number=step.number,
        code=step.started.code,
        output=output.text if output else "",
        changed=output.changes if output else (),
        failure=output.failure if output else None,
        rich=output.rich if output else (),
        calls=len(step.sub_calls),
        seconds=output.seconds if output else 0.0,
    )
