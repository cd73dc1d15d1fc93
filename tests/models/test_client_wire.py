"""Reading replies: every known dialect means what it says, and no JSON at all breaks the reader."""

import asyncio
import json

import pytest
from asking import ask, connect
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rlm_kernel.errors import ModelError
from rlm_kernel.models.wire import Answered, body_of, decode, reply_of, server_text
from rlm_kernel.testing import Fault
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage

KNOWN = Answered(
    model="asked", retries=2, estimate=lambda text: Usage(calls=1, input_tokens=9, output_tokens=len(text))
)


def read(message, **top):
    return reply_of({"choices": [{"message": message, "finish_reason": "stop"}], **top}, KNOWN)


def test_plain_reply():
    """A reply as OpenAI writes it is read whole."""
    usage = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    reply = read({"content": "hello"}, model="gpt-x-2026", usage=usage)
    assert reply == Reply(
        text="hello",
        model="gpt-x-2026",
        usage=Usage(calls=1, input_tokens=10, output_tokens=3, cached_tokens=8),
        retries=2,
    )


@pytest.mark.parametrize("usage", [None, {}, [], "many", {"prompt_tokens": None}, {"prompt_tokens": 0}, {"total": 3}])
def test_missing_usage_is_estimated(usage):
    """Usage that the server does not report is our estimate, and is marked as one."""
    reply = read({"content": "four", "reasoning_content": "six..."}, usage=usage)
    assert reply.estimated
    assert reply.usage == Usage(calls=1, input_tokens=9, output_tokens=10)


@pytest.mark.parametrize(
    ("usage", "cached"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}, 4),
        ({"input_tokens": 5, "output_tokens": 1, "input_tokens_details": {"cached_tokens": 2}}, 2),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None}, 0),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 99}}, 5),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": "2"}}, 0),
    ],
)
def test_usage_dialects(usage, cached):
    """DeepSeek's and the Responses interface's names are read, and nonsense counts as none."""
    assert read({"content": "x"}, usage=usage).usage == Usage(
        calls=1, input_tokens=5, output_tokens=1, cached_tokens=cached
    )


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": None}, "", ""),
        ({}, "", ""),
        ({"content": "<think>\nhm\n</think>\n\nyes"}, "yes", "hm"),
        ({"content": "  <THINK>hm</THINK>yes"}, "yes", "hm"),
        ({"content": "<thinking>hm</thinking>yes"}, "yes", "hm"),
        ({"content": "<think>never ends"}, "", "never ends"),
        ({"content": "<think></think>yes"}, "yes", ""),
        ({"content": "hm\n</think>\nyes"}, "yes", "hm"),
        ({"content": "say <think>this</think> aloud"}, "say <think>this</think> aloud", ""),
        ({"content": "yes", "reasoning_content": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning_content": "hm", "reasoning": "hm"}, "yes", "hm"),
        ({"content": "yes", "reasoning": {"summary": 1}}, "yes", ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab", ""),
        ({"content": ["a", {"type": "image_url"}, 3, None, "b"]}, "ab", ""),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"text": "yes"}]},
            "yes",
            "hm",
        ),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"text": "yes"}]}, "yes", "hm"),
        ({"content": None, "refusal": "I cannot"}, "I cannot", ""),
        ({"content": {"odd": 1}}, "", ""),
    ],
)
def test_text_and_thinking(message, text, reasoning):
    """Thinking is told from text wherever servers put it; only thinking that begins the reply is taken out of it."""
    reply = read(message)
    assert (reply.text, reply.reasoning) == (text, reasoning)


@pytest.mark.parametrize(
    ("message", "calls"),
    [
        ({"tool_calls": [{"function": {"name": "f", "arguments": '{"a": 1}'}}]}, ('{"a": 1}',)),
        ({"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}, ('{"a": 1}',)),
        ({"tool_calls": [{"type": "custom", "custom": {"name": "f", "input": "x = 1"}}]}, ("x = 1",)),
        ({"function_call": {"name": "f", "arguments": "{}"}}, ("{}",)),
        ({"tool_calls": None, "function_call": None}, ()),
        ({"tool_calls": ["no", {"function": None}, {"function": {"arguments": 3}}]}, ()),
    ],
)
def test_tool_calls(message, calls):
    """Arguments of native tool calls are kept as the model wrote them; broken ones are none."""
    assert read(message).tool_calls == calls


def test_finish_and_old_completions():
    """The finish reason is kept, and ``text`` in place of a message is a text."""
    assert reply_of({"choices": [{"message": {"content": "x"}, "finish_reason": "length"}]}, KNOWN).finish == "length"
    assert reply_of({"choices": [{"message": {"content": "x"}, "finish_reason": None}]}, KNOWN).finish == "stop"
    assert reply_of({"choices": [{"text": "x"}]}, KNOWN).text == "x"


TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # halves of surrogate pairs included
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def sometimes(names):
    """Objects that hold some of the names that the reader looks for, with any JSON behind them."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, JSON))


FUNCTIONS = st.fixed_dictionaries({"function": sometimes(["name", "arguments"]) | JSON})
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON | st.lists(sometimes(["type", "text", "thinking"]) | JSON, max_size=3),
        "reasoning_content": JSON,
        "reasoning": JSON,
        "refusal": JSON,
        "tool_calls": JSON | st.lists(FUNCTIONS | JSON, max_size=2),
        "function_call": JSON,
    },
)
CHOICES = st.fixed_dictionaries(
    {}, optional={"message": MESSAGES | JSON, "finish_reason": JSON, "text": JSON, "error": JSON}
)
USAGES = sometimes(["prompt_tokens", "completion_tokens", "prompt_tokens_details", "input_tokens"])
BODIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICES | JSON, max_size=2) | JSON,
        "usage": USAGES | JSON,
        "model": JSON,
        "error": sometimes(["message", "code"]) | JSON,
    },
)


@given(BODIES)
@example({"choices": [{"message": {"content": [[[]]]}}]})
@example({"choices": [{"message": {}, "error": {"message": None}}]})
def test_any_json_is_a_reply_or_a_model_error(body):
    """Whatever JSON comes back, the reader gives a well-formed Reply or raises a ModelError."""
    try:
        reply = reply_of(decode(json.dumps(body).encode()), KNOWN)
    except ModelError:
        return
    for text in (reply.text, reply.model, reply.finish, reply.reasoning, *reply.tool_calls):
        text.encode()  # raises if UTF-8 cannot hold it
    usage = reply.usage
    assert usage.calls == 1
    assert 0 <= usage.cached_tokens <= usage.input_tokens
    assert usage.output_tokens >= 0


@given(st.binary(max_size=60))
def test_any_bytes_are_json_or_a_model_error(content):
    """Whatever bytes come back, they decode or are a ModelError."""
    try:
        json.dumps(decode(content))
    except ModelError:
        return


@given(JSON)
def test_any_error_body_has_words(body):
    """The words of an error body are always a text that can be shown."""
    server_text(body).encode()


@given(st.text(alphabet="<>/think ab\n", max_size=40))
def test_splitting_off_thought_invents_nothing(content):
    """Every word of text and thinking stands in what the server sent."""
    reply = read({"content": content})
    assert reply.text in content
    assert reply.reasoning in content


@pytest.mark.parametrize("depth", [300, 900, 960, 990, 1_100, 5_000])
@pytest.mark.parametrize(
    ("opening", "closing"), [("[", "]"), ('{"choices": [{"message": {"content": [', "]}}]}"), ('{"thinking": [', "]}")]
)
def test_nesting_without_end(opening, closing, depth):
    """JSON too deep to read, or just not too deep, is a Reply or a ModelError as any other."""
    for start, end in (("", ""), ('{"error": ', "}"), ('{"choices": [{"message": {"content": [', "]}}]}")):
        content = (start + opening * depth + closing * depth + end).encode()
        try:
            reply_of(decode(content), KNOWN)
        except ModelError:
            continue


def test_broken_surrogates_are_mended_both_ways():
    """Half a surrogate pair becomes a replacement character, a whole one its character, in requests and replies."""
    assert read({"content": "a\ud800b\ud83d\ude00"}).text == "a\ufffdb\U0001f600"
    request = Request(messages=(Message("user", "a\ud800b"), Message("user", "é")))
    assert [message["content"] for message in body_of(request, "m")["messages"]] == ["a\ufffdb", "é"]


def test_any_body_over_http(server):
    """The same holds for bodies that come over HTTP: nothing but a Reply or a ModelError comes out of a call."""
    model = connect(server)
    with asyncio.Runner() as runner:

        @given(BODIES.map(json.dumps) | st.text(max_size=30))
        @settings(max_examples=60, deadline=None)
        def hold(text):
            server.faults = [Fault(text=text)]
            try:
                assert isinstance(runner.run(model.complete(ask())), Reply)
            except ModelError as failure:
                str(failure).encode()

        hold()
