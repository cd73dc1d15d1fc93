"""The window of a model is what its server tells, in each server's own way, and 32,768 where none tells."""

import asyncio
import socket
import time

import pytest
from asking import ask, connect, foreign_server

from rlm_kernel.errors import ContextOverflow
from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
from rlm_kernel.testing import Fault, ScriptedModel

NOTHING_TOLD = {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "someone"}]}


def window_of(routes):
    with foreign_server(routes) as (root, _asked):
        return asyncio.run(OpenAIModel("m", base_url=f"{root}/v1").window())


def listed(*entries):
    return {"/v1/models": {"data": list(entries)}}


@pytest.mark.parametrize(
    ("routes", "window"),
    [
        (listed({"id": "m", "max_model_len": 8_192}), 8_192),
        (listed({"id": "m", "context_length": 131_072}), 131_072),
        (listed({"id": "m", "context_length": 131_072, "top_provider": {"context_length": 65_536}}), 65_536),
        (listed({"id": "m", "context_length": 131_072, "top_provider": {"context_length": None}}), 131_072),
        (listed({"id": "m", "context_window": 16_384}), 16_384),
        (listed({"id": "m", "meta": {"n_ctx": 4_096, "n_ctx_train": 32_768}}), 4_096),
        (listed({"id": "other", "max_model_len": 1}, {"id": "m", "max_model_len": 2_048}), 2_048),
        (listed({"id": "other", "max_model_len": 9}, {"id": "third", "max_model_len": 9}), 32_768),
        (listed({"id": "/models/alias.gguf", "max_model_len": 2_048}), 2_048),
        (listed({"id": "m", "meta": {"n_ctx_train": 131_072}}) | {"/props": {"default_generation_settings": {"n_ctx": 8_192}}}, 8_192),
        ({"/v1/models": NOTHING_TOLD, "/api/ps": {"models": [{"name": "m:latest", "context_length": 16_384}]}}, 16_384),
        ({"/api/ps": {"models": [{"name": "other", "context_length": 9}]}, "/api/show": {"model_info": {}, "parameters": "stop x\nnum_ctx                        12288"}}, 12_288),
        ({"/api/show": {"model_info": {"llama.context_length": 131_072}, "parameters": ""}}, 4_096),
        ({"/api/v0/models": {"data": [{"id": "m", "max_context_length": 32_000, "loaded_context_length": 4_097}]}}, 4_097),
        ({"/api/v0/models": {"data": [{"id": "m", "max_context_length": 32_000}]}}, 32_000),
        ({}, 32_768),
        ({"/v1/models": NOTHING_TOLD}, 32_768),
        ({"/v1/models": "<html>"}, 32_768),
        ({"/v1/models": ["odd"]}, 32_768),
        ({"/v1/models": {"data": {"id": "m"}}, "/props": {"default_generation_settings": 3}, "/api/ps": {"models": 3}}, 32_768),
        (listed({"id": "m", "max_model_len": "8192"}, 3, None), 32_768),
        (listed({"id": "m", "max_model_len": -5, "context_length": True}), 32_768),
    ],
)  # fmt: skip
def test_each_server_tells_in_its_own_way(routes, window):
    """vLLM, OpenRouter, Groq, llama.cpp, Ollama and LM Studio are understood; what is told wrong is not told."""
    assert window_of(routes) == window


def test_asked_once(server):
    """A server is asked once about a model, however many objects stand for it."""
    server.model = ScriptedModel([], window=7_000)
    for _ in range(3):
        assert asyncio.run(connect(server).window()) == 7_000
    assert server.paths == ["/v1/models"]


def test_asked_again_after_an_overflow(server):
    """A server whose window has shrunk is asked again once it says that a prompt does not fit."""
    server.model = ScriptedModel(lambda _messages: ContextOverflow("prompt is too long"), window=7_000)
    model = connect(server)
    assert asyncio.run(model.window()) == 7_000
    server.model = ScriptedModel(lambda _messages: ContextOverflow("prompt is too long"), window=2_000)
    with pytest.raises(ContextOverflow):
        asyncio.run(model.complete(ask()))
    assert asyncio.run(model.window()) == 2_000


def test_stated_window_is_not_asked_for(server):
    """A window that the user states is taken as it is."""
    assert asyncio.run(connect(server, ClientOptions(window=1_234)).window()) == 1_234
    assert server.paths == []


def test_openai_is_not_asked():
    """OpenAI's own list tells no windows, so nothing leaves this machine to ask for one."""
    assert asyncio.run(OpenAIModel("gpt-5", api_key="sk-none-of-yours").window()) == 32_768


def test_wrong_key_and_faults_leave_the_default(server):
    """A server that refuses the question leaves the default; the first call will say what is wrong."""
    assert asyncio.run(OpenAIModel("m", base_url=server.base_url, api_key="wrong").window()) == 32_768


def test_nobody_listens():
    """A server that is not there leaves the default."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert asyncio.run(OpenAIModel("m", base_url=f"http://127.0.0.1:{port}/v1").window()) == 32_768


def test_silent_server_is_given_up():
    """A server that does not answer costs two seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # connects, for the kernel accepts, and then keeps silent
        model = OpenAIModel("m", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        begin = time.monotonic()
        assert asyncio.run(model.window()) == 32_768
        assert 1 < time.monotonic() - begin < 30


def test_hanging_calls_do_not_matter(server):
    """The question for the window is not a completion: faults of those do not touch it."""
    server.faults = [Fault(hang=True)]
    assert asyncio.run(connect(server).window()) == 32_768
