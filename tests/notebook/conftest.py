"""A real kernel, a real client, and a scripted model behind a real server."""

import os
import queue
import time
from dataclasses import dataclass, field

import pytest
from jupyter_client.manager import KernelManager

from rlm_kernel.testing import ScriptedModel, serve


def block(code):
    return f"```python\n{code}\n```"


@dataclass
class Ran:
    """What came of one cell."""

    status: str = ""
    error: list[str] = field(default_factory=list)
    ename: str = ""
    result: str = ""
    displays: list[dict] = field(default_factory=list)
    """The last state of each display."""
    lines: list[str] = field(default_factory=list)
    """The text of every state of every display, in order."""
    stdout: str = ""
    seconds: float = 0.0


class Kernel:
    """Runs cells in a kernel process."""

    def __init__(self, manager, client):
        self.manager, self.client = manager, client

    def start(self, code):
        return self.client.execute(code)

    def finish(self, message, timeout=60):
        ran, began, displays = Ran(), time.monotonic(), {}
        while True:
            got = self.client.get_iopub_msg(timeout=timeout)
            if got["parent_header"].get("msg_id") != message:
                continue
            content, kind = got["content"], got["msg_type"]
            if kind == "stream":
                ran.stdout += content["text"]
            elif kind in {"display_data", "update_display_data"}:
                displays[content.get("transient", {}).get("display_id", len(displays))] = content["data"]
                ran.lines.append(content["data"]["text/plain"])
            elif kind == "execute_result":
                ran.result = content["data"]["text/plain"]
            elif kind == "error":
                ran.ename, ran.error = content["ename"], content["traceback"]
            elif kind == "status" and content["execution_state"] == "idle":
                break
        while True:
            reply = self.client.get_shell_msg(timeout=timeout)
            if reply["parent_header"].get("msg_id") == message:
                break
        ran.status, ran.displays, ran.seconds = (
            reply["content"]["status"],
            list(displays.values()),
            time.monotonic() - began,
        )
        return ran

    def run(self, code, timeout=60):
        return self.finish(self.start(code), timeout)


@pytest.fixture(scope="module")
def kernel():
    """One kernel for the tests of a module."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    kernel = Kernel(manager, client)
    assert kernel.run("%load_ext rlm_kernel").status == "ok"
    yield kernel
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def model(kernel):
    """Call it with code blocks to script the model that `%%rlm` will ask in the kernel."""
    with serve(ScriptedModel([])) as server:
        kernel.run(f"%rlm config --base-url {server.base_url} --api-key {server.api_key} --model scripted")

        def script(*codes):
            server.model = ScriptedModel([code if code is None else block(code) for code in codes])
            return server

        yield script


@pytest.fixture(autouse=True)
def drained(kernel):
    """Nothing of an earlier test is left in the channels."""
    for channel in (kernel.client.get_iopub_msg, kernel.client.get_shell_msg):
        while True:
            try:
                channel(timeout=0.05)
            except queue.Empty:
                break
