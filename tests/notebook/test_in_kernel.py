"""``%%rlm`` in a real kernel: what shows, what stays, what stops."""

import time

from rlm_kernel.testing import ScriptedModel

MIME = "application/vnd.rlm.run+json"


def test_the_answer_is_shown_and_a_static_tree_stays(kernel, model):
    """The last display has HTML, text and our own record, and no widget: a saved notebook always shows the tree."""
    model("print(sum(numbers))", "FINAL(sum(numbers))")
    kernel.run("numbers = [1, 2, 3]")

    ran = kernel.run("%%rlm numbers -o total\nWhat is their sum?")

    assert ran.status == "ok"
    assert ran.result == "6"
    assert len(ran.displays) == 1
    bundle = ran.displays[0]
    assert set(bundle) == {"text/html", "text/plain", MIME}
    assert "What is their sum?" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert kernel.run("total, _").result == "(6, 6)"


def test_the_status_line_goes_on_while_a_step_runs_and_stays_out_of_its_output(kernel, model):
    """What a step waits for is said in the cell, never in the output that the model reads."""
    server = model()
    code = "```python\nimport time\ntime.sleep(0.5)\nprint('here')\nprint(llm_query('anyone?'))\n```"
    server.model = ScriptedModel([code, "you", "```python\nFINAL('en' + 'd')\n```"], latency=0.5)

    ran = kernel.run("%%rlm --no-widget\nGo.")

    lines = [line for line in ran.lines if line.startswith("step 1 · running")]
    assert lines[0].startswith("step 1 · running code · 1 call · ")
    assert any(line.startswith("step 1 · running llm_query · ") for line in lines)
    kernel.run("run = %rlm last")
    assert kernel.run("run.steps[0].output").result == repr("here\nyou")
    assert kernel.run("run.steps[0].rich").result == "()"
    assert not any("running" in message["content"] for message in server.requests[-1].body["messages"][-1:])


def test_a_figure_is_kept_with_its_step_and_does_not_leak(kernel, model):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('t');"
    model(code, "FINAL('dr' + 'awn')")

    ran = kernel.run("%%rlm\nDraw.")

    assert ran.result == "'drawn'"
    assert all("image/png" not in data for data in ran.displays)
    kernel.run("run = %rlm last")
    assert kernel.run("sum('image/png' in rich.data for rich in run.steps[0].rich)").result == "1"


def test_await_magics_and_shell_lines_work_in_steps(kernel, model):
    model(
        "import asyncio\nawait asyncio.sleep(0.01)\nprint('awaited')",
        "!echo from the shell",
        "%time x = 5",
        "FINAL(x + 1)",
    )

    assert kernel.run("%%rlm -q\nGo.").result == "6"
    kernel.run("run = %rlm last")
    assert "awaited" in kernel.run("run.steps[0].output").result
    assert "from the shell" in kernel.run("run.steps[1].output").result


def test_input_and_exit_neither_hang_nor_kill(kernel, model):
    model("input('name? ')", "exit()", "import sys; sys.exit(3)", "FINAL('al' + 'ive')")

    assert kernel.run("%%rlm -q\nGo.").result == "'alive'"
    assert kernel.run("1 + 1").result == "2"


def test_an_interrupt_stops_a_waiting_call_at_once_and_keeps_the_run(kernel, model):
    """One line as the cell's error; nothing is sent afterwards; the steps are there."""
    server = model("import time\nkept = 41\ntime.sleep(1)\nprint(kept)", "FINAL(kept + 1)")
    replies = server.model
    message = kernel.start("%%rlm -q\nGo.")
    until = time.monotonic() + 20
    while len(replies.requests) < 1 and time.monotonic() < until:
        time.sleep(0.005)
    replies.latency = 30.0
    while len(replies.requests) < 2 and time.monotonic() < until:
        time.sleep(0.005)
    time.sleep(0.3)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    ran = kernel.finish(message)
    took = time.monotonic() - began

    assert ran.status == "error", ran
    assert ran.ename == "RunNotDone"
    assert len("\n".join(ran.error).splitlines()) == 1
    assert took < 3
    kernel.run("run = %rlm last")
    assert kernel.run("run.status, len(run.steps), kept").result == "('stopped', 1, 41)"
    sent = len(server.requests)
    time.sleep(0.5)
    assert len(server.requests) == sent


def test_an_interrupt_ends_code_that_swallows_it(kernel, model):
    model("import time\nwhile True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass")
    message = kernel.start("%%rlm -q\nGo.")
    time.sleep(1.5)
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    ran = kernel.finish(message)

    assert ran.ename == "RunNotDone"
    assert time.monotonic() - began < 3
    assert kernel.run("1 + 1").result == "2"


def test_sub_calls_run_together_and_show_in_the_tree(kernel, model):
    server = model(
        "answers = llm_query_batched([f'item {i}' for i in range(40)])\nFINAL(len([a for a in answers if a]))"
    )
    first = server.model
    first._answer = lambda messages: (
        "```python\nanswers = llm_query_batched([f'item {i}' for i in range(40)])\nFINAL(sum(map(bool, answers)))\n```"
        if "item" not in messages[-1].content[:8]
        else "fine"
    )
    first.latency = 0.2

    ran = kernel.run("%%rlm\nGo.")

    assert ran.result == "40"
    assert first.peak > 20
    assert "40" in ran.displays[-1]["text/html"]


def test_the_data_is_freed_when_the_user_lets_go_of_it(kernel, model):
    """After the run nothing of ours holds the frame."""
    model("n = len(df)\nprint(df.describe())", "FINAL(n)")
    kernel.run("import gc, weakref, pandas as pd\ndf = pd.DataFrame({'a': range(1000)})\nwatched = weakref.ref(df)")
    assert kernel.run("%%rlm df\nHow many?").result == "1000"

    assert kernel.run("del df\ngc.collect()\nwatched() is None").result == "True"
