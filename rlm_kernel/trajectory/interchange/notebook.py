"""A run as a notebook: a cell for each step with the output it had, and before them what lets them run by hand.

Written in nbformat 4.5 as plain JSON. Texts of the user and the model stand in fenced blocks, so that a front end shows
them and renders nothing of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from rlm_kernel.trajectory.codec import Json
from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.trajectory.interchange import reading
from rlm_kernel.trajectory.interchange.at_hand import at_hand
from rlm_kernel.trajectory.interchange.plain import encodable
from rlm_kernel.trajectory.records import Output, Rich
from rlm_kernel.trajectory.tree import Node, Step, Tree

_NAMES = {
    "FINAL": "def FINAL(value):\n    return value",
    "FINAL_VAR": "def FINAL_VAR(name):\n    return globals()[name]",
    "SHOW_VARS": "SHOW_VARS = dir",
}
"""What stands for the names that exist only inside a run."""


def notebook(events: Sequence[AnyEvent]) -> str:
    """The notebook's JSON."""
    node = Tree(events).root
    steps = [step for step in sorted(node.steps, key=lambda step: step.number) if step.started]
    cells = [_markdown("run", _about(node))]
    if setup := _setup(node, steps):
        cells.append(_code("setup", setup, None, []))
    for step in steps:
        cells.append(_markdown(f"said-{step.number}", _said(step)))
        cells.append(_step(step))
    if node.finished is not None:
        cells.append(_markdown("end", _end(node)))
    made = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(encodable(made), ensure_ascii=False, indent=1) + "\n"


def _about(node: Node) -> str:
    started = node.started
    needed = [f"{one.name}: {one.summary or one.type}" for one in started.contexts]
    parts = ["# A question, step by step", _fenced(started.question)]
    if needed:
        parts += ["Assign these before you run the cells:", _fenced("\n".join(needed))]
    parts.append(_fenced(f"run {started.run}, model {started.model}, sub-model {started.sub_model}"))
    return "\n\n".join(parts)


def _said(step: Step) -> str:
    """What the model wrote around the step's code, and what was noted of it."""
    call = step.root_calls[-1] if step.root_calls else None
    reply = call.finished.reply if call and call.finished else None
    said = reply.text if reply else ""
    parts = [f"## Step {step.number}"]
    if said.strip() and said.strip() != (step.started.code.strip() if step.started else ""):
        parts.append(_fenced(said))
    parts += [_fenced(f"{note.kind}: {note.text}") for note in step.notes]
    return "\n\n".join(parts)


def _end(node: Node) -> str:
    finished = node.finished
    if finished is None:
        return ""
    parts = [f"## {finished.status.capitalize()}"]
    parts += [_fenced(text) for text in (finished.answer, finished.error or "") if text]
    return "\n\n".join(parts)


def _setup(node: Node, steps: Sequence[Step]) -> str:
    """Code that makes by hand what the run had at hand, as far as its steps use it."""
    code = [step.started.code for step in steps if step.started]
    read = {name for part in code for name in reading.names_of(part).reads}
    bound = {name for part in code for name in reading.names_of(part).binds}
    stubs = [text for name, text in _NAMES.items() if name in read and name not in bound]
    return "\n".join(part for part in (at_hand(read, node), *stubs) if part)


def _step(step: Step) -> dict[str, Json]:
    code = step.started.code if step.started else ""
    outputs = _outputs(step.finished.output, step.number) if step.finished else []
    return _code(f"step-{step.number}", code, step.number, outputs)


def _outputs(output: Output, number: int) -> list[dict[str, Json]]:
    made: list[dict[str, Json]] = [
        {"output_type": "stream", "name": name, "text": text}
        for name, text in (("stdout", output.stdout), ("stderr", output.stderr))
        if text
    ]
    if output.echo:
        made.append(
            {
                "output_type": "execute_result",
                "execution_count": number,
                "data": {"text/plain": output.echo},
                "metadata": {},
            }
        )
    made += [
        {"output_type": "display_data", "data": data, "metadata": {}} for rich in output.rich if (data := _shown(rich))
    ]
    if output.failure is not None:
        failure = output.failure
        made.append(
            {
                "output_type": "error",
                "ename": failure.kind,
                "evalue": failure.message,
                "traceback": (failure.traceback or str(failure)).split("\n"),
            }
        )
    return made


def _shown(rich: Rich) -> dict[str, Json]:
    """The parts of a bundle that a notebook can hold."""
    data: dict[str, Json] = {}
    for mime, value in rich.data.items():
        if isinstance(value, str):
            data[mime] = value
        elif mime.endswith("json"):
            try:
                data[mime] = json.loads(json.dumps(value, allow_nan=False))
            except (TypeError, ValueError, RecursionError):
                continue
    return data


def _markdown(name: str, text: str) -> dict[str, Json]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text}


def _code(name: str, source: str, number: int | None, outputs: Sequence[Json]) -> dict[str, Json]:
    return {
        "cell_type": "code",
        "execution_count": number,
        "id": name,
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }


def _fenced(text: str) -> str:
    """A text in a fence that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"
