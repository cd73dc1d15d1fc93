"""What a run still has when it goes on, and what one odd item costs the others: nothing."""

import threading

import numpy as np
import polars as pl
import pytest

import rlm_kernel as rlm
from rlm_kernel.engine.background import Scope
from rlm_kernel.engine.stepper import Stops
from rlm_kernel.errors import RunEnded
from rlm_kernel.interface import session
from rlm_kernel.models.openai_compatible import ClientOptions, OpenAIModel
from rlm_kernel.question import Question
from rlm_kernel.testing import Fault, ScriptedModel, serve


def block(code):
    return f"```python\n{code}\n```"


def scripted(*codes, answer=lambda prompt: "yes", **options):
    """The root's replies in order; every sub-call is answered by `answer`."""
    codes = list(codes)

    def reply(messages):
        if messages[0].role == "system":
            return "From the evidence." if "go no further" in messages[-1].content else block(codes.pop(0))
        return answer(messages)

    return ScriptedModel(reply, **options)


def test_a_stopped_run_that_goes_on_has_lost_no_call_of_its_limit():
    """A call that was reserved when the stop came is given back."""
    model = scripted("import time\nfor _ in range(50):\n    time.sleep(0.02)", "FINAL(budget()['calls'])")

    def stop_soon(event):
        if event.tag == "step_started" and event.step == 1:
            threading.Timer(0.2, session().last.stop).start()

    run = rlm.run("q", model=model, sinks=[stop_soon], limits=rlm.Limits(calls=10))
    assert run.status == "stopped"
    run.resume()
    assert run.answer == 8


def test_child_runs_that_waited_when_the_run_was_stopped_never_begin():
    """Not even if the run goes on before the threads have noticed: it has another scope then."""
    scope, began = Scope(), []
    busy, go_on = threading.Event(), threading.Event()

    def work(number):
        began.append(number)
        busy.set()
        go_on.wait(10)

    def wait():
        with pytest.raises(RunEnded):
            scope.in_threads([lambda n=n: work(n) for n in range(5)], 1)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert busy.wait(10)
    worker = next(thread for thread in threading.enumerate() if thread.name == "rlm-child-1")
    scope.stop()
    waiting.join(10)
    go_on.set()
    worker.join(10)
    assert began == [0]


def test_an_empty_reply_is_no_answer_from_the_memo_either(tmp_path, monkeypatch):
    monkeypatch.setenv("RLM_MEMO_DIR", str(tmp_path))
    for _ in range(2):
        model = scripted("FINAL(llm_query_batched(['hello']))", answer=lambda messages: "")
        model.identity = "here"
        run = rlm.run("q", model=model)
        assert "its reply was empty" in str(run.answer[0])


def test_a_model_that_raises_while_it_repairs_costs_its_own_item_alone():
    def answer(messages):
        if len(messages) > 1:
            raise ValueError("boom")
        return "7" if messages[0].content.startswith("good") else "junk"

    model = scripted("FINAL(llm_query_batched(['bad', 'good'], returns=int))", answer=answer)
    bad, good = rlm.run("q", model=model).answer

    assert good == 7
    assert "not repaired: boom" in str(bad)


@pytest.mark.parametrize("data", [np.arange(5_000), pl.Series(range(5_000)), {"a": np.arange(5_000)}])
def test_a_context_at_the_depth_limit_is_sent_whole(data):
    """The repr of an array leaves out its middle."""
    model = scripted("FINAL(rlm_query('q?', data))")
    rlm.run("q", {"data": data}, model=model)
    assert " 2500," in model.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"steps": 2}, "higher than 2"),
        ({"steps": 9, "cots": 1}, "no limit 'cots'"),
        ({"steps": -1}, "steps must be a whole number"),
    ],
)
def test_going_on_with_limits_that_are_of_no_use_is_refused_and_costs_nothing(limits, said):
    model = scripted("print(1)", "print(2)", "FINAL(1 + 2)")
    run = rlm.run("q", model=model, limits=rlm.Limits(steps=2))
    sent = len(model.requests)

    with pytest.raises(rlm.ConfigError, match=said):
        run.resume(**limits)
    assert len(model.requests) == sent
    assert run.resume(steps=3).answer == 3


def test_the_limit_on_steps_can_be_raised_while_the_run_is_stopped():
    model = scripted("import time\nfor _ in range(50):\n    time.sleep(0.02)", "print(2)", "FINAL(1 + 2)")

    def stop_soon(event):
        if event.tag == "step_started" and event.step == 1:
            threading.Timer(0.2, session().last.stop).start()

    run = rlm.run("q", model=model, sinks=[stop_soon], limits=rlm.Limits(steps=2))
    assert run.resume(steps=3).answer == 3
    assert run.status == "done"


def test_the_calls_in_flight_can_be_bounded_when_a_run_goes_on():
    model = scripted("print(1)", "FINAL(len(llm_query_batched(['x'] * 40)))", latency=0.01)
    run = rlm.run("q", model=model, limits=rlm.Limits(steps=1))
    run.resume(steps=3, concurrency=4)

    assert run.answer == 40
    assert model.peak == 4


def test_a_fork_of_the_process_makes_no_calls_and_does_not_hang():
    code = (
        "import multiprocessing\nfork = multiprocessing.get_context('fork')\nqueue = fork.Queue()\n"
        "def ask():\n    try:\n        queue.put(llm_query('hi'))\n    except Exception as exc:\n        queue.put(str(exc))\n"
        "process = fork.Process(target=ask)\nprocess.start()\ntold = queue.get(timeout=20)\nFINAL(told + '')"
    )
    run = rlm.run("q", model=scripted(code))
    assert "another process than the run's" in run.answer


def test_code_in_a_thread_or_a_child_run_called_by_hand_may_not_change_settings_or_ask_anew():
    """Neither counts as a step that executes; both belong to a run."""
    evade = (
        "import rlm_kernel\nsaid = []\nfor act in (lambda: rlm_kernel.interface.session().configure({'calls': 9999}),\n"
        "            lambda: rlm_kernel.run('again')):\n    try:\n        act()\n    except Exception as exc:\n"
        "        said.append(type(exc).__name__ + str(exc))\n"
    )
    later = (
        "import threading, time\nsaid = []\ndef go():\n    time.sleep(0.3)\n"
        + "".join(f"    {line}\n" for line in evade.replace("said = []\n", "").splitlines())
        + "thread = threading.Thread(target=go)\nthread.start()\nFINAL(lambda: rlm_query('q?', 'x'))"
    )

    def child(messages):
        return block(f"{evade}FINAL(said)")

    codes = [later]
    model = ScriptedModel(lambda messages: block(codes.pop(0)) if codes else child(messages))
    run = rlm.run("q", model=model)
    run.namespace["thread"].join(10)
    session().configure({"depth": 2})
    try:
        by_hand = run.answer()
    finally:
        session().overrides.clear()

    for said in (run.namespace["said"], by_hand):
        assert [line.startswith("ConfigError") for line in said] == [True, True]
        assert "while the model's code runs" in said[0]


def test_child_runs_that_ended_at_a_limit_are_worth_a_warning():
    def answer(messages):
        asked = next(message.content for message in messages if message.role == "user")
        code = "FINAL(1)" if "`context`" in asked else "FINAL(len(rlm_query_batched([('q', 'c')] * 9)))"
        return block(code)

    run = rlm.run("q", model=ScriptedModel(answer), max_depth=2, limits=rlm.Limits(calls=6))
    assert (run.status, run.answer) == ("done", 9)
    assert run.warnings == (
        "child runs ended at a limit: the limit of 6 calls is reached; raise it with --max-calls or Limits(calls=...)",
    )


def test_what_a_child_run_warns_of_is_among_the_warnings_of_the_root():
    def answer(messages):
        if messages[0].role != "system":
            return "leaf"
        asked = next(message.content for message in messages if message.role == "user")
        child = "FINAL(len(llm_query_batched(['x'] * 9)))"
        return block(child if "`context`" in asked else "FINAL([rlm_query('q', 'c')])")

    run = rlm.run("q", model=ScriptedModel(answer), max_depth=2, limits=rlm.Limits(calls=9))
    assert run.answer == [9]
    assert [warning.startswith("in a child run: sub-calls were refused") for warning in run.warnings] == [True]


def test_a_stopped_run_counts_as_running_once_its_code_that_waited_runs():
    code = "from rlm_kernel.interface import session\nFINAL(session().last.tree().folded.root.status)"
    question = Question(text="q", model=scripted(code), stops=Stops(each=True))
    run = session().start(question).drive()
    run.stop()

    assert run.tree().folded.root.status == "stopped"
    assert run.resume().answer == "running"


def test_a_server_that_refuses_everything_is_not_asked_by_every_item_of_a_batch(monkeypatch):
    """As for an account without credit: one after the other they would take longer than any limit on time."""
    monkeypatch.setattr("rlm_kernel.engine.gate._PATIENCE", 0.3)
    fault = Fault(status=429, text='{"error": {"message": "quota exceeded"}}', when=lambda body: "item" in str(body))
    with serve(scripted(), faults=[fault]) as server:
        options = ClientOptions(retries=1, concurrency=4)
        model = OpenAIModel("scripted", base_url=server.base_url, api_key=server.api_key, options=options)
        root = scripted("FINAL(llm_query_batched(['item'] * 200))")
        run = rlm.run("q", model=root, sub_model=model, memo=False)

    assert 4 < len(server.requests) < 100
    assert len(run.answer) == 200
    assert all("quota exceeded" in str(item) for item in run.answer)
    assert "not sent, since those before it were refused" in str(run.answer[-1])
    assert run.usage.calls == 1


def test_no_child_run_is_shown_as_running_once_the_run_was_stopped():
    """Their threads take a moment to notice; what is drawn at the end of the run stays in the notebook."""

    def answer(messages):
        asked = next(message.content for message in messages if message.role == "user")
        code = "rlm_query_batched([('q', 'c')] * 4)"
        return block("while True: pass" if "`context`" in asked else code)

    def stop_soon(event):
        if event.tag == "step_started" and event.depth == 0:
            threading.Timer(0.3, session().last.stop).start()

    shown = []

    def look(event):
        if event.tag == "run_finished" and event.depth == 0:
            shown.extend(node.status for node in session().last.tree().folded.runs.values())

    run = rlm.run("q", model=ScriptedModel(answer), max_depth=2, sinks=[stop_soon, look])
    assert run.status == "stopped"
    assert shown == ["stopped"] * 5
