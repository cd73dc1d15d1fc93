"""A plane leaves the kernel as it found it, whatever happens, and does without what is not there."""

import subprocess
import sys
import time

import pytest
from IPython.core.interactiveshell import InteractiveShell

from rlm_kernel.plane import Plane


def test_the_stream_is_as_it_was_found(notebook):
    notebook.run("before = as_found()\nwith plane.listening():\n    during = as_found()\nafter = as_found()")
    assert notebook.value("[before[0] is after[0], before[1] is after[1], during[0] is before[0]]") == [
        True,
        True,
        False,
    ]


def test_it_is_so_after_an_error_too(notebook):
    notebook.run("before = as_found()")
    _, reply = notebook.end(notebook.listen("raise ValueError('as a test wants it')"))
    assert reply["ename"] == "ValueError"
    assert notebook.value("as_found() == before")


def test_periods_may_be_nested_and_the_last_to_end_ends_it(notebook):
    notebook.run("before = as_found()")
    cell = notebook.listen("with plane.listening(): pass\ninner = as_found() == before\nwait(20, until=1)")
    notebook.click(1)
    notebook.end(cell)
    assert notebook.value("[numbers(), inner, as_found() == before]") == [[1], False, True]


def test_two_planes_may_end_in_any_order(notebook):
    notebook.run(
        "before = as_found()\nother_got = []\nsecond = Plane(get_ipython(), lambda data, _: other_got.append(data['content']['number']))\n"
        "second.watch(other.comm.comm_id)\nfirst_period, second_period = plane.listening(), second.listening()"
    )
    cell = notebook.begin(
        "first_period.__enter__()\nsecond_period.__enter__()\nprint(flush=True)\n"
        "wait(20, until=1)\nfirst_period.__exit__(None, None, None)\n"
        "wait(20, until=1, count=other_got, pump=second.pump)\nsecond_period.__exit__(None, None, None)"
    )
    notebook.hear(lambda message: message["msg_type"] == "stream")
    notebook.click(1)
    notebook.click(2, comm=notebook.other)
    notebook.end(cell)
    notebook.click(3)
    notebook.click(4, comm=notebook.other)
    assert notebook.value("[numbers(), other_got, ordinary, others]") == [[1], [2], [3], [4]]
    assert notebook.value("as_found() == before")


def test_a_callback_that_somebody_else_put_in_meanwhile_is_left(notebook):
    notebook.run(
        "before = as_found()\nwith plane.listening():\n    inner = as_found()[0]\n"
        "    foreign = lambda frames: inner(frames)\n    kernel.shell_stream.on_recv(foreign, copy=False)"
    )
    assert notebook.value("as_found()[0] is foreign")
    notebook.run("kernel.shell_stream.on_recv(inner, copy=False)")
    assert notebook.value("as_found() == before")  # reading this very cell took it out


def test_interrupts_break_no_message(notebook):
    """Whatever the main thread does when Ctrl-C comes, each message arrives, once and in order."""
    cell = notebook.begin(
        "struck, end = Struck(), time.monotonic() + 30\n"
        "with struck, plane.listening():\n"
        "    print(flush=True)\n"
        "    while time.monotonic() < end and len(got) < 600:\n"
        "        try:\n"
        "            struck.armed = True\n"
        "            while time.monotonic() < end and len(got) < 600: plane.pump()\n"
        "            struck.armed = False\n"
        "        except KeyboardInterrupt: pass"
    )
    notebook.hear(lambda message: message["msg_type"] == "stream")
    for sent in range(600):
        if sent % 4 == 0:
            notebook.interrupt()
        if sent % 50 == 0:
            notebook.client.execute(f"ran.append({sent})")
        notebook.click(sent, buffers=[b"x" * 10, b"y" * 10])
        time.sleep(0.0003)
    text, reply = notebook.end(cell)
    assert (text, reply["status"]) == ("", "ok")
    assert notebook.value("numbers()") == list(range(600))
    assert notebook.value("ran") == list(range(0, 600, 50))
    assert notebook.value("all(one[3] == [b'x' * 10, b'y' * 10] for one in got)")
    assert notebook.value("struck.times") > 10


def test_an_interrupt_in_the_middle_of_reading_is_raised_after_it(notebook):
    if notebook.value("plane.layers") != ["pump"]:
        pytest.skip("in this kernel a thread reads the shell channel, and no interrupt reaches it")
    notebook.run(
        "def press(data, buffers):\n    signal.raise_signal(signal.SIGINT)\n    pressed.append(data['content']['number'])\n"
        "pressed = []\npresser = Plane(get_ipython(), press)\npresser.watch(ours.comm.comm_id)"
    )
    cell = notebook.listen(
        "time.sleep(0.5)\ntry: presser.pump()\nexcept KeyboardInterrupt: print('raised')", plane="presser"
    )
    notebook.click(1)
    notebook.click(2)
    text, _ = notebook.end(cell)
    assert text == "raised"
    assert notebook.value("[pressed, ordinary]") == [[1, 2], []]


def test_an_interrupt_ends_the_cell_and_the_plane_with_it(notebook):
    notebook.run("before = as_found()")
    cell = notebook.listen("wait(60, until=1)")
    notebook.interrupt()
    _, reply = notebook.end(cell)
    assert reply["ename"] == "KeyboardInterrupt"
    notebook.click(1)
    assert notebook.value("[as_found() == before, ordinary, got]") == [True, [1], []]


def test_an_interrupt_at_any_moment_of_beginning_and_ending_leaves_it_whole(notebook):
    notebook.run(
        "before, rounds, struck, stop = as_found(), 0, Struck(), threading.Event()\n"
        "def storm():\n"
        "    while not stop.wait(0.002): signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)\n"
        "sender = threading.Thread(target=storm)\n"
        "with struck:\n"
        "    sender.start()\n"
        "    end = time.monotonic() + 3\n"
        "    while time.monotonic() < end:\n"
        "        try:\n"
        "            with plane.listening():\n"
        "                struck.armed = True\n"
        "                plane.pump()\n"
        "            with plane.listening():\n"
        "                plane.pump()\n"
        "                struck.armed = False\n"
        "            rounds += 1\n"
        "        except KeyboardInterrupt: pass\n"
        "    stop.set()\n"
        "    sender.join()"
    )
    assert notebook.value("[as_found() == before, len(plane._periods), rounds > 0, struck.times > 10]") == [
        True,
        0,
        True,
        True,
    ]


def test_a_trace_function_does_not_see_the_reading(notebook):
    """Code that will not end is left by a trace function that raises, which would break a message."""
    cell = notebook.listen(
        "seen = []\ndef trace(frame, event, arg): seen.append(frame.f_globals.get('__name__'))\n"
        "time.sleep(0.3)\nsys.settrace(trace)\nplane.pump()\nstill = sys.gettrace() is trace\nsys.settrace(None)\nwait(9, until=1)"
    )
    notebook.click(1)
    notebook.end(cell)
    assert notebook.value("[still, numbers(), [one for one in seen if one.startswith('zmq.eventloop')]]") == [
        True,
        [1],
        [],
    ]


def test_pumping_costs_nothing_worth_mentioning(notebook):
    cell = notebook.listen(
        "costs = []\nfor _ in range(3000):\n    begun = time.perf_counter()\n    plane.pump()\n    costs.append(time.perf_counter() - begun)"
    )
    notebook.end(cell)
    costs = sorted(notebook.value("costs"))
    print(f"{notebook.value('plane.layers')}: median {costs[1500] * 1e6:.1f} us, p95 {costs[2850] * 1e6:.1f} us")
    assert costs[1500] < 50e-6


def test_a_thread_and_a_fork_do_not_read_what_is_the_main_threads(notebook):
    cell = notebook.listen(
        "time.sleep(0.3)\nimport os, warnings\nwarnings.simplefilter('ignore')\nthread = threading.Thread(target=plane.pump)\nthread.start()\nthread.join()\n"
        "child = os.fork()\nif not child:\n    plane.pump()\n    os._exit(len(got))\nstatus = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "early = len(got)\nwait(9, until=1)"
    )
    notebook.click(1)
    notebook.end(cell)
    early = 0 if notebook.value("plane.layers") == ["pump"] else 1
    assert notebook.value("[status, early, numbers()]") == [early, early, [1]]


def test_a_run_in_another_thread_touches_no_stream_of_the_main_thread(notebook):
    notebook.run(
        "def work():\n    global during\n    with plane.listening(): during = as_found()\n"
        "before = as_found()\nthread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    )
    untouched = notebook.value("plane.layers") == ["pump"]
    assert notebook.value("[during == before, as_found() == before]") == [untouched, True]


@pytest.mark.parametrize(
    "gone",
    [
        "shell_stream",
        "session",
        "io_loop",
        "shell_stream._recv_callback",
        "shell_stream._recv_copy",
        "shell_stream.io_loop",
    ],
)
def test_a_kernel_that_lacks_something_private_is_left_alone(notebook, gone):
    """Then messages take the ordinary way, which is late but whole."""
    notebook.run(
        "class Without:\n"
        "    def __init__(self, thing, name): self.thing, self.name = thing, name\n"
        "    def __getattr__(self, name):\n"
        "        first, _, rest = self.name.partition('.')\n"
        "        if name == first and not rest: raise AttributeError(name)\n"
        "        value = getattr(self.thing, name)\n"
        "        return Without(value, rest) if name == first else value\n"
        f"lame = Plane(Without(get_ipython(), 'kernel.{gone}'), on_message)\nlame.watch(ours.comm.comm_id)\nbefore = as_found()"
    )
    assert notebook.value("lame.layers") == []
    cell = notebook.listen("wait(0.3, until=1, pump=lame.pump)\nduring = as_found()", plane="lame")
    notebook.click(1)
    notebook.end(cell)
    assert notebook.value("[got, ordinary, before == during == as_found()]") == [[], [1], True]


def test_a_kernel_that_cannot_publish_a_status_still_delivers(notebook):
    notebook.run(
        "class Mute:\n    def __getattr__(self, name):\n"
        "        if name in ('_publish_status', 'get_parent'): raise AttributeError(name)\n        return getattr(kernel, name)\n"
        "from types import SimpleNamespace\nmute = Plane(SimpleNamespace(kernel=Mute()), on_message)\nmute.watch(ours.comm.comm_id)"
    )
    cell = notebook.listen("wait(20, until=1, pump=mute.pump)", plane="mute")
    notebook.click(1)
    notebook.end(cell)
    assert notebook.value("[mute.layers == plane.layers, numbers()]") == [True, [1]]


@pytest.mark.parametrize("shell", [None, InteractiveShell()], ids=["script", "terminal"])
def test_without_a_kernel_everything_does_nothing(shell):
    plane = Plane(shell, lambda data, buffers: None)
    plane.watch("one")
    assert plane.layers == ()
    plane.pump()
    with plane.listening(), plane.listening():
        plane.pump()
    plane.pump()
    plane.unwatch("one")


def test_a_script_needs_no_library_of_the_notebook():
    code = (
        "import sys\nfrom rlm_kernel.plane import Plane\nplane = Plane(None, print)\n"
        "with plane.listening(): plane.pump()\nassert not {'zmq', 'ipykernel', 'tornado', 'IPython'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
