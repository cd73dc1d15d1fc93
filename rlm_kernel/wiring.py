"""How a run is put together from its parts."""

from __future__ import annotations

import os
import secrets as randomness
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

from rlm_kernel.budget import Budget, Limits
from rlm_kernel.config import Settings
from rlm_kernel.describe import BRIEF, FULL, describe, inventory
from rlm_kernel.engine.background import Scope
from rlm_kernel.engine.calls import Calls, Subcalls
from rlm_kernel.engine.driver import Driver
from rlm_kernel.engine.loop import Task, solve
from rlm_kernel.engine.ports import Executor, Model
from rlm_kernel.errors import ConfigError
from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.interrupt import Interrupter
from rlm_kernel.namespace.inventory import user_names
from rlm_kernel.namespace.runners import PlainRunner, ShellRunner
from rlm_kernel.prompts.pack import Pack
from rlm_kernel.runs import Parts, Run
from rlm_kernel.trajectory.events import RunStarted
from rlm_kernel.trajectory.recorder import Recorder, Sink, Stream
from rlm_kernel.trajectory.records import Binding, Outcome
from rlm_kernel.trajectory.secrets import Secrets

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.doors import Door


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question to a root model, with everything that was said about it."""

    text: str
    contexts: tuple[str, ...] = ()
    """Names of the variables it is about; none: the model gets an inventory."""
    values: Mapping[str, object] = field(default_factory=dict)
    """Values of context names that are not the namespace's own."""
    model: str | Model | None = None
    sub_model: str | Model | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    """Settings and limits that were given with the question, by name."""
    limits: Limits | None = None
    """Limits as a whole, in place of the session's; single ones may stand in `options`."""
    withhold: frozenset[str] = frozenset()
    """Columns that no model may see."""
    write: frozenset[str] = frozenset()
    """Names that the run may change for real; ``all`` for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """What a front wants to be told while a run is made and goes on."""

    sinks: tuple[Sink, ...] = ()
    tick: Callable[[], None] = lambda: None
    """Called in the main thread many times a second while it waits."""
    progress: Callable[[str, float | None], None] = lambda _text, _share: None
    """Told what a slow beginning is doing, and how much of it is done as a share of 1 if that is known."""
    leaving: Callable[[str], None] = lambda _line: None
    """Told, once for each endpoint that is not this machine, what will be sent there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wiring:
    """Everything that a run is made from."""

    question: Question
    settings: Settings
    namespace: dict[str, object]
    shell: InteractiveShell | None
    root: Model
    sub: Model
    pack: Pack
    doors: Mapping[str, Door]
    executing: Callable[[Subcalls], AbstractContextManager[None]]
    """Entered while a step executes."""
    watch: Watch

    def run(self) -> Run:
        """Put the run together; it does not begin until `Run.drive`."""
        scope = Scope(self.watch.tick)
        calls = Calls(scope=scope, budget=Budget(self.settings.limits), stream=new_stream(self.watch.sinks))
        window = scope.wait(scope.start(self.root.window()))
        sub_window = window if self.sub is self.root else scope.wait(scope.start(self.sub.window()))
        secrets = known_secrets(self.settings)
        subcalls = make_subcalls(calls, self.sub, self.pack, self.settings, sub_window)
        interrupter = Interrupter(lambda: calls.scope.stop())  # noqa: PLW0108 - a resumed run has another scope
        inner = self._executor(interrupter)
        task = self._task(window, sub_window)
        self._announce(calls.stream, task)
        executor = _Watched(inner=inner, subcalls=subcalls, secrets=secrets, executing=self.executing)
        return Run(
            Parts(
                driver=Driver(solve(task), model=self.root, executor=executor, calls=calls, subcalls=subcalls),
                calls=calls,
                sub_model=self.sub,
                stream=calls.stream,
                interrupts=interrupter,
                namespace=self.namespace,
                vars=inner.vars,
                secrets=secrets,
                close=inner.close,
            ),
        )

    def _executor(self, interrupter: Interrupter) -> NamespaceExecutor:
        write = self.question.write
        return NamespaceExecutor(
            ShellRunner(self.shell) if self.shell else PlainRunner(),
            self.namespace,
            contexts=self.question.contexts,
            values=self.question.values,
            writable="all" if "all" in write else write,
            withhold=self.question.withhold,
            doors=self.doors,
            extras=_extras(self.pack),
            interrupter=interrupter,
        )

    def _task(self, window: int, sub_window: int) -> Task:
        contexts = self._described()
        return Task(
            question=self.question.text.strip(),
            contexts=contexts,
            inventory="" if contexts else self._inventory(),
            pack=self.pack,
            window=window,
            count=self.root.count,
            steps=self.settings.limits.steps,
            temperature=self.settings.temperature,
            seed=self.settings.seed,
            sub_window=sub_window,
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
        hidden = frozenset(getattr(self.shell, "user_ns_hidden", ())) | frozenset(self.doors)
        names = user_names(self.namespace, hidden)
        return inventory(self.namespace, names, withhold=self.question.withhold)

    def _announce(self, stream: Stream, task: Task) -> None:
        limits = self.settings.limits
        stream.emit(
            RunStarted,
            question=task.question,
            contexts=task.contexts,
            model=self.root.name,
            sub_model=self.sub.name,
            pack=self.pack.name,
            pack_hash=self.pack.hash,
            limits={item.name: getattr(limits, item.name) for item in fields(Limits)},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Watched:
    """The executor as the engine sees it: while it runs the doors know whose calls come, and secrets are blanked."""

    inner: Executor
    subcalls: Subcalls
    secrets: Secrets
    executing: Callable[[Subcalls], AbstractContextManager[None]]

    def execute(self, code: str, *, step: int, seconds: float | None) -> Outcome:
        with self.executing(self.subcalls):
            try:
                outcome = self.inner.execute(code, step=step, seconds=seconds)
            except KeyboardInterrupt as exc:
                partial = getattr(exc, "outcome", None)
                if isinstance(partial, Outcome):
                    exc.outcome = replace(partial, output=self.secrets.blank_output(partial.output))  # type: ignore[attr-defined]  # Interrupted carries it
                raise
        return replace(outcome, output=self.secrets.blank_output(outcome.output))


def new_stream(sinks: Iterable[Sink] = ()) -> Stream:
    """A trajectory of its own, with an id that sorts by time."""
    return Recorder(sinks).open(f"{time.strftime('%Y%m%d-%H%M%S')}-{randomness.token_hex(3)}")


def known_secrets(settings: Settings) -> Secrets:
    """The secret values that this process knows of."""
    return Secrets.known(os.environ, [settings.api_key])


def make_subcalls(calls: Calls, model: Model, pack: Pack, settings: Settings, window: int) -> Subcalls:
    """The sub-calls of one run."""
    own = settings.temperature
    return Subcalls(
        calls,
        model,
        window=window,
        temperature=own if own is not None else pack.settings.temperature,
        seed=settings.seed,
        blank=known_secrets(settings).blank,
    )


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
