"""Any model behind a real OpenAI-compatible HTTP server, with faults where a test wants them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import ContextOverflow, ModelError, ModelTimeout, ModelUnavailable
from rlm_kernel.trajectory.records import Message, Reply, Request

if TYPE_CHECKING:
    from aiohttp import web
    from aiohttp.typedefs import Handler, Middleware

_STATUSES: Mapping[type[ModelError], tuple[int, str]] = {
    ContextOverflow: (400, "context_length_exceeded"),
    ModelUnavailable: (404, "model_not_found"),
    ModelTimeout: (504, "timeout"),
    ModelError: (500, "server_error"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What a server does wrong instead of answering."""

    status: int = 200
    text: str | None = None
    """The body, sent as it is; None makes an error body as OpenAI writes it."""
    retry_after: float | None = None
    """Seconds for the header of that name."""
    hang: bool = False
    """True to accept the request and never answer."""
    drop: bool = False
    """True to close the connection without a word."""
    first: int | None = None
    """Only the first so many requests that it applies to; None for all."""
    when: Callable[[Mapping[str, Any]], bool] = field(default=lambda _body: True)
    """Which request bodies it applies to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """One chat completion request as it came in."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]
    at: float
    """When, by `time.monotonic`."""


class Served:
    """A running server. Change `faults` at any time; the first that applies to a request wins."""

    def __init__(self, model: Model, faults: Iterable[Fault]) -> None:
        self.model = model
        self.faults = list(faults)
        self.api_key = f"test-{secrets.token_hex(16)}"
        """The only key that it takes."""
        self.base_url = ""
        self.requests: list[Received] = []
        """Every chat completion request that came with the right key."""
        self.paths: list[str] = []
        """The path of every request of any kind."""
        self.disconnected = 0
        """Requests whose client went away before they were answered."""
        self._hits: dict[int, int] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Listen on loopback in the running event loop."""
        from aiohttp import web

        app = web.Application(client_max_size=2**30)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)
        app.middlewares.append(self._guarded())
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
            await site.start()
            self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
            yield
        finally:
            await runner.cleanup()

    def _guarded(self) -> Middleware:
        from aiohttp import web

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.paths.append(request.path)
            if request.headers.get("Authorization") != f"Bearer {self.api_key}":
                return _error(401, "Incorrect API key provided", "invalid_api_key", {})
            return await handler(request)

        return guarded

    async def _models(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        entry = {"id": self.model.name, "object": "model", "max_model_len": await self.model.window()}
        return web.json_response({"object": "list", "data": [entry]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(Received(body=body, headers=request.headers, at=time.monotonic()))
        try:
            fault = self._fault_for(body)
            return await (self._answer(request, body) if fault is None else _go_wrong(request, fault))
        except asyncio.CancelledError:
            self.disconnected += 1
            raise

    def _fault_for(self, body: Mapping[str, Any]) -> Fault | None:
        for fault in self.faults:
            hits = self._hits.get(id(fault), 0)
            if (fault.first is None or hits < fault.first) and fault.when(body):
                self._hits[id(fault)] = hits + 1
                return fault
        return None

    async def _answer(self, request: web.Request, body: Mapping[str, Any]) -> web.StreamResponse:
        from aiohttp import web

        messages = tuple(Message(message["role"], message["content"]) for message in body["messages"])
        options: dict[str, Any] = {name: body.get(name) for name in ("temperature", "seed", "max_tokens")}
        options["schema"] = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        try:
            reply = await self.model.complete(Request(messages=messages, **options))
        except ModelError as error:
            status, code = next(value for kind, value in _STATUSES.items() if isinstance(error, kind))
            return _error(status, str(error), code, {"x-should-retry": "false"})
        if body.get("stream"):
            return await _stream(request, reply)
        return web.json_response(_completion(reply))


@contextlib.contextmanager
def serve(model: Model, *, faults: Iterable[Fault] = ()) -> Iterator[Served]:
    """Put a model behind an OpenAI-compatible HTTP server on loopback, in a thread and event loop of its own.

        with serve(ScriptedModel(["hello"])) as server:
            client = openai.OpenAI(base_url=server.base_url, api_key=server.api_key)

    A ModelError of the model becomes the status that fits it, with ``x-should-retry: false``: it was scripted.
    """
    served = Served(model, faults)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="rlm-test-server", daemon=True)
    thread.start()

    def there(work: Coroutine[Any, Any, object]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(timeout=30)

    running = served.running()
    try:
        there(running.__aenter__())
        yield served
    finally:
        there(running.__aexit__(None, None, None))
        there(loop.shutdown_asyncgens())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _go_wrong(request: web.Request, fault: Fault) -> web.StreamResponse:
    from aiohttp import web

    if fault.hang:
        await asyncio.Event().wait()
    if fault.drop and request.transport is not None:
        request.transport.abort()
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    if fault.text is None:
        return _error(fault.status, f"scripted fault {fault.status}", "scripted_fault", headers)
    kind = "application/json" if fault.text.lstrip()[:1] in {"{", "["} else "text/html"
    return web.Response(status=fault.status, text=fault.text, content_type=kind, headers=headers)


def _error(status: int, text: str, code: str, headers: Mapping[str, str]) -> web.Response:
    from aiohttp import web

    body = {"error": {"message": text, "type": "test_server_error", "param": None, "code": code}}
    return web.json_response(body, status=status, headers=headers)


def _completion(reply: Reply) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": f"call_{number}", "type": "function", "function": {"name": "call", "arguments": arguments}}
            for number, arguments in enumerate(reply.tool_calls)
        ]
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 0,
        "model": reply.model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": _usage(reply),
    }


def _usage(reply: Reply) -> dict[str, object]:
    return {
        "prompt_tokens": reply.usage.input_tokens,
        "completion_tokens": reply.usage.output_tokens,
        "total_tokens": reply.usage.tokens,
        "prompt_tokens_details": {"cached_tokens": reply.usage.cached_tokens},
    }


async def _stream(request: web.Request, reply: Reply) -> web.StreamResponse:
    """The reply as server-sent events: one chunk for the text, one for its end, one for usage."""
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    delta = {"role": "assistant", "content": reply.text}
    parts: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish}]},
        {"choices": [], "usage": _usage(reply)},
    ]
    base = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 0, "model": reply.model}
    for part in parts:
        await response.write(f"data: {json.dumps(base | part)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response
