"""HTTP clients: one for each event loop, server and key, made in the loop that uses it and closed with that loop.

The client is the openai package's, for its authentication, errors and retry rules, over its aiohttp transport: its
default transport slows down by an order of magnitude at some hundred open connections.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import socket
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from rlm_kernel.errors import ModelUnavailable
from rlm_kernel.models.address import Address

if TYPE_CHECKING:
    import httpx
    from openai import AsyncOpenAI

NO_KEY = "no-key"
"""Sent where the server asks for no key: the client insists on one."""

MAX_CONNECTIONS = 1000
CONNECT_SECONDS = 10.0
READ_SECONDS = 600.0
"""Silence after which a call without a time-out of its own is given up."""

Refused = Callable[[float | None], None]
REFUSED: ContextVar[Refused | None] = ContextVar("REFUSED", default=None)
"""Whom the call that runs in this context wants to be told when its server is too busy."""
_BUSY = {429, 503, 529}

_Key = tuple[asyncio.AbstractEventLoop, Address, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class _Held:
    client: AsyncOpenAI
    lifetime: AsyncGenerator[None, None]
    process: int


_held: dict[_Key, _Held] = {}


async def client_for(address: Address, api_key: str | None, headers: tuple[tuple[str, str], ...] = ()) -> AsyncOpenAI:
    """The running loop's client for a server, made on first use.

    Raises:
        ModelUnavailable: it would be on this machine, and nothing listens there.
    """
    key = (asyncio.get_running_loop(), address, api_key or NO_KEY, headers)
    held = _held.get(key)
    if held is None:
        if address.on_this_machine:
            _refuse_if_nobody_listens(address)
        client = _open(address, api_key or NO_KEY, dict(headers))
        held = _held[key] = _Held(client, _lifetime(key, client), os.getpid())
        await anext(held.lifetime)  # does not suspend: the loop now knows the generator and closes it at its end
    return held.client


async def close_clients() -> None:
    """Close every client of the running loop. `loop.shutdown_asyncgens` and so `asyncio.run` do the same."""
    loop = asyncio.get_running_loop()
    for key, held in list(_held.items()):
        if key[0] is loop:
            await held.lifetime.aclose()


async def _lifetime(key: _Key, client: AsyncOpenAI) -> AsyncGenerator[None, None]:
    """Close the client when the loop ends: a loop closes the asynchronous generators that began in it."""
    masked = _MaskedLog(key[1])
    try:
        masked.begin()
        yield
    finally:
        masked.end()
        _held.pop(key, None)
        await client.close()


@atexit.register
def _close_all() -> None:
    """Close what is left in loops of other threads, lest aiohttp complain about it on the way out."""
    for loop in {key[0] for key, held in _held.items() if held.process == os.getpid()}:
        if loop.is_running():  # no thread runs it in a fork, which is why the process counts
            with contextlib.suppress(Exception):  # the process ends; there is nobody to tell
                asyncio.run_coroutine_threadsafe(close_clients(), loop).result(timeout=2)


_LOGS = ("httpx", "httpx2", "openai._base_client")


class _MaskedLog(logging.Filter):
    """Blanks the query of an address in the HTTP libraries' logs, which else hold every URL whole."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._secrets = [text for value in address.secrets for text in {value, quote(value), quote_plus(value)}]
        self._loggers = [logging.getLogger(name) for name in _LOGS] if address.query else []

    def begin(self) -> None:
        for logger in self._loggers:
            logger.addFilter(self)

    def end(self) -> None:
        for logger in self._loggers:
            logger.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, blanked."""
        text = record.getMessage()
        for secret in self._secrets:
            text = text.replace(secret, "***")
        record.msg, record.args = text, ()
        return True


def _open(address: Address, api_key: str, headers: dict[str, str]) -> AsyncOpenAI:
    import openai
    from openai._constants import DEFAULT_CONNECTION_LIMITS

    from rlm_kernel.models.prepared import client_type

    if address.authorization:
        headers = {"Authorization": address.authorization, **headers}
    options: dict[str, Any] = {
        "limits": type(DEFAULT_CONNECTION_LIMITS)(max_connections=_most_connections(), keepalive_expiry=5.0),
        "trust_env": not address.on_this_machine,  # a proxy for the outside must not catch calls that stay here
    }
    return client_type()(
        base_url=address.url,
        api_key=api_key,
        timeout=openai.Timeout(READ_SECONDS, connect=CONNECT_SECONDS, pool=None),
        default_headers=headers,
        default_query=dict(address.query),
        http_client=openai.DefaultAioHttpClient(**options, event_hooks={"response": [_notice_refusal]}),
    )


async def _notice_refusal(response: httpx.Response) -> None:
    """Retries happen inside the client: only here is every single answer of the server seen."""
    refused = REFUSED.get()
    if refused is not None and response.status_code in _BUSY:
        refused(_seconds(response.headers.get("retry-after")))


def _seconds(header: str | None) -> float | None:
    """What ``Retry-After`` asks for; None for a date, which the client's own retries honour."""
    try:
        return float(header or "")
    except ValueError:
        return None


def _most_connections() -> int:
    """Connections that fit under the process's limit on open files, a quarter of it left to others."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(64, min(MAX_CONNECTIONS, soft * 3 // 4))


def _refuse_if_nobody_listens(address: Address) -> None:
    """Say at once that a local server is not running: retries would only make the user wait for it.

    Blocks, but on this machine a connection is made or refused at once.
    """
    try:
        socket.create_connection((address.host, address.port), timeout=1.0).close()
    except ConnectionRefusedError:
        raise ModelUnavailable(
            f"nothing listens at {address.shown}; start the server there or correct the base URL (OPENAI_BASE_URL)"
        ) from None
    except OSError:
        return  # the call itself will say more
