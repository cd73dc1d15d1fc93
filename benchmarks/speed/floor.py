"""The floor: the same calls to the same server with no engine around them.

`Bare` is aiohttp alone. `Client` is this package's model, which adds the openai package's authentication, errors and
retries, and the reading of replies; what an engine needs beyond it is the engine's own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from speed.control import Server
from speed.server import SUB

AT_ONCE = 256
Call = Callable[[str], Awaitable[None]]


def floors(kind: str, server: Server, repeats: int) -> dict[str, list[float] | str]:
    """Every floor of one kind: ``bare`` or ``client``."""
    return asyncio.run(_floors(kind, server, repeats))


async def _floors(kind: str, server: Server, repeats: int) -> dict[str, list[float] | str]:
    opened = _bare if kind == "bare" else _client
    found: dict[str, list[float] | str] = {}
    call, close = await opened(server.url)
    try:
        for row, count, latency in (("batch", 1000, 0.05), ("slow batch", 1000, 0.5), ("large batch", 10_000, 0.05)):
            began = time.process_time()
            each = [await _at_once(call, server, count, latency) for _ in range(1 if count > 1000 else repeats)]
            found[f"{row} processor"] = [(time.process_time() - began) / count / len(each) * 1e3]
            found[row] = [seconds / count * 1e3 for seconds in each] if row == "large batch" else each
        for row, latency in (("loop", 0.05), ("bare loop", 0.0)):
            found[row] = [await _in_turn(call, server, latency) for _ in range(repeats)]
    finally:
        await close()
    return found


async def _at_once(call: Call, server: Server, count: int, latency: float) -> float:
    server.configure(latency=latency)
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(number: int) -> None:
        async with gate:
            await call(f"item {number}: say ok")

    began = time.perf_counter()
    await asyncio.gather(*(gated(number) for number in range(count)))
    return time.perf_counter() - began


async def _in_turn(call: Call, server: Server, latency: float) -> float:
    server.configure(latency=latency)
    began = time.perf_counter()
    for number in range(100):
        await call(f"item {number}: say ok")
    return ((time.perf_counter() - began) / 100 - latency) * 1e3


async def _bare(url: str) -> tuple[Call, Callable[[], Awaitable[None]]]:
    import aiohttp

    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE))

    async def call(prompt: str) -> None:
        body = {"model": SUB, "messages": [{"role": "user", "content": prompt}]}
        async with session.post(f"{url}/chat/completions", json=body) as response:
            assert (await response.json())["choices"]

    return call, session.close


async def _client(url: str) -> tuple[Call, Callable[[], Awaitable[None]]]:
    from rlm_kernel.models.clients import close_clients
    from rlm_kernel.models.openai_compatible import OpenAIModel
    from rlm_kernel.trajectory.records import Message, Request

    model = OpenAIModel(SUB, base_url=url, api_key="benchmark-key")

    async def call(prompt: str) -> None:
        assert (await model.complete(Request(messages=(Message("user", prompt),)))).text

    return call, close_clients
