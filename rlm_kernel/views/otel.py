"""A run as OpenTelemetry spans, by the semantic conventions for generative AI: ``pip install "rlm-kernel[otel]"``.

    run = rlm_kernel.run(question, data, sinks=[rlm_kernel.views.otel.spans()])

A run is an agent (``invoke_agent``), a step is a tool call (``execute_tool python``) and a call to a model is a
``chat``. A child run hangs under the step that started it. Prompts, code and outputs are left out unless asked for: the
conventions make them opt-in, since they hold the user's data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rlm_kernel.errors import ConfigError
from rlm_kernel.trajectory import codec
from rlm_kernel.trajectory.events import (
    AnyEvent,
    CallFinished,
    CallStarted,
    Noted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from rlm_kernel.trajectory.records import Message, Reply
from rlm_kernel.trajectory.secrets import Secrets
from rlm_kernel.views.escape import encodable

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

_AGENT = "rlm"
_PROVIDER = "rlm-kernel"
"""The conventions ask for the provider as the client sees it; which one stands behind an address is not known here."""
_TOOL = "python"
_LONGEST = 20_000
_BAD = {"failed", "stopped", "limit"}

Attributes = dict[str, Any]


def spans(provider: TracerProvider | None = None, *, content: bool = False, secrets: Secrets | None = None) -> SpanSink:
    """A sink that makes spans.

    Args:
        provider: where they go; the process's own if left out.
        content: True to put prompts, replies, code and outputs into them.
        secrets: values that they must not hold; those of the environment if left out.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        from opentelemetry import trace
    except ImportError:
        raise ConfigError('spans need OpenTelemetry: pip install "rlm-kernel[otel]"') from None
    from rlm_kernel._version import __version__

    blank = (secrets or Secrets.known(os.environ)).blank
    return SpanSink(trace.get_tracer(_PROVIDER, __version__, provider), blank, content=content)


class SpanSink:
    """Opens a span where something begins and closes it where that ends, at the times of the events."""

    def __init__(self, tracer: Tracer, blank: Callable[[str], str], *, content: bool) -> None:
        self._tracer = tracer
        self._blank = blank
        self._content = content
        self._runs: dict[str, Span] = {}
        self._steps: dict[tuple[str, int], Span] = {}
        self._calls: dict[int, Span] = {}

    def __call__(self, event: AnyEvent) -> None:
        """Take one event."""
        event = codec.rewritten(event, self._blank)
        match event:
            case RunStarted():
                self._run_started(event)
            case CallStarted():
                self._call_started(event)
            case CallFinished():
                self._call_finished(event)
            case StepStarted():
                self._step_started(event)
            case StepFinished():
                self._step_finished(event)
            case RunFinished():
                self._run_finished(event)
            case Noted() if span := self._runs.get(event.run):
                span.add_event(event.kind, {"rlm.note": encodable(event.text)[:_LONGEST]}, _nanoseconds(event.at))

    def _run_started(self, event: RunStarted) -> None:
        attributes: Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.agent.name": _AGENT,
            "gen_ai.agent.id": event.run,
            "gen_ai.conversation.id": event.run,
            "gen_ai.request.model": event.model,
            "rlm.depth": event.depth,
            **{f"rlm.limit.{name}": limit for name, limit in event.limits.items() if limit is not None},
        }
        attributes |= self._held("gen_ai.input.messages", lambda: _messages((Message("user", event.question),)))
        above = self._steps.get((event.parent, event.step or 0)) if event.parent else None
        above = above or (self._runs.get(event.parent) if event.parent else None)
        self._runs[event.run] = self._open(f"invoke_agent {_AGENT}", event, attributes, above)

    def _call_started(self, event: CallStarted) -> None:
        self._go_on(event)
        request = event.request
        given = {"temperature": request.temperature, "seed": request.seed, "max_tokens": request.max_tokens}
        attributes: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDER,
            "gen_ai.conversation.id": event.run,
            "gen_ai.request.model": event.model,
            "rlm.purpose": event.purpose,
            "rlm.step": event.step,
            **{f"gen_ai.request.{name}": value for name, value in given.items() if value is not None},
        }
        if request.schema is not None:
            attributes["gen_ai.output.type"] = "json"
        if event.batch is not None:
            attributes["rlm.batch"] = event.batch
        attributes |= self._held("gen_ai.input.messages", lambda: _messages(request.messages))
        above = self._steps.get((event.run, event.step)) if event.purpose == "sub-call" else None
        above = above or self._runs.get(event.run)
        self._calls[event.call] = self._open(f"chat {event.model}", event, attributes, above, client=True)

    def _call_finished(self, event: CallFinished) -> None:
        if (span := self._calls.pop(event.call, None)) is None:
            return
        if event.reply is not None:
            span.set_attributes(_used(event.reply) | {"rlm.memo": event.memo})
            reply = event.reply
            held = self._held("gen_ai.output.messages", lambda: _messages((Message("assistant", reply.text),), reply))
            span.set_attributes(held)
        self._close(span, event.at, event.error, "cancelled" if event.error == "cancelled" else "model_error")

    def _step_started(self, event: StepStarted) -> None:
        self._go_on(event)
        attributes: Attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": _TOOL,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": f"{event.run}/{event.step}",
            "rlm.step": event.step,
        }
        attributes |= self._held("gen_ai.tool.call.arguments", lambda: json.dumps({"code": event.code}))
        span = self._open(f"execute_tool {_TOOL}", event, attributes, self._runs.get(event.run))
        self._steps[event.run, event.step] = span

    def _step_finished(self, event: StepFinished) -> None:
        span = self._steps.get((event.run, event.step))
        if span is None:
            return
        span.set_attributes(self._held("gen_ai.tool.call.result", lambda: json.dumps(event.output.text)))
        span.set_attribute("rlm.final", event.final)
        failure = event.output.failure
        self._close(span, event.at, str(failure) if failure else None, failure.kind if failure else "")

    def _run_finished(self, event: RunFinished) -> None:
        span = self._runs.get(event.run)
        if span is None:
            return
        span.set_attribute("rlm.status", event.status)
        answer = event.answer
        span.set_attributes(
            self._held("gen_ai.output.messages", lambda: _messages((Message("assistant", answer),))) if answer else {}
        )
        for place in [place for place in self._steps if place[0] == event.run]:
            self._steps.pop(place).end(_nanoseconds(event.at))
        bad = event.status in _BAD
        self._close(span, event.at, event.error or event.status if bad else None, event.status)

    def _go_on(self, event: AnyEvent) -> None:
        """A run that was stopped goes on: a span that has ended cannot, so the rest is a span beside it."""
        span = self._runs.get(event.run)
        if span is None or span.is_recording():
            return
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.provider.name": _PROVIDER, "rlm.resumed": True}
        attributes |= {"gen_ai.agent.name": _AGENT, "gen_ai.agent.id": event.run, "gen_ai.conversation.id": event.run}
        self._runs[event.run] = self._open(f"invoke_agent {_AGENT}", event, attributes, span)

    def _open(
        self, name: str, event: AnyEvent, attributes: Attributes, above: Span | None, *, client: bool = False
    ) -> Span:
        from opentelemetry import trace

        return self._tracer.start_span(
            encodable(name),
            context=trace.set_span_in_context(above) if above is not None else None,
            kind=trace.SpanKind.CLIENT if client else trace.SpanKind.INTERNAL,
            attributes={
                key: encodable(value) if isinstance(value, str) else value for key, value in attributes.items()
            },
            start_time=_nanoseconds(event.at),
        )

    def _close(self, span: Span, at: float, error: str | None, kind: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        if error is not None:
            span.set_attribute("error.type", encodable(kind))
            span.set_status(Status(StatusCode.ERROR, encodable(error)[:_LONGEST]))
        span.end(_nanoseconds(at))

    def _held(self, name: str, text: Callable[[], str]) -> Attributes:
        """An attribute with the user's data, if it is wanted."""
        return {name: encodable(text())} if self._content else {}


def _used(reply: Reply) -> Attributes:
    usage = reply.usage
    used: Attributes = {
        "gen_ai.response.model": encodable(reply.model),
        "gen_ai.response.finish_reasons": [encodable(reply.finish)],
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "rlm.retries": reply.retries,
    }
    return used | ({"rlm.cost": usage.cost} if usage.cost is not None else {})


def _messages(messages: tuple[Message, ...], reply: Reply | None = None) -> str:
    """Messages in the conventions' form."""
    made: list[Mapping[str, object]] = []
    for message in messages:
        entry: dict[str, object] = {"role": message.role, "parts": [{"type": "text", "content": message.content}]}
        made.append(entry | ({"finish_reason": reply.finish} if reply is not None else {}))
    return json.dumps(made, ensure_ascii=False)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
