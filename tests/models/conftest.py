"""A server for the tests of models."""

import pytest

from rlm_kernel.testing import ScriptedModel, serve


@pytest.fixture
def server():
    """A server whose model answers ``ok``; tests change `server.model` and `server.faults`."""
    with serve(ScriptedModel(lambda _messages: "ok")) as served:
        yield served
