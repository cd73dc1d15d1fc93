"""Sub-calls and messages of a step as HTML."""

from __future__ import annotations

from collections import Counter

from rlm_kernel.trajectory.tree import Call
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.markup import (
    INKS,
    NO_BAR,
    PROSE,
    RED,
    bar,
    block,
    details,
    dim,
    escaped,
    label,
    mark,
    row,
    tag,
)
from rlm_kernel.views.outline import CallGroup, StepView, new_messages
from rlm_kernel.views.words import State, count, duration, memo_words, short

LISTED = 20
"""Sub-calls of a step that are listed; the rest is counted."""

_TEXT = 600
_CALL_ROW = 1_100
"""Room that the row of a call needs, texts apart."""
_REASONS = 3
_REQUESTS = 4
_INDENT = "margin-left:18px"


def sub_calls(groups: tuple[CallGroup, ...], room: int, span: tuple[float, float]) -> str:
    """The sub-calls of a step: a row for each batch and each single call, ones with failures first.

    Args:
        groups: batches and single calls.
        room: characters of HTML that they may take.
        span: begin and length of the time that the bars show.
    """
    parts: list[str] = []
    listed = 0
    ordered = sorted(groups, key=lambda group: (not group.failed, not group.open))
    for index, group in enumerate(ordered):
        if listed >= LISTED or room < _CALL_ROW:
            rest = ordered[index:]
            parts.append(_counted(sum(len(group.calls) for group in rest), sum(group.failed for group in rest)))
            break
        part = _group(group, room, LISTED - listed, span)
        parts.append(part)
        room -= len(part)
        listed += min(len(group.calls), LISTED)
    return "".join(parts)


def messages(view: StepView, room: int) -> str:
    """What was sent to the root in this step and what it replied, closed; a row for each request."""
    calls = view.step.root_calls[-_REQUESTS:]
    hidden = len(view.step.root_calls) - len(calls)
    parts = [label(f"{count(hidden, 'earlier request')} left out")] if hidden else []
    for index, call in enumerate(calls):
        share = room // (len(calls) - index)
        if share < _CALL_ROW:
            break
        parts.append(_request(view, call, share))
        room -= len(parts[-1])
    return "".join(parts)


def _request(view: StepView, call: Call, room: int) -> str:
    sent = call.started.request.messages
    new = new_messages(view, call)
    share = room // (len(new[-4:]) + 2) - 200
    parts = [label(f"{count(len(new) - 4, 'earlier new message')} left out")] if len(new) > 4 else []  # noqa: PLR2004
    parts += [label(escaped(message.role)) + block(message.content, share, PROSE) for message in new[-4:]]
    if call.finished and call.finished.reply:
        reply = call.finished.reply
        parts.append(label(f"{escaped(reply.model)} replied") + block(reply.text, share, PROSE))
        if reply.reasoning:
            parts.append(label("its thinking, as the server gave it") + block(reply.reasoning, share, PROSE))
    elif call.finished:
        parts.append(label("no reply") + block(call.finished.error or "", share, PROSE))
    fresh = f", {len(new)} of them new" if len(new) < len(sent) else ""
    head = row("", dim(f"Messages · {len(sent)} sent{fresh}"), *_figures(call), NO_BAR)
    return details(head, tag("div", "".join(parts), _INDENT))


def _group(group: CallGroup, room: int, most: int, span: tuple[float, float]) -> str:
    if len(group.calls) > 1:
        return _batch(group, room, most, span)
    return _call(group.calls[0], group.open_state, span, min(room, _CALL_ROW + 2 * _TEXT))


def _batch(group: CallGroup, room: int, most: int, span: tuple[float, float]) -> str:
    failed = tag("span", f"{group.failed:,} failed", RED.text) if group.failed else ""
    still = f"{group.open:,} open" if group.open else ""
    title = f"{escaped(group.name)} " + dim(count(len(group.calls), "call"))
    known = dim(memo_words(group.memo, len(group.calls))) if group.memo else ""
    title += "".join(f" · {part}" for part in (failed, still, known) if part)
    seconds = group.ended - group.began
    figures = [short(group.usage.tokens), duration(seconds), _bar(group.began, seconds, span, group.state)]
    body = _reasons(group)
    room -= len(body) + _CALL_ROW
    shown = 0
    for call in group.calls[:most]:
        if room < _CALL_ROW:
            break
        part = _call(call, group.open_state, span, min(room, _CALL_ROW + 2 * _TEXT))
        body += part
        room -= len(part)
        shown += 1
    rest = group.calls[shown:]
    if rest:
        body += _counted(len(rest), max(0, group.failed - shown))
    return details(row(mark(group.state), title, *figures), tag("div", body, _INDENT))


def _reasons(group: CallGroup) -> str:
    """Why calls failed, the commonest reasons first."""
    errors = Counter(call.finished.error for call in group.calls if call.finished and call.finished.error is not None)
    lines = [f"{number:,} x {escaped(one_line(error, 160))}" for error, number in errors.most_common(_REASONS)]
    if len(errors) > _REASONS:
        lines.append(f"and {count(len(errors) - _REASONS, 'other reason')}")
    return tag("div", "<br>".join(lines), f"font-size:12px;{RED.text}") if lines else ""


def _call(call: Call, open_state: State, span: tuple[float, float], room: int) -> str:
    prompt = "\n\n".join(message.content for message in call.started.request.messages)
    asked = escaped(one_line(prompt, 50))
    finished = call.finished
    state: State = open_state if finished is None else "done" if finished.error is None else "failed"
    answer = (finished.reply.text if finished.reply else finished.error or "") if finished else ""
    title = f"{dim(str(call.started.call))} {asked}" + (f" → {escaped(one_line(answer, 60))}" if answer else "")
    title += dim(" · from the memo") if call.memo else ""
    begun = call.started.at
    figures = [*_figures(call), _bar(begun, finished.at - begun if finished else 0.0, span, state)]
    share = min(_TEXT, (room - _CALL_ROW) // 2)
    body = label(f"Prompt to {escaped(call.started.model)}") + block(prompt, share, PROSE)
    if finished:
        body += label("Reply" if finished.reply else "No reply") + block(answer, share, PROSE)
    return details(row(mark(state), title, *figures), tag("div", body, _INDENT))


def _figures(call: Call) -> list[str]:
    tokens = short(call.usage.tokens) if call.usage.tokens else ""
    return [tokens, duration(call.finished.seconds) if call.finished else ""]


def _bar(begun: float, seconds: float, span: tuple[float, float], state: State) -> str:
    start, length = span
    return bar((begun - start) / length, seconds / length, INKS[state])


def _counted(calls: int, failed: int) -> str:
    words = f"{count(calls, 'more call')}, {failed:,} of them failed" if failed else count(calls, "more call")
    return tag("div", f"… and {words}; run.events has them all", "font-size:12px;opacity:.7")
