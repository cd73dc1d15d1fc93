"""What only shows in a real kernel: nothing of a step leaks into the cell, and the cell is as it was."""

import os
import signal
import time

import pytest
from jupyter_client.manager import KernelManager

SETUP = """
from rlm_kernel.namespace.executor import NamespaceExecutor
from rlm_kernel.namespace.interrupt import Interrupter, Interrupted
from rlm_kernel.namespace.shell import ShellRunner
import threading, time, json
def step(code, seconds=20):
    global executor, outcome
    outcome = executor.execute(code, step=1, seconds=seconds)
    failure = outcome.output.failure
    return json.dumps({"text": outcome.output.text, "stderr": outcome.output.stderr, "failure": failure and str(failure),
        "rich": [sorted(one.data) for one in outcome.output.rich], "final": repr(outcome.final),
        "notices": outcome.output.notices, "changes": [one.name for one in outcome.output.changes]})
executor = NamespaceExecutor(ShellRunner(get_ipython()), get_ipython().user_ns, doors={"llm_query": str.upper})
"""


class Notebook:
    """A kernel and what its cells put out."""

    def __init__(self, client, manager):
        self.client = client
        self.manager = manager

    def cell(self, code, *, interrupt_after=None, store=True):
        """Run a cell; give every message it put out, and the reply."""
        request = self.client.execute(code, store_history=store, allow_stdin=True)
        if interrupt_after is not None:
            time.sleep(interrupt_after)
            os.kill(self.manager.provisioner.pid, signal.SIGINT)
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
            if message["msg_type"] not in ("status", "execute_input"):
                messages.append((message["msg_type"], message["content"]))
        return messages, self.client.get_shell_msg(timeout=60)["content"]

    def step(self, code, **options):
        """Run a step in a cell that puts out nothing but its result."""
        import json

        messages, reply = self.cell(f"print(step({code!r}, **{options!r}))")
        assert reply["status"] == "ok", reply
        assert reply["payload"] == []
        assert [kind for kind, _ in messages] == ["stream"], messages
        return json.loads(messages[0][1]["text"])

    def value(self, code):
        """The text of an expression, without any trace in the history."""
        reply = self.client.execute_interactive("", user_expressions={"x": code}, store_history=False, timeout=60)
        found = reply["content"]["user_expressions"]["x"]
        return found["data"]["text/plain"] if found["status"] == "ok" else found["evalue"]


@pytest.fixture(scope="module")
def notebook(clean_environment):
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    book = Notebook(client, manager)
    messages, reply = book.cell(SETUP)
    assert (messages, reply["status"]) == ([], "ok")
    yield book
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_results_tables_and_displays_stay_in_the_step(notebook):
    """HTML of a frame, display(), text."""
    found = notebook.step(
        "import pandas as pd\ndisplay(pd.DataFrame({'a': [1]}))\nprint('p')\npd.DataFrame({'b': [2]})"
    )
    assert found["rich"] == [["text/html", "text/plain"]] * 2
    assert found["text"].startswith("p\n   a\n0  1")


def test_tracebacks_stay_in_the_step(notebook):
    """A kernel publishes errors straight to the cell."""
    assert notebook.step("1 / 0")["failure"] == "ZeroDivisionError: division by zero"
    assert notebook.step("x = (")["failure"].startswith("SyntaxError")
    assert "nested" in notebook.step("get_ipython().run_cell('raise ValueError(\"nested\")')")["stderr"]
    assert notebook.value("__import__('sys').last_value") == "ZeroDivisionError('division by zero')"
    assert notebook.step("FINAL(5)")["final"] == "Final(value=5)"
    assert notebook.value("__import__('sys').last_value") == "ZeroDivisionError('division by zero')"


def test_in_out_and_underscore_are_the_users(notebook):
    """Whatever the step shows or runs."""
    notebook.cell("'mine'")
    before = notebook.value("(len(In), len(Out), _, get_ipython().execution_count)")
    for code in (
        "40 + 2",
        "for _ in range(3): pass",
        "%time 1 + 1",
        "get_ipython().run_cell('7')",
        "In = Out = 3",
        "%reset -f",
    ):
        notebook.step(code)
        after = eval(notebook.value("(len(In), len(Out), _, get_ipython().execution_count)"))
        count = eval(before)
        assert after[1:3] == count[1:3], code
    assert notebook.cell("_")[0][0][1]["data"]["text/plain"] == "'mine'"


def test_the_cells_own_value_is_shown_after_steps_that_ran_cells_themselves(notebook):
    """A nested cell empties the outer cell's result."""
    code = "step(\"get_ipython().run_cell('7')\"); 'outer'"
    messages, _ = notebook.cell(code)
    assert [kind for kind, _ in messages] == ["execute_result"]
    assert messages[0][1]["data"]["text/plain"] == "'outer'"
    messages, _ = notebook.cell("print(get_ipython().last_execution_result.result)")
    assert messages[0][1]["text"].strip() == "outer"


def test_exits_leave_the_kernel_alive(notebook):
    """No payload, no exit."""
    for code in ("exit", "exit()", "quit()", "import sys; sys.exit(1)", "get_ipython().ask_exit()"):
        assert notebook.step(code)["failure"].startswith("SystemExit"), code
    assert notebook.value("get_ipython().exit_now") == "False"
    assert notebook.manager.is_alive()


def test_nothing_asks_the_front_end(notebook):
    """input, getpass, raw_input of the kernel, the debugger."""
    for code in ("input()", "import getpass; getpass.getpass()", "get_ipython().kernel.raw_input()"):
        assert notebook.step(code)["failure"], code
    notebook.step("1 / 0")
    notebook.step("%debug")
    assert notebook.value("get_ipython().kernel._allow_stdin") in ("True", "False")


def test_commands_and_magics_put_out_into_the_step(notebook):
    """Also their errors and pagers."""
    assert notebook.step("!echo hello")["text"] == "hello"
    assert notebook.step("x = !echo hi\nx[0]")["text"] == "'hi'"
    assert notebook.step("%%bash\necho from bash")["text"] == "from bash"
    assert "Signature" in notebook.step("str.upper?")["text"]
    assert notebook.step("%%capture kept\nprint('quiet')")["text"] == ""
    assert notebook.step("kept.stdout")["text"] == "'quiet\\n'"
    assert notebook.step("%nosuch")["failure"].startswith("UsageError")
    assert "Wall time" in notebook.step("%time sum(range(10))")["text"]


def test_await_works_in_a_running_loop(notebook):
    """At the top, and asyncio.run as in a script; the cell's own loop goes on."""
    assert notebook.step("import asyncio\nawait asyncio.sleep(0.01, 'a')")["text"] == "'a'"
    assert notebook.step("asyncio.run(asyncio.sleep(0, 'b'))")["text"] == "'b'"
    messages, reply = notebook.cell(
        "import asyncio\nawait asyncio.sleep(0.01)\nprint(asyncio.get_event_loop() is asyncio.get_running_loop())"
    )
    assert (reply["status"], messages[0][1]["text"].strip()) == ("ok", "True")


def test_figures_stay_in_the_step_and_are_no_figures_of_the_cells(notebook):
    """One picture per figure; the cell's own figure afterwards is its own alone."""
    found = notebook.step("import matplotlib.pyplot as plt\nplt.plot([1, 2]);\nplt.figure();\nplt.plot([3]);")
    assert [sorted(one) for one in found["rich"]] == [["image/png", "text/plain"]] * 2
    found = notebook.step("fig, ax = plt.subplots()\nax.plot([1])\nraise ValueError")
    assert len(found["rich"]) == 1
    messages, _ = notebook.cell("plt.plot([1]);")
    assert [kind for kind, _ in messages] == ["display_data"]
    messages, _ = notebook.cell("print(step('plt.plot([1]);') and 'x')\nplt.plot([2]);")
    assert [kind for kind, _ in messages] == ["stream", "display_data"]


def test_set_parent_during_a_step_reaches_the_real_publisher(notebook):
    """A message that another thread of the kernel handles meanwhile would die otherwise."""
    code = (
        "shell = get_ipython()\nheader = shell.display_pub.parent_header\n"
        "shell.display_pub.set_parent({'header': dict(header)} if header else {})\nprint('ok')"
    )
    assert notebook.step(code)["text"] == "ok"


def test_the_users_events_do_not_fire_for_what_a_step_runs(notebook):
    """And those that the step registers stay."""
    notebook.cell("fired = []\nget_ipython().events.register('post_run_cell', lambda result: fired.append(1))")
    before = int(notebook.value("len(fired)"))
    notebook.step("get_ipython().run_cell('1')")
    assert int(notebook.value("len(fired)")) - before <= 3
    notebook.step("late = []\nget_ipython().events.register('post_run_cell', lambda result: late.append(1))")
    notebook.cell("1")
    assert int(notebook.value("len(late)")) >= 1


def test_the_kernels_interrupt_ends_a_step_that_swallows_it(notebook):
    """Names are given back, the cell ends with KeyboardInterrupt, the next cell runs."""
    code = (
        "mine = 'the user'\nrun = Interrupter(lambda: None)\n"
        "with run:\n    step('mine = 2\\nimport time\\nwhile True:\\n    try: time.sleep(1)\\n    except: pass')"
    )
    started = time.perf_counter()
    _, reply = notebook.cell(code, interrupt_after=1.0)
    assert time.perf_counter() - started < 15
    assert (reply["status"], reply["ename"]) == ("error", "Interrupted")
    assert notebook.value("mine") == "'the user'"
    assert notebook.value("run.interrupted") == "True"
    assert notebook.value("executor.vars['mine']") == "2"
    assert notebook.step("mine")["text"] == "2"


def test_names_of_the_run_are_hidden_from_who(notebook):
    """They are no variables of the user's."""
    notebook.step("1")
    messages, _ = notebook.cell("%who_ls")
    shown = messages[0][1]["data"]["text/plain"]
    assert "FINAL" not in shown
    assert "llm_query" not in shown
    assert "executor" in shown
