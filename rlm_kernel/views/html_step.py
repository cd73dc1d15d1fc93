"""What is inside one step as HTML: code, output, pictures, failure, changes, notes, calls, messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlm_kernel.trajectory.records import Output, Rich
from rlm_kernel.views.code import code_block
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.html_calls import messages, sub_calls
from rlm_kernel.views.markup import AMBER, PROSE, RED, block, details, dim, escaped, fitted, image, label, tag
from rlm_kernel.views.outline import StepView
from rlm_kernel.views.words import change_words, count

_PICTURES = ("image/png", "image/jpeg", "image/svg+xml")
_LINES = 12
"""Changes, notices and notes of one step that are listed."""
_INLINE = 160
"""A failure's message of this length stands beside its kind; a longer one gets a block."""
_SMALL = 300
"""Below this room a part is left out rather than cut to nothing."""


@dataclass(slots=True)
class Pictures:
    """The room that pictures of the whole page have; they would crowd out the text otherwise."""

    left: int

    def take(self, kind: str, data: object) -> str:
        """The picture, or a line that says that it is not kept."""
        size = len(data) if isinstance(data, str) else 0
        if size > self.left:
            return tag("div", dim(f"a picture ({kind}, {size:,} characters) is not kept here; run.steps has it"))
        shown = image(kind, data)
        self.left -= len(shown)
        return shown


Section = Callable[[int], str]


def step_body(view: StepView, room: int, pictures: Pictures, span: tuple[float, float]) -> str:
    """Everything about a step but its child runs, in at most about `room` characters.

    Args:
        view: the step.
        room: characters of HTML.
        pictures: the room that pictures have.
        span: begin and length of the time that the bars show.
    """
    output = view.step.finished.output if view.step.finished else Output()
    sections: tuple[tuple[Section, int, float], ...] = (
        (lambda room: _code(view, room), 24_000, 0.4),
        (lambda room: _texts(output, room), 12_000, 0.5),
        (lambda room: _rich(output, room, pictures), 8_000, 0.4),
        (lambda room: _failure(output, room), 8_000, 0.5),
        (lambda room: _changes(output, room), 4_000, 0.5),
        (lambda room: _notes(view, output, room), 4_000, 0.5),
        (lambda room: sub_calls(view.groups, room, span), 60_000, 0.7),
        (lambda room: messages(view, room), 16_000, 0.9),
    )
    parts = []
    for write, most, share in sections:
        part = write(min(most, int(room * share)))
        room -= len(part)
        parts.append(part)
    return "".join(parts)


def _code(view: StepView, room: int) -> str:
    if view.step.started:
        return code_block(view.step.started.code, room)
    if view.waiting:
        return label("Waits to be run") + code_block(view.waiting, room)
    last = view.step.root_calls[-1].finished if view.step.root_calls else None
    if last is None or last.reply is None:
        return ""
    words = "Written, not run yet" if view.state in {"running", "paused"} else "The reply, of which no code was run"
    return label(words) + block(last.reply.text, room, PROSE)


def _texts(output: Output, room: int) -> str:
    parts = []
    if output.text.strip():
        parts.append(label("Output") + block(output.text, room - _SMALL if output.stderr else room))
    if output.stderr.strip():
        parts.append(
            label("Standard error") + block(output.stderr, max(_SMALL, min(2_000, room - len("".join(parts)))))
        )
    if output.dropped:
        parts.append(label(f"{count(output.dropped, 'character')} of output were not kept"))
    return "".join(parts)


def _rich(output: Output, room: int, pictures: Pictures) -> str:
    """Pictures as pictures, all else as its text: foreign HTML is never put into the page.

    Cleaning it would take a sanitiser, a dependency that must be right for ever; the text of a table says the same.
    """
    parts: list[str] = []
    for rich in output.rich:
        if room < _SMALL:
            parts.append(label("more outputs are not shown here"))
            break
        part = _one_rich(rich, output.text, room, pictures)
        room -= 0 if "<img" in part else len(part)
        parts.append(part)
    return "".join(parts)


def _one_rich(rich: Rich, said: str, room: int, pictures: Pictures) -> str:
    for kind in _PICTURES:
        if kind in rich.data and (shown := pictures.take(kind, rich.data[kind])):
            return shown
    text = rich.data.get("text/plain")
    if isinstance(text, str):
        return "" if text.strip() in said else block(text, room)
    kinds = ", ".join(sorted(map(str, rich.data)))
    return label(f"an output of type {escaped(kinds[:200])}") if kinds else ""


def _failure(output: Output, room: int) -> str:
    failure = output.failure
    if failure is None:
        return ""
    at = f" in line {failure.line}" if failure.line is not None else ""
    kind = tag("b", escaped(failure.kind[:200]))
    sign = "■ interrupted: " if failure.interrupted else "✗ "
    ink = AMBER if failure.interrupted else RED
    short = one_line(failure.message, _INLINE) if len(failure.message) <= _INLINE else ""
    head = tag("span", f"{sign}{kind}{': ' if short else ''}{escaped(short)}", ink.text) + dim(at)
    message = block(failure.message, min(room // 2, 2_000), PROSE) if len(failure.message) > _INLINE else ""
    trace = details(dim("Traceback"), block(failure.traceback, room // 2)) if failure.traceback.strip() else ""
    return tag("div", head) + message + trace


def _changes(output: Output, room: int) -> str:
    lines = []
    for change in output.changes[:_LINES]:
        sign, name, rest = change_words(change)
        lines.append(f"{sign} {tag('b', escaped(name[:120]))}{fitted(rest, min(300, room // _LINES))}")
    if len(output.changes) > _LINES:
        lines.append(f"and {count(len(output.changes) - _LINES, 'more name')}")
    if not lines:
        return ""
    return label("Changed in your namespace") + tag("div", "<br>".join(lines), "margin:0 0 8px")


def _notes(view: StepView, output: Output, room: int) -> str:
    notes = [(note.kind, note.text) for note in view.step.notes if note.kind not in {"warning", "remark"}]
    told = [("notice", text) for text in output.notices]
    lines = [f"{dim(kind)} {fitted(text, min(400, room // _LINES))}" for kind, text in (*notes, *told)[:_LINES]]
    hidden = len(notes) + len(told) - len(lines)
    if hidden:
        lines.append(f"and {count(hidden, 'more note')}")
    return tag("div", "<br>".join(lines), "margin:0 0 8px;font-size:12px") if lines else ""
