"""How long a model's window is, asked of its server in the ways that servers tell it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rlm_kernel.errors import ModelError
from rlm_kernel.models import address, wire

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT = 32_768
"""The window where the server tells none."""
ASK_SECONDS = 2.0
OLLAMA_DEFAULT = 4_096
"""What Ollama gives a model if nothing says more. It cuts longer prompts silently, so too little is the safe side."""

_told: dict[tuple[str, str, str], int] = {}
"""What servers told: by base URL, key and model."""

_LISTED = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Fields of a ``/models`` entry: vLLM and SGLang; OpenRouter, Together and LM Studio; Groq; Mistral and LM Studio."""


@dataclass(frozen=True, slots=True)
class _Server:
    """A server and the model asked about."""

    client: AsyncOpenAI
    place: address.Address
    model: str

    async def get(self, url: str) -> Mapping[str, Any]:
        """A JSON object from a full URL or a path under the base URL; empty if there is none."""
        return await self._ask(self.client.get(url, cast_to=_response_type(), options={"max_retries": 0}))

    async def post(self, url: str, body: object) -> Mapping[str, Any]:
        """The same for a POST."""
        return await self._ask(self.client.post(url, cast_to=_response_type(), body=body, options={"max_retries": 0}))

    async def _ask(self, answer: Awaitable[Any]) -> Mapping[str, Any]:
        import openai

        try:
            body = wire.decode((await answer).content)
        except (openai.OpenAIError, ModelError):  # a server that does not tell is none of our trouble
            return {}
        return body if isinstance(body, Mapping) else {}


async def ask(client: AsyncOpenAI, place: address.Address, model: str) -> int:
    """The window of a model in tokens; `DEFAULT` if its server tells none within two seconds.

    Each server is asked once about a model. One that was too busy to answer is asked again next time.
    """
    if place.host == urlsplit(address.OPENAI).hostname:
        return DEFAULT  # its list of models holds no windows
    if (place.url, client.api_key, model) not in _told:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                _told[place.url, client.api_key, model] = await _first_told(_Server(client, place, model))
        except TimeoutError:
            return DEFAULT
    return _told[place.url, client.api_key, model]


def forget(place: address.Address, model: str) -> None:
    """Ask anew next time: the server says that a prompt which ought to fit does not."""
    for known in [known for known in _told if (known[0], known[2]) == (place.url, model)]:
        del _told[known]


async def _first_told(server: _Server) -> int:
    for way in _WAYS:
        if (window := await way(server)) > 0:
            return window
    return DEFAULT


async def _from_list(server: _Server) -> int:
    entries = _objects((await server.get("/models")).get("data"))
    entry = _named(entries, server.model) or (entries[0] if len(entries) == 1 else {})  # llama.cpp takes any name
    provider = entry.get("top_provider")  # OpenRouter: what the provider in charge serves may be less
    tops = [provider.get("context_length")] if isinstance(provider, Mapping) else []
    meta = entry.get("meta")
    tops += [meta.get("n_ctx")] if isinstance(meta, Mapping) else []  # not n_ctx_train: what it could, not what it has
    return min(filter(None, map(_size, [*(entry.get(name) for name in _LISTED), *tops])), default=0)


async def _from_llama_cpp(server: _Server) -> int:
    props = await server.get(f"{server.place.root}/props")
    settings = props.get("default_generation_settings")
    return _size(settings.get("n_ctx")) if isinstance(settings, Mapping) else 0


async def _from_lm_studio(server: _Server) -> int:
    model = _named(_objects((await server.get(f"{server.place.root}/api/v0/models")).get("data")), server.model)
    return _size(model.get("loaded_context_length")) or _size(model.get("max_context_length"))


async def _from_ollama(server: _Server) -> int:
    """Ollama runs a model with less than it could, and cuts prompts silently.

    A loaded model tells its window. Otherwise it is ``num_ctx`` of its Modelfile, or Ollama's least default.
    """
    running = _objects((await server.get(f"{server.place.root}/api/ps")).get("models"))
    if size := _size(_named(running, server.model).get("context_length")):
        return size
    shown = await server.post(f"{server.place.root}/api/show", {"model": server.model})
    if "model_info" not in shown:
        return 0
    stated = re.search(r"^num_ctx\s+(\d+)", str(shown.get("parameters", "")), re.MULTILINE)
    return int(stated[1]) if stated else OLLAMA_DEFAULT


_WAYS: tuple[Callable[[_Server], Awaitable[int]], ...] = (_from_list, _from_llama_cpp, _from_ollama, _from_lm_studio)


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _named(entries: list[Mapping[str, Any]], model: str) -> Mapping[str, Any]:
    """The entry of a model; Ollama's names go on with a tag that may be left out."""
    names = {model, f"{model}:latest"}
    return next((entry for entry in entries if names & {entry.get("id"), entry.get("name"), entry.get("model")}), {})


def _size(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _response_type() -> type[Any]:
    import httpx

    return httpx.Response
