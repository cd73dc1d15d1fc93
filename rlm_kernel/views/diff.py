"""Two runs beside each other, in lines for a person: first where they part, then how they ended."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from rlm_kernel.trajectory.diff import Diff, Side, StepDiff
from rlm_kernel.trajectory.diff import diff as compare
from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.views.cut import clip, one_line
from rlm_kernel.views.escape import visible
from rlm_kernel.views.words import count, duration, short, status_word

_WIDTH = 110
_LINES = 40
_LABEL = 12


def diff(one: Sequence[AnyEvent], other: Sequence[AnyEvent]) -> str:
    """Where two trajectories part, without control characters. Raises LookupError for one that has not begun."""
    return "\n".join(line.rstrip() for line in _lines(compare(one, other)))


def _lines(found: Diff) -> Iterator[str]:
    yield clip(visible(f"{'':<{_LABEL}}{found.one.run}  |  {found.other.run}"), _WIDTH)
    for setting in found.settings:
        yield from _pair(setting.name, setting.one, setting.other)
    parting = found.parts_at
    if parting is None:
        yield f"{count(len(found.steps), 'step')}, the same in both"
    else:
        yield _where(found, parting)
        yield from _parting(parting)
        later = [step for step in found.steps if step.number > parting.number]
        yield from (_brief(step) for step in later[:_LINES])
        if len(later) > _LINES:
            yield f"and {count(len(later) - _LINES, 'more step')}"
    yield from _ends(found.one, found.other)


def _where(found: Diff, parting: StepDiff) -> str:
    before = sum(step.number < parting.number for step in found.steps)
    same = f"{count(before, 'step')} the same; " if before else ""
    return f"{same}they part at step {parting.number}"


def _parting(step: StepDiff) -> Iterator[str]:
    if not step.same_code:
        yield from _unified("code", step.codes)
    if not step.same_output:
        yield from _unified("output", step.outputs)
    if words := _calls(step):
        yield f"  {words}"


def _unified(what: str, sides: tuple[str | None, str | None]) -> Iterator[str]:
    for name, side in zip(("first", "second"), sides, strict=True):
        if side is None:
            yield f"  no {what} in the {name}"
    one, other = (visible(side or "").splitlines() for side in sides)
    changes = list(difflib.unified_diff(one, other, lineterm="", n=2))[2:]
    if changes:
        yield f"  {what}:"
    yield from (f"    {clip(line, _WIDTH)}" for line in changes[:_LINES])
    if len(changes) > _LINES:
        yield f"    … {count(len(changes) - _LINES, 'more line')}"


def _brief(step: StepDiff) -> str:
    if step.same:
        return f"step {step.number}: the same"
    if None in step.codes and step.codes != (None, None):
        return f"step {step.number}: only in the {'second' if step.codes[0] is None else 'first'}"
    parts = ["same code" if step.same_code else "other code", "same output" if step.same_output else "other output"]
    return f"step {step.number}: {', '.join([*parts, *filter(None, [_calls(step)])])}"


def _calls(step: StepDiff) -> str:
    """How the sub-calls differ; empty if they do not."""
    parts = [f"{step.only_one:,} only in the first"] if step.only_one else []
    parts += [f"{step.only_other:,} only in the second"] if step.only_other else []
    parts += [f"{step.other_answers:,} answered differently"] if step.other_answers else []
    return f"sub-calls: {', '.join([f'{step.same_calls:,} in both', *parts])}" if parts else ""


def _ends(one: Side, other: Side) -> Iterator[str]:
    yield from _pair("status", status_word(one.status), status_word(other.status), always=True)
    yield from _pair("steps", f"{one.steps:,}", f"{other.steps:,}", always=True)
    yield from _pair("calls", f"{one.usage.calls:,}", f"{other.usage.calls:,}", always=True)
    yield from _pair("tokens", short(one.usage.tokens), short(other.usage.tokens), always=True)
    yield from _pair("cost", _dollars(one), _dollars(other), always=True)
    yield from _pair("time", duration(one.seconds), duration(other.seconds), always=True)
    yield from _pair("error", one.error or "none", other.error or "none")
    if one.answer == other.answer:
        yield (
            f"{'answer':<{_LABEL}}the same: {one_line(one.answer, _WIDTH - 2 * _LABEL)}" if one.answer else "no answer"
        )
    else:
        yield from _pair("answer", one.answer or "none", other.answer or "none")


def _dollars(side: Side) -> str:
    return "not known" if side.usage.cost is None else f"${side.usage.cost:.4f}"


def _pair(name: str, one: str, other: str, *, always: bool = False) -> Iterator[str]:
    """A line for both where they fit into one, else a line each."""
    if one == other and not always:
        return
    label = f"{one_line(name, _LABEL * 3):<{_LABEL}}"
    room = (_WIDTH - _LABEL) // 2 - 3
    if max(len(one), len(other)) <= room and "\n" not in one + other:
        yield f"{label}{one_line(one, room)}  |  {one_line(other, room)}"
    else:
        yield f"{label}{one_line(one, _WIDTH - _LABEL)}"
        yield f"{'':<{_LABEL}}{one_line(other, _WIDTH - _LABEL)}"
