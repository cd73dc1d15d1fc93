"""A key, a password or a query's value appears in nothing that a person or a log sees."""

import asyncio
import logging
import pickle
import traceback

import pytest
from asking import ask, foreign_server

from rlm_kernel.errors import ConfigError, ModelError
from rlm_kernel.models.address import parse
from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
from rlm_kernel.testing import Fault

KEY = "sk-hunter2hunter2"
HEADER = ClientOptions(retries=1, headers={"X-Api-Key": "header-hunter2"})


def everything_of(failure):
    """All texts of an exception: message, repr, arguments, formatted traceback with causes, pickle."""
    formatted = "".join(traceback.format_exception(failure))
    return "\n".join([str(failure), repr(failure), repr(failure.args), formatted, repr(pickle.dumps(failure))])


def fail(model):
    with pytest.raises(ModelError) as caught:
        asyncio.run(model.complete(ask()))
    return caught.value


def test_key_that_the_server_repeats_is_blanked(server, caplog):
    """A server that repeats key and secret headers in its error does not bring them before the user's eyes."""
    caplog.set_level(logging.DEBUG)
    server.api_key = KEY
    server.faults = [Fault(status=500, text=f"no way with {KEY} and header-hunter2")]
    model = OpenAIModel("m", base_url=server.base_url, api_key=KEY, options=HEADER)
    failure = fail(model)
    seen = "\n".join([everything_of(failure), repr(model), model.endpoint, caplog.text, repr(HEADER)])
    assert "no way with *** and ***" in str(failure)
    assert "hunter2" not in seen
    assert len(caplog.records) > 0


def test_credentials_in_the_address(caplog):
    """A user, a password and a query in the base URL reach the server and no one else."""
    caplog.set_level(logging.DEBUG)
    with foreign_server({"/v1/chat/completions": "never mind, token=query hunter2"}) as (root, asked):
        place = root.removeprefix("http://")
        model = OpenAIModel("m", base_url=f"http://ann:pass-hunter2@{place}/v1?token=query%20hunter2")
        failure = fail(model)
    assert model.endpoint == f"http://***@{place}/v1?token=***"
    assert asked in (["/v1/chat/completions?token=query+hunter2"], ["/v1/chat/completions?token=query%20hunter2"])
    assert "hunter2" not in "\n".join([everything_of(failure), repr(model), repr(parse("http://a:hunter2@h/v1"))])
    assert "hunter2" not in caplog.text


def test_short_keys_are_words(server):
    """A key such as ``ollama`` is no secret: errors keep the word."""
    server.api_key = "ollama"
    server.faults = [Fault(status=400, text="ollama is busy")]
    model = OpenAIModel("m", base_url=server.base_url, api_key="ollama")
    assert "ollama is busy" in str(fail(model))


@pytest.mark.parametrize(
    ("url", "shown", "here"),
    [
        (None, "https://api.openai.com/v1", False),
        ("https://api.example.com/v1/", "https://api.example.com/v1", False),
        (" http://localhost:11434/v1 ", "http://localhost:11434/v1", True),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://127.9.9.9/v1", "http://127.9.9.9/v1", True),
        ("http://[::1]:80/v1", "http://[::1]:80/v1", True),
        ("http://0.0.0.0:8000/v1", "http://0.0.0.0:8000/v1", True),
        ("http://models.localhost/v1", "http://models.localhost/v1", True),
        ("http://localhost.example.com/v1", "http://localhost.example.com/v1", False),
        ("http://10.0.0.7:8000/v1", "http://10.0.0.7:8000/v1", False),
        ("http://ann:pw@10.0.0.7/v1", "http://***@10.0.0.7/v1", False),
        ("https://x.example/openai?api-version=1&key=k", "https://x.example/openai?api-version=***&key=***", False),
        ("http://localhost:1/v1/chat/completions", "http://localhost:1/v1", True),
        ("HTTPS://X.example/v1", "https://x.example/v1", False),
    ],
)
def test_addresses(url, shown, here):
    """An address is shown without its secrets, and only loopback ones are on this machine."""
    model = OpenAIModel("m", base_url=url)
    assert (model.endpoint, model.on_this_machine) == (shown, here)


@pytest.mark.parametrize(
    "url", ["localhost:8080/v1", "api.example.com", "ftp://x/v1", "http://", "http://x:port/v1", "http://[::1"]
)
def test_bad_addresses(url):
    """A base URL that is none is refused when it is given, with an example of one."""
    with pytest.raises(ConfigError, match=r"http://127\.0\.0\.1:8080/v1"):
        OpenAIModel("m", base_url=url)


def test_pasted_keys(server):
    """Blanks around a pasted key are dropped, and what cannot be a key is refused without showing it."""
    server.api_key = KEY
    model = OpenAIModel("m", base_url=server.base_url, api_key=f" {KEY}\n")
    assert asyncio.run(model.complete(ask())).text == "ok"
    for bad in ("sk-hunter2\nX: y", "sk-hünter2"):
        with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
            OpenAIModel("m", api_key=bad)
        assert "nter2" not in str(caught.value)
