"""The kernel as Jupyter starts it: from its kernelspec, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def kernelspec(clean_environment, tmp_path_factory):
    """Register the kernel in an environment of the tests, with the command that users have."""
    prefix = tmp_path_factory.mktemp("prefix")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        patch.setenv("JUPYTER_PATH", str(prefix / "share" / "jupyter"))
        command = [sys.executable, "-m", "rlm_kernel", "install", "--prefix", str(prefix)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        yield prefix / "share" / "jupyter" / "kernels" / "rlm"


@pytest.fixture(scope="session")
def start(kernelspec):
    """Call it with environment variables to start a kernel; gives a function that runs a cell."""
    running = []

    def started(**environment):
        manager, client = start_new_kernel(kernel_name="rlm", env={**os.environ, **environment}, startup_timeout=120)
        running.append((manager, client))

        def run(code, **options):
            """Run a cell; gives the reply's content and the messages that it published."""
            seen = []
            options = {"timeout": 120, "output_hook": seen.append, "allow_stdin": False, **options}
            return client.execute_interactive(code, **options)["content"], seen

        run.client = client
        return run

    yield started
    for manager, client in running:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
