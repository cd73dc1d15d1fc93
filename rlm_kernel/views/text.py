"""A run as a tree of plain text, for terminals and for every place that shows no HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from rlm_kernel.trajectory.records import Output
from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.cut import clip, head_tail, one_line
from rlm_kernel.views.escape import cells, visible
from rlm_kernel.views.outline import CallGroup, Gap, RunView, StepView, outline, pick
from rlm_kernel.views.words import MARKS, State, change_words, count, duration, memo_words, money, short, token_words

if TYPE_CHECKING:
    from rich.text import Text

Style = Literal["", "head", "code", "dim", "good", "bad", "warn", "child"]

LINES = 500
"""The most lines that a tree has, more or less."""

_NARROWEST = 40
_MOST_STEPS = 60
_CODE_LINES = 16
_OUTPUT_LINES = 12
_CHILDREN = 6
_GROUPS = 6
_CHANGES = 8
_ANSWER_LINES = 30

_SGR: dict[Style, str] = {"head": "1", "code": "36", "dim": "2", "good": "32", "bad": "31", "warn": "33", "child": "35"}
_RICH: dict[Style, str] = {
    "head": "bold",
    "dim": "dim",
    "good": "green",
    "bad": "red",
    "warn": "yellow",
    "child": "magenta",
}
_STATE_STYLES: dict[State, Style] = {"failed": "bad", "stopped": "warn", "limit": "warn"}


@dataclass(frozen=True, slots=True)
class _Line:
    """One line: the branches before it, its text, and figures at the right edge."""

    text: str
    style: Style = ""
    figures: str = ""
    branches: str = ""


def render(tree: Tree, *, width: int = 100, colour: bool = False) -> str:
    """The tree as lines of at most `width` columns, without control characters unless `colour` asks for colours."""
    width = max(width, _NARROWEST)
    lines = (_laid_out(line, width) for line in _lines(tree, width))
    return "\n".join("".join(_painted(line) if colour else (*line[:2], line[3])).rstrip() for line in lines)


def show(tree: Tree) -> None:
    """Print the tree through rich, coloured where the terminal has colours."""
    from rich.console import Console

    console = Console()
    for text in _rich_lines(_lines(tree, max(console.width, _NARROWEST)), max(console.width, _NARROWEST)):
        console.print(text, soft_wrap=True)


def _laid_out(line: _Line, width: int) -> tuple[str, str, Style, str]:
    """Branches, text, style and figures, cut and padded."""
    room = width - cells(line.branches) - (cells(line.figures) + 2 if line.figures else 0)
    text = clip(line.text.expandtabs(4), room)
    pad = " " * (room - cells(text) + 2) if line.figures else ""
    return line.branches, text, line.style, pad + line.figures


def _painted(line: tuple[str, str, Style, str]) -> tuple[str, str, str]:
    branches, text, style, figures = line
    return (
        branches,
        f"\x1b[{_SGR[style]}m{text}\x1b[0m" if style and text else text,
        f"\x1b[2m{figures}\x1b[0m" if figures else "",
    )


def _rich_lines(lines: Sequence[_Line], width: int) -> Iterator[Text]:
    from rich.syntax import Syntax
    from rich.text import Text

    python = Syntax("", "python", theme="ansi_dark", background_color="default")
    for is_code, group in groupby((_laid_out(line, width) for line in lines), key=lambda line: line[2] == "code"):
        laid = list(group)
        if is_code:  # as one piece: a string over several lines is coloured right
            coloured = list(python.highlight("\n".join(line[1] for line in laid)).split("\n", allow_blank=True))
        else:
            coloured = [Text(line[1], style=_RICH.get(line[2], "")) for line in laid]
        for (branches, _, _, figures), text in zip(laid, coloured, strict=False):
            yield Text.assemble((branches, "dim"), text, (figures, "dim"))


def _lines(tree: Tree, width: int) -> list[_Line]:
    return _Writer(width).run(outline(tree), LINES) if tree.runs else [_Line("no run yet")]


class _Writer:
    """Writes the lines of one tree."""

    def __init__(self, width: int) -> None:
        self._width = width

    def run(self, view: RunView, room: int) -> list[_Line]:
        head = [_title(view), _totals(view), *self._said(view)]
        answer = self._answer(view)
        shown = pick(view.steps, max(1, min(_MOST_STEPS, (room - len(head) - len(answer)) // 3)))
        room -= len(head) + len(answer)
        blocks: list[list[_Line]] = [self.run(child, 3) for child in view.loose[:_CHILDREN]]
        for index, step in enumerate(shown):
            block = (
                [_Line(f"… {step.words}", "dim")]
                if isinstance(step, Gap)
                else self._step(step, room // (len(shown) - index))
            )
            room -= len(block)
            blocks.append(block)
        blocks += [answer] if answer else []
        return head + _branched(blocks)

    def _step(self, view: StepView, room: int) -> list[_Line]:
        number = f"{view.step.number} " if view.step.number else ""
        final = " · FINAL" if view.final and not view.title.startswith("FINAL") else ""
        style = _STATE_STYLES.get(view.state, "head")
        figures = f"{short(view.usage.tokens):>5} {duration(view.seconds):>8}"
        head = _Line(f"{MARKS[view.state]} {number}{visible(view.title)}{final}", style, figures)
        output = view.step.finished.output if view.step.finished else Output()
        code = view.step.started.code if view.step.started else view.waiting
        body = [
            *_texts(code, "code", min(_CODE_LINES, room // 3)),
            *_outputs(output, min(_OUTPUT_LINES, room // 4)),
            *_failure(output),
            *_changes(output),
            *_notes(view, output),
        ]
        body = [replace(line, branches=f"  {line.branches}") for line in body[: max(room - 1, 0)]]
        return [head, *body, *_branched(self._below(view, room - len(body) - 1))]

    def _below(self, view: StepView, room: int) -> list[list[_Line]]:
        """Sub-calls and child runs of a step; ones with failures first."""
        if room < 1:
            return []
        groups = sorted(view.groups, key=lambda group: (not group.failed, not group.open))
        blocks = [_group(group) for group in groups[: min(_GROUPS, room)]]
        if rest := groups[len(blocks) :]:
            blocks.append([_Line(f"… and {count(sum(len(group.calls) for group in rest), 'more sub-call')}", "dim")])
        room -= sum(map(len, blocks))
        children = sorted(view.children, key=lambda child: (child.state == "done", child.began))
        shown = children[: max(0, min(_CHILDREN, room // 3))]
        blocks += [self.run(child, room // len(shown)) for child in shown]
        if len(children) > len(shown):
            blocks.append([_Line(f"… and {count(len(children) - len(shown), 'more child run')}", "dim")])
        return blocks

    def _said(self, view: RunView) -> list[_Line]:
        finished = view.node.finished
        lines = (
            [_Line(f"✗ {text}", "bad") for text in self._wrapped(finished.error, 4)]
            if finished and finished.error
            else []
        )
        for note in view.said("warning")[:5]:
            lines += [_Line(f"! {text}", "warn") for text in self._wrapped(note.text, 3)]
        return lines

    def _answer(self, view: RunView) -> list[_Line]:
        finished = view.node.finished
        if finished is None or not finished.answer:
            return []
        source = " (taken from the evidence after a limit, not given by FINAL)" if finished.extracted else ""
        told = self._wrapped(finished.answer, _ANSWER_LINES)
        if len(told) == 1 and not source:
            lines = [_Line(told[0], branches="Answer  ")]
        else:
            lines = [_Line(f"Answer{source}", "head"), *(_Line(text, branches="  ") for text in told)]
        return lines + [
            _Line(f"  {text}", "dim") for note in view.said("remark")[:5] for text in self._wrapped(note.text, 3)
        ]

    def _wrapped(self, text: str, most: int) -> list[str]:
        """The text in lines that fit, at most `most` of them."""
        lines: list[str] = []
        for line in visible(head_tail(text, most * self._width).text).split("\n"):
            columns = (self._width - 12) // (1 if cells(line) <= len(line) else 2)
            lines += textwrap.wrap(line, columns, replace_whitespace=False, drop_whitespace=False) or [""]
        return [*lines[: most - 1], "…"] if len(lines) > most else lines


def _title(view: RunView) -> _Line:
    question = one_line(view.node.started.question, 200)
    if view.node.started.parent is None:
        return _Line(f"{MARKS[view.state]} {view.word} · {question}", _STATE_STYLES.get(view.state, "head"))
    figures = f"{short(view.usage.tokens):>5} {duration(view.seconds):>8}"
    return _Line(f"{MARKS[view.state]} rlm_query {question}", "child", figures)


def _totals(view: RunView) -> _Line:
    steps = sum(step.step.number > 0 for step in view.steps)
    figures = [one_line(view.node.started.model, 60), count(steps, "step"), count(view.usage.calls, "call")]
    figures += [token_words(view.usage), *filter(None, [money(view.usage)]), duration(view.seconds)]
    figures += [count(view.runs, "child run")] if view.runs else []
    return _Line(" · ".join(figures), "dim", branches="  ")


def _texts(text: str, style: Style, most: int) -> list[_Line]:
    """The first and last lines of a text, what is between counted."""
    lines = visible(head_tail(text.strip("\n").rstrip(), 4_000).text).split("\n") if text.strip() else []
    if len(lines) > most:
        head = max(0, most * 2 // 3)
        tail = max(0, most - head - 1)
        gap = f"… {count(len(lines) - head - tail, 'line')} …"
        lines = [*lines[:head], gap, *lines[len(lines) - tail :]]
    return [_Line(line, style) for line in lines]


def _outputs(output: Output, most: int) -> list[_Line]:
    lines = _texts(output.text, "", most) + _texts(output.stderr, "warn", min(most, 4))
    for rich in output.rich:
        kinds = [str(kind) for kind in rich.data if str(kind) != "text/plain"]
        text = rich.data.get("text/plain")
        if isinstance(text, str) and text.strip() in output.text:
            continue
        lines.append(
            _Line(
                f"[{one_line(kinds[0] if kinds else 'text/plain', 60)}] {one_line(str(text or ''), 100)}".rstrip(),
                "dim",
            )
        )
    return [replace(line, branches="» " if index == 0 else "  ") for index, line in enumerate(lines[: most + 6])]


def _failure(output: Output) -> list[_Line]:
    failure = output.failure
    if failure is None:
        return []
    at = f" (line {failure.line})" if failure.line is not None else ""
    sign, style = ("■ interrupted:", "warn") if failure.interrupted else ("✗", "bad")
    text = f"{failure.kind}: {failure.message}" if failure.message else failure.kind
    return [_Line(f"{sign} {one_line(text, 400)}{at}", "warn" if style == "warn" else "bad")]


def _changes(output: Output) -> list[_Line]:
    words = [change_words(change) for change in output.changes[:_CHANGES]]
    lines = [_Line(one_line(f"{sign} {name}{rest}", 300), "good") for sign, name, rest in words]
    hidden = len(output.changes) - len(lines)
    return [*lines, _Line(f"… and {count(hidden, 'more name')}", "good")] if hidden else lines


def _notes(view: StepView, output: Output) -> list[_Line]:
    notes = [f"{note.kind}: {note.text}" for note in view.step.notes if note.kind not in {"warning", "remark"}]
    return [_Line(one_line(text, 300), "dim") for text in (*notes, *output.notices)[:6]]


def _group(group: CallGroup) -> list[_Line]:
    figures = f"{short(group.usage.tokens):>5} {duration(group.ended - group.began):>8}"
    words = [group.name] + ([count(len(group.calls), "call")] if len(group.calls) > 1 else [])
    words += [f"{group.failed:,} failed"] if group.failed else []
    words += [f"{group.open:,} open"] if group.open else []
    words += [memo_words(group.memo, len(group.calls))] if group.memo else []
    call = group.calls[0]
    prompt = one_line("\n".join(message.content for message in call.started.request.messages), 60)
    words += [prompt] if len(group.calls) == 1 else []
    lines = [_Line(f"{MARKS[group.state]} {' · '.join(words)}", _STATE_STYLES.get(group.state, ""), figures)]
    if call.finished and call.finished.error is not None:
        lines.append(_Line(one_line(call.finished.error, 200), "bad", branches="  "))
    elif len(group.calls) == 1 and call.finished and call.finished.reply:
        lines.append(_Line(f"→ {one_line(call.finished.reply.text, 200)}", "dim", branches="  "))
    return lines


def _branched(blocks: Sequence[Sequence[_Line]]) -> list[_Line]:
    """The blocks as branches of a tree."""
    lines: list[_Line] = []
    for number, block in enumerate(blocks, 1):
        first, rest = ("└─ ", "   ") if number == len(blocks) else ("├─ ", "│  ")
        lines += [
            replace(line, branches=(rest if index else first) + line.branches) for index, line in enumerate(block)
        ]
    return lines
