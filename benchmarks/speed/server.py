"""A scripted chat-completions server that costs as little as one can: the engines are to be measured, not it.

    python -m speed.server            prints its base URL and serves until it is ended

Runs in a process of its own. It reads no JSON on the way: a request's model tells the root from sub-calls, and the
highest step mark in the body tells which reply of the script comes next, so it keeps no state between requests and
serves any number of runs at once. A child run is asked of the sub-model, so its script is the sub-model's.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import asdict, dataclass, field

MARK = "# mock step "
ROOT = "mock-root"
SUB = "mock-sub"
WINDOW = 4_000_000

_MODEL = re.compile(rb'"model":\s*"([^"]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_MARKED = re.compile(rb"# mock step (\d+)")
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(kw_only=True)
class Script:
    """What the server answers. Every field can be set while it runs."""

    root: list[str] = field(default_factory=lambda: ["ok"])
    """Replies to the root, in turn; the last one is repeated."""
    sub: list[str] = field(default_factory=lambda: ["ok"])
    """The same for every other model."""
    latency: float = 0.0
    """Seconds that a sub-call takes."""
    fail_status: int = 500
    fail_first: int = 0
    """So many sub-calls fail at first."""
    fail_match: str = ""
    """Sub-calls whose body holds this fail; ``*`` for all."""
    hang_match: str = ""
    """Sub-calls whose body holds this are never answered."""


@dataclass(kw_only=True)
class Counts:
    """What the server has seen since it was reset."""

    root: int = 0
    sub: int = 0
    answered: int = 0
    failed: int = 0
    gone: int = 0
    """Requests whose client went away before the answer."""
    open: int = 0
    peak: int = 0
    """The most sub-calls that were open at once."""
    connections: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    root_first: float = 0.0
    root_last: float = 0.0
    sub_first: float = 0.0
    sub_last: float = 0.0


class Mock:
    """The state that all connections share."""

    def __init__(self) -> None:
        self.script = Script()
        self.counts = Counts()

    def control(self, path: bytes, body: bytes) -> bytes:
        """``/configure`` sets the script and zeroes the counts; ``/counts`` tells them."""
        if path.endswith(b"/configure"):
            self.script, self.counts = Script(**json.loads(body)), Counts()
        return json.dumps(asdict(self.counts)).encode()


class Connection(asyncio.Protocol):
    """One client's connection. One request at a time, kept alive."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self._buffer = b""
        self._waiting: asyncio.TimerHandle | None = None
        self._sub_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._mock.counts.connections += 1

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._sub_open:
            self._mock.counts.gone += 1
            self._close_sub()
        if self._waiting:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) >= whole:
            path = self._buffer[: self._buffer.index(b"\r\n")].split(b" ")[1]
            body, self._buffer = self._buffer[end + 4 : whole], self._buffer[whole:]
            self._take(path, body)

    def _take(self, path: bytes, body: bytes) -> None:
        if path.endswith(b"/chat/completions"):
            self._complete(body)
        elif path.endswith(b"/models"):
            models = [{"id": name, "object": "model", "max_model_len": WINDOW} for name in (ROOT, SUB)]
            self._send(200, json.dumps({"object": "list", "data": models}).encode())
        elif path.endswith((b"/configure", b"/counts")):
            self._send(200, self._mock.control(path, body))
        else:
            self._send(404, b"{}")

    def _complete(self, body: bytes) -> None:
        counts, script, now = self._mock.counts, self._mock.script, time.perf_counter()
        model = _MODEL.search(body)
        name = model[1].decode() if model else SUB
        if name == ROOT:
            counts.root += 1
            counts.root_first = counts.root_first or now
            self._answer(body, name)
            return
        counts.sub += 1
        counts.sub_first = counts.sub_first or now
        counts.open += 1
        counts.peak = max(counts.peak, counts.open)
        self._sub_open = True
        if script.hang_match and script.hang_match.encode() in body:
            return
        failing = counts.sub <= script.fail_first or (
            script.fail_match and (script.fail_match == "*" or script.fail_match.encode() in body)
        )
        work = self._fail if failing else self._answer
        if script.latency:
            self._waiting = self._loop.call_later(script.latency, work, body, name)
        else:
            work(body, name)

    def _answer(self, body: bytes, name: str) -> None:
        counts, script = self._mock.counts, self._mock.script
        marks = _MARKED.findall(body)
        replies = script.root if name == ROOT else script.sub
        text = replies[min(max(map(int, marks)) + 1 if marks else 0, len(replies) - 1)]
        sent, received = max(1, len(body) // 4), max(1, len(text) // 4)
        counts.input_tokens += sent
        counts.output_tokens += received
        counts.answered += 1
        usage = {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
        message = {"role": "assistant", "content": text}
        reply = {
            "id": f"mock-{counts.answered}",
            "object": "chat.completion",
            "created": 0,
            "model": name,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": usage,
        }
        self._done(name, 200, json.dumps(reply).encode())

    def _fail(self, _body: bytes, name: str) -> None:
        status = self._mock.script.fail_status
        self._mock.counts.failed += 1
        error = {"error": {"message": f"the mock says {status}", "type": "mock", "code": None, "param": None}}
        self._done(name, status, json.dumps(error).encode())

    def _done(self, name: str, status: int, body: bytes) -> None:
        self._send(status, body)
        self._waiting = None
        if name == ROOT:
            self._mock.counts.root_last = time.perf_counter()
        elif self._sub_open:
            self._mock.counts.sub_last = time.perf_counter()
            self._close_sub()

    def _close_sub(self) -> None:
        self._sub_open = False
        self._mock.counts.open -= 1

    def _send(self, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def main() -> None:
    """Listen on loopback, on a free port."""
    mock = Mock()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(mock), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
