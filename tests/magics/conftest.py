"""A real IPython shell with the extension loaded, and a scripted model behind a real server."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from rlm_kernel.testing import ScriptedModel, serve


def block(code):
    return f"```python\n{code}\n```"


@pytest.fixture
def shell():
    """A shell of its own, known to `get_ipython` for the test."""
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config, colors="nocolor")
    shell.run_cell("%load_ext rlm_kernel")
    yield shell
    shell.run_cell("%unload_ext rlm_kernel")
    InteractiveShell.clear_instance()


@pytest.fixture
def model(monkeypatch):
    """Call it with code blocks (or whole replies) to script the model that `%%rlm` will ask."""
    with serve(ScriptedModel([])) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        monkeypatch.setenv("RLM_MODEL", "scripted")

        def script(*codes):
            server.model = ScriptedModel([block(code) for code in codes])
            return server

        yield script


@pytest.fixture
def cell(shell, capsys):
    """Run a cell; gives its result and what it printed."""

    def run(source, *, store_history=True):
        capsys.readouterr()
        result = shell.run_cell(source, store_history=store_history)
        out, err = capsys.readouterr()
        result.printed = out + err
        return result

    return run
