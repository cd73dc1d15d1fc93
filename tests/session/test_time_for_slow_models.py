"""A slow model gets the time that it wants for a call, unless the user set one."""

import pytest

import rlm_kernel as rlm
from rlm_kernel.testing import ScriptedModel


@pytest.mark.parametrize(
    ("limits", "least", "most"),
    [(None, 590, 600), (rlm.Limits(call_seconds=7), 7, 7), (rlm.Limits(call_seconds=None), 890, 900)],
)
def test_the_default_gives_way_and_what_was_set_does_not(limits, least, most):
    """Without a limit on calls there is the run's own, of 900 seconds."""
    model = ScriptedModel(["```python\nFINAL(1 + 1)\n```"])
    model.call_seconds = 600.0
    rlm.run("q", model=model, limits=limits)

    assert least <= model.requests[0].timeout <= most


def test_calls_by_hand_have_the_time_that_they_want_too():
    model = ScriptedModel(["```python\nFINAL(1 + 1)\n```", "yes"])
    model.call_seconds = 600.0
    rlm.run("q", model=model)

    assert rlm.llm_query("hi") == "yes"
    assert model.requests[1].timeout == 600
