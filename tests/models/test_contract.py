"""What every model keeps to, whatever stands behind it."""

import asyncio
import contextlib

import pytest
from asking import ask, connect, until

from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import ContextOverflow, ModelError, ModelTimeout, ModelUnavailable
from rlm_kernel.testing import ScriptedModel, serve
from rlm_kernel.trajectory.records import Reply
from rlm_kernel.usage import Usage


@contextlib.contextmanager
def plain(script):
    yield script


@contextlib.contextmanager
def over_http(script):
    with serve(script) as server:
        yield connect(server)


@pytest.fixture(params=[plain, over_http], ids=["scripted", "openai-compatible"])
def behind(request):
    """A function from a script to a model that answers by it."""
    return request.param


def test_shape(behind):
    """A model tells its name, its endpoint, whether it stays here, its window and rough counts."""
    with behind(ScriptedModel([], name="ann", window=5_000)) as model:
        checked: Model = model
        assert checked.name == "ann"
        assert checked.endpoint
        assert checked.on_this_machine is True
        assert checked.concurrency is None
        assert asyncio.run(checked.window()) == 5_000
        assert checked.count("") == 0
        assert 1 <= checked.count("one two three") <= 13


def test_reply_comes_whole(behind):
    """Text, finish, reasoning, tool calls and usage reach the caller as the model gave them."""
    whole = Reply(
        text="Ünï 你好\n```python\nx\n```",
        model="scripted",
        usage=Usage(calls=1, input_tokens=11, output_tokens=5, cached_tokens=3),
        finish="length",
        reasoning="well",
        tool_calls=('{"code": "1"}', "{}"),
    )
    with behind(ScriptedModel([whole])) as model:
        assert asyncio.run(model.complete(ask())) == whole


def test_messages_arrive_whole(behind):
    """Roles and texts arrive unchanged, and unset options stay unset."""
    script = ScriptedModel(lambda _messages: "ok")
    text = "line\r\nnext\ttab \x00 \u2028 😀 </s> <|endoftext|>"
    with behind(script) as model:
        asyncio.run(model.complete(ask(text)))
        asyncio.run(model.complete(ask(text, temperature=0.0, seed=0, max_tokens=7)))
    assert script.requests[0] == ask(text)
    assert script.requests[1] == ask(text, temperature=0.0, seed=0, max_tokens=7)


def test_empty_reply(behind):
    """No text is an empty text."""
    with behind(ScriptedModel([None])) as model:
        assert asyncio.run(model.complete(ask())).text == ""


@pytest.mark.parametrize("kind", [ModelError, ModelUnavailable, ModelTimeout, ContextOverflow])
def test_errors_keep_their_kind(behind, kind):
    """An error keeps its class and its words on the way."""
    with behind(ScriptedModel([kind("it broke in a way of its own")])) as model:
        with pytest.raises(ModelError, match="it broke in a way of its own") as caught:
            asyncio.run(model.complete(ask()))
    assert type(caught.value) is kind


def test_script_that_runs_out_fails_by_name(behind):
    """A list that runs out says so, and is not asked again."""
    script = ScriptedModel(["one"], name="ann")
    with behind(script) as model:
        asyncio.run(model.complete(ask()))
        with pytest.raises(ModelError, match="'ann' has run out after its 1 replies"):
            asyncio.run(model.complete(ask()))
    assert len(script.requests) == 2


def test_timeout(behind):
    """A call that outlasts its time-out is a ModelTimeout that names it."""
    with behind(ScriptedModel(["late"], latency=60)) as model:
        with pytest.raises(ModelTimeout, match=r"within 0\.2 s"):
            asyncio.run(model.complete(ask(timeout=0.2)))


def test_cancelled_call_ends(behind):
    """Cancelling the task cancels the call at the model, at once."""
    script = ScriptedModel(["late"], latency=60)

    async def cancel(model):
        task = asyncio.create_task(model.complete(ask()))
        await until(lambda: script.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: script.cancelled)

    with behind(script) as model:
        asyncio.run(cancel(model))
        assert (script.cancelled, len(script.requests)) == (1, 1)


def test_calls_overlap(behind):
    """Forty calls are open together and keep their own answers."""
    script = ScriptedModel(lambda messages: messages[-1].content.upper(), latency=0.3)

    async def many(model):
        return await asyncio.gather(*(model.complete(ask(f"call {number}")) for number in range(40)))

    with behind(script) as model:
        replies = asyncio.run(many(model))
    assert [reply.text for reply in replies] == [f"CALL {number}" for number in range(40)]
    assert script.peak > 20
