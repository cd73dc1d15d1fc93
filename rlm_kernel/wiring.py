"""How a run is put together from its parts."""

from __future__ import annotations

import itertools
import os
import secrets as randomness
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from rlm_kernel.budget import Budget, Limits
from rlm_kernel.children import ChildQuestion, Children
from rlm_kernel.config import Settings
from rlm_kernel.describe import BRIEF, FULL, describe, inventory
from rlm_kernel.doors import Desk, Doors
from rlm_kernel.engine.background import Scope
from rlm_kernel.engine.calls import Calls
from rlm_kernel.engine.driver import Driver
from rlm_kernel.engine.gate import Gates
from rlm_kernel.engine.loop import Root
from rlm_kernel.engine.ports import Executor, Memo, Model
from rlm_kernel.engine.returns import Returns
from rlm_kernel.engine.stepper import Stepper
from rlm_kernel.engine.subcalls import Manner, Subcalls
from rlm_kernel.engine.task import Task
from rlm_kernel.errors import ConfigError
from rlm_kernel.namespace.bindings import names_in
from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.interrupt import Interrupter
from rlm_kernel.namespace.inventory import user_names
from rlm_kernel.namespace.risks import risks, tree_of
from rlm_kernel.namespace.runners import PlainRunner, ShellRunner
from rlm_kernel.prompts.pack import Pack, choose
from rlm_kernel.question import Question, Watch
from rlm_kernel.running import Parts, Run
from rlm_kernel.trajectory.events import RunStarted
from rlm_kernel.trajectory.recorder import Recorder, Sink, Stream
from rlm_kernel.trajectory.records import Binding, Outcome
from rlm_kernel.trajectory.secrets import Secrets

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """Where in the tree a run stands, and what it shares with the runs above it."""

    scope: Scope
    budget: Budget
    stream: Stream
    gates: Gates
    memo: Memo | None
    step: int | None = None
    """The parent's step that started it."""
    batch: int | None = None

    def calls(self) -> Calls:
        """What makes the calls of a run here."""
        return Calls(scope=self.scope, budget=self.budget, stream=self.stream, gates=self.gates, memo=self.memo)

    def below(self, run: str, scope: Scope, question: ChildQuestion) -> Level:
        """The level of a child run; `scope` is its parent's, which is another one once that was resumed."""
        return replace(
            self,
            scope=scope.child(),
            budget=self.budget.child(),
            stream=self.stream.below(run),
            step=question.step,
            batch=question.batch,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """Everything that a run is made from."""

    question: Question
    settings: Settings
    namespace: dict[str, object]
    shell: InteractiveShell | None
    root: Model
    sub: Model
    doors: Doors
    secrets: Secrets
    """Known secret values, for the run and all its child runs."""
    executing: Callable[[Desk], AbstractContextManager[None]]
    """Entered while a step executes."""
    watch: Watch
    replay: Callable[[Run, Mapping[str, object] | None], Run]
    """Runs a run again from its record."""
    steppers: list[Stepper] = field(default_factory=list)
    """The root run's, once it is made: its children's look to it."""

    def run(self, level: Level) -> Run:
        """Put the run together; it does not begin until `Run.drive`."""
        calls = level.calls()
        window = calls.scope.run(self.root.window())
        sub_window = window if self.sub is self.root else calls.scope.run(self.sub.window())
        subcalls = Subcalls(
            calls, manner(self.sub, choose(self.sub.name, self.settings.pack), self.settings, self.secrets)
        )
        # A resumed run has another scope.
        interrupter = Interrupter(lambda: calls.scope.stop())  # noqa: PLW0108
        if level.stream.depth:
            calls.scope.on_stop = interrupter.stop
        inner = self._executor(interrupter, is_child=level.stream.depth > 0)
        root = Root(self._task(window, sub_window, level))
        desk = self._desk(level, subcalls, lambda: root.steps)
        stepper = self._stepper(level)
        self._announce(level, root.task)

        def close() -> None:
            inner.close()
            desk.children.close()
            stepper.close()

        executor = _Watched(inner=inner, desk=desk, secrets=self.secrets, executing=self.executing)
        return Run(
            Parts(
                root=root,
                driver=Driver(root.solve(), model=self.root, executor=executor, subcalls=subcalls, stepper=stepper),
                calls=calls,
                sub_model=self.sub,
                stream=calls.stream,
                interrupts=interrupter,
                namespace=self.namespace,
                vars=inner.vars,
                secrets=self.secrets,
                replay=self.replay,
                close=close,
            ),
        )

    def _stepper(self, level: Level) -> Stepper:
        """Where the run waits for its user: a root's wishes; child runs go on."""
        if level.stream.depth:
            return Stepper(above=self.steppers[0] if self.steppers else None)
        doors = frozenset(self.doors.functions()) - {"budget"}

        def users() -> Collection[str]:
            hidden = getattr(self.shell, "user_ns_hidden", {})
            return {*user_names(self.namespace, hidden), *self.question.values}

        stepper = Stepper(
            stops=self.question.stops,
            risks=lambda code: risks(tree_of(code, self.shell), users()),
            calls_models=lambda code: not doors.isdisjoint(names_in(tree_of(code, self.shell)).mentions),
        )
        self.steppers.append(stepper)
        return stepper

    @property
    def pack(self) -> Pack:
        """The root model's prompts."""
        return choose(self.root.name, self.settings.pack)

    def by_hand(self, level: Level) -> Desk:
        """What query functions do outside any run: a run with no root model and no steps."""
        self._announce(level, Task(question=self.question.text, contexts=(), pack=self.pack, window=0, count=len))
        return self._desk(
            level, Subcalls(level.calls(), manner(self.sub, self.pack, self.settings, self.secrets)), lambda: 0
        )

    def _desk(self, level: Level, subcalls: Subcalls, steps: Callable[[], int]) -> Desk:
        numbers = itertools.count(1)
        children = Children(
            subcalls,
            start=lambda question: self._child(level, subcalls.calls.scope, question, next(numbers)),
            parents=self._context_values,
            depth=level.stream.depth,
        )
        depth = level.stream.depth
        return Desk(
            subcalls=subcalls,
            children=children,
            left=lambda: left_of(level.budget, steps=steps(), depth=depth),
        )

    def _child(self, level: Level, scope: Scope, question: ChildQuestion, number: int) -> Run:
        """A child run: a namespace of its own with one variable, the sub-model as its root."""
        below = level.below(f"{level.stream.run}.{number}", scope, question)
        given = {} if question.context is None else {"context": question.context}
        asked = Question(text=question.text, contexts=tuple(given), values=given, returns=question.returns)
        return replace(
            self,
            question=asked,
            namespace={"__name__": "__main__"},
            shell=None,
            root=question.model,
            executing=self.doors.executing,
        ).run(below)

    def _context_values(self) -> dict[str, object]:
        values = {**self.namespace, **self.question.values}
        return {name: values[name] for name in self.question.contexts if name in values}

    def _executor(self, interrupter: Interrupter, *, is_child: bool) -> NamespaceExecutor:
        write = self.question.write
        return NamespaceExecutor(
            ShellRunner(self.shell) if self.shell else PlainRunner(is_child=is_child),
            self.namespace,
            contexts=self.question.contexts,
            values=self.question.values,
            writable="all" if "all" in write else write,
            withhold=self.question.withhold,
            doors=self.doors.functions(),
            extras=_extras(self.pack),
            interrupter=interrupter,
        )

    def _task(self, window: int, sub_window: int, level: Level) -> Task:
        contexts = tuple(map(self.secrets.blank_binding, self._described()))
        limits, depth = level.budget.limits, level.stream.depth
        return Task(
            question=self.secrets.blank(self.question.text.strip()),
            contexts=contexts,
            inventory="" if contexts or depth else self.secrets.blank(self._inventory()),
            pack=self.pack,
            window=window,
            count=self.root.count,
            steps=limits.steps,
            temperature=self.settings.temperature,
            seed=self.settings.seed,
            sub_window=sub_window,
            returns=Returns.of(self.question.returns) if self.question.returns is not None else None,
            depth=depth,
            levels=None if limits.depth is None else max(limits.depth - depth, 0),
        )

    def _described(self) -> tuple[Binding, ...]:
        detail = BRIEF if self.pack.settings.detail == "brief" else FULL
        values = self.question.values
        return tuple(
            describe(
                name,
                values[name] if name in values else self.namespace[name],
                withhold=self.question.withhold,
                detail=detail,
            )
            for name in self.question.contexts
        )

    def _inventory(self) -> str:
        hidden = frozenset(getattr(self.shell, "user_ns_hidden", ())) | frozenset(self.doors.functions())
        names = user_names(self.namespace, hidden)
        return inventory(self.namespace, names, withhold=self.question.withhold)

    def _announce(self, level: Level, task: Task) -> None:
        limits = level.budget.limits
        level.stream.emit(
            RunStarted,
            question=task.question,
            contexts=task.contexts,
            model=self.root.name,
            sub_model=self.sub.name,
            pack=self.pack.name,
            pack_hash=self.pack.hash,
            limits={item.name: getattr(limits, item.name) for item in fields(Limits)},
            step=level.step,
            batch=level.batch,
            window=task.window or None,
            sub_window=task.sub_window,
        )


def left_of(budget: Budget, *, steps: int, depth: int) -> Mapping[str, float | None]:
    """What ``budget()`` tells: what is left of each limit, None where there is none.

    Args:
        budget: of the run.
        steps: finished so far; the one that asks is under way.
        depth: of the run.
    """
    limits = budget.limits
    left: dict[str, float | None] = {one.kind: one.left for one in budget.left()}
    left["steps"] = None if limits.steps is None else max(limits.steps - steps - 1, 0)
    left["depth"] = None if limits.depth is None else max(limits.depth - depth, 0)
    return left


@dataclass(frozen=True, kw_only=True, slots=True)
class _Watched:
    """The executor as the engine sees it: while it runs the doors know whose calls come, and secrets are blanked."""

    inner: Executor
    desk: Desk
    secrets: Secrets
    executing: Callable[[Desk], AbstractContextManager[None]]

    def execute(self, code: str, *, step: int, seconds: float | None) -> Outcome:
        with self.executing(self.desk):
            try:
                outcome = self.inner.execute(code, step=step, seconds=seconds)
            except KeyboardInterrupt as exc:
                partial = getattr(exc, "outcome", None)
                if isinstance(partial, Outcome):
                    exc.outcome = replace(partial, output=self.secrets.blank_output(partial.output))  # type: ignore[attr-defined]  # Interrupted carries it
                raise
        return replace(outcome, output=self.secrets.blank_output(outcome.output))


def the_memo() -> Memo:
    """The process's store of answers."""
    from rlm_kernel.models.memo import shared

    return shared()


def stored(run: str, settings: Settings) -> Sink:
    """What keeps a run's events on disk."""
    from rlm_kernel.trajectory.store import shared

    # The server tells a kernel the path of its notebook.
    notebook = os.environ.get("JPY_SESSION_NAME", "")
    return shared().sink(run, notebook=notebook, secrets=known_secrets(settings))


def top_level(settings: Settings, watch: Watch | None = None, *, kept: bool = True) -> Level:
    """The level of a root run: a trajectory of its own, with an id that sorts by time.

    Args:
        settings: of the run.
        watch: who is told of it.
        kept: whether it is kept on disk; its events are there before anybody else is told.
    """
    watch = watch or Watch()
    run = f"{time.strftime('%Y%m%d-%H%M%S')}-{randomness.token_hex(3)}"
    sinks = [stored(run, settings), *watch.sinks] if kept else watch.sinks
    return Level(
        scope=Scope(watch.tick),
        budget=Budget(settings.limits),
        stream=Recorder(sinks).open(run),
        gates=Gates(settings.limits.concurrency),
        memo=the_memo() if settings.memo else None,
    )


def manner(model: Model, pack: Pack, settings: Settings, secrets: Secrets) -> Manner:
    """How the sub-calls of a run are made."""
    return Manner(
        model=model,
        pack=pack,
        temperature=settings.temperature,
        seed=settings.seed,
        blank=secrets.blank,
    )


def known_secrets(settings: Settings) -> Secrets:
    """The secret values that this process knows of."""
    return Secrets.known(os.environ, [settings.api_key, settings.base_url])


_EXTRAS = {"pd": "pandas", "np": "numpy", "re": "re", "search": "rlm_kernel.describe.passages:search"}


def _extras(pack: Pack) -> dict[str, object]:
    """What a pack wants at hand; a module that is not installed is left out."""
    import importlib

    found: dict[str, object] = {}
    for name in pack.settings.extras:
        try:
            module, _, attribute = _EXTRAS[name].partition(":")
            value: object = importlib.import_module(module)
        except ImportError:
            continue
        found[name] = getattr(value, attribute) if attribute else value
    return found


def check_names(names: Collection[str], namespace: Mapping[str, object], known: Collection[str]) -> None:
    """Raise a ConfigError that names the nearest match if one of `names` does not exist."""
    import difflib

    for name in names:
        if name not in namespace:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "assign it first"
            raise ConfigError(f"there is no variable {name!r}; {hint}")
