"""The scripted model, the sink and the clock."""

import asyncio

import pytest

from rlm_kernel.errors import ModelError, ModelTimeout
from rlm_kernel.testing import CapturingSink, ManualClock, ScriptedModel
from rlm_kernel.trajectory.events import Noted, RunFinished
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage


def ask(text="hi", **options):
    return Request(messages=(Message("user", text),), **options)


def complete(model, request=None):
    return asyncio.run(model.complete(request or ask()))


def test_list_is_given_in_order():
    """Replies come in the order of the list, None is an empty text, a Reply is handed through."""
    whole = Reply(text="third", model="other", usage=Usage(calls=1), finish="length")
    model = ScriptedModel(["first", None, whole])
    assert complete(model).text == "first"
    assert complete(model).text == ""
    assert complete(model) is whole


def test_list_that_runs_out_names_the_model_and_the_count():
    """A script that runs out is a ModelError that says whose script and how long it was."""
    model = ScriptedModel(["only"], name="ann")
    complete(model)
    with pytest.raises(ModelError, match=r"'ann' has run out after its 1 replies"):
        complete(model)


def test_function_sees_the_messages():
    """A function answers from the messages of the call."""
    model = ScriptedModel(lambda messages: messages[-1].content.upper())
    assert complete(model, ask("abc")).text == "ABC"


def test_exception_is_raised():
    """An exception in the script is raised by the call."""
    error = ModelError("broken")
    with pytest.raises(ModelError) as caught:
        complete(ScriptedModel([error]))
    assert caught.value is error


def test_requests_are_kept():
    """Every request is recorded whole."""
    model = ScriptedModel(["a", "b"])
    complete(model, ask("one", seed=3))
    complete(model, ask("two"))
    assert [(request.messages[0].content, request.seed) for request in model.requests] == [("one", 3), ("two", None)]


def test_usage_is_counted_or_given():
    """Usage follows from the texts unless the test states it."""
    assert complete(ScriptedModel(["12345"]), ask("1234")).usage == Usage(calls=1, input_tokens=1, output_tokens=2)
    stated = Usage(calls=1, input_tokens=7, cached_tokens=5)
    assert complete(ScriptedModel(["x"], usage=stated)).usage == stated


def test_calls_overlap():
    """Calls of several tasks wait side by side, and each reply is given once."""

    async def many():
        model = ScriptedModel([str(number) for number in range(50)], latency=0.01)
        replies = await asyncio.gather(*(model.complete(ask()) for _ in range(50)))
        return model.peak, {reply.text for reply in replies}

    peak, texts = asyncio.run(many())
    assert peak == 50
    assert texts == {str(number) for number in range(50)}


def test_timeout_and_cancellation():
    """A call that outlasts its time-out is a ModelTimeout; a cancelled one is counted and frees its place."""
    model = ScriptedModel(["late"], latency=30)
    with pytest.raises(ModelTimeout):
        complete(model, ask(timeout=0.01))

    async def cancel():
        task = asyncio.create_task(model.complete(ask()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert model.cancelled == 1


def test_sink_sorts_by_type():
    """A capturing sink keeps events in order and gives those of one type."""
    sink = CapturingSink()
    note = Noted(seq=1, run="r", at=0.0, step=1, kind="remark", text="t")
    end = RunFinished(seq=2, run="r", at=0.0, status="done", answer="1")
    sink(note)
    sink(end)
    assert sink.events == [note, end]
    assert sink.of(Noted) == [note]


def test_clock_moves_when_told():
    """A manual clock stands still until it is advanced."""
    clock = ManualClock(5.0)
    assert clock() == clock() == 5.0
    clock.advance(2.5)
    assert clock() == 7.5
