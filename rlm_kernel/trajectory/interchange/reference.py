"""The trajectory format of the reference implementation (package `rlms`), which its visualizer shows.

A line of metadata, then a line for each iteration. It knows no call numbers, parents or start times, so our own
records travel in the line of metadata under a key of their own, which its readers pass over: one file is shown there
and comes back here without loss. Values of variables are not written out, only what was said of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from rlm_kernel.trajectory.codec import Json
from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.trajectory.interchange import lossless
from rlm_kernel.trajectory.interchange.plain import encodable
from rlm_kernel.trajectory.records import Message, Output
from rlm_kernel.trajectory.tree import Call, Node, Step, Tree
from rlm_kernel.usage import Usage


def lines(events: Sequence[AnyEvent]) -> Iterator[str]:
    """The lines of the file."""
    tree = Tree(events)
    ours = {lossless.NAME: lossless.header() | {"events": list(lossless.records(events))}}
    for entry in (_metadata(tree.root) | ours, *_iterations(tree, tree.root)):
        yield json.dumps(encodable(entry), ensure_ascii=False, allow_nan=False)


def _metadata(node: Node) -> dict[str, Json]:
    started = node.started
    return {
        "type": "metadata",
        "timestamp": _time(started.at),
        "root_model": started.model,
        "max_depth": started.limits.get("depth"),
        "max_iterations": started.limits.get("steps"),
        "backend": "rlm-kernel",
        "backend_kwargs": {"model_name": started.model},
        "environment_type": "jupyter",
        "environment_kwargs": {context.name: context.type for context in started.contexts},
        "other_backends": [started.sub_model] if started.sub_model != started.model else None,
    }


def _iterations(tree: Tree, node: Node) -> list[dict[str, Json]]:
    steps = [step for step in sorted(node.steps, key=lambda step: step.number) if step.root_calls or step.started]
    entries = [_iteration(tree, step, number) for number, step in enumerate(steps, 1)]
    if node.finished is not None and node.finished.answer and entries:
        entries[-1]["final_answer"] = node.finished.answer
    return entries


def _iteration(tree: Tree, step: Step, number: int) -> dict[str, Json]:
    call = step.root_calls[-1] if step.root_calls else None
    began = call.start if call else step.started.at if step.started else 0.0
    ended = step.finished.at if step.finished else (call.end if call and call.end else began)
    reply = call.finished.reply if call and call.finished else None
    return {
        "type": "iteration",
        "iteration": number,
        "timestamp": _time(began),
        "prompt": [_message(message) for message in call.started.request.messages] if call else [],
        "response": reply.text if reply else "",
        "code_blocks": [_code_block(tree, step)] if step.started else [],
        "final_answer": None,
        "iteration_time": ended - began,
    }


def _code_block(tree: Tree, step: Step) -> dict[str, Json]:
    output = step.finished.output if step.finished else Output()
    failure = output.failure
    failed = [failure.traceback or str(failure)] if failure else []
    calls = [_call(call) for call in step.sub_calls] + [_child(tree, run) for run in step.children if run in tree.runs]
    return {
        "code": step.started.code if step.started else "",
        "result": {
            "stdout": output.text,
            "stderr": "\n".join([output.stderr, *failed] if output.stderr else failed),
            "locals": {change.name: change.summary for change in output.changes if change.how != "deleted"},
            "execution_time": output.seconds,
            "rlm_calls": calls,
            "final_answer": None,
        },
    }


def _call(call: Call) -> dict[str, Json]:
    messages = call.started.request.messages
    reply = call.finished.reply if call.finished else None
    entry: dict[str, Json] = {
        "root_model": call.model,
        "prompt": messages[0].content if len(messages) == 1 else {"messages": [_message(one) for one in messages]},
        "response": reply.text if reply else "",
        **_usage({call.model: call.usage}),
        "execution_time": call.finished.seconds if call.finished else 0.0,
    }
    return entry | ({"error": call.error} if call.error is not None else {})


def _child(tree: Tree, run: str) -> dict[str, Json]:
    """A child run stands among the calls, its own trajectory with it."""
    node = tree.runs[run]
    used: dict[str, Usage] = {}
    for call in tree.calls.values():
        if _is_under(tree, call.run, run):
            used[call.model] = used.get(call.model, Usage()) + call.usage
    entry: dict[str, Json] = {
        "root_model": node.started.model,
        "prompt": node.started.question,
        "response": node.finished.answer if node.finished else "",
        **_usage(used),
        "execution_time": node.finished.at - node.started.at if node.finished else 0.0,
        "metadata": {"run_metadata": _metadata(node), "iterations": _iterations(tree, node)},
    }
    failed = node.finished.error if node.finished else None
    return entry | ({"error": failed} if failed else {})


def _is_under(tree: Tree, run: str | None, above: str) -> bool:
    while run is not None and run != above:
        run = tree.runs[run].started.parent if run in tree.runs else None
    return run == above


def _usage(used: Mapping[str, Usage]) -> dict[str, Json]:
    """Usage by model; and in the two numbers that the visualizer reads."""
    summaries = {}
    for model, usage in used.items():
        counts = {
            "total_calls": usage.calls,
            "total_input_tokens": usage.input_tokens,
            "total_output_tokens": usage.output_tokens,
        }
        summaries[model] = counts | ({"total_cost": usage.cost} if usage.cost is not None else {})
    return {
        "usage_summary": {"model_usage_summaries": summaries},
        "prompt_tokens": sum(usage.input_tokens for usage in used.values()),
        "completion_tokens": sum(usage.output_tokens for usage in used.values()),
    }


def _message(message: Message) -> dict[str, Json]:
    return {"role": message.role, "content": message.content}


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
