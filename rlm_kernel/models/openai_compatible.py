"""A model behind any server that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlm_kernel.errors import ConfigError, ContextOverflow, ModelError, ModelTimeout
from rlm_kernel.models import adaptations, address, clients, faults, prices, tokens, windows, wire
from rlm_kernel.models.clients import Refused
from rlm_kernel.trajectory.records import Reply, Request
from rlm_kernel.usage import Usage

if TYPE_CHECKING:
    import httpx
    import openai

_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)
_SHORTEST_SECRET = 8
"""Shorter keys are words such as ``ollama`` that local servers are given; blanking them would only garble texts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """What may be set beside a model's name, address and key."""

    retries: int = 4
    """Tries after the first, for time-outs, connections lost, 408, 409, 429 and 5xx; ``Retry-After`` is honoured."""
    window: int | None = None
    """The window in tokens; None asks the server."""
    concurrency: int | None = None
    """How many calls the server takes well at once."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with every request."""
    body: Mapping[str, object] = field(default_factory=dict)
    """Fields added to every request, such as ``reasoning_effort``."""
    identity: str | None = None
    """What makes its answers the same another day, where the address does not: weights behind a port that changes."""
    free: bool = False
    """True for a model that costs nothing, such as the bundled one."""
    call_seconds: float | None = None
    """Time that a call wants, for a slow model; None for the default."""


class OpenAIModel:
    """A model behind an OpenAI-compatible server. Matches `rlm_kernel.engine.ports.Model`.

    One object may be used from any number of event loops; each gets an HTTP client of its own, shared by the models of
    one server and closed with the loop.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        """Connect nothing yet.

        Args:
            name: the model's name as the server knows it.
            base_url: the server, usually ending in ``/v1``; None is OpenAI's own.
            api_key: the key; None for servers that ask for none.
            options: everything else.

        Raises:
            ConfigError: the base URL or the key cannot be one.
        """
        self._name = name
        self._address = address.parse(base_url)
        self._key = _checked_key(api_key)
        self._options = options or ClientOptions()
        self._adaptations = adaptations.Adaptations()
        self._counter: tokens.Counter | None = None

    def __repr__(self) -> str:
        return f"OpenAIModel({self._name!r}, base_url={self.endpoint!r})"

    @property
    def name(self) -> str:
        """The name sent to the server and shown to the user."""
        return self._name

    @property
    def endpoint(self) -> str:
        """The base URL with its secrets masked."""
        return self._address.shown

    @property
    def on_this_machine(self) -> bool:
        """True if the server's address is a loopback address."""
        return self._address.on_this_machine

    @property
    def concurrency(self) -> int | None:
        """How many calls it serves well at once; None if nothing was set."""
        return self._options.concurrency

    @property
    def identity(self) -> str | None:
        """The address, or what stands for it: the memo's answers are those of this place."""
        return self._options.identity or self._address.shown

    @property
    def call_seconds(self) -> float | None:
        """Time that one of its calls wants where the user did not say; None for the default."""
        return self._options.call_seconds

    def cost(self, usage: Usage) -> float | None:
        """Dollars for a call's tokens by the maker's list price; None if that is not known."""
        if self._options.free:
            return 0.0
        price = prices.price_of(self._name, self._address.url)
        return None if price is None else price.of(usage)

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What is sent otherwise than asked because the server refused it, a sentence each."""
        return self._adaptations.sentences

    async def window(self) -> int:
        """The model's window, asked of the server once; 32,768 where it does not tell."""
        if self._options.window is not None:
            return self._options.window
        try:
            return await windows.ask(await self._client(), self._address, self._name)
        except ModelError:  # nothing listens: the first call says so better
            return windows.DEFAULT

    def count(self, text: str) -> int:
        """Tokens in `text`: exact where this machine holds the model's encoding, else rather too many."""
        if self._counter is None:
            self._counter = tokens.counter_for(self._name)
        return self._counter.count(text)

    async def complete(self, request: Request, refused: Refused | None = None) -> Reply:
        """Answer one request.

        Args:
            request: what to ask.
            refused: told each time the server is too busy (429, 503) and the call is tried again.

        Raises:
            ModelUnavailable: the server refused the call or could not be reached.
            ModelTimeout: it took longer than `Request.timeout`, retries included.
            ContextOverflow: the prompt does not fit the window.
            ModelError: anything else went wrong.
        """
        clients.REFUSED.set(refused)  # in this call's task alone
        try:
            async with asyncio.timeout(request.timeout):
                return self._read(await self._send(request), request)
        except ContextOverflow:
            windows.forget(self._address, self._name)
            raise
        except TimeoutError:
            raise ModelTimeout(
                f"{self._name} at {self.endpoint} gave no answer within {request.timeout:g} s; "
                "raise the time-out with --call-timeout or Limits(call_seconds=...)"
            ) from None

    async def _send(self, request: Request) -> httpx.Response:
        """Send a request, again for each parameter that turns out to be refused."""
        import httpx
        import openai

        client = await self._client()
        while True:
            body = self._adaptations.applied(wire.body_of(request, self._name) | dict(self._options.body))
            try:
                return await client.post(
                    "/chat/completions",
                    cast_to=httpx.Response,
                    body=body,
                    options={"max_retries": self._options.retries},
                )
            except openai.APIError as error:
                if not self._adaptations.learn(error, body):
                    raise faults.translate(error, self._call()) from None

    def _read(self, response: httpx.Response, request: Request) -> Reply:
        def estimate(reply: str) -> Usage:
            sent = sum(self.count(message.content) for message in request.messages)
            return Usage(calls=1, input_tokens=sent, output_tokens=self.count(reply))

        retries = int(response.request.headers.get("x-stainless-retry-count", 0))
        try:
            body = wire.decode(response.content)
            return wire.reply_of(body, wire.Answered(model=self._name, retries=retries, estimate=estimate))
        except ModelError as error:
            raise faults.from_reply(error, self._call()) from None

    async def _client(self) -> openai.AsyncOpenAI:
        return await clients.client_for(self._address, self._key, tuple(self._options.headers.items()))

    def _call(self) -> faults.Call:
        return faults.Call(model=self._name, endpoint=self.endpoint, blank=self._blank)

    def _blank(self, text: str) -> str:
        headers = [value for name, value in self._options.headers.items() if _SECRET_HEADER.search(name)]
        secrets = [self._key, *self._address.secrets, *headers]
        known = [re.escape(secret) for secret in secrets if secret and len(secret) >= _SHORTEST_SECRET]
        return re.sub("|".join(sorted(known, key=len, reverse=True)), "***", text) if known else text


def _checked_key(api_key: str | None) -> str | None:
    """The key without the blanks that come along when it is pasted."""
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigError("the API key holds characters that no key has; copy it again (OPENAI_API_KEY)")
    return key or None
