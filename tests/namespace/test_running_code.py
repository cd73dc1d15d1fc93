"""What a step's code puts out, whichever runner runs it."""

import inspect
import io
import os
import sys
import threading
import time

import pytest

from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.plain import PlainRunner


def test_what_is_printed_and_the_last_value_are_told_apart(bench):
    """Prints are stdout, the value of the last expression is the echo, and both make the text."""
    outcome = bench.run("print('one')\n1 + 1")
    assert (outcome.output.stdout, outcome.output.echo) == ("one\n", "2\n")
    assert outcome.output.text == "one\n2"
    assert (outcome.value, outcome.has_value) == (2, True)


@pytest.mark.parametrize(
    ("code", "echo"),
    [
        ("x = [1, 2]", "[1, 2]\n"),
        ("x = 1\nx += 2", "3\n"),
        ("x: int = 7", "7\n"),
        ("x = 5;", ""),
        ("5;  # quiet", ""),
        ("x, y = 1, 2", ""),
        ("for i in range(3):\n    i", ""),
        ("None", ""),
        ("x = None", ""),
    ],
)
def test_a_last_plain_assignment_is_echoed_and_a_semicolon_keeps_quiet(bench, code, echo):
    """Small models forget to print what they computed."""
    assert bench.run(code).output.echo == echo


def test_a_quiet_value_is_a_value_all_the_same(bench):
    """The semicolon is about what is shown."""
    assert bench.run("41 + 1;").value == 42


def test_stderr_is_apart(bench):
    """Warnings are no output."""
    output = bench.run("import sys\nprint('w', file=sys.stderr)\nprint('o')").output
    assert (output.stdout, output.stderr) == ("o\n", "w\n")


def test_the_interpreter_is_as_it_was_after_a_step(bench):
    """Streams, hooks and input belong to the process and come back, after failures too."""
    import builtins
    import getpass

    def state():
        return (sys.stdout, sys.stderr, sys.stdin, sys.displayhook, sys.breakpointhook, builtins.input, getpass.getpass)

    before = state()
    bench.run("import sys, io\nsys.stdout = io.StringIO()")
    bench.run("1 / 0")
    bench.run("import sys\nsys.exit(3)")
    assert state() == before


def test_output_without_end_takes_no_memory_and_says_where_it_was_cut(bench):
    """A model that prints 60 million characters must not grow the kernel."""
    output = bench.run("line = 'x' * 59_999\nfor i in range(1000):\n    print(line)\nprint('the end')").output
    assert len(output.stdout) < 1_100_000
    assert output.dropped > 58_000_000
    assert f"[... {output.dropped:,} characters left out ...]" in output.stdout
    assert output.stdout.endswith("the end\n")


def test_prints_from_threads_of_the_step_are_its_own(bench):
    """A pool that the model's code starts prints into the step."""
    code = "import threading\nt = threading.Thread(target=print, args=('from the thread',))\nt.start()\nt.join()"
    assert "from the thread" in bench.run(code).output.stdout


def test_a_thread_of_the_users_prints_where_it_always_did(bench):
    """Output of threads that were there before the step is none of the model's business."""
    seen = io.StringIO()
    go, done = threading.Event(), threading.Event()

    def work():
        go.wait(10)
        print("mine", file=sys.stdout)
        done.set()

    real, sys.stdout = sys.stdout, seen
    try:
        thread = threading.Thread(target=work)
        thread.start()
        bench.namespace.update(go=go, done=done)
        output = bench.run("go.set()\n_ = done.wait(10)").output
        thread.join()
    finally:
        sys.stdout = real
    assert seen.getvalue() == "mine\n"
    assert output.stdout == ""


def test_progress_bars_leave_their_last_state(bench):
    """What a carriage return overwrites would only fill the model's window."""
    assert bench.run("print('10%\\r50%\\r100%')\nprint('a\\r\\nb')").output.stdout == "100%\na\nb\n"


def test_a_long_line_beside_a_progress_bar_takes_no_time(bench):
    began = time.monotonic()
    output = bench.run("print('10%\\r100%')\nprint('x' * 400_000)").output

    assert output.stdout == "100%\n" + "x" * 400_000 + "\n"
    assert time.monotonic() - began < 5


PROCESSES = [
    "import os; os.system('echo from a process')",
    "import subprocess; subprocess.run(['echo', 'from a process'])",
    "import subprocess; subprocess.run('echo from a process >&2', shell=True)",
    "import subprocess; print(subprocess.run(['echo', 'from a process'], capture_output=True, text=True).stdout)",
    "import subprocess; print(subprocess.check_output(['echo', 'from a process']).decode())",
    "import asyncio\np = await asyncio.create_subprocess_shell('echo from a process')\nawait p.wait();",
]


@pytest.mark.parametrize("code", PROCESSES)
def test_what_processes_write_is_the_steps_and_reaches_no_terminal(bench, code, capfd):
    """They inherit the descriptors of the notebook, control sequences and all."""
    output = bench.run(code).output

    assert output.failure is None
    assert output.stdout.strip() == "from a process"
    assert "".join(capfd.readouterr()) == ""


def test_a_process_left_in_the_background_keeps_no_step_waiting(bench):
    began = time.monotonic()
    bench.run("import subprocess; p = subprocess.Popen(['sleep', '20'])")
    assert time.monotonic() - began < 3

    assert bench.run("import os; os.system('exit 3')").value == 3 << 8
    bench.run("p.kill(); p.wait()")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_ends_with_its_step(bench):
    """It must not go on with the run as a second self of the notebook."""
    code = "import os\npid = os.fork()\nif pid: print(os.waitpid(pid, 0)[1])"

    assert bench.run(code).output.stdout == "0\n"


@pytest.mark.parametrize(
    "code", ["input('name?')", "import getpass; getpass.getpass()", "import sys; sys.stdin.readline()", "breakpoint()"]
)
def test_nothing_waits_for_a_person(bench, code):
    """Nobody is there to type: it fails at once and says so."""
    failure = bench.run(code).output.failure
    assert failure.kind == "RuntimeError"
    assert "nobody is there to type" in failure.message


def test_pdb_does_not_hang(bench):
    """A debugger finds no input and the step goes down with an error."""
    before = sys.gettrace()
    assert bench.run("import pdb\npdb.Pdb().set_trace()\nx = 1").output.failure is not None
    assert sys.gettrace() is before


@pytest.mark.parametrize("code", ["import sys; sys.exit(2)", "exit()", "raise SystemExit('bye')"])
def test_exits_are_failures(make_bench, code):
    """The notebook stays open."""
    bench = make_bench({"exit": sys.exit} if "exit()" in code else {})
    assert bench.run(code).output.failure.kind == "SystemExit"


def test_code_awaits_at_the_top(bench):
    """Also the last expression, and across statements in one event loop."""
    code = "import asyncio\ntask = asyncio.create_task(asyncio.sleep(0.01, 'done'))\nawait asyncio.sleep(0)\nawait task"
    assert bench.run("import asyncio\nawait asyncio.sleep(0.001, 'slept')").value == "slept"
    assert bench.run("async def work():\n    return 5\nx = await work()\nx").value == 5
    assert bench.run("loop = asyncio.get_event_loop_policy()\nasyncio.run(asyncio.sleep(0, 3))").value == 3
    assert bench.run(f"await asyncio.sleep(0)\n{code}").value == "done"


def test_a_task_goes_on_in_the_next_step_that_awaits(bench):
    """The private loop is one for the run."""
    bench.run("import asyncio\nawait asyncio.sleep(0)\ntask = asyncio.create_task(asyncio.sleep(0.01, 'later'))")
    assert bench.run("await task").value == "later"


def test_awaiting_works_where_a_loop_is_running_already(bench):
    """As in a kernel, whose cells run inside its loop; the loop and its task are as they were afterwards."""
    import asyncio

    async def cell():
        task = asyncio.current_task()
        outcomes = [
            bench.run("import asyncio\nawait asyncio.sleep(0.001, 1)"),
            bench.run("asyncio.run(asyncio.sleep(0, 2))"),
        ]
        assert asyncio.current_task() is task
        assert asyncio.get_event_loop() is asyncio.get_running_loop()
        await asyncio.sleep(0)
        return [outcome.value for outcome in outcomes]

    assert asyncio.run(cell()) == [1, 2]


def test_code_that_cannot_be_compiled_changes_nothing(bench):
    """It is compiled as a whole before anything runs."""
    outcome = bench.run("x = 1\nreturn x")
    assert outcome.output.failure.kind == "SyntaxError"
    assert "x" not in bench.namespace


def test_future_imports_of_a_step_reach_its_last_expression_and_no_other_step(bench):
    """They would leak into the user's cells."""
    bench.run("from __future__ import annotations\ndef f(x: nowhere): ...\nf")
    assert bench.run("def g(x: nowhere): ...").output.failure.kind == "NameError"


def test_the_source_of_what_the_model_wrote_is_found(bench):
    """inspect.getsource works on functions of any step."""
    bench.run("def first():\n    return 1")
    bench.run("def second():\n    return 2")
    assert "return 1" in inspect.getsource(bench.namespace["first"])
    assert "return 2" in inspect.getsource(bench.namespace["second"])


def test_what_was_assigned_before_an_error_is_kept(bench):
    """As in any cell."""
    bench.run("kept = 1\nraise ValueError('x')")
    assert bench.namespace["kept"] == 1


def test_an_empty_step_is_no_failure(bench):
    """Comments alone neither."""
    assert bench.run("").output.failure is None
    assert bench.run("# nothing").output.failure is None


def test_steps_run_outside_the_main_thread():
    """Children run in threads, several at a time, each with its own output."""
    found = {}

    def child(number):
        executor = NamespaceExecutor(PlainRunner(), {"number": number})
        code = "import time\nfor i in range(20):\n    print(number)\n    time.sleep(0.001)\nnumber"
        found[number] = executor.execute(code, step=1, seconds=20)

    threads = [threading.Thread(target=child, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, outcome in found.items():
        assert outcome.value == number
        assert outcome.output.stdout == f"{number}\n" * 20
    assert len(found) == 4


@pytest.mark.parametrize(
    "code", ["import builtins\nbuiltins.len = None", "import builtins\ndel builtins.tuple, builtins.dict"]
)
def test_builtins_are_what_they_were_after_a_step(bench, code):
    """The notebook and this package live on them."""
    bench.run(code)

    assert bench.run("len(tuple(dict()))").value == 0
