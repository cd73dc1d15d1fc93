"""JupyterLab once for all, a browser for each module, a page for each test, and a model that says what a test wants."""

import pytest
from lab import Front, chromium, jupyterlab

from rlm_kernel.testing import ScriptedModel, serve


@pytest.fixture(scope="session")
def endpoint():
    """The server that every kernel asks."""
    with serve(ScriptedModel([])) as served:
        yield served


@pytest.fixture(scope="session")
def server(clean_environment, endpoint, tmp_path_factory):
    """JupyterLab, whose kernels know the endpoint from their environment."""
    known = {"OPENAI_BASE_URL": endpoint.base_url, "OPENAI_API_KEY": endpoint.api_key, "RLM_MODEL": "scripted"}
    known["RLM_MEMO"] = "0"  # the kernels share a home: a sub-call of one test would be answered from another's
    with jupyterlab(tmp_path_factory.mktemp("lab"), known) as running:
        yield running


@pytest.fixture(scope="module")
def browser(clean_environment):
    """Not for the whole session: while it is there, this thread has a running event loop, which other tests mind."""
    with chromium() as running:
        yield running


@pytest.fixture
def front(browser, server, own_data):
    """A page of its own for each test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    front = Front(context.new_page(), server)
    yield front
    front.close()
    context.close()


@pytest.fixture
def model(endpoint):
    """Call it with replies, or with a function of the messages, to say what the model answers."""

    def script(replies, **options):
        endpoint.model = ScriptedModel(replies, **options)
        return endpoint.model

    return script
