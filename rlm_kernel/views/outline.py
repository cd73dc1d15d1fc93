"""What a view shows, worked out once: the tree with titles, states, time spans and sums.

The HTML, the text and the JSON of a run read this outline, so they say the same.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rlm_kernel.trajectory.events import Noted, NoteKind
from rlm_kernel.trajectory.records import Message
from rlm_kernel.trajectory.tree import Call, Node, Step, Tree
from rlm_kernel.usage import Usage
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.words import State, status_word

_TITLE = 90
_DEEPEST = 12
"""Runs nested deeper are left out. Nobody nests so far; a damaged file may even hold a circle."""
_LOOSE = -1
_PLAIN = re.compile(r"^\s*(import |from \S+ import |%|@|\"\"\"|'''|[)\]}]|$)")
_QUERIES = re.compile(r"\b(llm_query_batched|llm_map|llm_query_async|llm_query)\s*\(")


@dataclass(frozen=True, kw_only=True, slots=True)
class CallGroup:
    """Sub-calls shown as one row: a batch, or a single call."""

    name: str
    """``llm_map``, as far as the step's code tells; ``sub-calls`` where it does not."""
    calls: tuple[Call, ...]
    """Failed ones first, then open ones, then the answered in order."""
    failed: int
    memo: int
    """How many were answered from the memo."""
    open: int
    open_state: State
    """What an open call is: running, or left unfinished by a run that ended."""
    usage: Usage
    began: float
    ended: float

    @property
    def state(self) -> State:
        """Failed only if all its calls failed; some failures are counted beside it."""
        if self.failed == len(self.calls):
            return "failed"
        return self.open_state if self.open else "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class StepView:
    """One step, ready to be shown."""

    step: Step
    title: str
    quotes: bool
    """True if the title is a line of the code, not words about it."""
    state: State
    began: float
    ended: float
    usage: Usage
    """Its root calls, its sub-calls and everything that its child runs used."""
    groups: tuple[CallGroup, ...]
    children: tuple[RunView, ...]
    waiting: str = ""
    """The code that waits to be run, while the run is paused here."""
    earlier: tuple[tuple[Message, ...], ...]
    """The messages of the root calls of the step before: what this step's share with them is not new."""

    @property
    def seconds(self) -> float:
        """From the first request of the step to the end of its code, or of a request about what it printed."""
        return self.ended - self.began

    @property
    def sub_calls(self) -> int:
        """How many sub-calls it made itself."""
        return len(self.step.sub_calls)

    @property
    def failed_calls(self) -> int:
        """How many of them failed."""
        return sum(group.failed for group in self.groups)

    @property
    def final(self) -> bool:
        """True if its code called FINAL."""
        return bool(self.step.finished and self.step.finished.final)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunView:
    """One run, ready to be shown."""

    node: Node
    state: State
    word: str
    """The state in words."""
    began: float
    ended: float
    usage: Usage
    steps: tuple[StepView, ...]
    notes: tuple[Noted, ...]
    """All its notes, in order."""
    loose: tuple[RunView, ...]
    """Child runs that began before any step did."""
    runs: int
    """Runs under this one."""

    @property
    def seconds(self) -> float:
        """Seconds from start to end, or to the last event while it runs."""
        return self.ended - self.began

    def said(self, *kinds: NoteKind) -> list[Noted]:
        """Its notes of these kinds."""
        return [note for note in self.notes if note.kind in kinds]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Steps between two that are shown."""

    first: int
    last: int
    failed: int

    @property
    def words(self) -> str:
        """The line that stands for them."""
        failed = f", {self.failed:,} of them failed" if self.failed else ""
        return f"steps {self.first:,} to {self.last:,} are not shown here{failed}; run.steps has them"


def outline(tree: Tree, run: str | None = None) -> RunView:
    """The outline of a tree, or of one run in it. Raises LookupError if there is no such run."""
    return _Outliner(tree).run(tree.runs[run] if run is not None else tree.root, 0)


def pick(steps: Sequence[StepView], most: int) -> list[StepView | Gap]:
    """At most `most` of the steps, gaps said: the first ones, the last ones, and failed ones between."""
    if len(steps) <= most:
        return list(steps)
    wanted = set(range(max(1, most // 4))) | set(range(len(steps) - max(1, most // 2), len(steps)))
    between = sorted(set(range(len(steps))) - wanted, key=lambda i: (steps[i].state != "failed", i))
    wanted.update(between[: max(0, most - len(wanted))])
    return _with_gaps(steps, wanted)


def new_messages(view: StepView, call: Call) -> tuple[Message, ...]:
    """The messages that went to the root in this call and had not gone to it in a call before."""
    sent = call.started.request.messages
    ours = view.step.root_calls
    before = (*view.earlier, *(other.started.request.messages for other in ours[: ours.index(call)]))
    return sent[max((_shared(sent, other) for other in before), default=0) :]


def _shared(sent: Sequence[Message], before: Sequence[Message]) -> int:
    """How many messages both begin with."""
    for number, (ours, theirs) in enumerate(zip(sent, before, strict=False)):
        if ours is not theirs and ours != theirs:
            return number
    return min(len(sent), len(before))


def title_of(code: str) -> str:
    """The first meaningful words of a piece of code: its leading comment, else its first real line."""
    if said := _comment(code):
        return one_line(said, _TITLE)
    lines = code[:4000].splitlines()
    real = (line for line in lines if not _PLAIN.match(line))
    return one_line(next(real, next((line for line in lines if line.strip()), "")), _TITLE) or "no code"


def query_name(code: str, *, batch: bool) -> str:
    """Which query function a sub-call came from, as far as the step's code tells; empty where it does not."""
    names = set(_QUERIES.findall(code)) - ({"llm_query", "llm_query_async"} if batch else {"llm_query_batched"})
    return str(names.pop()) if len(names) == 1 else ""


def _comment(code: str) -> str:
    """The comment that a piece of code begins with; empty if it does not."""
    for line in code[:4000].splitlines():
        bare = line.strip()
        if bare.startswith("#") and bare.strip("#!-= "):
            return bare.strip("#!-= ")
        if bare and not bare.startswith("#"):
            break
    return ""


class _Outliner:
    """Builds the outline of one tree."""

    def __init__(self, tree: Tree) -> None:
        self._now = tree.last.at if tree.last else 0.0
        self._children: dict[str, list[Node]] = {}
        for node in tree.runs.values():
            if node.started.parent is not None:
                self._children.setdefault(node.started.parent, []).append(node)

    def run(self, node: Node, depth: int) -> RunView:
        ordered = sorted(node.steps, key=lambda step: step.number)
        children = self._by_step(node, ordered, depth) if depth < _DEEPEST else {}
        steps: list[StepView] = []
        earlier: tuple[tuple[Message, ...], ...] = ()
        for index, step in enumerate(ordered):
            if _holds_more_than_words_for_the_end(step):
                state = step_state(node, step, last=index == len(ordered) - 1)
                view = self._step(step, state, children.get(index, []), earlier)
                if state == "paused" and node.paused is not None:
                    view = replace(view, waiting=node.paused.code, title=f"waits: {title_of(node.paused.code)}")
                steps.append(view)
            if step.root_calls:
                earlier = tuple(call.started.request.messages for call in step.root_calls)
        below = [child for group in children.values() for child in group]
        return RunView(
            node=node,
            state=node.status,
            word=status_word(node.status),
            began=node.started.at,
            ended=node.finished.at if node.finished else max(self._now, node.started.at),
            usage=sum((child.usage for child in below), node.own),
            steps=tuple(steps),
            notes=tuple(sorted((note for step in ordered for note in step.notes), key=lambda note: note.seq)),
            loose=tuple(children.get(_LOOSE, ())),
            runs=sum(child.runs + 1 for child in below),
        )

    def _by_step(self, node: Node, steps: list[Step], depth: int) -> dict[int, list[RunView]]:
        """Child runs by the index of the step whose code was at work when they began."""
        found: dict[int, list[RunView]] = {}
        begins = [(step.started.seq, index) for index, step in enumerate(steps) if step.started]
        for child in self._children.get(node.started.run, ()):
            place = bisect_right(begins, (child.started.seq, len(steps))) - 1
            index = begins[place][1] if place >= 0 else _LOOSE
            found.setdefault(index, []).append(self.run(child, depth + 1))
        return found

    def _step(
        self, step: Step, state: State, children: list[RunView], earlier: tuple[tuple[Message, ...], ...]
    ) -> StepView:
        began, ended = self._span(step, state)
        calls = [*step.root_calls, *step.sub_calls]
        return StepView(
            step=step,
            title=step_title(step, state),
            quotes=bool(step.started and not _comment(step.started.code)),
            state=state,
            began=began,
            ended=ended,
            usage=sum((child.usage for child in children), sum((call.usage for call in calls), Usage())),
            groups=tuple(self._groups(step, "running" if state == "running" else "unfinished")),
            children=tuple(children),
            earlier=earlier,
        )

    def _span(self, step: Step, state: State) -> tuple[float, float]:
        events = [call.started for call in (*step.root_calls[:1], *step.sub_calls[:1])]
        marks = [event.at for event in (*events, step.started, *step.notes[:1]) if event is not None]
        began = min(marks, default=self._now)
        if state == "running":
            return began, max(self._now, began)
        ends = [call.finished.at for call in (*step.root_calls, *step.sub_calls) if call.finished]
        # A root call may follow the code: one that reads what was printed.
        return began, max([began, *ends, *([step.finished.at] if step.finished else [])])

    def _groups(self, step: Step, open_state: State) -> Iterable[CallGroup]:
        batches: dict[int, list[Call]] = {}
        for call in step.sub_calls:
            number = call.started.batch
            batches.setdefault(-call.started.call if number is None else number, []).append(call)
        code = step.started.code if step.started else ""
        for number, calls in batches.items():
            yield self._group(query_name(code, batch=number >= 0), calls, open_state)

    def _group(self, name: str, calls: list[Call], open_state: State) -> CallGroup:
        failed = [call for call in calls if call.finished and call.finished.error is not None]
        still = [call for call in calls if not call.finished]
        fine = [call for call in calls if call.finished and call.finished.error is None]
        began = min(call.started.at for call in calls)
        return CallGroup(
            name=name or ("sub-calls" if len(calls) > 1 else "sub-call"),
            calls=(*failed, *still, *fine),
            failed=len(failed),
            memo=sum(call.memo for call in fine),
            open=len(still),
            open_state=open_state,
            usage=sum((call.usage for call in calls), Usage()),
            began=began,
            ended=max([began, *(call.finished.at if call.finished else self._now for call in calls)]),
        )


def _holds_more_than_words_for_the_end(step: Step) -> bool:
    """False for a step that only carries warnings and remarks: those stand with the run."""
    kinds = {note.kind for note in step.notes}
    return bool(step.root_calls or step.sub_calls or step.started or step.finished or kinds - {"warning", "remark"})


def step_state(node: Node, step: Step, *, last: bool) -> State:
    """The state of a step, from what was recorded of it and of its run; `last` if no step follows it."""
    if step.finished:
        failure = step.finished.output.failure
        if failure is None:
            return "done"
        return "stopped" if failure.interrupted else "failed"
    if last and node.status in {"running", "paused"}:
        return node.status
    errors = [call.finished.error for call in step.root_calls[-1:] if call.finished]
    if errors and errors[-1] is not None and step.started is None:
        return "failed"
    return "done" if step.number == 0 else "unfinished"


def step_title(step: Step, state: State) -> str:
    """A few words for a step: what its code says of itself, else why there is no code."""
    if step.started:
        return title_of(step.started.code)
    if step.number == 0:
        return "before the first step"
    call = step.root_calls[-1] if step.root_calls else None
    if call is None or call.finished is None:
        return "the model is writing" if state == "running" else "not written"
    if call.finished.error is not None:
        return one_line(f"no reply: {call.finished.error}", _TITLE)
    if state in {"running", "paused"}:
        return "written, not run yet"
    return one_line(f"no code was run: {call.finished.reply.text if call.finished.reply else ''}", _TITLE)


def _with_gaps(steps: Sequence[StepView], wanted: set[int]) -> list[StepView | Gap]:
    shown: list[StepView | Gap] = []
    hidden: list[StepView] = []
    for index, view in enumerate(steps):
        if index not in wanted:
            hidden.append(view)
            continue
        if hidden:
            shown.append(_gap(hidden))
            hidden = []
        shown.append(view)
    return shown


def _gap(hidden: list[StepView]) -> Gap:
    return Gap(
        first=hidden[0].step.number,
        last=hidden[-1].step.number,
        failed=sum(view.state == "failed" for view in hidden),
    )
