"""A run as HTML that stays in the notebook: nested ``<details>``, no script, no style sheet, bounded in size."""

from __future__ import annotations

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.html_step import Pictures, step_body
from rlm_kernel.views.markup import (
    AMBER,
    FRAME,
    INKS,
    LINE,
    MONO,
    PROSE,
    RED,
    VIOLET,
    bar,
    block,
    details,
    dim,
    escaped,
    figure,
    fitted,
    heading,
    mark,
    pill,
    row,
    tag,
    totals,
)
from rlm_kernel.views.outline import Gap, RunView, StepView, outline, pick
from rlm_kernel.views.words import count, duration, money, short

TEXT_ROOM = 280_000
"""Characters of HTML for everything but pictures; a page may go over it by a tenth."""
PICTURE_ROOM = 400_000
"""Characters of HTML for pictures."""

_STEP_ROW = 1_100
_STEP_ROOM = 1_800
"""The least that a step gets: its row and a few lines."""
_MOST_STEPS = 120
_CHILDREN = 20
_CHILD_ROW = 2_500
_QUESTION = 110
_SHORT = 100
"""An answer of this length stands beside its heading."""
_INDENT = "margin-left:18px"


def render(tree: Tree, run: str | None = None) -> str:
    """The tree as HTML.

    Args:
        tree: the fold of the run's events; any part of a run will do.
        run: the run to show; the root run and all under it if None.
    """
    if not tree.runs:
        return tag("div", "no run yet", FRAME)
    view = outline(tree, run)
    return tag("div", _Page().run(view, TEXT_ROOM, opened=True), FRAME)


class _Page:
    """One page being written; its pictures share one room."""

    def __init__(self) -> None:
        self._pictures = Pictures(PICTURE_ROOM)

    def run(self, view: RunView, room: int, *, opened: bool) -> str:
        answer = _answer(view, room // 4)
        head = _figures(view) + _contexts(view) + _question(view, room // 8) + _said(view, room // 8)
        rest = room - len(answer) - len(head) - _STEP_ROW
        return details(_title(view), head + self._steps(view, rest) + answer, opened=opened)

    def _steps(self, view: RunView, room: int) -> str:
        shown = pick(view.steps, max(1, min(_MOST_STEPS, room // _STEP_ROOM)))
        span = (view.began, max(view.seconds, 1e-6))
        failed = next((step for step in reversed(view.steps) if step.state == "failed"), None)
        parts = [self._children(view.loose, room // 4, span)]
        for index, step in enumerate(shown):
            share = (room - len(parts[-1])) // (len(shown) - index)
            if isinstance(step, Gap):
                part = tag("div", f"… {step.words}", "opacity:.7")
            else:
                opened = step is failed or index == len(shown) - 1
                part = self._step(step, share, span, opened=opened)
            parts.append(part)
            room -= len(part)
        return "".join(parts)

    def _step(self, view: StepView, room: int, span: tuple[float, float], *, opened: bool) -> str:
        room -= _STEP_ROW
        taken = self._pictures.left
        for_children = room // 2 if view.children else 0
        body = step_body(view, room - for_children, self._pictures, span)
        room -= len(body) - (taken - self._pictures.left)
        body += self._children(view.children, room, span)
        return details(_step_row(view, span), tag("div", body, f"{_INDENT};padding:2px 0 4px"), opened=opened)

    def _children(self, children: tuple[RunView, ...], room: int, span: tuple[float, float]) -> str:
        """Child runs, failed ones first."""
        ordered = sorted(children, key=lambda child: (child.state == "done", child.began))
        parts: list[str] = []
        most = min(_CHILDREN, max(1, room // _CHILD_ROW)) if room > _CHILD_ROW else 0
        for index, child in enumerate(ordered[:most]):
            share = room // (min(most, len(ordered)) - index)
            part = self.run(child, share, opened=False) if share > 2 * _CHILD_ROW else _child_row(child, span)
            parts.append(part)
            room -= len(part)
        rest = ordered[most:]
        if rest:
            failed = sum(child.state == "failed" for child in rest)
            note = f", {failed:,} of them failed" if failed else ""
            parts.append(tag("div", f"… and {count(len(rest), 'more child run')}{note}", "opacity:.7"))
        return "".join(parts)


def _title(view: RunView) -> str:
    started = view.node.started
    question = escaped(one_line(started.question, _QUESTION)) or "no question"
    if started.parent is None:
        return heading(pill(view.state, view.word), question)
    return _child_row(view, (view.began, max(view.seconds, 1e-6)))


def _child_row(view: RunView, span: tuple[float, float]) -> str:
    start, length = span
    question = escaped(one_line(view.node.started.question, _QUESTION))
    name = tag("b", "rlm_query", VIOLET.text)
    place = bar((view.began - start) / length, view.seconds / length, VIOLET)
    steps = count(len(view.steps), "step")
    return row(
        mark(view.state),
        f"{name} {question} {dim(f'· {steps}')}",
        short(view.usage.tokens),
        duration(view.seconds),
        place,
    )


def _step_row(view: StepView, span: tuple[float, float]) -> str:
    start, length = span
    calls = f" {dim('· ' + count(view.sub_calls, 'sub-call'))}" if view.sub_calls else ""
    if view.failed_calls:
        calls += tag("span", f" · {view.failed_calls:,} failed", RED.text)
    runs = f" {dim('· ' + count(len(view.children), 'child run'))}" if view.children else ""
    words = escaped(view.title)
    final = f" {dim('· FINAL')}" if view.final and not view.title.startswith("FINAL") else ""
    title = f"{tag('span', words, MONO) if view.quotes else words}{calls}{runs}{final}"
    place = bar((view.began - start) / length, view.seconds / length, INKS[view.state])
    number = tag("span", str(view.step.number), "opacity:.7") if view.step.number else ""
    return row(f"{mark(view.state)} {number}", title, short(view.usage.tokens), duration(view.seconds), place)


def _figures(view: RunView) -> str:
    """The line of totals; a limit stands beside what it limits."""
    started, usage = view.node.started, view.usage
    limits = started.limits
    models = tag("b", escaped(started.model[:80]))
    if started.sub_model and started.sub_model != started.model:
        models += dim(f" with {escaped(started.sub_model[:80])}")
    steps = sum(step.step.number > 0 for step in view.steps)
    figures = [
        models,
        figure(f"{steps:,}", _of(limits.get("steps"), steps, "step")),
        figure(f"{usage.calls:,}", _of(limits.get("calls"), usage.calls, "call")),
        figure(short(usage.tokens), _token_parts(view)),
        figure(
            duration(view.seconds), "" if limits.get("seconds") is None else f"of {duration(limits['seconds'] or 0)}"
        ),
    ]
    if money(usage):
        limit = limits.get("cost")
        figures.append(figure(money(usage), "" if limit is None else f"of ${limit:g}"))
    if view.runs:
        figures.append(figure(f"{view.runs:,}", "child run" if view.runs == 1 else "child runs"))
    return totals(figures)


def _token_parts(view: RunView) -> str:
    usage = view.usage
    if not usage.tokens:
        return "tokens"
    cached = f", {usage.cached_tokens / usage.input_tokens:.0%} cached" if usage.cached_tokens else ""
    return f"tokens · {short(usage.input_tokens)} in{cached}, {short(usage.output_tokens)} out"


def _of(limit: float | None, number: int, unit: str) -> str:
    if limit is None:
        return unit if number == 1 else f"{unit}s"
    return f"of {count(round(limit), unit)}"


def _contexts(view: RunView) -> str:
    names = [
        f"{tag('b', escaped(bound.name[:80]))} {escaped(one_line(bound.summary or bound.type, 80))}"
        for bound in view.node.started.contexts[:12]
    ]
    hidden = len(view.node.started.contexts) - len(names)
    if hidden:
        names.append(f"and {hidden:,} more")
    return (
        tag("div", dim("About ") + " · ".join(names), "font-size:12px;margin:0 0 6px;overflow-wrap:anywhere")
        if names
        else ""
    )


def _question(view: RunView, room: int) -> str:
    """The whole question, where the title cannot hold it."""
    question = view.node.started.question
    if len(question) <= _QUESTION and "\n" not in question.strip():
        return ""
    return block(question, min(room, 6_000), PROSE)


def _said(view: RunView, room: int) -> str:
    """The error that ended the run, and its warnings."""
    finished = view.node.finished
    lines = (
        [tag("div", f"✗ {fitted(finished.error, min(2_000, room // 2))}", RED.text)]
        if finished and finished.error
        else []
    )
    warnings = view.said("warning")
    lines += [tag("div", f"! {fitted(note.text, min(500, room // 20))}", AMBER.text) for note in warnings[:10]]
    if len(warnings) > 10:  # noqa: PLR2004 - as many as are listed
        lines.append(tag("div", f"! and {count(len(warnings) - 10, 'more warning')}", AMBER.text))
    return tag("div", "".join(lines), "margin:0 0 6px") if lines else ""


def _answer(view: RunView, room: int) -> str:
    finished = view.node.finished
    if finished is None or not finished.answer:
        return ""
    source = " · taken from the evidence after a limit, not given by FINAL" if finished.extracted else ""
    remarks = [
        tag("div", fitted(note.text, min(500, room // 20)), "font-size:12px;opacity:.8")
        for note in view.said("remark")[:10]
    ]
    above = f"margin:8px 0 0;border-top:1px solid {LINE};padding:7px 0 0"
    name = tag("b", "Answer")
    if len(finished.answer) <= _SHORT and "\n" not in finished.answer:
        value = tag("span", escaped(finished.answer), f"margin-left:12px;{MONO};font-size:13px")
        return tag("div", f"{name} {value}{dim(source)}", above) + "".join(remarks)
    return tag("div", name + dim(source), above) + block(finished.answer, min(room, 12_000), PROSE) + "".join(remarks)
