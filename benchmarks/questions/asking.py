"""Two ways to put a question to the same model: as an RLM, and with as much of the data as its window takes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlm_kernel.budget import Limits
from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import ContextOverflow, RLMError
from rlm_kernel.trajectory.records import Message, Request

from .question import Question

REPLY = 120
"""Tokens kept free for a direct answer."""
ROUND_IT = 300
"""Tokens kept free for the instruction, the question and the chat template."""
SMALLER = 0.93
"""By how much the data is cut again where the server still finds it too long."""
ANSWER_CHARS = 400


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of one question."""

    value: object
    """The answer, a live object; None if there is none."""
    status: str
    steps: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    sent: float | None = None
    """Share of the data that the model saw, for direct questions."""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class ByRLM:
    """Asks through `rlm_kernel.run`."""

    model: Model
    limits: Limits
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further options of `rlm_kernel.run`: temperature, seed."""
    traces: Path | None = None
    """Folder for one readable file a question."""

    def __call__(self, question: Question, value: Any) -> Answered:
        import rlm_kernel

        # The run gets a copy: a question must not see what the code for an earlier one did.
        own = value.copy() if hasattr(value, "copy") else value
        started = time.monotonic()
        run = rlm_kernel.run(question.text, {question.name: own}, model=self.model, limits=self.limits, **self.options)
        seconds = time.monotonic() - started
        if self.traces:
            self.traces.mkdir(parents=True, exist_ok=True)
            (self.traces / f"{question.id}.txt").write_text(_trace(question, run), encoding="utf-8")
        usage = run.usage
        return Answered(
            value=run.answer,
            status=run.status,
            steps=len(run.steps),
            calls=usage.calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            seconds=seconds,
            error=str(run.error or ""),
        )


def _trace(question: Question, run: Any) -> str:
    """A run to read: every reply, every step, every output."""
    parts = [f"{question.id}: {question.text}"]
    for call in run.calls:
        finished = call.finished
        said = finished.reply.text if finished and finished.reply else f"(no reply: {finished and finished.error})"
        parts.append(f"--- call {call.started.call}, step {call.started.step}, {call.started.purpose}\n{said}")
    for step in run.steps:
        failure = f"\n!! {step.failure}" if step.failure else ""
        parts.append(f"--- step {step.number}\n{step.code}\n=>\n{step.output[:2000]}{failure}")
    parts += [f"--- warning: {warning}" for warning in run.warnings]
    parts.append(f"--- {run.status}: {str(run.answer)[:ANSWER_CHARS]} {run.error or ''}")
    return "\n".join(parts) + "\n"


class Direct:
    """Asks with the data in the prompt, cut to the window: one call, a few words wanted."""

    def __init__(self, model: Model, options: Mapping[str, Any]) -> None:
        self._model = model
        self._options = {"temperature": 0.0, **options}
        self._runner = asyncio.Runner()
        self._fitted: tuple[object, str, float] | None = None
        """The newest value, its text as sent, and its share: the next question over it finds its prompt cached."""

    def close(self) -> None:
        """Let go of the connection."""
        self._runner.close()

    def __call__(self, question: Question, value: Any) -> Answered:
        started = time.monotonic()
        text, share = self._fit(value)
        while True:
            request = Request(
                messages=(Message("user", _prompt(question, text)),), max_tokens=REPLY, timeout=600, **self._options
            )
            try:
                reply = self._runner.run(self._model.complete(request))
                break
            except ContextOverflow:
                text, share = text[: int(len(text) * SMALLER)], share * SMALLER
                self._fitted = (value, text, share)
        return Answered(
            value=reply.text.strip(),
            status="done",
            calls=1,
            input_tokens=reply.usage.input_tokens,
            output_tokens=reply.usage.output_tokens,
            seconds=time.monotonic() - started,
            sent=share,
        )

    def _fit(self, value: Any) -> tuple[str, float]:
        if self._fitted is None or self._fitted[0] is not value:
            room = self._runner.run(self._model.window()) - REPLY - ROUND_IT
            self._fitted = (value, *cut(as_text(value), room, self._model.count))
        return self._fitted[1:]


def _prompt(question: Question, data: str) -> str:
    # The data first: the server keeps the beginning of a prompt for the next question over the same data.
    return (
        f"`{question.name}`:\n{data}\n\nQuestion about `{question.name}`: {question.text}\n"
        "Reply with the answer alone, one number or a few words."
    )


def as_text(value: Any) -> str:
    """A value as a prompt holds it: a table as CSV, a dict of texts one after the other."""
    if hasattr(value, "to_csv"):
        return str(value.to_csv(index=False))
    if isinstance(value, dict):
        return "\n\n".join(f"## {key}\n{text}" for key, text in value.items())
    return str(value)


def cut(text: str, room: int, count: Callable[[str], int]) -> tuple[str, float]:
    """The longest beginning of `text` with at most `room` tokens, and its share of the whole."""
    low, high = 0, min(len(text), room * 10)
    if count(text[:high]) <= room:
        return text[:high], high / max(len(text), 1)
    while high - low > 64:
        middle = (low + high) // 2
        if count(text[:middle]) <= room:
            low = middle
        else:
            high = middle
    return text[:low], low / len(text)


def failed(error: Exception, seconds: float) -> Answered:
    """What came of a question that ended in an error of ours: no answer, and the benchmark goes on."""
    return Answered(
        value=None, status="failed", seconds=seconds, error=f"{type(error).__name__}: {error}"[:ANSWER_CHARS]
    )


EXPECTED = (RLMError, OSError)
"""Errors of a run or a call that count as no answer. Anything else is a mistake in this benchmark and ends it."""
