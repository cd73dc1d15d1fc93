"""What the client makes of servers that fail: every fault is retried where that helps, and ends as one clear error."""

import asyncio
import json
import socket
import time

import pytest
from asking import QUICK, ask, connect, foreign_server, until

from rlm_kernel.errors import ContextOverflow, ModelError, ModelTimeout, ModelUnavailable
from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
from rlm_kernel.testing import Fault, ScriptedModel

ONCE = ClientOptions(retries=1)


def complete(model, **options):
    return asyncio.run(model.complete(ask(**options)))


def fails(model, **options):
    with pytest.raises(ModelError) as caught:
        complete(model, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def error(text, **fields):
    return json.dumps({"error": {"message": text, **fields}})


def test_first_fifty_of_a_hundred_are_refused_then_all_is_well(server):
    """A burst that is refused at first is answered whole: nothing is lost and retries are counted."""
    server.faults = [Fault(status=429, first=50)]

    async def burst():
        model = connect(server, ClientOptions())
        return await asyncio.gather(*(model.complete(ask()) for _ in range(100)))

    replies = asyncio.run(burst())
    assert [reply.text for reply in replies] == ["ok"] * 100
    assert sum(reply.retries for reply in replies) == 50
    assert len(server.requests) == 150


def test_server_that_always_fails(server):
    """Errors of the server are tried again as often as set, then raised with the server's own words."""
    server.faults = [Fault(status=500, text=error("the disk is on fire"))]
    failure = fails(connect(server, ONCE))
    assert type(failure) is ModelError
    assert "HTTP 500: the disk is on fire" in str(failure)
    assert len(server.requests) == 2


def test_retry_after_is_kept(server):
    """The wait that a server asks for is kept, not our own shorter one."""
    server.faults = [Fault(status=429, retry_after=1.5, first=1)]
    assert complete(connect(server, ONCE)).retries == 1
    first, second = server.requests
    assert second.at - first.at >= 1.4


def test_connection_dropped_once(server):
    """A connection that breaks before the answer is made again."""
    server.faults = [Fault(drop=True, first=1)]
    reply = complete(connect(server, ONCE))
    assert (reply.text, reply.retries) == ("ok", 1)


def test_connection_always_dropped(server):
    """A server that always hangs up is unreachable, not slow."""
    server.faults = [Fault(drop=True)]
    failure = fails(connect(server))
    assert type(failure) is ModelUnavailable
    assert server.base_url in str(failure)


def test_time_out_covers_the_retries(server):
    """A time-out ends the whole call, the waits between its tries included."""
    server.faults = [Fault(status=503, retry_after=60)]
    begin = time.monotonic()
    failure = fails(connect(server, ClientOptions()), timeout=0.5)
    assert type(failure) is ModelTimeout
    assert time.monotonic() - begin < 20
    assert len(server.requests) == 1


def test_silent_server(server):
    """A server that never answers is given up after the time-out, and sees the client go."""
    server.faults = [Fault(hang=True)]

    async def give_up():
        with pytest.raises(ModelTimeout, match=r"within 0\.3 s"):
            await connect(server).complete(ask(timeout=0.3))
        await until(lambda: server.disconnected)

    asyncio.run(give_up())
    assert server.disconnected == 1


def test_cancelled_calls_leave_at_once(server):
    """Cancelling closes the requests that are open and sends no other, the ones waiting to retry included."""
    server.faults = [Fault(status=503, retry_after=0.5, first=10), Fault(hang=True)]

    async def cancel():
        model = connect(server, ClientOptions())
        tasks = [asyncio.create_task(model.complete(ask())) for _ in range(20)]
        await until(lambda: len(server.requests) == 20)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await until(lambda: server.disconnected == 10)
        await asyncio.sleep(1.0)  # longer than the wait that they were told
        return results

    results = asyncio.run(cancel())
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    assert (len(server.requests), server.disconnected) == (20, 10)


def test_one_bad_call_takes_no_other_with_it(server):
    """Among many calls the one that fails fails alone."""
    server.faults = [Fault(status=500, when=lambda body: body["messages"][-1]["content"] == "bad")]

    async def mixed():
        model = connect(server)
        texts = ["bad" if number == 7 else "good" for number in range(30)]
        return await asyncio.gather(*(model.complete(ask(text)) for text in texts), return_exceptions=True)

    results = asyncio.run(mixed())
    assert isinstance(results[7], ModelError)
    assert [result.text for number, result in enumerate(results) if number != 7] == ["ok"] * 29


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, ModelUnavailable, "OPENAI_API_KEY"),
        (402, ModelUnavailable, "credit"),
        (403, ModelUnavailable, "OPENAI_API_KEY"),
        (404, ModelUnavailable, "the model's name"),
        (408, ModelTimeout, ""),
        (504, ModelTimeout, ""),
        (400, ModelError, ""),
        (418, ModelError, ""),
        (429, ModelError, ""),
        (500, ModelError, ""),
        (529, ModelError, ""),
    ],
)
def test_statuses(server, status, kind, words):
    """Each status becomes the error that says what it means, with the address, the server's words and the way out."""
    server.faults = [Fault(status=status, text=error("because of that"))]
    failure = fails(connect(server))
    assert type(failure) is kind
    for part in (server.base_url, str(status), "because of that", words):
        assert part in str(failure)


def test_wrong_key(server):
    """A wrong key is said to be one, with the address that refused it."""
    model = OpenAIModel("scripted", base_url=server.base_url, api_key="sk-something-else", options=QUICK)
    failure = fails(model)
    assert type(failure) is ModelUnavailable
    assert "HTTP 401" in str(failure)
    assert server.requests == []


@pytest.mark.parametrize(
    "text",
    [
        error("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
        error("Please shorten it", code="context_length_exceeded"),
        error("the request exceeds the available context size, try increasing it", type="exceed_context_size_error"),
        error("This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens"),
        error("prompt is too long: 208310 tokens > 200000 maximum"),
        error("Please reduce the length of the messages or completion.", code="context_length_exceeded"),
        error("Requested token count exceeds the model's maximum context length of 4096 tokens."),
        json.dumps({"object": "error", "message": "This model's maximum context length is 4096 tokens."}),
        json.dumps({"error": "input length exceeds the context length"}),
    ],
)
def test_overflow_in_every_dialect(server, text):
    """A prompt that does not fit is a ContextOverflow with whichever words the server says so, and is not retried."""
    server.faults = [Fault(status=400, text=text)]
    assert type(fails(connect(server, ONCE))) is ContextOverflow
    assert len(server.requests) == 1


def test_overflow_under_a_good_status(server):
    """Gateways put the provider's error into a body with status 200; it means the same."""
    server.faults = [Fault(text=error("prompt is too long: 9 tokens > 8 maximum"))]
    assert type(fails(connect(server))) is ContextOverflow


def test_talk_about_context_is_no_overflow(server):
    """A reply about context lengths is a reply, and one in a broken body no overflow."""
    server.model = ScriptedModel(["the maximum context length is exceeded"])
    assert complete(connect(server)).text == "the maximum context length is exceeded"
    server.faults = [Fault(text="<html>maximum context length</html>")]
    assert type(fails(connect(server))) is ModelError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty body"),
        ("<html><body>Bad gateway</body></html>", "no JSON; its body begins: <html><body>Bad gateway"),
        ('{"choices": [', "no JSON"),
        ("{}", "no choices"),
        ("[]", "no choices"),
        ("null", "no choices"),
        ('{"choices": null}', "no choices"),
        ('{"choices": []}', "no choices"),
        ('{"choices": [null]}', "no message"),
        ('{"choices": [{"message": null}]}', "no message"),
        ('{"choices": [{"message": "hello"}]}', "no message"),
        ('{"error": {"message": "upstream is down", "code": 502}}', "upstream is down"),
        ('{"choices": [{"error": {"message": "provider failed"}, "message": {"content": ""}}]}', "provider failed"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_malformed_answers(server, text, words):
    """An answer that is none becomes a ModelError that says what came instead."""
    server.faults = [Fault(text=text)]
    failure = fails(connect(server))
    assert type(failure) is ModelError
    assert words in str(failure)


def test_body_cut_short():
    """A body that ends before its announced length is a connection lost, not an answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"cho')
            await writer.drain()
            writer.close()

        async def call():
            async with await asyncio.start_server(answer, sock=listener.dup()):
                base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
                await OpenAIModel("m", base_url=base_url, options=QUICK).complete(ask())

        with pytest.raises(ModelUnavailable):
            asyncio.run(call())


def test_nobody_listens():
    """A local server that is not running is said to be so at once, before any retry."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    begin = time.monotonic()
    failure = fails(OpenAIModel("m", base_url=f"http://127.0.0.1:{port}/v1"))
    assert type(failure) is ModelUnavailable
    assert f"nothing listens at http://127.0.0.1:{port}/v1" in str(failure)
    assert time.monotonic() - begin < 3


def test_unknown_host(tried_to_leave):
    """A host that cannot be looked up is unreachable, and the error names the variable to check."""
    failure = fails(OpenAIModel("m", base_url="http://nowhere.invalid/v1", options=QUICK))
    assert type(failure) is ModelUnavailable
    assert "OPENAI_BASE_URL" in str(failure)
    assert set(tried_to_leave) == {"nowhere.invalid"}
    tried_to_leave.clear()


def test_long_error_pages_are_cut(server):
    """A page of HTML as an error is cut to a length fit for a line."""
    server.faults = [Fault(status=502, text="<html>" + "x" * 100_000)]
    assert len(str(fails(connect(server)))) < 1_200


def test_base_url_without_its_path():
    """A base URL that lacks its /v1 fails with the hint that most end in it."""
    with foreign_server({}) as (root, asked):
        failure = fails(OpenAIModel("m", base_url=root, options=QUICK))
    assert asked == ["/chat/completions"]
    assert type(failure) is ModelUnavailable
    assert "/v1" in str(failure)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"detail": "Not Found"}', "Not Found"),
        ('{"detail": [{"loc": ["body"], "msg": "Field required"}]}', "Field required"),
        ('{"error": "model \'m\' not found"}', "model 'm' not found"),
        ('{"message": "no Route matched"}', "no Route matched"),
        ("plain words", "plain words"),
        ('{"unheard": "of"}', '{"unheard": "of"}'),
        ("", "no reason given"),
    ],
)
def test_error_bodies_of_other_makes(server, body, words):
    """The words of an error are found in the bodies of FastAPI, Ollama, gateways and in plain text."""
    server.faults = [Fault(status=422, text=body)]
    assert words in str(fails(connect(server)))
