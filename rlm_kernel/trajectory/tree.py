"""The tree of a trajectory: one pure, incremental fold over its events.

The live view, the static views, `Run` and the tests all read this fold, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rlm_kernel.trajectory.events import (
    AnyEvent,
    CallFinished,
    CallStarted,
    Noted,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    Status,
    StepFinished,
    StepStarted,
)
from rlm_kernel.usage import Usage


@dataclass(slots=True)
class Call:
    """One call to a model, open until `finished` is set."""

    started: CallStarted
    finished: CallFinished | None = None

    @property
    def usage(self) -> Usage:
        """What the call used; nothing while it is open, if it failed unanswered or was answered from the memo."""
        return self.finished.reply.usage if self.finished and self.finished.reply else Usage()

    @property
    def id(self) -> int:
        """Its number in the trajectory, from 1."""
        return self.started.call

    @property
    def run(self) -> str:
        """The run that made it."""
        return self.started.run

    @property
    def parent(self) -> str | None:
        """The run that started that run; None for the root's."""
        return self.started.parent

    @property
    def depth(self) -> int:
        """The depth of the run that made it: 0 for the root's."""
        return self.started.depth

    @property
    def model(self) -> str:
        """The model that was asked."""
        return self.started.model

    @property
    def start(self) -> float:
        """When it left, in seconds since the epoch."""
        return self.started.at

    @property
    def end(self) -> float | None:
        """When it came to its end; None while it is open."""
        return self.finished.at if self.finished else None

    @property
    def cost(self) -> float | None:
        """Dollars; None if the price is not known."""
        return self.usage.cost

    @property
    def retries(self) -> int:
        """Tries after the first."""
        return self.finished.reply.retries if self.finished and self.finished.reply else 0

    @property
    def memo(self) -> bool:
        """True if the answer was taken from the memo."""
        return bool(self.finished and self.finished.memo)

    @property
    def error(self) -> str | None:
        """Why there was no answer."""
        return self.finished.error if self.finished else None


@dataclass(slots=True)
class Step:
    """One step: the root's calls that wrote it, its code, its sub-calls, its output."""

    number: int
    root_calls: list[Call] = field(default_factory=list)
    sub_calls: list[Call] = field(default_factory=list)
    notes: list[Noted] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    """Ids of the child runs that it started."""
    started: StepStarted | None = None
    finished: StepFinished | None = None


@dataclass(slots=True)
class Node:
    """One run in the tree."""

    started: RunStarted
    steps: list[Step] = field(default_factory=list)
    finished: RunFinished | None = None
    paused: Paused | None = None
    """What it waits with, while it waits."""
    cut: bool = False
    """True if a run above it ended first; its own end may be recorded a moment later, when its thread has noticed."""
    own: Usage = field(default_factory=Usage)
    """Usage of this run's own calls, without its children's."""

    @property
    def status(self) -> Status:
        """``running`` or ``paused`` until the end of the run, or of one above it, was recorded."""
        if self.finished:
            return self.finished.status
        if self.cut:
            return "stopped"
        return "paused" if self.paused else "running"

    def step(self, number: int) -> Step:
        """The step with that number, made if it is new. Number 0 holds what came before the first."""
        for step in reversed(self.steps):
            if step.number == number:
                return step
        self.steps.append(Step(number))
        return self.steps[-1]


class Tree:
    """Runs by id. Feed it events in order with `add`; each but a run's end costs a constant time."""

    def __init__(self, events: Iterable[AnyEvent] = ()) -> None:
        self.runs: dict[str, Node] = {}
        self.calls: dict[int, Call] = {}
        self.last: AnyEvent | None = None
        for event in events:
            self.add(event)

    @property
    def root(self) -> Node:
        """The run that all others come from. Raises LookupError before the first event."""
        for node in self.runs.values():
            return node
        raise LookupError("the trajectory is empty")

    def add(self, event: AnyEvent) -> None:
        """Fold one event in."""
        self.last = event
        match event:
            case RunStarted():
                self.runs[event.run] = Node(event)
                if event.parent in self.runs:
                    self.runs[event.parent].step(event.step or 0).children.append(event.run)
            case CallStarted():
                call = self.calls[event.call] = Call(event)
                step = self.runs[event.run].step(event.step)
                self.runs[event.run].finished = None  # a stopped run goes on: with a call, or with code that waited
                (step.sub_calls if event.purpose == "sub-call" else step.root_calls).append(call)
            case CallFinished():
                call = self.calls[event.call]
                call.finished = event
                self.runs[event.run].own += call.usage
            case StepStarted():
                self.runs[event.run].step(event.step).started = event
                self.runs[event.run].finished = None
            case StepFinished():
                self.runs[event.run].step(event.step).finished = event
            case Noted():
                self.runs[event.run].step(event.step).notes.append(event)
            case Paused() | Resumed():
                self.runs[event.run].step(event.step)
                self.runs[event.run].paused = event if isinstance(event, Paused) else None
            case RunFinished():
                self._end(event)

    def _end(self, event: RunFinished) -> None:
        self.runs[event.run].finished = event
        for child in self.below(event.run):
            self.runs[child].cut = True

    @property
    def usage(self) -> Usage:
        """Usage of the whole tree."""
        return sum((node.own for node in self.runs.values()), Usage())

    def usage_of(self, run: str) -> Usage:
        """Usage of a run and everything under it."""
        return sum((self.runs[child].own for child in self.below(run)), self.runs[run].own)

    def below(self, run: str) -> Iterator[str]:
        """The ids of the runs under a run."""
        for step in self.runs[run].steps:
            for child in step.children:
                yield child
                yield from self.below(child)
