"""Ctrl-C and time limits, against code that does not want to end."""

import os
import signal
import sys
import threading
import time

import pytest

from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.interrupt import Interrupted, Interrupter
from rlm_kernel.namespace.plain import PlainRunner

STUBBORN = {
    "bare": "while True:\n    try:\n        time.sleep(1)\n    except:\n        pass",
    "base": "while True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        continue",
    "finally": "while True:\n    try:\n        time.sleep(1)\n    finally:\n        continue",
    "busy": "while True:\n    try:\n        x = 1\n    except:\n        pass",
    "nested": (
        "while True:\n    try:\n        try:\n            try:\n                time.sleep(1)\n            except:\n"
        "                pass\n        except:\n            pass\n    except:\n        pass"
    ),
    "suppress": "import contextlib\nwhile True:\n    with contextlib.suppress(BaseException):\n        time.sleep(1)",
    "function": "def f():\n    try:\n        time.sleep(1)\n    except:\n        return\nwhile True:\n    f()",
    "wrapped": (
        "try:\n    while True:\n        try:\n            try:\n                time.sleep(1)\n            except:\n"
        "                pass\n        except:\n            pass\nexcept BaseException:\n    print('out')"
    ),
    "retry": "def ask():\n    for i in range(10**9):\n        try:\n            return time.sleep(1)\n        except BaseException as e:\n            last = e\nwhile True:\n    ask()",
    "await": "import asyncio\nwhile True:\n    try:\n        await asyncio.sleep(1)\n    except BaseException:\n        pass",
}


def interrupt_in(seconds):
    main = threading.main_thread().ident
    timer = threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    return timer


@pytest.fixture(autouse=True)
def same_as_before():
    before = signal.getsignal(signal.SIGINT), sys.gettrace()
    yield
    assert (signal.getsignal(signal.SIGINT), sys.gettrace()) == before


@pytest.mark.parametrize("name", STUBBORN)
def test_a_time_limit_ends_code_that_swallows_interrupts(bench, name):
    """Again and harder, until it ends."""
    started = time.perf_counter()
    outcome = bench.run(f"import time\nkept = 1\n{STUBBORN[name]}", seconds=0.2)
    assert time.perf_counter() - started < 5
    failure = outcome.output.failure
    if name == "wrapped":
        assert outcome.output.stdout == "out\n"
    else:
        assert (failure.kind, failure.interrupted) == ("TimeoutError", True)
        assert "0.2 seconds" in failure.message
    assert bench.namespace["kept"] == 1


@pytest.mark.parametrize("name", STUBBORN)
def test_ctrl_c_ends_code_that_swallows_interrupts(make_bench, name):
    """The names are given back, what was printed is there, and KeyboardInterrupt leaves execute()."""
    stopped = []
    bench = make_bench({"mine": 1}, interrupter=(interrupter := Interrupter(lambda: stopped.append(1))))
    output = (sys.stdout, sys.displayhook)
    with interrupter:
        interrupt_in(0.2)
        with pytest.raises(KeyboardInterrupt) as raised:
            bench.run(f"import time\nmine = 2\nprint('before')\n{STUBBORN[name]}", seconds=30)
    assert isinstance(raised.value, Interrupted)
    assert interrupter.interrupted
    assert not interrupter.timed_out
    assert stopped == [1]
    outcome = raised.value.outcome
    assert outcome.output.stdout.startswith("before\n")
    assert outcome.output.failure is None if name == "wrapped" else outcome.output.failure.interrupted
    assert (bench.namespace["mine"], bench.executor.vars["mine"]) == (1, 2)
    assert (sys.stdout, sys.displayhook) == output


def test_the_usual_loop_ends_soon(bench):
    """Within a third of a second of the interrupt on a quiet machine; the bound here is generous."""
    started = time.perf_counter()
    bench.run(f"import time\n{STUBBORN['bare']}", seconds=0.1)
    assert time.perf_counter() - started < 1.5


def test_a_step_after_an_interrupt_runs_as_ever(bench):
    """No stray signal hits it."""
    for _ in range(5):
        bench.run("import time\ntime.sleep(5)", seconds=0.05)
        assert bench.run("sum(range(1000))").value == 499500


def test_a_limit_that_is_not_reached_does_nothing(bench):
    """Also right at the end: the step is either done or timed out, and nothing hits the next one."""
    for _ in range(30):
        failure = bench.run("import time\ntime.sleep(0.009)\n1", seconds=0.01).output.failure
        assert failure is None or failure.kind == "TimeoutError"
        assert bench.run("1", seconds=5).value == 1


def test_a_keyboard_interrupt_that_the_code_raises_is_its_own_failure(bench):
    """Nobody pressed anything."""
    failure = bench.run("raise KeyboardInterrupt('mine')").output.failure
    assert (failure.kind, failure.message, failure.interrupted) == ("KeyboardInterrupt", "mine", False)


def test_code_that_handles_the_interrupt_well_ends_the_step_and_the_run(make_bench):
    """The user wanted to stop; what the code did on the way is kept."""
    bench = make_bench(interrupter=(interrupter := Interrupter()))
    with interrupter:
        interrupt_in(0.1)
        with pytest.raises(Interrupted) as raised:
            bench.run("import time\ntry:\n    time.sleep(9)\nexcept KeyboardInterrupt:\n    print('tidy')\nx = 5;")
    assert raised.value.outcome.output.stdout == "tidy\n"
    assert bench.namespace["x"] == 5


def test_between_steps_ctrl_c_is_what_it_was(make_bench):
    """The handler that was there before runs, after the run was told to stop."""
    stopped = []
    interrupter = Interrupter(lambda: stopped.append(1))
    with interrupter, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stopped == [1]
    assert interrupter.interrupted
    with interrupter:
        assert not interrupter.interrupted


def test_an_interrupt_while_we_tidy_up_waits(make_bench):
    """No half restored names: here it comes while a value is being summed up after the code."""

    class Slow:
        @property
        def shape(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            return (1,)

    bench = make_bench({"mine": 1, "Slow": Slow}, interrupter=(interrupter := Interrupter()))
    with interrupter, pytest.raises(Interrupted) as raised:
        bench.run("mine = 2\nnew = Slow();")
    assert {(one.name, one.how) for one in raised.value.outcome.output.changes} >= {("mine", "rebound")}
    assert bench.namespace["mine"] == 1


def test_a_time_limit_works_outside_the_main_thread():
    """Children run there, where no signal goes."""
    found = []

    def child():
        executor = NamespaceExecutor(PlainRunner(), {"mine": 1})
        code = "mine = 2\nwhile True:\n    try:\n        x = 1\n    except:\n        pass"
        found.append(executor.execute(code, step=1, seconds=0.2).output.failure)
        found.append(executor.execute("mine + 1", step=2, seconds=5).value)

    thread = threading.Thread(target=child)
    thread.start()
    thread.join(20)
    assert (found[0].kind, found[0].interrupted) == ("TimeoutError", True)
    assert found[1] == 3


def test_a_signal_handler_that_the_code_installs_does_not_outlive_its_step(make_bench):
    """Ctrl-C must go on to work."""
    bench = make_bench(interrupter=(interrupter := Interrupter()))
    with interrupter:
        ours = signal.getsignal(signal.SIGINT)
        bench.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)")
        assert signal.getsignal(signal.SIGINT) == ours


def test_a_trace_function_of_the_users_is_kept(bench):
    """Coverage and debuggers have theirs in place."""

    def trace(*_):
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        bench.run(f"import time\n{STUBBORN['bare']}", seconds=0.1)
        found = sys.gettrace()
    finally:
        sys.settrace(before)
    assert found is trace
