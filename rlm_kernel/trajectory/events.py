"""The events of a run: a flat, append-only list of small frozen records.

Everything shown or stored is a fold over this list. Each event carries a sequence number that is unique and rising
in its trajectory, the run it belongs to, that run's parent and depth, and the time. Large texts are held once and
referred to by every event that needs them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rlm_kernel.trajectory.records import Binding, Output, Purpose, Reply, Request

SCHEMA = 1
"""Version of the event records. It grows when a field changes its meaning."""

Status = Literal["running", "paused", "done", "stopped", "limit", "failed"]
NoteKind = Literal["guard", "redraw", "history", "remark", "warning", "notice"]
"""guard: an answer was refused. redraw: a reply left no mark and was asked for again. history: older outputs were
shortened to fit the window. remark: something worth knowing of the answer. warning: for the user's eyes at the end.
notice: anything else said once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """What every event carries."""

    seq: int
    run: str
    parent: str | None = None
    """The run that started this one; None for a root run."""
    depth: int = 0
    at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunStarted(Event):
    """A run began."""

    question: str
    contexts: tuple[Binding, ...]
    model: str
    sub_model: str
    pack: str
    """Name of the prompt pack."""
    pack_hash: str
    limits: dict[str, float | int | None]
    step: int | None = None
    """The parent's step that started it; None for a root run."""
    batch: int | None = None
    """Number of the batch, if it is one child run of several started together."""
    window: int | None = None
    """The root model's window in tokens: histories are cut to it."""
    sub_window: int | None = None
    """The sub-model's: the prompt names it."""
    tag: Literal["run_started"] = field(default="run_started", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallStarted(Event):
    """A request to a model is about to leave."""

    call: int
    """Number of the call in this trajectory, from 1."""
    step: int
    """The step it belongs to: the one being written for the root, the one being executed for a sub-call."""
    purpose: Purpose
    model: str
    request: Request
    batch: int | None = None
    """Number of the batch, if the call is one item of several sent together."""
    tag: Literal["call_started"] = field(default="call_started", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFinished(Event):
    """A call came to its end. Exactly one of `reply` and `error` is set."""

    call: int
    reply: Reply | None = None
    error: str | None = None
    """The first error text, unaltered; ``cancelled`` if the run was stopped meanwhile."""
    seconds: float
    memo: bool = False
    """True if the answer was taken from the memo: nothing was sent, and it is free."""
    tag: Literal["call_finished"] = field(default="call_finished", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepStarted(Event):
    """Code is about to run."""

    step: int
    code: str
    tag: Literal["step_started"] = field(default="step_started", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class StepFinished(Event):
    """Code has run."""

    step: int
    output: Output
    final: bool = False
    """True if it called FINAL."""
    tag: Literal["step_finished"] = field(default="step_finished", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted(Event):
    """Something worth a line in the tree."""

    step: int
    kind: NoteKind
    text: str
    tag: Literal["noted"] = field(default="noted", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Paused(Event):
    """The run waits for its user, before code is run."""

    step: int
    code: str
    """The code that waits."""
    why: str
    tag: Literal["paused"] = field(default="paused", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed(Event):
    """The user had the run go on."""

    step: int
    action: str
    """``run``, ``edit``, ``skip`` or ``reject``: what became of the code that waited."""
    code: str = ""
    """The code that runs instead, for ``edit``."""
    reason: str = ""
    """What the model is told, for ``reject``."""
    tag: Literal["resumed"] = field(default="resumed", init=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFinished(Event):
    """A run ended."""

    status: Status
    answer: str
    """The answer as text, bounded; empty if there is none."""
    extracted: bool = False
    """True if the answer was taken from the evidence after a limit, not given by FINAL."""
    error: str | None = None
    tag: Literal["run_finished"] = field(default="run_finished", init=False)


AnyEvent = RunStarted | CallStarted | CallFinished | StepStarted | StepFinished | Noted | Paused | Resumed | RunFinished
