"""The mime bundle that stays as the output of a cell: HTML, text and compact JSON, none of which needs a kernel."""

from __future__ import annotations

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.usage import Usage
from rlm_kernel.views import html, text
from rlm_kernel.views.cut import head_tail
from rlm_kernel.views.escape import encodable
from rlm_kernel.views.outline import Gap, RunView, StepView, outline, pick

MIME = "application/vnd.rlm.run+json"
VERSION = 1
"""Version of the JSON. It grows when a field changes its meaning."""

_ROOM = 120_000
"""Characters of text in the JSON, over all runs and steps."""
_MOST_STEPS = 100
_LEAST = 400


def bundle(tree: Tree) -> dict[str, object]:
    """What the cell keeps, by mime type.

    Never a widget: in a notebook opened again, JupyterLab shows the widget's error in place of the HTML beside it.
    """
    return {"text/html": html.render(tree), "text/plain": text.render(tree), MIME: summary(tree)}


def summary(tree: Tree) -> dict[str, object]:
    """The run as compact JSON of bounded size, for programs that read saved notebooks."""
    if not tree.runs:
        return {"version": VERSION}
    return {"version": VERSION, **_run(outline(tree), _ROOM)}


def _run(view: RunView, room: int) -> dict[str, object]:
    started, finished = view.node.started, view.node.finished
    small = max(_LEAST, room // 10)
    steps = pick(view.steps, max(1, min(_MOST_STEPS, room // _LEAST)))
    return {
        "run": encodable(started.run),
        "status": view.node.status,
        "question": _cut(started.question, small),
        "model": encodable(started.model),
        "sub_model": encodable(started.sub_model),
        "answer": _cut(finished.answer, small) if finished else "",
        "extracted": bool(finished and finished.extracted),
        "error": _cut(finished.error, small) if finished and finished.error else None,
        "began": view.began,
        "seconds": round(view.seconds, 3),
        "usage": _usage(view.usage),
        "warnings": [_cut(note.text, _LEAST) for note in view.said("warning", "remark")[:10]],
        "steps": [_step(step, room // len(steps)) for step in steps],
    }


def _step(view: StepView | Gap, room: int) -> dict[str, object]:
    if isinstance(view, Gap):
        return {"left_out": [view.first, view.last], "failed": view.failed}
    output = view.step.finished.output if view.step.finished else None
    share = room // 3
    children = view.children[: share // (2 * _LEAST)]
    step: dict[str, object] = {
        "step": view.step.number,
        "state": view.state,
        "code": _cut(view.step.started.code if view.step.started else view.waiting, share),
        "output": _cut(output.text, share) if output else "",
        "failure": _cut(str(output.failure), _LEAST) if output and output.failure else None,
        "changed": [[encodable(change.name[:80]), change.how] for change in output.changes[:20]] if output else [],
        "sub_calls": view.sub_calls,
        "failed_calls": view.failed_calls,
        "seconds": round(view.seconds, 3),
        "usage": _usage(view.usage),
    }
    if view.children:
        step["children"] = [_run(child, share // len(children)) for child in children]
        step["children_left_out"] = len(view.children) - len(children)
    return step


def _usage(usage: Usage) -> dict[str, float | None]:
    return {
        "calls": usage.calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost": usage.cost,
    }


def _cut(text: str, room: int) -> str:
    return encodable(head_tail(text, room).text)
