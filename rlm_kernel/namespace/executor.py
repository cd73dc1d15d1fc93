"""Executes the steps of one run in a namespace, and keeps every name that the user had."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Literal

from rlm_kernel.errors import ConfigError, RunEnded
from rlm_kernel.namespace.bindings import StepNames, names_in
from rlm_kernel.namespace.failures import failure_of
from rlm_kernel.namespace.frames import FrameCopies, is_frame
from rlm_kernel.namespace.interrupt import Interrupted, Interrupter, Watch
from rlm_kernel.namespace.journal import KEPT_BYTES, Journal
from rlm_kernel.namespace.layer import Layer
from rlm_kernel.namespace.marks import MISSING
from rlm_kernel.namespace.mutations import Mutations
from rlm_kernel.namespace.names import RunNames
from rlm_kernel.namespace.program import Piece, Value
from rlm_kernel.namespace.running import Ran, Runner, Scene
from rlm_kernel.namespace.summaries import summary_of
from rlm_kernel.namespace.vars import RunVars, globals_used
from rlm_kernel.namespace.withholding import require_known
from rlm_kernel.trajectory.records import Change, Failure, Final, Outcome, Output


class NamespaceExecutor:
    """Runs the model's code step by step. Matches the engine's Executor by shape."""

    def __init__(  # noqa: PLR0913  # what a run is made of, given by name
        self,
        runner: Runner,
        namespace: dict[str, object],
        *,
        contexts: Sequence[str] = (),
        values: Mapping[str, object] | None = None,
        withhold: Collection[str] = (),
        writable: frozenset[str] | Literal["all"] = frozenset(),
        doors: Mapping[str, Callable[..., object]] | None = None,
        extras: Mapping[str, object] | None = None,
        interrupter: Interrupter | None = None,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """Prepare; nothing is bound before the first step.

        Args:
            runner: runs one piece of code.
            namespace: the live names: a shell's ``user_ns``, or a dict of the run's own.
            contexts: names of the context variables.
            values: values of those of them that are not bound in `namespace`; they are there during executions only.
            withhold: columns of frames that the code must not get at.
            writable: names of the user's that the code may change for real.
            doors: the functions that lead to models, by name.
            extras: values bound during executions where nobody has such a name (``pd``, ``np``).
            interrupter: watches Ctrl-C for the whole run; without one each execution watches for itself.
            kept_bytes: old values kept for `rewind`, roughly.
        """
        self._runner = runner
        self._namespace = namespace
        self._contexts = tuple(contexts)
        self._values = dict(values or {})
        self._writable = writable
        self._copies = FrameCopies(withhold)
        self._check_withheld(withhold)
        self._mutations = Mutations()
        self._mentioned: set[str] = set()
        self._interrupter = interrupter or Interrupter()
        self._journal = Journal(kept_bytes)
        self._layer = Layer(namespace, runner.hidden, writable, self._journal)
        self._names = RunNames(namespace, contexts, doors or {}, extras or {}, self._is_variable)
        self._lasting: dict[str, object] = {}
        self._closed = False
        self.vars = RunVars(self._layer, namespace, frozenset({"context", "final", "Final", "answer"}))

    def execute(self, code: str, *, step: int, seconds: float | None) -> Outcome:
        """Run one step.

        Args:
            code: the model's code.
            step: its number.
            seconds: time after which it is interrupted; None for no bound.

        Raises:
            Interrupted: a KeyboardInterrupt with the outcome so far: the user interrupted.
            RunEnded: the executor is closed.
        """
        if self._closed:
            raise RunEnded("this run has ended; its code cannot be executed any more")
        interrupter = self._interrupter
        with ExitStack() as stack:
            if not interrupter.installed and threading.current_thread() is threading.main_thread():
                stack.enter_context(interrupter)
            before = interrupter.interrupts
            with interrupter.tidying():
                outcome = self._step(code, step, seconds)
            if interrupter.interrupts > before:
                raise Interrupted(outcome)
        return outcome

    def rewind(self, steps: int) -> tuple[str, ...]:
        """Put names back as they were after the first `steps` steps; 0 takes back everything. Also after `close`.

        What was changed in place stays changed.

        Returns:
            Names that were left as they are: the user has changed them since, or the old value was not kept.
        """
        lost = self._layer.rewind(self._journal.take_after(steps))
        self._copies.clear()
        return lost

    def close(self) -> None:
        """End the run: `context` and the like are gone already; let go of everything that is the user's."""
        if self._closed:
            return
        self._closed = True
        self._runner.close()
        self._keep_extras()
        self._names.forget()
        self._values.clear()
        self._copies.clear()
        self._journal.drop_values(keep=self._writable)

    def _step(self, code: str, step: int, seconds: float | None) -> Outcome:
        started = time.perf_counter()
        ran = Ran(value=Value())
        changes: list[Change] = []
        final: Final | None = None
        self._layer.notices.clear()
        with self._runner.scene() as scene:
            piece = _parsed(scene, code, step)
            if isinstance(piece, Failure):
                ran = Ran(value=Value(), failure=piece)
            else:
                ran, changes, final = self._run(piece, scene, step, seconds)
        output = Output(
            stdout=scene.capture.stdout.text(),
            stderr=scene.capture.stderr.text(),
            echo=scene.capture.echo.text(),
            rich=tuple(scene.rich),
            dropped=scene.capture.dropped,
            failure=ran.failure,
            changes=tuple(changes),
            notices=tuple(self._layer.notices),
            seconds=time.perf_counter() - started,
        )
        return Outcome(output=output, value=ran.value.value, has_value=ran.value.exists, final=final)

    def _run(
        self, piece: Piece, scene: Scene, step: int, seconds: float | None
    ) -> tuple[Ran, list[Change], Final | None]:
        facts = names_in(piece.tree)
        watch = Watch()
        try:
            self._swap_in(step, facts)
            self._names.begin()
            ran = scene.run(piece, self._namespace, lambda run: self._interrupter.call(run, seconds, watch))
            self._take_answer_form()
        finally:
            final = self._names.end()
            changes = self._layer.leave(facts, self._lasting)
            changes += self._mutated()
            self._hide_lasting()
        return _judged(ran, watch, seconds), changes, final

    def _swap_in(self, step: int, facts: StepNames) -> None:
        layer, names = self._layer, self._names
        layer.release()
        reachable = self._reachable(facts)
        self._mutations.begin(reachable)
        layer.lend(self._given(reachable), "given")
        layer.lend_layer()
        layer.lend(names.offered, "offered")
        context = names.context({name: self._namespace[name] for name in self._contexts if name in self._namespace})
        if context is not MISSING:
            layer.lend({"context": context}, "protected")
        self._lasting = {name: value for name, value in names.lasting.items() if not self._is_needed(name)}
        layer.lend(self._lasting, "protected")
        layer.begin(step)

    def _reachable(self, facts: StepNames) -> dict[str, object]:
        """The user's variables that the code reaches by name: mentioned in this run, or used by a function that was."""
        layer, namespace = self._layer, self._namespace
        self._mentioned |= facts.mentions
        names = self._mentioned | set(self._contexts)
        for name in [name for name in names if name in namespace]:
            names = names | globals_used(namespace[name], namespace)
        withholds = bool(self._copies.withheld)
        if facts.anything:
            names |= {name for name, value in dict(namespace).items() if withholds or is_frame(value)}
        outputs = {"Out", "_oh"} & names & namespace.keys() if withholds else set()
        found = {name: namespace[name] for name in names if layer.is_users(name) and name not in layer.apart}
        found |= {name: namespace[name] for name in outputs}
        return {**found, **{name: value for name, value in self._values.items() if name not in layer.apart}}

    def _given(self, reachable: Mapping[str, object]) -> dict[str, object]:
        """What is bound in place of the user's objects: contexts that are not in the namespace, copies of frames."""
        given = {}
        for name, value in reachable.items():
            if self._layer.is_writable(name) and not self._copies.needs_withholding(name, value):
                continue
            lent = self._copies.lend(name, value)
            if lent is not value or name in self._values:
                given[name] = lent
        for name in sorted(self._copies.take_refused()):
            self._layer.notices.append(
                f"`{name}` cannot be copied cheaply: changing it in place changes the user's own."
            )
        return given

    def _mutated(self) -> list[Change]:
        """Changes in place: of the copies, which become the run's versions, and of the user's own objects."""
        changes = []
        for name, frame in self._copies.take_changed().items():
            if name not in self._layer.apart:
                self._layer.put_apart(name, frame)
                changes.append(Change(name=name, how="mutated", summary=summary_of(frame), kept_apart=True))
        for name, value in self._mutations.end().items():
            changes.append(Change(name=name, how="mutated", summary=summary_of(value)))
        return changes

    def _take_answer_form(self) -> None:
        value = self._namespace.get("answer")
        if not isinstance(value, dict) or not {"content", "ready"} <= value.keys():
            return
        if self._layer.adopt("answer", value):
            self._names.answer = value
            self._names.read_answer(value, is_ours=True)
        else:
            self._names.read_answer(value, is_ours=not self._layer.was_bound_to("answer", value))

    def _hide_lasting(self) -> None:
        for name, value in self._lasting.items():
            if self._namespace.get(name) is value:
                self._runner.hidden[name] = value

    def _is_needed(self, name: str) -> bool:
        """Whether the user's own variable of a name matters more than ours: a context, or `budget`, a common word."""
        return name in self._contexts or (name == "budget" and self._layer.is_users(name))

    def _keep_extras(self) -> None:
        """A function that the run wrote may need a module that was only lent: then it stays."""
        used: set[str] = set()
        for value in self.vars.values():
            used |= globals_used(value, self._namespace)
        for name, value in self._names.extras.items():
            if name in used:
                self._namespace.setdefault(name, value)

    def _check_withheld(self, withhold: Collection[str]) -> None:
        """Refuse what cannot be done, before anything is shown to a model."""
        if not withhold:
            return
        values = {**dict(self._namespace), **self._values}
        handed = self._contexts if self._writable == "all" else self._writable
        for name in handed:
            if self._copies.needs_withholding(name, values.get(name)):
                raise ConfigError(f"{name} holds withheld columns, so it cannot be handed over to be changed for real")
        require_known(withhold, {name: value for name, value in values.items() if not name.startswith("__")})

    def _is_variable(self, name: str, value: object) -> bool:
        if name.startswith("_") or self._layer.is_hidden(name) or name == "context":
            return False
        return (
            self._names.lasting.get(name, MISSING) is not value and self._names.offered.get(name, MISSING) is not value
        )


def _parsed(scene: Scene, code: str, step: int) -> Piece | Failure:
    try:
        return scene.parse(code, step)
    except Exception as error:  # a SyntaxError most of all; a transformer of the user's may raise anything
        return failure_of(error, getattr(error, "filename", None) or "", label=f"Step {step}")


def _judged(ran: Ran, watch: Watch, seconds: float | None) -> Ran:
    """Tell an interrupt from outside from what the code raised itself."""
    failure = ran.failure
    if failure is None or not (watch.timed_out or watch.by_user):
        return ran
    if watch.timed_out and not watch.by_user:
        kind, message = "TimeoutError", f"the step was stopped after {seconds:g} seconds"
    else:
        kind, message = "KeyboardInterrupt", "the user interrupted the step"
    told = Failure(kind=kind, message=message, traceback=failure.traceback, line=failure.line, interrupted=True)
    return Ran(value=ran.value, error=ran.error, failure=told)
