"""The test server speaks OpenAI's interface to OpenAI's own client, and does wrong what it is told to do wrong."""

import json
import urllib.error
import urllib.request

import openai
import pytest

from rlm_kernel.errors import ContextOverflow, ModelError
from rlm_kernel.testing import Fault, ScriptedModel, serve
from rlm_kernel.trajectory.records import Reply
from rlm_kernel.usage import Usage

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def client_of(server, **options):
    return openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0, **options)


def post(server, **headers):
    request = urllib.request.Request(f"{server.base_url}/chat/completions", json.dumps(ASK).encode(), headers)
    return urllib.request.urlopen(request, timeout=30)


def test_official_client_is_answered():
    """The openai package's own typed call reads text, usage, reasoning and tool calls."""
    whole = Reply(
        text="hello",
        model="m-1",
        usage=Usage(calls=1, input_tokens=5, output_tokens=2, cached_tokens=4),
        finish="tool_calls",
        reasoning="hm",
        tool_calls=("{}",),
    )
    with serve(ScriptedModel([whole])) as server, client_of(server) as client:
        answer = client.chat.completions.create(**ASK)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason, answer.model) == ("hello", "tool_calls", "m-1")
    assert choice.message.tool_calls[0].function.arguments == "{}"
    assert (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens) == (5, 4)


def test_stream():
    """A streamed call gets the same text in events, with the usage at the end."""
    with serve(ScriptedModel(["hello"])) as server, client_of(server) as client:
        chunks = list(client.chat.completions.create(**ASK, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "hello"
    assert chunks[-1].usage.completion_tokens == 2


def test_models_are_listed_with_their_window():
    """The list of models holds the one served, with its window as vLLM tells it."""
    with serve(ScriptedModel([], name="ann", window=5_000)) as server, client_of(server) as client:
        (entry,) = client.models.list().data
    assert (entry.id, entry.max_model_len) == ("ann", 5_000)


def test_key_is_demanded():
    """Without the right key every door is shut, and the model is not asked."""
    model = ScriptedModel(["secret"])
    with serve(model) as server, pytest.raises(urllib.error.HTTPError) as caught:
        post(server, Authorization="Bearer wrong")
    assert caught.value.code == 401
    assert (model.requests, server.requests) == ([], [])


def test_servers_are_apart():
    """Two servers at once have their own address, key and requests."""
    with serve(ScriptedModel(["a"])) as one, serve(ScriptedModel(["b"])) as two:
        assert one.base_url != two.base_url
        assert one.api_key != two.api_key
        with client_of(two) as client:
            assert client.chat.completions.create(**ASK).choices[0].message.content == "b"
        assert (len(one.requests), len(two.requests)) == (0, 1)


def test_server_is_gone_afterwards():
    """After the block nothing listens any more."""
    with serve(ScriptedModel(["a"])) as server:
        pass
    with pytest.raises(urllib.error.URLError):
        post(server)


@pytest.mark.parametrize(("error", "status"), [(ModelError("no"), 500), (ContextOverflow("no"), 400)])
def test_scripted_errors_become_statuses_not_to_be_retried(error, status):
    """A scripted error has the status that fits it and forbids the client to try again."""
    with serve(ScriptedModel([error, "late"])) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=3)
        with client, pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(**ASK)
        assert (caught.value.status_code, len(server.requests)) == (status, 1)


def test_faults_in_turn():
    """The first fault that applies wins, one with a number is used up, and then all is well."""
    faults = [
        Fault(status=503, first=1),
        Fault(status=429, retry_after=7, first=1),
        Fault(when=lambda body: "x" in body),
    ]
    with serve(ScriptedModel(["fine"]), faults=faults) as server, client_of(server) as client:
        for status, wait in ((503, None), (429, "7")):
            with pytest.raises(openai.APIStatusError) as caught:
                client.chat.completions.create(**ASK)
            assert (caught.value.status_code, caught.value.response.headers.get("retry-after")) == (status, wait)
        assert client.chat.completions.create(**ASK).choices[0].message.content == "fine"


def test_faults_of_the_wire():
    """A server drops connections, hangs and sends nonsense when told to."""
    with serve(ScriptedModel([])) as server, client_of(server, timeout=0.3) as client:
        server.faults = [Fault(drop=True)]
        with pytest.raises(openai.APIConnectionError):
            client.chat.completions.create(**ASK)
        server.faults = [Fault(hang=True)]
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(**ASK)
        server.faults = [Fault(text="<html>")]
        assert client.chat.completions.with_raw_response.create(**ASK).text == "<html>"
