"""Clients live as long as their event loop: many calls at once, several loops, nothing left open."""

import asyncio
import gc
import socket
import subprocess
import sys
import textwrap
import threading

import pytest
from asking import QUICK, ask, connect

from rlm_kernel.models import clients
from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
from rlm_kernel.testing import ScriptedModel


def test_five_hundred_calls_at_once(server):
    """Five hundred calls are open at the same time and all are answered, none of them twice."""
    server.model = ScriptedModel(lambda messages: messages[-1].content, latency=2.0)

    async def many():
        model = connect(server)
        return await asyncio.gather(*(model.complete(ask(str(number))) for number in range(500)))

    replies = asyncio.run(many())
    assert [reply.text for reply in replies] == [str(number) for number in range(500)]
    assert server.model.peak == 500
    assert len(server.requests) == 500


def test_one_object_in_several_loops(server):
    """One model object serves loop after loop and loops side by side, and no client outlives its loop."""
    model = connect(server)
    texts = []

    def work():
        texts.append(asyncio.run(model.complete(ask())).text)

    work()
    work()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == ["ok"] * 6
    assert not [key for key in clients._held if key[1].url == server.base_url]


def test_models_of_one_server_share_a_client(server):
    """Models with one address and key use one client, others have their own."""

    async def made():
        first = await connect(server)._client()
        same = await connect(server)._client()
        other = await connect(server, ClientOptions(headers={"X-Team": "blue"}))._client()
        return first is same, first is other

    assert asyncio.run(made()) == (True, False)


def test_clients_can_be_closed_by_hand(server):
    """The owner of a loop that goes on closes its clients, and the next call makes a new one."""

    async def twice():
        model = connect(server)
        await model.complete(ask())
        await clients.close_clients()
        assert not [key for key in clients._held if key[0] is asyncio.get_running_loop()]
        return (await model.complete(ask())).text

    assert asyncio.run(twice()) == "ok"


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_nothing_is_left_open(server):
    """After the loop has ended no socket and no session is left."""
    asyncio.run(connect(server).complete(ask()))
    gc.collect()


def test_process_with_a_loop_in_a_daemon_thread_ends_in_silence(server):
    """A process that never stops its background loop ends without a complaint about open sessions."""
    code = f"""
        import asyncio, threading
        from rlm_kernel.models.openai_compatible import OpenAIModel
        from rlm_kernel.trajectory.records import Message, Request
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        model = OpenAIModel("scripted", base_url={server.base_url!r}, api_key={server.api_key!r})
        request = Request(messages=(Message("user", "hi"),))
        print(asyncio.run_coroutine_threadsafe(model.complete(request), loop).result(60).text)
    """
    done = run_python(code)
    assert (done.stdout, done.stderr, done.returncode) == ("ok\n", "", 0)


def test_import_is_light():
    """Importing the client loads neither openai nor an HTTP library nor tiktoken."""
    code = """
        import sys
        import rlm_kernel.models.openai_compatible, rlm_kernel.testing
        print(sorted({"openai", "aiohttp", "httpx", "httpx2", "tiktoken"} & set(sys.modules)))
    """
    assert run_python(code).stdout == "[]\n"


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )


def test_proxy_for_the_outside_is_not_asked_for_this_machine(server, monkeypatch):
    """With a proxy set for the outside, calls to a local server still go there directly."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert asyncio.run(connect(server).complete(ask(timeout=30))).text == "ok"


def test_proxy_for_the_outside_is_used_for_the_outside(server, monkeypatch):
    """Calls to other machines go through the proxy that the environment names."""
    proxy = server.base_url.removesuffix("/v1")
    monkeypatch.setenv("HTTP_PROXY", proxy)
    model = OpenAIModel("m", base_url="http://models.invalid/v1", api_key=server.api_key, options=QUICK)
    assert asyncio.run(model.complete(ask(timeout=30))).text == "ok"
    assert server.requests[0].headers["Host"] == "models.invalid"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on open files")
def test_pool_fits_under_the_limit_on_open_files(server):
    """Where few files may be open, many calls wait for one another instead of failing."""
    server.model = ScriptedModel(lambda _messages: "ok", latency=0.01)
    code = f"""
        import asyncio, resource
        from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
        from rlm_kernel.trajectory.records import Message, Request
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        options = ClientOptions(retries=0)
        model = OpenAIModel("scripted", base_url={server.base_url!r}, api_key={server.api_key!r}, options=options)
        request = Request(messages=(Message("user", "hi"),))
        async def many():
            return await asyncio.gather(*(model.complete(request) for _ in range(400)))
        print(len(asyncio.run(many())))
    """
    done = run_python(code)
    assert (done.stdout, done.stderr) == ("400\n", "")
    assert 60 < server.model.peak < 128
