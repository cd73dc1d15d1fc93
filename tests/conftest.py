"""What holds for every test: nothing leaves the machine, and nothing of the machine's own set-up comes in."""

import os
from pathlib import Path

import pytest

from rlm_kernel.testing import no_network

FOREIGN = ("OPENAI_", "RLM_", "JUPYTER_", "IPYTHON", "TIKTOKEN_", "DATA_GYM_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""Variables of the caller that would change what a test sees; ``RLM_TEST_*`` is for the tests themselves."""


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory):
    """Start from an environment without keys, addresses, proxies and the user's own Jupyter and IPython."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(FOREIGN) and not name.startswith("RLM_TEST_"):
                patch.delenv(name)
        browsers = Path.home() / ".cache" / "ms-playwright"
        if "PLAYWRIGHT_BROWSERS_PATH" not in os.environ and browsers.exists():
            patch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(browsers))  # it would look for them in XDG_CACHE_HOME
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(home / name.lower()))
        with no_network():
            yield


@pytest.fixture(autouse=True)
def own_data(clean_environment, monkeypatch, tmp_path_factory):
    """Give each test directories of its own, so that none sees another's stored runs and remembered answers."""
    place = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("XDG_DATA_HOME", str(place))
    monkeypatch.setenv("XDG_STATE_HOME", str(place))
    monkeypatch.setenv("RLM_MEMO_DIR", str(place))
    monkeypatch.setenv("RLM_STORE", str(place))


@pytest.fixture(autouse=True)
def tried_to_leave():
    """Fail the test that tries to reach another machine; one that means to try clears the list."""
    with no_network() as tried:
        yield tried
