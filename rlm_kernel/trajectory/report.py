"""Where a run's calls, tokens, time and money went, as data."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rlm_kernel.trajectory.events import AnyEvent, Paused, RunFinished, Status
from rlm_kernel.trajectory.grounding import unseen_figures
from rlm_kernel.trajectory.tree import Call, Tree
from rlm_kernel.usage import Usage

Span = tuple[float, float]
"""Begin and end in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A run in figures. Everything but `steps` is of the whole tree."""

    run: str
    question: str
    model: str
    sub_model: str
    status: Status
    error: str | None
    limits: dict[str, float | int | None]
    steps: int
    """Steps of the root run whose code ran."""
    failed_steps: int
    children: int
    """Child runs, their own included."""
    usage: Usage
    sub_calls: int
    failed: tuple[tuple[str, int], ...]
    """Errors of calls and how many met them, most frequent first."""
    memo: int
    """Calls that were answered from the memo."""
    retries: int
    estimated: int
    """Calls whose tokens the server did not count."""
    seconds: float
    """From the first event to the last, without the time in which the run stood still."""
    in_model: float
    """Seconds in which at least one call was open."""
    in_code: float
    """Seconds in which the root's code ran and no call was open."""
    stood_still: float
    """Seconds between the run's end or pause and its going on."""
    slowest: Call | None
    unseen: tuple[str, ...]
    """Figures in the answer that no output ever showed; see `grounding`."""
    remarks: tuple[str, ...]
    """Warnings and remarks of the root run."""
    guarded: int
    """Answers that were refused."""
    redrawn: int
    """Replies that were asked for again."""

    @property
    def in_engine(self) -> float:
        """Seconds that neither a model nor the code took."""
        return max(self.seconds - self.in_model - self.in_code, 0.0)


def report_of(tree: Tree, events: Sequence[AnyEvent] = ()) -> Report:
    """The figures of a run.

    Args:
        tree: the fold of its events.
        events: the events themselves, which alone tell when it stood still; may be left out.

    Raises:
        LookupError: the run has not begun.
    """
    node = tree.root
    calls = list(tree.calls.values())
    now = tree.last.at if tree.last else node.started.at
    still = _stood_still(events)
    modelled = _union((call.start, now if call.end is None else call.end) for call in calls)
    stepped = _union(
        (step.started.at, step.finished.at if step.finished else now) for step in node.steps if step.started
    )
    notes = [note for step in node.steps for note in step.notes]
    ended = [call for call in calls if call.end is not None]
    errors = Counter(call.error for call in ended if call.error is not None)
    return Report(
        run=node.started.run,
        question=node.started.question,
        model=node.started.model,
        sub_model=node.started.sub_model,
        status=node.status,
        error=node.finished.error if node.finished else None,
        limits=dict(node.started.limits),
        steps=sum(step.started is not None for step in node.steps),
        failed_steps=sum(bool(step.finished and step.finished.output.failure) for step in node.steps),
        children=len(tree.runs) - 1,
        usage=tree.usage,
        sub_calls=sum(call.started.purpose == "sub-call" for call in calls),
        failed=tuple(errors.most_common()),
        memo=sum(call.memo for call in calls),
        retries=sum(call.retries for call in calls),
        estimated=sum(bool(call.finished and call.finished.reply and call.finished.reply.estimated) for call in calls),
        seconds=max(now - node.started.at - _length(still), 0.0),
        in_model=_length(_without(modelled, still)),
        in_code=_length(_without(_without(stepped, modelled), still)),
        stood_still=_length(still),
        slowest=max(ended, key=lambda call: call.finished.seconds if call.finished else 0.0, default=None),
        unseen=unseen_figures(node.finished.answer, node) if node.finished else (),
        remarks=tuple(note.text for note in notes if note.kind in {"warning", "remark"}),
        guarded=sum(note.kind == "guard" for note in notes),
        redrawn=sum(note.kind == "redraw" for note in notes),
    )


def _stood_still(events: Sequence[AnyEvent]) -> list[Span]:
    """Times between the root run's end, or a pause, and the next event."""
    spans = []
    for event, following in itertools.pairwise(events):
        if event.parent is None and isinstance(event, RunFinished | Paused):
            spans.append((event.at, following.at))
    return _union(spans)


def _union(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlap, in order."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        elif end > begin:
            joined.append((begin, end))
    return joined


def _without(spans: list[Span], others: list[Span]) -> list[Span]:
    """The parts of spans that lie in none of the others; both without overlap and in order."""
    left = []
    at = 0
    for begin, end in spans:
        while at < len(others) and others[at][1] <= begin:
            at += 1
        start, number = begin, at
        while number < len(others) and others[number][0] < end:
            if others[number][0] > start:
                left.append((start, others[number][0]))
            start = max(start, others[number][1])
            number += 1
        if start < end:
            left.append((start, end))
    return left


def _length(spans: Iterable[Span]) -> float:
    return sum(end - begin for begin, end in spans)
