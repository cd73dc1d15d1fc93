"""The server process: llama.cpp's own HTTP server, and the count of the kernels that use it.

Started by `rlm_kernel.models.local.server`, which hands an `Order` to its standard input. It holds the lock of its
directory as long as it lives, so there is never a second one; it records itself once it answers, and it ends when the
last client has been gone for a while, also if no client ever came.
"""

from __future__ import annotations

import asyncio
import faulthandler
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlm_kernel.models.local.state import Order

_LOCK_SECONDS = 1.0
_LOAD_SECONDS = 300
_GREETING_SECONDS = 5.0
_TICK = 0.5
_LOG_LIMIT = 256 << 10
_LOG_LOOK = 10.0
_HTTP_THREADS = 32
"""Each open connection occupies one, and every kernel keeps some open."""
_PROMPT_CACHE = 1_024
"""MiB for the states of prompts that had to leave their slot: 28 KiB a token, some thirty conversations."""


class Clients:
    """Those who hold a lease, and the wish to stop."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        self._lines: set[asyncio.StreamWriter] = set()
        self._last_seen = time.monotonic()
        self._stop = asyncio.Event()

    async def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection. A lease is open until its line breaks."""
        with suppress(OSError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            wish = self._wish(await asyncio.wait_for(reader.readline(), _GREETING_SECONDS))
            if wish == "hold":
                self._lines.add(writer)
            if wish:
                writer.write(json.dumps({"pid": os.getpid(), "clients": len(self._lines)}).encode() + b"\n")
                await writer.drain()
            if wish == "stop":
                self._stop.set()
            while wish == "hold" and await reader.read(1024):
                pass
        if writer in self._lines:
            self._lines.remove(writer)
            self._last_seen = time.monotonic()
        writer.close()

    async def until_gone(self, idle_seconds: float) -> None:
        """Return when there was no client for `idle_seconds`, or one wished the server to stop."""
        while self._lines or time.monotonic() - self._last_seen < idle_seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _TICK)
                return

    def _wish(self, line: bytes) -> str | None:
        """What the connection wants; None if it does not know the key."""
        message: Any = json.loads(line)
        key = str(message.get("key")) if isinstance(message, dict) else ""
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            return None
        return str(message.get("wish"))


def main() -> int:
    """Serve what the order on standard input says, until nobody is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt in a notebook is not meant for the shared server
    from rlm_kernel.models.local.state import BUSY, LOG, Order

    order = Order.from_json(sys.stdin.read())
    lock = _lock(Path(order.directory))
    if lock is None:
        return BUSY
    _take_the_blame_for_memory()
    tell = _divert_output(Path(order.directory) / LOG)
    # Loading holds the interpreter, so only a watchdog outside of it can end a load that hangs.
    faulthandler.dump_traceback_later(_LOAD_SECONDS, exit=True)
    try:
        server = _load(order)
    except Exception as exc:
        tell(f"{type(exc).__name__}: {exc}")
        return 1
    faulthandler.cancel_dump_traceback_later()
    asyncio.run(_serve(order, port=int(server.listening_address.rpartition(":")[2])))
    # Nothing is left to save, and a reply in the making must not hold up the end.
    os._exit(0)


async def _serve(order: Order, port: int) -> None:
    """Record the server and wait until nobody needs it."""
    from rlm_kernel.models.local import processes
    from rlm_kernel.models.local.state import State

    clients = Clients(order.api_key)
    listener = await asyncio.start_server(clients.greet, "127.0.0.1", 0)
    directory = Path(order.directory)
    State(
        pid=os.getpid(),
        created=processes.started_at(os.getpid()) or time.time(),
        port=port,
        lease_port=listener.sockets[0].getsockname()[1],
        api_key=order.api_key,
        name=order.name,
        slots=order.settings.slots,
        context=order.settings.context,
    ).save(directory)
    logging = asyncio.create_task(_bound_log())
    await clients.until_gone(order.settings.idle_seconds)
    logging.cancel()
    State.path(directory).unlink(missing_ok=True)


def _load(order: Order) -> Any:
    """Start llama.cpp's server; it answers once this returns."""
    # Threads that spin while they wait for each other starve as soon as anything else runs: on two busy cores the
    # model then writes 1 token a second, and 15 with threads that sleep. Must be set before the engine is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = order.model
    params.model_alias = {order.name}
    params.n_parallel = order.settings.slots
    params.n_ctx = order.settings.slots * order.settings.context
    params.cpuparams.n_threads = order.settings.threads
    params.cpuparams_batch.n_threads = order.settings.threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_threads_http = _HTTP_THREADS
    params.cache_ram_mib = _PROMPT_CACHE
    params.api_keys = [order.api_key]
    params.cors_origins = "http://127.0.0.1"
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1  # errors; warnings may quote a request
    params.offline = True
    return xllamacpp.Server(params)


def _lock(directory: Path) -> object | None:
    """The lock that the one server of this directory holds; None if another has it."""
    import filelock

    lock = filelock.FileLock(directory / "server.lock")
    try:
        lock.acquire(timeout=_LOCK_SECONDS)
    except filelock.Timeout:
        return None
    return lock


def _divert_output(log: Path) -> Callable[[str], None]:
    """Send all output to the log, and return what writes one last line to the process that started this one."""
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)

    def tell(line: str) -> None:
        with suppress(OSError):
            report.write(line)
            report.flush()

    return tell


async def _bound_log() -> None:
    """Empty the log whenever it grew too long; the newest errors are those that matter."""
    while True:
        if os.fstat(2).st_size > _LOG_LIMIT:
            os.ftruncate(2, 0)
        await asyncio.sleep(_LOG_LOOK)


def _take_the_blame_for_memory() -> None:
    """Where memory runs out, let the system end this process and not a kernel with the user's data in it."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


if __name__ == "__main__":
    sys.path.extend(sys.argv[1:])
    sys.exit(main())
