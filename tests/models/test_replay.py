"""A recorded run drives the real loop again, for nothing; where it parts from its record, that is named."""

import asyncio
import itertools
from dataclasses import replace

import pytest

import rlm_kernel
from rlm_kernel.errors import ConfigError, ContextOverflow, ModelError, ModelTimeout, ReplayDiverged
from rlm_kernel.models.replay import Recording
from rlm_kernel.testing import CapturingSink, ScriptedModel
from rlm_kernel.trajectory.diff import diff
from rlm_kernel.trajectory.records import Message, Request

CODE = [
    "```python\nprint(len(text))\nfirst = llm_query('one')\n```",
    "```python\nmany = llm_query_batched(['same', 'same', 'other'])\nprint(many)\n1 / 0\n```",
    "```python\nchild = rlm_query('Sum up', text)\nprint(child, first)\n```",
    "```python\nFINAL([*map(str, many), child])\n```",
]


def models(code=CODE, price=(1.0, 2.0)):
    """A root that plays the steps and a sub-model that numbers its answers, so that equal questions differ."""
    numbers = itertools.count(1)

    def answer(messages):
        if len(messages) > 2:
            return "```python\nFINAL('short')\n```"
        if messages[-1].content == "other":
            raise ModelError("refused")
        return f"answer {next(numbers)}"

    return ScriptedModel(code, name="root", price=price), ScriptedModel(answer, name="sub", price=price)


def recorded(**options):
    root, sub = models(**options)
    seen = CapturingSink()
    run = rlm_kernel.run("q", {"text": "x" * 500}, model=root, sub_model=sub, max_depth=2, sinks=[seen])
    assert run.status == "done", run.error
    return run, seen.events


def replayed(recording, context="x" * 500, **options):
    seen = CapturingSink()
    fallbacks = {"fallback": options.get("root")}, {"fallback": options.get("sub")}
    run = rlm_kernel.run(
        "q",
        {"text": context},
        model=recording.root(**fallbacks[0]),
        sub_model=recording.sub(**fallbacks[1]),
        max_depth=2,
        sinks=[seen],
    )
    return run, seen.events


def test_a_replay_is_the_same_run_for_nothing():
    """Steps, failures, errors of sub-calls, equal prompts with different answers, the child run and the answer."""
    run, events = recorded()
    assert run.cost > 0
    recording = Recording(events)
    again, new = replayed(recording)
    assert again.answer == run.answer
    found = diff(events, new)
    assert found.parts_at is None
    assert found.same_answer
    assert not found.settings
    assert sorted((e.tag, e.depth) for e in new) == sorted((e.tag, e.depth) for e in events)
    assert again.cost == 0
    assert again.usage.tokens == run.usage.tokens
    assert (recording.replayed, recording.asked_anew, recording.diverged) == (len(run.calls), 0, None)


def test_other_data_parts_where_the_output_differs():
    """The error names the step, the message and both texts."""
    _, events = recorded()
    run, _ = replayed(Recording(events), context="x" * 501)
    assert run.status == "failed"
    assert isinstance(run.error, ReplayDiverged)
    line = str(run.error)
    assert "\n" not in line
    assert "parts from run" in line
    assert "at step 1: message" in line, "the description of the data tells its size"
    assert "str of 500 characters" in line
    assert "str of 501 characters" in line


def test_a_sub_call_that_was_not_recorded_is_named():
    _, events = recorded()
    recording = Recording(events)
    asked = Request(messages=(Message("user", "something\nnew"),))
    with pytest.raises(ReplayDiverged, match=r"did not ask this, or not so often: 'something\\nnew'"):
        asyncio.run(recording.sub().complete(asked))
    assert recording.diverged
    with pytest.raises(ReplayDiverged, match="something"):
        asyncio.run(recording.sub().complete(Request(messages=(Message("user", "later"),))))


def test_a_question_that_is_asked_more_often_than_recorded_is_new():
    _, events = recorded()
    recording = Recording(events)
    asked = Request(
        messages=next(e for e in events if e.tag == "call_started" and e.purpose == "sub-call").request.messages
    )

    async def twice():
        await recording.sub().complete(asked)
        await recording.sub().complete(asked)

    with pytest.raises(ReplayDiverged, match="not so often"):
        asyncio.run(twice())


def test_what_is_new_goes_to_the_fallback_and_the_rest_stays_free():
    """As when a run is tried again with other code from some step on."""
    run, events = recorded()
    last = [*CODE[:3], "```python\nFINAL([llm_query('one more'), llm_query('one')])\n```"]
    at = max(n for n, e in enumerate(events) if e.tag == "call_finished" and e.reply and e.reply.text == CODE[3])
    root, sub = models(code=[last[3]])
    number = events[at].call
    recording = Recording([e for e in events if getattr(e, "call", None) != number])
    again, _ = replayed(recording, root=root, sub=sub)
    assert again.answer == ["answer 1", "answer 2"], "new ones, since 'one' was asked only once in the record"
    assert recording.asked_anew == 3
    assert recording.replayed == len(run.calls) - 1
    assert 0 < again.cost < run.cost
    assert "at its end" in recording.diverged


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda last: (Message(last.role, last.content[:3] + "!!"),),
            "({role}) differs from character 4 on: recorded ",
        ),
        (lambda _: (Message("system", "x"),), "is of the system, in the record of the {role}"),
        (lambda last: (last, Message("user", "x")), "there are {more} messages, in the record {number}"),
        (lambda _: (), "there are {less} messages, in the record {number}"),
    ],
)
def test_differences_are_told_in_one_line(change, reason):
    _, events = recorded()
    *before, last = next(e for e in events if e.tag == "call_started").request.messages
    number = len(before) + 1
    with pytest.raises(ReplayDiverged) as caught:
        asyncio.run(Recording(events).root().complete(Request(messages=(*before, *change(last)))))
    assert reason.format(role=last.role, number=number, more=number + 1, less=number - 1) in str(caught.value)
    assert "at step 1: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("this model's maximum context length is 8192", ContextOverflow),
        ("m gave no answer within 120 s", ModelTimeout),
        ("refused", ModelError),
    ],
)
def test_recorded_errors_are_raised_again_by_their_kind(text, kind):
    _, events = recorded()
    at = next(n for n, e in enumerate(events) if e.tag == "call_finished")
    events[at] = replace(events[at], reply=None, error=text)
    asked = next(e for e in events if e.tag == "call_started").request
    with pytest.raises(kind, match=text[:10]) as caught:
        asyncio.run(Recording(events).root().complete(asked))
    assert type(caught.value) is kind


def test_a_cancelled_call_was_asked_again():
    """A run that was stopped and went on has it twice in its record."""
    _, events = recorded()
    at = next(n for n, e in enumerate(events) if e.tag == "call_finished")
    started = events[at - 1]
    cancelled = replace(events[at], call=99, reply=None, error="cancelled")
    record = [*events[: at - 1], replace(started, call=99), cancelled, *events[at - 1 :]]
    run, _ = replayed(Recording(record))
    assert run.status == "done", run.error


def test_a_model_of_the_record_says_what_it_is():
    _, events = recorded()
    recording = Recording(events)
    root, sub = recording.root(window=9000), recording.sub(fallback=models()[1])
    assert (root.name, sub.name) == ("root", "sub")
    assert asyncio.run(root.window()) == 9000
    assert asyncio.run(sub.window()) == 32_768
    assert root.identity is None
    assert root.on_this_machine
    assert f"the record of run {events[0].run}" in root.endpoint
    assert "else a script" in sub.endpoint
    assert root.count("four little words here") > 2


@pytest.mark.parametrize("events", [[], None])
def test_an_empty_record_is_refused(events):
    with pytest.raises(ConfigError, match="nothing to replay"):
        Recording(recorded()[1][1:] if events is None else events)
