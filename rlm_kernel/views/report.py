"""The report of a run: where its calls, tokens, time and money went, in lines for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.trajectory.report import Report, report_of
from rlm_kernel.trajectory.tree import Call, Tree
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.words import count, duration, short, status_word, token_words

_WIDTH = 100
_LABEL = 10
_ERRORS = 3
_REMARKS = 5


def report(tree: Tree, events: Sequence[AnyEvent] = ()) -> str:
    """The report, without control characters.

    Args:
        tree: the fold of the run's events.
        events: the events themselves; with them the time in which the run stood still is told apart.
    """
    if not tree.runs:
        return "no run yet"
    return "\n".join(f"{label:<{_LABEL}}{line}".rstrip() for label, line in _lines(report_of(tree, events)))


def _lines(told: Report) -> Iterator[tuple[str, str]]:
    models = told.model if told.model == told.sub_model else f"{told.model} with {told.sub_model}"
    yield "Run", one_line(f"{told.run}, {status_word(told.status)}, {models}", _WIDTH)
    yield "Question", one_line(told.question, _WIDTH)
    if told.error:
        yield "Error", one_line(told.error, _WIDTH)
    yield "Steps", _steps(told)
    yield "Calls", _calls(told)
    for error, number in told.failed[:_ERRORS]:
        yield "", one_line(f"{number:,} failed: {error}", _WIDTH)
    if len(told.failed) > _ERRORS:
        rest = sum(number for _, number in told.failed[_ERRORS:])
        yield "", f"{rest:,} failed in {count(len(told.failed) - _ERRORS, 'other way')}"
    yield "Tokens", _of(token_words(told.usage), told.limits.get("tokens"), lambda limit: short(int(limit)))
    yield "Cost", _cost(told)
    yield "Time", _of(duration(told.seconds), told.limits.get("seconds"), duration)
    parts = {"models": told.in_model, "code": told.in_code, "the engine": told.in_engine}
    yield "", ", ".join(f"{duration(seconds)} in {place}" for place, seconds in parts.items())
    if told.stood_still > 0:
        yield "", f"and {duration(told.stood_still)} in which it stood still"
    if told.slowest is not None:
        yield "Slowest", one_line(_slowest(told.slowest), _WIDTH)
    if told.unseen:
        yield "Figures", one_line(f"in the answer that no output showed: {', '.join(told.unseen)}", _WIDTH)
    for number, remark in enumerate(told.remarks[:_REMARKS]):
        yield "" if number else "Remarks", one_line(remark, _WIDTH)


def _steps(told: Report) -> str:
    parts = [_of(f"{told.steps:,}", told.limits.get("steps"), _number)]
    parts += [f"{told.failed_steps:,} failed"] if told.failed_steps else []
    parts += [count(told.children, "child run")] if told.children else []
    parts += [f"{count(told.guarded, 'answer')} refused"] if told.guarded else []
    parts += [f"{count(told.redrawn, 'reply').replace('replys', 'replies')} asked for again"] if told.redrawn else []
    return ", ".join(parts)


def _calls(told: Report) -> str:
    parts = [_of(f"{told.usage.calls:,}", told.limits.get("calls"), _number), count(told.sub_calls, "sub-call")]
    parts += [f"{told.memo:,} from the memo"] if told.memo else []
    parts += [f"{told.retries:,} retries" if told.retries > 1 else "1 retry"] if told.retries else []
    parts += [f"tokens of {told.estimated:,} estimated"] if told.estimated else []
    return ", ".join(parts)


def _cost(told: Report) -> str:
    usage = told.usage
    if usage.cost is None:
        known = f"${usage.dollars:.4f} and " if usage.dollars else ""
        return f"{known}the price of {count(usage.unpriced, 'call')} is not known"
    return _of(f"${usage.cost:.4f}", told.limits.get("cost"), lambda limit: f"${limit:g}")


def _slowest(call: Call) -> str:
    seconds = call.finished.seconds if call.finished else 0.0
    messages = call.started.request.messages
    asked = messages[-1].content if messages else ""
    return f"{duration(seconds)}, call {call.id} in step {call.started.step} to {call.model}: {asked}"


def _of(used: str, limit: float | None, words: Callable[[float], str]) -> str:
    """What was used, against its limit."""
    return used if limit is None else f"{used} of {words(limit)}"


def _number(value: float) -> str:
    return f"{value:,.0f}"
