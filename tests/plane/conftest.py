"""Real kernels with a plane in them, and a front end that sends by hand what a browser would send."""

import json
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parents[2]
THREADED = int(version("ipykernel").split(".")[0]) >= 7
"""Whether a thread of this ipykernel reads the shell channel; its kernels can be had without it, as in 6."""

WITHOUT_THREAD = """
from ipykernel.kernelapp import IPKernelApp
class Threadless(IPKernelApp):
    def init_control(self, context):
        super().init_control(context)
        self.shell_channel_thread = None
Threadless.launch_instance()
"""

SETUP = '''
import json, signal, sys, threading, time
from contextlib import nullcontext
import ipywidgets
from rlm_kernel.plane import Plane
kernel = get_ipython().kernel
ours, other = ipywidgets.Button(), ipywidgets.Button()
got, ordinary, others, ran = [], [], [], []
def on_message(data, buffers):
    if data["content"].get("wrong"):
        raise ValueError("as a test wants it")
    late = time.monotonic() - data["content"].get("sent", 0)
    got.append((data["content"].get("number"), late, threading.current_thread().name, [bytes(one) for one in buffers]))
ours.on_msg(lambda widget, content, buffers: ordinary.append(content.get("number")))
other.on_msg(lambda widget, content, buffers: others.append(content.get("number")))
plane = Plane(get_ipython(), on_message)
plane.watch(ours.comm.comm_id)
def numbers():
    return [one[0] for one in got]
def wait(seconds, until, count=got, pump=plane.pump):
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(count) < until:
        time.sleep(0.02)
        pump()
class Struck:
    """Within it each interrupt is raised until one was; those that come too late are let go."""
    def __init__(self): self.armed, self.times = False, 0
    def __enter__(self): self.before = signal.signal(signal.SIGINT, self.strike)
    def __exit__(self, *exc): signal.signal(signal.SIGINT, self.before)
    def strike(self, number, frame):
        if self.armed:
            self.armed = False
            self.times += 1
            raise KeyboardInterrupt
def as_found():
    stream = kernel.shell_stream
    return (stream._recv_callback, stream._recv_copy)
'''


class FrontEnd:
    """What a browser does: run cells, and send messages of widgets meanwhile."""

    def __init__(self, manager, client):
        self.manager = manager
        self.client = client
        self.published = []
        self.replies = []
        self.run(SETUP)
        self.ours = self.value("ours.comm.comm_id")
        self.other = self.value("other.comm.comm_id")

    def send(self, kind, content, *, buffers=(), header=None, via=None):
        """Send a message on the shell channel; gives its id."""
        message = self.client.session.msg(kind, content)
        message["header"].update(header or {})
        self.client.session.send((via or self.client.shell_channel).socket, message, buffers=list(buffers))
        return message["header"]["msg_id"]

    def click(self, number=None, *, comm=None, method="custom", header=None, buffers=(), **content):
        """Send a custom message, as a button does."""
        content = {"number": number, "sent": time.monotonic(), **content}
        data = {"method": method, "content": content, "state": {}, "buffer_paths": []}
        return self.send("comm_msg", {"comm_id": comm or self.ours, "data": data}, header=header, buffers=buffers)

    def begin(self, code):
        """Start a cell and wait until the kernel has begun it."""
        request = self.client.execute(code, allow_stdin=False)
        self.hear(lambda message: message["msg_type"] == "execute_input" and self.parent(message) == request)
        return request

    def listen(self, code, plane="plane"):
        """Start a cell that runs code while a plane listens, and wait until it does."""
        body = "".join(f"    {line}\n" for line in code.splitlines())
        request = self.client.execute(f"with {plane}.listening():\n    print(flush=True)\n{body}", allow_stdin=False)
        self.hear(lambda message: message["msg_type"] == "stream" and self.parent(message) == request)
        return request

    def end(self, request):
        """Wait for the end of a cell; gives what it printed and its reply."""
        self.hear(lambda message: self.parent(message) == request and is_idle(message))
        reply = self.reply(request)
        mine = [message for message in self.published if self.parent(message) == request]
        text = "".join(one["content"]["text"] for one in mine if one["msg_type"] == "stream")
        return text.strip(), reply["content"]

    def run(self, code):
        """Run a cell to its end; gives what it printed."""
        text, reply = self.end(self.begin(code))
        assert reply["status"] == "ok", "\n".join(reply["traceback"])
        return text

    def value(self, code):
        """An expression's value, by way of JSON."""
        return json.loads(self.run(f"print(json.dumps({code}))"))

    def hear(self, wanted):
        """Read what is published until something wanted comes."""
        while True:
            self.published.append(self.client.get_iopub_msg(timeout=60))
            if wanted(self.published[-1]):
                return

    def reply(self, request):
        """The reply to a request; others that come before are kept, in their order."""
        while all(self.parent(one) != request for one in self.replies):
            self.replies.append(self.client.get_shell_msg(timeout=60))
        return next(one for one in self.replies if self.parent(one) == request)

    def interrupt(self):
        os.kill(self.manager.provisioner.pid, signal.SIGINT)

    @staticmethod
    def parent(message):
        return message["parent_header"].get("msg_id")


def is_idle(message):
    return message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"


@pytest.fixture(scope="session", autouse=True)
def kernels(clean_environment, tmp_path_factory):
    """Register a kernel whose main thread reads the shell channel itself, whatever the release."""
    place = tmp_path_factory.mktemp("jupyter")
    spec = place / "kernels" / "plain" / "kernel.json"
    spec.parent.mkdir(parents=True)
    argv = [sys.executable, "-c", WITHOUT_THREAD, "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "plain", "language": "python"}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(place))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        yield


def front_end(name):
    manager = KernelManager(kernel_name=name)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield FrontEnd(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module", params=["python3", "plain"] if THREADED else ["python3"])
def running(request, kernels):
    """A kernel of each kind that this release has, for all tests of a file."""
    yield from front_end(request.param)


@pytest.fixture
def notebook(running):
    """The same with nothing received yet, and nothing left over when the test ends."""
    running.run("for one in (got, ordinary, others, ran): one.clear()")
    running.published.clear()
    running.replies.clear()
    yield running
    left = running.value("[len(plane._periods), plane._tap is None, signal.getsignal(2) is signal.default_int_handler]")
    assert left == [0, True, True]


@pytest.fixture
def threaded(notebook):
    """A kernel with a thread that reads the shell channel."""
    if notebook.value("plane.layers") != ["channel thread"]:
        pytest.skip("in this kernel the main thread reads the shell channel")
    return notebook
