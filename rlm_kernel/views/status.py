"""The one line that says, while a run goes on, where it is and what it has used."""

from __future__ import annotations

import re

from rlm_kernel.trajectory.events import CallFinished
from rlm_kernel.trajectory.tree import Node, Step, Tree
from rlm_kernel.views.cut import clip, one_line
from rlm_kernel.views.markup import FRAME, dim, escaped, figure, heading, meter, pill, tag, totals
from rlm_kernel.views.words import MARKS, count, duration, money, short, status_word

_CALLS = re.compile(r"\b(llm_query_batched|llm_map|llm_query_async|llm_query)\s*\(")
_QUESTION = 110
_BAR = 20


def status_line(tree: Tree, now: float, *, width: int = 100) -> str:
    """``step 3 · running llm_query_batched 214/1,172 · 37 calls · 41k tokens · 12 s``.

    Args:
        tree: the fold of the events so far.
        now: the time, in seconds since the epoch.
        width: the most columns that it may take.
    """
    if not tree.runs:
        return clip("starting", width)
    sign = f"{MARKS[tree.root.status]} " if tree.root.finished else ""
    used = [f"{number} {unit}".rstrip() for number, unit in _used(tree, now)]
    return clip(sign + " · ".join([*_where(tree), *used]), width)


def status_html(tree: Tree, now: float) -> str:
    """The status line as HTML, with the question before it."""
    if not tree.runs:
        return tag("div", dim("starting"))
    status = tree.root.status
    where, figures = _where(tree), _used(tree, now)
    title = heading(pill(status, escaped(where[0])), escaped(one_line(tree.root.started.question, _QUESTION)))
    doing = [dim(escaped(" · ".join(where[1:])))] if where[1:] else []
    return tag("div", title + totals([*doing, *(figure(*pair) for pair in figures)]), FRAME)


def progress_line(text: str, share: float | None) -> str:
    """How far something is that a run waits for: ``loading the model [#####...............]  25%``."""
    if share is None:
        return f"{one_line(text, _QUESTION)} ..."
    full = int(min(max(share, 0.0), 1.0) * _BAR)
    return f"{one_line(text, _QUESTION)} [{'#' * full}{'.' * (_BAR - full)}] {share:4.0%}"


def progress_html(text: str, share: float | None) -> str:
    """The same as HTML."""
    words = tag("span", escaped(one_line(text, _QUESTION)), "margin:0 8px")
    done = "" if share is None else f"{meter(share)} {tag('b', f'{share:.0%}', 'margin-left:8px')}"
    return tag("div", f"{pill('running', 'local model')}{words}{done}", FRAME)


def _where(tree: Tree) -> list[str]:
    """The step, and what goes on in it; the state and the number of steps once the run is over."""
    root = tree.root
    step = _newest(tree)
    if root.finished:
        return [status_word(root.status), count(step.number if step else 0, "step")]
    return [*([f"step {step.number}"] if step and step.number else []), _doing(tree, step)]


def _used(tree: Tree, now: float) -> list[tuple[str, str]]:
    """Figures and their units."""
    used = tree.usage
    end = tree.root.finished.at if tree.root.finished else now
    calls = ("1", "call") if used.calls == 1 else (f"{used.calls:,}", "calls")
    cost = [(money(used), "")] if used.dollars else []
    return [calls, (short(used.tokens), "tokens"), *cost, (duration(end - tree.root.started.at), "")]


def _newest(tree: Tree) -> Step | None:
    return max(tree.root.steps, key=lambda step: step.number, default=None)


def _doing(tree: Tree, step: Step | None) -> str:
    """What goes on right now."""
    if step is None:
        return "starting"
    if step.finished:
        asked = [call for call in step.root_calls[-1:] if call.started.seq > step.finished.seq and not call.finished]
        return f"{one_line(asked[-1].started.model, 40)} is reading the output" if asked else "between steps"
    if step.started is None:
        return _writing(tree, step)
    children = [node for node in tree.runs.values() if node.started.parent is not None and node.finished is None]
    if children:
        return _children(children)
    calls = [call for call in step.sub_calls if call.started.batch == step.sub_calls[-1].started.batch]
    done = sum(call.finished is not None for call in calls)
    if done == len(calls):
        return "running code"
    names = set(_CALLS.findall(step.started.code))
    name = names.pop() if len(names) == 1 else "sub-calls"
    return f"running {name} {done:,}/{len(calls):,}" if len(calls) > 1 else f"running {name}"


def _writing(tree: Tree, step: Step) -> str:
    call = step.root_calls[-1] if step.root_calls else None
    if call is None:
        return "starting"
    if call.finished is None:
        return f"{one_line(call.started.model, 40)} is writing"
    if call.finished.error is not None and isinstance(tree.last, CallFinished):
        return "no reply"
    return "reading the reply"


def _children(children: list[Node]) -> str:
    deepest = max(children, key=lambda node: (node.started.depth, node.started.seq))
    step = max((step.number for step in deepest.steps), default=0)
    at = f" at step {step}" if step else ""
    return f"{count(len(children), 'child run')}{at}" if len(children) == 1 else count(len(children), "child run")
