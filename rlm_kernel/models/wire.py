"""Chat completions as they go over the wire: a request to its JSON, any JSON to a reply.

Servers differ and err; whatever comes back is either a `Reply` or a `ModelError` that says what was wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rlm_kernel.errors import ModelError
from rlm_kernel.trajectory.records import Reply, Request
from rlm_kernel.usage import Usage

_OPENED = re.compile(r"\s*<(think|thinking)>(.*?)(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_CLOSED_ONLY = re.compile(r"((?:(?!<think>).)*?)</think>", re.DOTALL | re.IGNORECASE)
"""Templates that open the thinking in the prompt leave only its end in the reply."""


class ServerError(ModelError):
    """The server put an error where the answer belongs, under a status that said all was well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What is known of a call beside its body."""

    model: str
    retries: int
    estimate: Callable[[str], Usage]
    """Usage for a reply text, for servers that report none."""


def body_of(request: Request, model: str) -> dict[str, object]:
    """The JSON body of a request; what is not set is left out."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": message.role, "content": _clean(message.content)} for message in request.messages],
    }
    options = {"temperature": request.temperature, "seed": request.seed, "max_tokens": request.max_tokens}
    body.update((name, value) for name, value in options.items() if value is not None)
    if request.schema is not None:
        schema = {"name": "answer", "schema": request.schema, "strict": request.strict}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def decode(content: bytes) -> object:
    """The JSON of a response's body. Raises ModelError if it holds none."""
    if not content.strip():
        raise ModelError("the server sent an empty body")
    try:
        decoded: object = json.loads(content)
    except (ValueError, RecursionError):
        start = content[:200].decode("utf-8", "replace")
        raise ModelError(f"the server sent no JSON; its body begins: {' '.join(start.split())}") from None
    return decoded


def reply_of(body: object, answered: Answered) -> Reply:
    """Read a chat completion. Raises ModelError for whatever is none."""
    top = _mapping(body)
    if top.get("error"):
        raise ServerError(server_text(body))
    choices = top.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ModelError(f"the server's answer holds no choices: {_brief(body)}")
    choice = _mapping(choices[0])
    if choice.get("error"):
        raise ServerError(server_text(choice))
    message = choice.get("message", {"content": choice.get("text")} if "text" in choice else None)
    if not isinstance(message, Mapping):
        raise ModelError(f"the server's answer holds no message: {_brief(body)}")
    return _reply(top, choice, _mapping(message), answered)


def server_text(body: object) -> str:
    """The words of an error body, in whichever of the usual shapes it comes."""
    if isinstance(body, str):
        return body.strip()
    return _clean(_words(_mapping(body)) or _brief(body))


def _words(top: Mapping[str, object]) -> str:
    for part in (top.get("error"), top.get("detail"), top.get("message"), top.get("msg")):
        if isinstance(part, Mapping) and isinstance(part.get("message"), str):
            return str(part["message"])
        if part:
            return part if isinstance(part, str) else _brief(part)
    return ""


def _reply(
    top: Mapping[str, object], choice: Mapping[str, object], message: Mapping[str, object], known: Answered
) -> Reply:
    text, thought = _content(message.get("content"))
    text = text or _text(message.get("refusal"))
    text, inline = _split_thinking(text)
    apart = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    reasoning = "\n".join(part for part in (apart, thought, inline) if part)
    usage = _usage(_mapping(top.get("usage")))
    return Reply(
        text=text,
        model=_text(top.get("model")) or known.model,
        usage=usage or known.estimate(reasoning + text),
        finish=_text(choice.get("finish_reason")) or "stop",
        reasoning=reasoning,
        tool_calls=_tool_calls(message),
        retries=known.retries,
        estimated=usage is None,
    )


def _content(content: object) -> tuple[str, str]:
    """Text and thinking of a message's content: a string, nothing, or a list of parts."""
    if not isinstance(content, list):
        return _text(content), ""
    text: list[str] = []
    thought: list[str] = []
    for part in content:
        if isinstance(part, str):
            text.append(_text(part))
            continue
        fields = _mapping(part)
        text.append(_text(fields.get("text")))
        thinking = fields.get("thinking")  # Mistral's is a list of parts, Anthropic's a text
        parts = thinking if isinstance(thinking, list) else [{"text": thinking}]
        thought += [_text(_mapping(part).get("text")) for part in parts]
    return "".join(text), "".join(thought)


def _split_thinking(text: str) -> tuple[str, str]:
    """Text without the thinking that it begins with, and that thinking."""
    if opened := _OPENED.match(text):
        return text[opened.end() :].lstrip(), opened[2].strip()
    if "</think>" in text and (closed := _CLOSED_ONLY.match(text)):
        return text[closed.end() :].lstrip(), closed[1].strip()
    return text, ""


def _tool_calls(message: Mapping[str, object]) -> tuple[str, ...]:
    calls = message.get("tool_calls")
    found = [_arguments(_mapping(call)) for call in calls] if isinstance(calls, list) else []
    if "function_call" in message:  # the interface before tools, still spoken by some servers
        found.append(_arguments({"function": message["function_call"]}))
    return tuple(arguments for arguments in found if arguments)


def _arguments(call: Mapping[str, object]) -> str:
    function = _mapping(call.get("function"))
    arguments = function.get("arguments") if function else _mapping(call.get("custom")).get("input")
    return json.dumps(arguments) if isinstance(arguments, Mapping) else _text(arguments)


def _usage(usage: Mapping[str, object]) -> Usage | None:
    """Usage as reported; None if the server did not count the prompt, which is never empty."""
    sent = _number(usage.get("prompt_tokens")) or _number(usage.get("input_tokens"))
    if not sent:
        return None
    details = _mapping(usage.get("prompt_tokens_details")) or _mapping(usage.get("input_tokens_details"))
    cached = _number(details.get("cached_tokens")) or _number(usage.get("prompt_cache_hit_tokens"))
    received = _number(usage.get("completion_tokens")) or _number(usage.get("output_tokens"))
    return Usage(calls=1, input_tokens=sent, output_tokens=received, cached_tokens=min(cached, sent))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    """A text that UTF-8 can hold: data and models now and then bring halves of surrogate pairs."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _brief(body: object) -> str:
    try:
        return "" if body is None else json.dumps(body)[:300]
    except RecursionError:  # what could just be read may be too deep to write
        return "JSON nested too deep"
