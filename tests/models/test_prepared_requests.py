"""Requests that are copied from the first one are what the openai package itself would send."""

import json

import openai
import pytest
from openai._models import FinalRequestOptions

from rlm_kernel.models.prepared import client_type

PreparedClient = client_type()

SETUP = {
    "api_key": "a-key",
    "base_url": "http://127.0.0.1:9/v1",
    "default_headers": {"X-Team": "blue"},
    "default_query": {"version": "7"},
    "timeout": openai.Timeout(600.0, connect=10.0),
}


def options(text, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return FinalRequestOptions.construct(method="post", url="/chat/completions", json_data=body, **more)


def seen(request):
    headers = sorted((name.lower(), value) for name, value in request.headers.items())
    return request.method, str(request.url), headers, request.content, request.extensions


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize(
    "text", ["short", "a much longer prompt than the first one", 'quotes " and\nlines', "Grüße, 雪"]
)
def test_a_copied_request_is_the_one_that_the_package_builds(text, retries):
    prepared, plain = PreparedClient(**SETUP), openai.AsyncOpenAI(**SETUP)
    prepared._build_request(options("the first"), retries_taken=retries)

    copied = prepared._build_request(options(text), retries_taken=retries)

    assert seen(copied) == seen(plain._build_request(options(text), retries_taken=retries))


def test_the_number_of_the_try_is_never_that_of_another_request():
    client = PreparedClient(**SETUP)
    for retries in (0, 1, 2, 1, 0):
        request = client._build_request(options("again"), retries_taken=retries)
        assert request.headers["x-stainless-retry-count"] == str(retries)


@pytest.mark.parametrize(
    "more",
    [{"headers": {"X-Other": "1"}}, {"params": {"a": "b"}}, {"extra_json": {"top_k": 5}}, {"timeout": 3.0}],
    ids=lambda more: next(iter(more)),
)
def test_a_request_with_options_of_its_own_is_built_by_the_package(more):
    prepared, plain = PreparedClient(**SETUP), openai.AsyncOpenAI(**SETUP)
    prepared._build_request(options("the first"))

    assert seen(prepared._build_request(options("x", **more))) == seen(plain._build_request(options("x", **more)))
    assert seen(prepared._build_request(options("y"))) == seen(plain._build_request(options("y")))


def test_copies_share_nothing_that_a_later_request_could_change():
    client = PreparedClient(**SETUP)
    first = client._build_request(options("one"))
    second = client._build_request(options("two"))
    second.headers["X-Mine"] = "1"
    second.extensions["mine"] = 1

    third = client._build_request(options("three"))

    assert "X-Mine" not in third.headers
    assert "mine" not in third.extensions
    assert json.loads(first.content)["messages"][0]["content"] == "one"
