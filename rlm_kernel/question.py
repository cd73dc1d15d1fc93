"""What is asked of a session, and who wants to be told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rlm_kernel.budget import Limits
from rlm_kernel.engine.ports import Model
from rlm_kernel.engine.stepper import Stops
from rlm_kernel.trajectory.recorder import Sink


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
    returns: object = None
    """The type that the answer must have; see `rlm_kernel.engine.returns`."""
    stops: Stops = field(default_factory=Stops)
    """Where the run is to pause."""


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
