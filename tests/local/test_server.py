"""The one server of the bundled model: shared by processes, gone with the last of them, found again after a crash."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from rlm_kernel.models import local
from rlm_kernel.models.local import places, weights
from rlm_kernel.models.local.state import PROTOCOL, State

pytestmark = pytest.mark.local_model

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from rlm_kernel.models import local
endpoint = local.start(local.Settings(idle_seconds=1.0))
print(endpoint.pid, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def here(real_place, monkeypatch):
    """The local model of this test: real weights, and no server yet."""
    monkeypatch.setenv("RLM_LOCAL_DIR", str(real_place))
    local.stop()
    yield real_place
    local.stop()


@pytest.fixture
def hold(here):
    """Call it to start a process that holds the server until its standard input ends."""
    children = []

    def start():
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.communicate()


def gone(pid, seconds=20):
    """Whether the process ends in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


def clients():
    """How many processes hold the server, once the number has settled."""
    time.sleep(0.5)
    return local.status().clients


def test_two_that_start_at_once_share_one_server_which_goes_with_the_last(hold):
    """One of two processes loads the model, both use it; a killed client counts no more; without clients it ends."""
    first, second = hold(), hold()
    pids = {int(child.stdout.readline()) for child in (first, second)}

    assert len(pids) == 1
    status = local.status()
    assert (status.running, {status.pid}, status.clients) == (True, pids, 2)

    first.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    first.wait()
    assert clients() == 1
    assert local.status().running

    second.communicate("\n", timeout=30)
    assert gone(pids.pop())
    assert not local.status().running


def test_a_killed_server_is_replaced_and_its_record_misleads_nobody(here):
    """After ``kill -9`` the state file is stale: status says so, and the next call starts a server of its own."""
    said = []
    first = local.ensure(lambda stage, share: said.append((stage, share)))
    psutil.Process(first.pid).kill()
    assert gone(first.pid)
    assert State.path(places.running_dir(weights.target(), PROTOCOL)).exists()
    assert not local.status().running

    second = local.ensure()

    assert second.pid != first.pid
    assert local.status().pid == second.pid
    shares = [share for stage, share in said if stage == "loading the model"]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] < 1


def test_it_answers_on_loopback_alone_and_only_with_its_key_until_it_is_stopped(here):
    """A random key guards it, its record is for this user alone, and ``stop`` ends it for everyone."""
    endpoint = local.ensure()
    asked = f"{endpoint.base_url}/chat/completions"
    body = json.dumps({"model": endpoint.model, "max_tokens": 4, "messages": [{"role": "user", "content": "Hi"}]})

    def post(key):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(asked, body.encode(), headers), timeout=60) as answer:
            return json.load(answer)

    with pytest.raises(urllib.error.HTTPError, match="401"):
        post("wrong")
    assert post(endpoint.api_key)["choices"][0]["message"]["content"]
    listening = [c.laddr.ip for c in psutil.Process(endpoint.pid).net_connections("tcp") if c.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}
    record = State.path(places.running_dir(weights.target(), PROTOCOL))
    if sys.platform != "win32":
        assert record.stat().st_mode & 0o077 == 0

    assert local.stop() is True
    assert gone(endpoint.pid)
    assert not record.exists()
    assert local.stop() is False
