"""Child runs: a namespace, a loop and events of their own, in threads, charged to the run that started them."""

import signal
import threading
import time
from pathlib import Path

import pytest

import rlm_kernel as rlm
from rlm_kernel.testing import CapturingSink, ScriptedModel, serve
from rlm_kernel.trajectory.events import RunFinished, RunStarted


def block(code):
    return f"```python\n{code}\n```"


def asked(messages):
    """The question that a run was opened with: its last message before any reply."""
    return next(message.content for message in messages if message.role == "user")


def scripted(root, child, **options):
    """A model that is the root of one run and of all its children: told apart by the child's `context`."""

    def answer(messages):
        replies = child if "`context`" in asked(messages) else root
        turn = sum(message.role == "assistant" for message in messages)
        reply = replies(asked(messages), turn) if callable(replies) else replies[turn]
        return block(reply)

    return ScriptedModel(answer, **options)


def run(root, child, context=None, **options):
    options.setdefault("max_depth", 2)
    return rlm.run("q", context or {}, model=scripted(root, child), **options)


def test_a_child_answers_with_a_live_object_from_its_own_namespace():
    """By reference: the very list comes back, and the parent's names are not the child's."""
    given = [1, 2, 3]
    result = run(
        ["secret = 1\nfound = rlm_query('Which list?', data)\nFINAL(found)"],
        ["assert 'secret' not in globals() and 'data' not in globals()\nmine = 5\nFINAL(context)"],
        {"data": given},
    )

    assert result.status == "done"
    assert result.answer is given
    assert "mine" not in result.namespace


def test_a_child_is_in_the_tree_with_its_calls_and_the_sums_are_right():
    sink = CapturingSink()
    result = run(
        ["FINAL(rlm_query_batched([('a?', 'x'), ('b?', 'y')]))"],
        ["print(len(context))", "FINAL(context * 2)"],
        sinks=[sink],
    )

    assert result.answer == ["xx", "yy"]
    started = sink.of(RunStarted)
    assert [event.parent for event in started] == [None, result.id, result.id]
    assert [event.depth for event in started] == [0, 1, 1]
    assert {event.step for event in started[1:]} == {1}
    assert started[1].batch == started[2].batch is not None
    tree = result.tree().folded
    assert len(tree.root.steps[0].children) == 2
    assert result.usage.calls == len(result.calls) == 5
    parts = [tree.usage_of(child) for child in tree.root.steps[0].children]
    assert sum(part.tokens for part in parts) + tree.root.own.tokens == tree.usage_of(result.id).tokens
    assert [event.status for event in sink.of(RunFinished)] == ["done"] * 3


def test_the_accounts_equal_what_the_server_counted():
    model = scripted(["FINAL(rlm_query_batched([('a?', 'x')] * 4))"], ["print(1)", "FINAL(llm_query('hi ' + context))"])
    answer = model._answer
    model._answer = lambda messages: "ok" if messages[-1].content.startswith("hi ") else answer(messages)
    with serve(model) as server:
        settings = rlm.interface.session()
        remote = settings.model("scripted", settings.settings({"base_url": server.base_url, "api_key": server.api_key}))
        result = rlm.run("q", model=remote, max_depth=2, memo=False)

    assert result.answer == ["ok"] * 4
    assert result.usage.calls == len(server.requests) == 1 + 4 * 3


def test_eight_children_at_once_keep_their_output_apart():
    """Twenty prints each: no line is lost and none goes astray; nothing reaches the process's own stdout."""
    code = "import time\nfor i in range(20):\n    print(context, i)\n    time.sleep(0.001)"
    began = time.monotonic()
    result = run(
        ["FINAL(rlm_query_batched([(f'q{i}?', f'child{i}') for i in range(8)]))"],
        [code, "FINAL(context)"],
    )

    assert result.answer == [f"child{i}" for i in range(8)]
    tree = result.tree().folded
    outputs = [tree.runs[child].steps[0].finished.output.stdout for child in tree.root.steps[0].children]
    assert len(outputs) == 8
    for text in outputs:
        lines = text.splitlines()
        assert len(lines) == 20
        assert len({line.split()[0] for line in lines}) == 1
    assert len({text.split()[0] for text in outputs}) == 8
    assert result.steps[0].output == ""
    assert time.monotonic() - began < 20


def test_a_thread_that_a_child_starts_prints_into_that_child():
    code = (
        "import threading\nt = threading.Thread(target=lambda: print('from', context))\nt.start(); t.join()\nFINAL(1)"
    )
    result = run(["FINAL(rlm_query_batched([('a?', 'x'), ('b?', 'y')]))"], [code])

    tree = result.tree().folded
    outputs = {tree.runs[child].steps[0].finished.output.stdout for child in tree.root.steps[0].children}
    assert outputs == {"from x\n", "from y\n"}


def test_children_may_not_change_directory():
    here = Path.cwd()
    result = run(["FINAL(rlm_query('a?', 'x'))"], ["import os\nos.chdir('/')", "FINAL('still here')"])

    assert result.answer == "still here"
    assert Path.cwd() == here
    tree = result.tree().folded
    assert tree.runs[tree.root.steps[0].children[0]].steps[0].finished.output.failure.kind == "PermissionError"


def test_a_failing_child_is_a_value_that_says_why_and_costs_no_other():
    def answer(messages):
        text = asked(messages)
        if "bad?" in text:
            raise rlm.ModelError("no such luck")
        return block(
            "FINAL(context)" if "`context`" in text else "FINAL(rlm_query_batched([('bad?', 'x'), ('good?', 'y')]))"
        )

    result = rlm.run("q", model=ScriptedModel(answer), max_depth=2)
    bad, good = result.answer

    assert good == "y"
    assert isinstance(bad, rlm.SubcallError)
    assert "ended as failed: no such luck" in str(bad)


def test_a_single_failing_child_raises_in_the_code_that_asked():
    result = run(["try:\n    rlm_query('', 'x')\nexcept Exception as exc:\n    FINAL(f'said: {exc}')"], ["1"])
    assert result.answer == "said: a child run needs a question: a str that is not empty"


def test_at_the_depth_limit_a_child_run_becomes_a_sub_call_and_that_is_said():
    model = ScriptedModel([block("FINAL(rlm_query('How many?', ['a', 'b']))"), "two"])
    result = rlm.run("q", model=model)

    assert result.answer == "two"
    assert model.requests[1].messages[-1].content == 'How many?\n\n["a", "b"]'
    assert "rlm_query became llm_query: the limit of depth 1 is reached; raise it with --depth 2" in result.warnings[0]


def test_depth_0_makes_no_sub_calls():
    code = "try:\n    llm_query('hi')\nexcept Exception as exc:\n    FINAL(str(exc))"
    result = rlm.run("q", model=ScriptedModel([block(code)]), max_depth=0)

    assert "makes no sub-calls" in result.answer
    assert result.usage.calls == 1


def test_grandchildren_are_charged_to_every_ancestor():
    def child(question, turn):
        return "FINAL(rlm_query('deeper?', context + 'x'))" if "outer?" in question else "FINAL(llm_query(context))"

    def answer(messages):
        first = asked(messages)
        if first == "ax":
            return "leaf"
        if "`context`" in first:
            return block(child(first, 0))
        return block("FINAL(rlm_query('outer?', 'a'))")

    result = rlm.run("q", model=ScriptedModel(answer), max_depth=3)

    assert result.answer == "leaf"
    assert result.usage.calls == 4
    assert [call.depth for call in result.calls] == [0, 1, 2, 2]


def test_children_share_the_limit_on_calls_and_leave_the_root_its_last_ones():
    result = run(
        ["rs = rlm_query_batched([('a?', 'x')] * 20)\nprint(sum(map(bool, rs)))", "FINAL('end')"],
        ["FINAL(context)"],
        limits=rlm.Limits(calls=8),
    )

    assert result.status == "done"
    assert result.answer == "end"
    assert result.usage.calls <= 8
    assert result.steps[0].output == "5"  # one for the root, one for its next reply, one kept for the end
    assert "limit of 8 calls" in str(result.namespace["rs"][-1])


def test_steps_count_for_each_run_by_itself():
    result = run(
        ["FINAL(rlm_query_batched([('a?', 'x')] * 3))"],
        ["print(1)", "print(2)", "FINAL(3)"],
        limits=rlm.Limits(steps=3),
    )
    assert result.answer == [3, 3, 3]


def test_the_whole_context_for_a_child_is_worth_a_warning():
    text = "word " * 5_000
    result = run(["FINAL(rlm_query('a?', text))"], ["FINAL(len(context))"], {"text": text})

    assert any("was given 100% of `text`" in warning for warning in result.warnings)


def test_a_part_of_the_context_is_not():
    text = "word " * 5_000
    result = run(["FINAL(rlm_query('a?', text[:5000]))"], ["FINAL(len(context))"], {"text": text})
    assert result.warnings == ()


def test_stopping_ends_children_in_mid_code_and_in_mid_call():
    """The busy one and the waiting one both end; nothing is sent afterwards."""
    model = scripted(
        ["FINAL(rlm_query_batched([('busy?', 'x'), ('wait?', 'y')]))"],
        lambda question, turn: "while True: pass" if "busy?" in question else "FINAL(llm_query('wait'))",
    )
    sent = model._answer

    def answer(messages):
        if messages[-1].content == "wait":
            raise AssertionError("never answered")
        return sent(messages)

    model._answer = answer
    started = threading.Event()

    def watch(event):
        if event.tag == "call_started" and event.request.messages[-1].content == "wait":
            model.latency = 30.0
            started.set()
        elif event.tag == "step_started" and event.code.startswith("FINAL(llm"):
            model.latency = 30.0

    outcome = {}

    def drive():
        outcome["run"] = rlm.run("q", model=model, max_depth=2, sinks=[watch, lambda e: outcome.setdefault("first", e)])

    thread = threading.Thread(target=drive)
    thread.start()
    assert started.wait(20)
    time.sleep(0.2)
    session = rlm.interface.session()
    began = time.monotonic()
    session.last.stop()
    thread.join(10)

    assert not thread.is_alive()
    assert time.monotonic() - began < 5
    assert outcome["run"].status == "stopped"
    requests = len(model.requests)
    deadline = time.monotonic() + 5
    while any(t.name.startswith("rlm-child") and t.is_alive() for t in threading.enumerate()):
        assert time.monotonic() < deadline, "a child goes on after the stop"
        time.sleep(0.02)
    assert len(model.requests) == requests


def test_a_childs_functions_raise_after_its_end():
    """A thread that a child leaves behind belongs to it, not to its parent."""
    code = (
        "import threading, time\ncaught = []\n"
        "def later():\n    time.sleep(0.3)\n    try:\n        llm_query('late')\n"
        "    except BaseException as exc:\n        caught.append(type(exc).__name__)\n"
        "threading.Thread(target=later).start()\nFINAL([caught])"
    )
    result = run(["[caught] = rlm_query('a?', 'x')\nimport time\ntime.sleep(0.8)\nFINAL(caught)"], [code])
    assert result.answer == ["RunEnded"]


@pytest.mark.parametrize("kind", [int, "int"])
def test_a_childs_answer_has_the_type_asked_for(kind):
    if kind == "int":
        kind = {"type": "integer"}
    result = run(
        ["FINAL(rlm_query('a?', 'x', returns=kind))"],
        ["FINAL('many')", "FINAL(3)"],
        {"kind": kind},
    )
    assert result.answer == 3


@pytest.mark.parametrize("depth", [0, 1])
def test_a_stop_in_the_moment_before_code_begins_ends_it(depth):
    """Of the root, by a real SIGINT; of a child, by the stop of the run above it."""
    busy = "while True: pass"

    def watch(event):
        if event.tag == "step_started" and event.depth == depth and event.code == busy:
            if depth:
                rlm.interface.session().last.stop()
            else:
                signal.raise_signal(signal.SIGINT)

    began = time.monotonic()
    if depth:
        assert run(["FINAL(rlm_query('a?', 'x'))"], [busy], sinks=[watch]).status == "stopped"
    else:
        with pytest.raises(KeyboardInterrupt):
            run([busy], [], sinks=[watch])
    while any(thread.name.startswith("rlm-child") for thread in threading.enumerate()):
        assert time.monotonic() - began < 10, "the child goes on"
        time.sleep(0.02)
    assert time.monotonic() - began < 10
