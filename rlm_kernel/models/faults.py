"""What a failed call means: the client's exceptions and the servers' words to the package's own errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlm_kernel.errors import ContextOverflow, ModelError, ModelTimeout, ModelUnavailable
from rlm_kernel.models import wire

if TYPE_CHECKING:
    import openai

OVERFLOW = (
    "context_length_exceeded",  # OpenAI's code
    "maximum context length",  # OpenAI, vLLM, OpenRouter, DeepSeek
    "exceed_context_size",  # llama.cpp's type
    "exceeds the available context size",  # llama.cpp
    "context size has been exceeded",  # llama.cpp, while it generates
    "larger than the context",  # llama.cpp before 2025, LM Studio
    "exceeds the context window",  # OpenAI's Responses, Together
    "context length exceeded",  # Ollama, Groq
    "exceeds the context length",  # Ollama's embedding runner, LM Studio
    "longer than the model's context length",  # SGLang
    "prompt is too long",  # Anthropic and gateways in front of it
    "input is too long",  # Bedrock
    "exceeds the maximum number of tokens",  # Gemini
    "reduce the length of the messages",  # Groq
    "too large for model with",  # Mistral: "... maximum context length"
)
"""Words by which servers say that the prompt does not fit, lower case, and whose they are."""

_ADVICE: Mapping[int, tuple[type[ModelError], str]] = {
    401: (ModelUnavailable, "check the key for this address (OPENAI_API_KEY)"),
    402: (ModelUnavailable, "the account has no credit"),
    403: (ModelUnavailable, "check that the key (OPENAI_API_KEY) may use this model"),
    404: (ModelUnavailable, "check the model's name and the base URL (OPENAI_BASE_URL; most end in /v1)"),
    408: (ModelTimeout, ""),
    504: (ModelTimeout, ""),
}
_OVERFLOW_STATUSES = {400, 413, 422, 500}  # 500 is llama.cpp's before 2025
_LONGEST = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """The call that failed, as an error's text needs it."""

    model: str
    endpoint: str
    blank: Callable[[str], str]
    """Blanks known secrets in a text."""

    def line(self, text: str) -> str:
        """A text fit for an error: one line, bounded, without secrets."""
        line = self.blank(" ".join(text.split()))
        return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def translate(error: openai.APIError, call: Call) -> ModelError:
    """The package's error for one of the client's."""
    import openai

    if isinstance(error, openai.APIStatusError):
        return _from_status(error.status_code, error_body(error), call)
    cause = _root_cause(error)
    if isinstance(cause, TimeoutError):
        return ModelTimeout(call.line(f"{call.model} at {call.endpoint} kept silent for too long"))
    reason = str(cause) or type(cause).__name__
    return ModelUnavailable(
        call.line(f"no connection to {call.endpoint}: {reason}; check the base URL (OPENAI_BASE_URL) and the network")
    )


def from_reply(error: ModelError, call: Call) -> ModelError:
    """The error for a response that came under a good status but cannot be read."""
    text = str(error)
    kind = ContextOverflow if isinstance(error, wire.ServerError) and is_overflow(text) else ModelError
    return kind(call.line(f"{call.model} at {call.endpoint}: {text}"))


def is_overflow(text: str) -> bool:
    """True if a server's words say that the prompt does not fit its window."""
    lowered = text.lower()
    return any(words in lowered for words in OVERFLOW)


def error_body(error: openai.APIStatusError) -> object:
    """The body of an error response: its JSON, or its text where it is none."""
    try:
        return wire.decode(error.response.content)
    except ModelError:
        return error.response.text


def error_field(body: object, name: str) -> str:
    """A field of OpenAI's error object, such as ``code``; empty where there is none."""
    error = body.get("error") if isinstance(body, Mapping) else None
    value = error.get(name) if isinstance(error, Mapping) else None
    return value if isinstance(value, str) else ""


def _from_status(status: int, body: object, call: Call) -> ModelError:
    text = wire.server_text(body) or "no reason given"
    said = f"{call.model} at {call.endpoint} answered HTTP {status}: {text}"
    hints = f"{text} {error_field(body, 'code')} {error_field(body, 'type')}"
    if status in _OVERFLOW_STATUSES and is_overflow(hints):
        return ContextOverflow(call.line(said))
    kind, advice = _ADVICE.get(status, (ModelError, ""))
    return kind(f"{call.line(said)}; {advice}" if advice else call.line(said))


def _root_cause(error: BaseException) -> BaseException:
    """What the transport met: it reports a connection closed early as a time-out, so only the first cause tells."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
