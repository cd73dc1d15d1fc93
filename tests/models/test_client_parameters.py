"""Parameters that a server refuses are left out or renamed, once, and the model remembers."""

import asyncio
import json

import pytest
from asking import QUICK, ask, connect

from rlm_kernel.errors import ModelError
from rlm_kernel.models.openai_compatible import ClientOptions
from rlm_kernel.testing import Fault

OLD_LENGTH = {
    "message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
    "param": "max_tokens",
    "code": "unsupported_parameter",
}
WARMTH = {
    "message": "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported.",
    "param": "temperature",
    "code": "unsupported_value",
}
SEED = {"message": "Unrecognized request argument supplied: seed"}
FORBIDDEN = {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}


def refuse(name, error, status=400):
    text = json.dumps(error if "detail" in error else {"error": error})
    return Fault(status=status, text=text, when=lambda body: name in body)


def complete(model, **options):
    return asyncio.run(model.complete(ask(**options)))


def sent(server):
    names = ("temperature", "seed", "max_tokens", "max_completion_tokens")
    return [{name: request.body[name] for name in names if name in request.body} for request in server.requests]


def test_only_what_is_set_is_sent(server):
    """Options that the caller leaves out do not appear in the request, and zero is a value."""
    model = connect(server)
    complete(model)
    complete(model, temperature=0.0, seed=0, max_tokens=9)
    assert sent(server) == [{}, {"temperature": 0.0, "seed": 0, "max_tokens": 9}]
    assert model.adaptations == ()


def test_length_is_renamed_once(server):
    """A server that wants max_completion_tokens gets it, and the next call begins with it."""
    server.faults = [refuse("max_tokens", OLD_LENGTH)]
    model = connect(server)
    assert complete(model, max_tokens=9).text == "ok"
    complete(model, max_tokens=8)
    assert sent(server) == [{"max_tokens": 9}, {"max_completion_tokens": 9}, {"max_completion_tokens": 8}]
    assert model.adaptations == ("max_tokens is sent as max_completion_tokens",)


def test_several_refusals_are_met_one_by_one(server):
    """A reasoning model's refusals of length, temperature and seed are all met within one call."""
    server.faults = [
        refuse("max_tokens", OLD_LENGTH),
        refuse("temperature", WARMTH),
        refuse("seed", FORBIDDEN, status=422),
    ]
    model = connect(server)
    assert complete(model, max_tokens=9, temperature=0.0, seed=1).text == "ok"
    assert sent(server)[-1] == {"max_completion_tokens": 9}
    assert model.adaptations == (
        "max_tokens is sent as max_completion_tokens",
        "temperature is left out",
        "seed is left out",
    )


def test_length_refused_under_both_names(server):
    """A server that takes neither name gets neither."""
    server.faults = [
        refuse("max_tokens", OLD_LENGTH),
        refuse("max_completion_tokens", {"message": "Unknown parameter: 'max_completion_tokens'."}),
    ]
    model = connect(server)
    assert complete(model, max_tokens=9).text == "ok"
    assert sent(server)[-1] == {}
    assert model.adaptations == ("max_tokens is left out",)


def test_unnamed_parameter_is_found_in_the_words(server):
    """An error without a param field tells the parameter in its text."""
    server.faults = [refuse("seed", SEED)]
    assert complete(connect(server), seed=1, temperature=0.5).text == "ok"
    assert sent(server)[-1] == {"temperature": 0.5}


def test_concurrent_first_calls_all_adapt(server):
    """Calls that meet the refusal at the same time all succeed, and it is remembered once."""
    server.faults = [refuse("max_tokens", OLD_LENGTH)]
    model = connect(server)

    async def many():
        return await asyncio.gather(*(model.complete(ask(max_tokens=9)) for _ in range(30)))

    assert {reply.text for reply in asyncio.run(many())} == {"ok"}
    assert model.adaptations == ("max_tokens is sent as max_completion_tokens",)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "'messages' must contain a user turn"},
        {"message": "max_tokens is too large: 50000. This model supports at most 4096 completion tokens."},
        {"message": "temperature must be between 0 and 1"},
        {"message": "This model's maximum context length is 10 tokens; 9 of them are max_tokens, not supported"},
        {"message": "Unsupported parameter: 'top_k'"},
    ],
)
def test_other_errors_are_no_refusals(server, error):
    """A bad value, another field or an overflow is an error, not a reason to send something else."""
    server.faults = [Fault(status=400, text=json.dumps({"error": error}))]
    model = connect(server)
    with pytest.raises(ModelError):
        complete(model, max_tokens=9, temperature=3.0)
    assert len(server.requests) == 1
    assert model.adaptations == ()


def test_server_that_refuses_for_ever_ends(server):
    """A server that goes on to refuse what is no longer sent ends in its error."""
    server.faults = [Fault(status=400, text=json.dumps({"error": WARMTH}))]
    with pytest.raises(ModelError, match="Only the default"):
        complete(connect(server), temperature=0.0)
    assert len(server.requests) == 2


def test_options_reach_the_request(server):
    """Extra body fields and headers of the options go with each request."""
    options = ClientOptions(retries=0, body={"reasoning_effort": "low"}, headers={"X-Team": "blue"})
    complete(connect(server, options))
    assert server.requests[0].body["reasoning_effort"] == "low"
    assert server.requests[0].headers["X-Team"] == "blue"
    complete(connect(server, QUICK))
    assert "X-Team" not in server.requests[1].headers
