"""A run in a few figures, as the list of stored runs shows it, and the ends of runs that had none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rlm_kernel.trajectory.events import (
    AnyEvent,
    CallFinished,
    CallStarted,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    StepStarted,
)
from rlm_kernel.trajectory.tree import Tree

_QUESTION = 500
CUT_OFF = "the process that ran it has ended"


@dataclass(slots=True)
class Summary:
    """The figures of one trajectory; feed it events in order."""

    began: float = 0.0
    last: float = 0.0
    question: str = ""
    status: str = "running"
    steps: int = 0
    """Of the root run."""
    calls: int = 0
    """Answered ones, of the whole tree."""
    dollars: float = 0.0
    unpriced: int = 0

    def add(self, event: AnyEvent) -> None:
        """Count one event in."""
        self.last = max(self.last, event.at)
        if isinstance(event, CallFinished) and event.reply is not None:
            usage = event.reply.usage
            self.calls += usage.calls
            self.dollars += usage.dollars
            self.unpriced += usage.unpriced
        if event.parent is None:
            self._add_of_root(event)

    def _add_of_root(self, event: AnyEvent) -> None:
        match event:
            case RunStarted():
                self.began, self.question = event.at, event.question[:_QUESTION]
            case RunFinished():
                self.status = event.status
            case Paused():
                self.status = "paused"
            case StepStarted():
                self.steps += 1
                self.status = "running"
            case CallStarted() | Resumed():
                self.status = "running"


def endings(events: Sequence[AnyEvent]) -> list[AnyEvent]:
    """The ends, as stopped, of the runs in a trajectory that have none because their process died; inner ones first."""
    open_runs = [run for run, node in Tree(events).runs.items() if node.finished is None]
    if not open_runs:
        return []
    first: dict[str, AnyEvent] = {}
    for event in events:
        first.setdefault(event.run, event)
    seq = max(event.seq for event in events)
    return [
        RunFinished(
            seq=seq + number,
            run=run,
            parent=first[run].parent,
            depth=first[run].depth,
            at=events[-1].at,
            status="stopped",
            answer="",
            error=CUT_OFF,
        )
        for number, run in enumerate(reversed(open_runs), 1)
    ]
