"""`rlm_kernel.run`: the whole product as one function, in a notebook or a plain script; and the query functions."""

from __future__ import annotations

import functools
import keyword
import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from rlm_kernel.budget import Limits
from rlm_kernel.config import checked_limits
from rlm_kernel.doors import Door
from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import ConfigError
from rlm_kernel.question import Question, Watch
from rlm_kernel.running import Run
from rlm_kernel.session import Session, load, session_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.trajectory.recorder import Sink
    from rlm_kernel.trajectory.store import StoredRun

_script: Session | None = None

__all__ = [
    "llm_map",
    "llm_query",
    "llm_query_async",
    "llm_query_batched",
    "load",
    "rlm_query",
    "rlm_query_batched",
    "run",
    "runs",
    "session",
]


def run(  # noqa: PLR0913 - the product's one public call
    question: str,
    context: Mapping[str, object] | None = None,
    *,
    model: str | Model | None = None,
    sub_model: str | Model | None = None,
    limits: Limits | None = None,
    max_depth: int | None = None,
    returns: object = None,
    memo: bool | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    withhold: Collection[str] = (),
    write: Collection[str] = (),
    pack: str | None = None,
    sinks: Collection[Sink] = (),
) -> Run:
    """Ask a question about data, and wait for the answer.

    Args:
        question: what to find out.
        context: the variables that it is about, by name. In a notebook, leaving it out lets the model choose among the
            user's variables.
        model: the root model: a name, ``local`` for the bundled one, or a model object.
        sub_model: the model of sub-calls; the root model if left out.
        limits: what the run may use.
        max_depth: how deep models are called below the root; shorter than ``Limits(depth=...)``.
        returns: the type that the answer must have: a type, a pydantic model or a JSON schema.
        memo: False asks every sub-call anew, even if it was answered before.
        temperature: of every call; None leaves it to the prompt pack or the server.
        seed: of every call, for servers that take one.
        withhold: columns that no model may see.
        write: names that the run may change for real; ``{"all"}`` for all.
        pack: the prompt pack; chosen by the model's name if left out.
        sinks: called with every event as it happens.

    Returns:
        The run. Its `status` says how it ended: a limit, a failing model or a stop raise nothing here.

    Raises:
        ConfigError: an argument does not fit, or there is no model to ask.
        LocalModelError: the bundled model cannot be had.
        KeyboardInterrupt: the user's own Ctrl-C; the stopped run is the session's newest.
    """
    values = _values(context)
    _check(question, model, sub_model)
    options = {"temperature": temperature, "seed": seed, "pack": pack, "depth": max_depth, "memo": memo}
    asked = Question(
        text=question,
        contexts=tuple(values),
        values=values,
        model=model,
        sub_model=sub_model,
        options=options,
        limits=None if limits is None else checked_limits(limits),
        withhold=_names(withhold),
        write=_names(write),
        returns=returns,
    )
    watch = Watch(sinks=tuple(sinks), leaving=lambda line: print(line, file=sys.stderr))  # noqa: T201 - for the user
    return session().start(asked, watch).drive()


def runs() -> list[StoredRun]:
    """The stored runs of this user, newest first; `load` takes their ids. Raises StoreError."""
    from rlm_kernel.trajectory.store import shared

    return shared().runs()


def session() -> Session:
    """The session of the running shell; in a script, one for the process."""
    global _script  # noqa: PLW0603 - a script has one session
    shell = _running_shell()
    if shell is not None:
        return session_of(shell)
    if _script is None:
        _script = Session()
    return _script


def _door(name: str) -> Door:
    """A query function that finds the session when it is called."""

    def call(*args: object, **kwargs: object) -> object:
        return session().doors[name](*args, **kwargs)

    return functools.update_wrapper(call, _DOORS[name])


_DOORS = Session().doors
llm_query = _door("llm_query")
llm_query_batched = _door("llm_query_batched")
llm_query_async = _door("llm_query_async")
llm_map = _door("llm_map")
rlm_query = _door("rlm_query")
rlm_query_batched = _door("rlm_query_batched")


def _values(context: Mapping[str, object] | None) -> dict[str, object]:
    if context is None:
        return {}
    if not isinstance(context, Mapping):
        kind = type(context).__name__
        raise ConfigError(
            f"the context is a dict of names and values, such as {{'data': data}}, not a value of type {kind}"
        )
    for name in context:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise ConfigError(f"a context needs a name that Python can use, not {name!r}")
    return dict(context)


def _check(question: object, *models: object) -> None:
    if not isinstance(question, str):
        raise ConfigError(f"the question is a text, not a value of type {type(question).__name__}")
    for model in models:
        if not (model is None or isinstance(model, str) or hasattr(model, "complete")):
            raise ConfigError(f"a model is a name or a model object, not a value of type {type(model).__name__}")


def _names(names: Collection[str]) -> frozenset[str]:
    return frozenset({names} if isinstance(names, str) else map(str, names))


def _running_shell() -> InteractiveShell | None:
    """IPython's shell if one is running and this is its thread; IPython is not imported to find out."""
    import threading

    module = sys.modules.get("IPython.core.getipython")
    if module is None or threading.current_thread() is not threading.main_thread():
        return None
    shell: InteractiveShell | None = module.get_ipython()
    return shell
