"""`rlm_kernel.run` in a plain script: the whole path with a scripted model and no IPython."""

import gc
import signal
import threading
import time
import weakref

import pandas as pd
import pytest

import rlm_kernel as rlm
from rlm_kernel.interface import session
from rlm_kernel.testing import ScriptedModel, serve


def block(code):
    return f"```python\n{code}\n```"


def ask(*replies, question="How many?", context=None, **options):
    model = ScriptedModel([block(reply) for reply in replies])
    return rlm.run(question, {} if context is None else context, model=model, **options)


@pytest.fixture
def frame():
    return pd.DataFrame({"city": ["Graz", "Lyon", "Graz"], "amount": [1.0, 2.0, 3.5]})


def test_the_answer_is_a_live_object(frame):
    """The model's value itself, computed from the caller's data."""
    run = ask("totals = df.groupby('city')['amount'].sum()\nprint(totals)", "FINAL(totals)", context={"df": frame})

    assert run.status == "done"
    assert run.answer["Graz"] == 4.5
    assert [step.number for step in run.steps] == [1, 2]
    assert "Lyon" in run.steps[0].output
    assert [change.name for change in run.steps[0].changed] == ["totals"]
    assert run.namespace["totals"] is run.answer
    assert run.error is None


def test_a_run_accounts_for_every_call(frame):
    run = ask("print(llm_query('hi'))", "ok", "FINAL(1 + 1)", context={"df": frame})

    assert run.usage.calls == len(run.calls) == 3
    assert run.steps[0].calls == 1
    assert run.steps[0].output == "```python\nok\n```"


def test_batched_sub_calls_keep_their_order_and_a_failed_one_is_a_value():
    """The others are not lost, and the failure is no text that looks like an answer."""

    def reply(messages):
        text = messages[-1].content
        if text == "b":
            raise rlm.ModelError("out of order")
        return text.upper() if len(text) == 1 else block(code)

    code = "answers = llm_query_batched(['a', 'b', 'c'])\nFINAL(answers)"
    run = rlm.run("q", model=ScriptedModel(reply))
    first, second, third = run.answer

    assert (first, third) == ("A", "C")
    assert isinstance(second, rlm.SubcallError)
    assert not second
    assert "out of order" in str(second)


def test_limits_on_calls_hold_and_the_last_one_is_kept_for_the_answer():
    model = ScriptedModel([block("print(1)"), block("print(2)"), "It is 2."])
    run = rlm.run("q", model=model, limits=rlm.Limits(calls=3))

    assert run.status == "limit"
    assert run.extracted
    assert run.answer == "It is 2."
    assert run.usage.calls == 3
    assert "3 calls" in str(run.error)
    assert "--max-calls" in str(run.error)


def test_refused_items_of_a_batch_are_values_and_the_rest_is_asked():
    model = ScriptedModel(
        [block("rs = llm_query_batched(['a'] * 5)\nprint([bool(r) for r in rs])"), "x", "x", block("FINAL(rs)")]
    )
    run = rlm.run("q", model=model, limits=rlm.Limits(calls=5))

    assert run.steps[0].output == "[True, True, False, False, False]"
    assert "limit of 5 calls" in str(run.namespace["rs"][-1])
    assert run.status == "done"
    assert len([warning for warning in run.warnings if "sub-calls were refused" in warning]) == 1


def test_a_time_limit_interrupts_code_that_does_not_end():
    model = ScriptedModel([block("print('begun')\nwhile True: pass"), "Nothing."])
    began = time.monotonic()
    run = rlm.run("q", model=model, limits=rlm.Limits(seconds=0.5))

    assert run.status == "limit"
    assert time.monotonic() - began < 10
    assert run.steps[0].failure.interrupted


def test_a_failing_model_ends_the_run_as_failed_with_its_own_words():
    run = ask("print(1)")

    assert run.status == "failed"
    assert "scripted" in str(run.error)
    assert len(run.steps) == 1


def test_ctrl_c_stops_at_once_and_the_run_can_go_on():
    """A real SIGINT while a call waits: KeyboardInterrupt for the caller, and a stopped run that resumes."""
    replies = [block("x = 6 * 7\nprint(x)"), block("FINAL(x)")]
    model = ScriptedModel(lambda _: replies[len(model.requests) - 1])

    def interrupt_the_second_call(event):
        if event.tag == "step_finished":
            model.latency = 30.0
        if event.tag == "call_started" and model.latency:
            threading.Timer(0.2, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        rlm.run("q", model=model, sinks=[interrupt_the_second_call])
    took = time.monotonic() - began
    run = session().last

    assert took < 3
    assert run.status == "stopped"
    assert run.namespace["x"] == 42
    assert eventually(lambda: model.cancelled == 1)

    model.latency = 0.0
    replies.append(block("FINAL(x)"))
    assert run.resume().answer == 42
    assert run.status == "done"


def eventually(true):
    """Wait up to five seconds for something that happens in the background."""
    until = time.monotonic() + 5
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


def test_code_that_raises_keyboard_interrupt_itself_is_an_ordinary_failure():
    run = ask("raise KeyboardInterrupt", "FINAL(1 + 1)")

    assert run.status == "done"
    assert run.steps[0].failure.kind == "KeyboardInterrupt"


def test_threads_that_outlive_the_run_make_no_calls():
    code = """
import threading, time
errors = []
def late():
    time.sleep(0.4)
    try:
        llm_query("late")
    except Exception as exc:
        errors.append(type(exc).__name__)
thread = threading.Thread(target=late)
thread.start()
FINAL(thread)
"""
    model = ScriptedModel([block(code)])
    run = rlm.run("q", model=model)
    run.answer.join()

    assert run.namespace["errors"] == ["RunEnded"]
    assert len(model.requests) == 1


def test_a_function_that_the_model_wrote_still_works_after_the_run():
    """It opens a small run of its own."""
    model = ScriptedModel([block("def judge(text):\n    return llm_query(text)\nFINAL(judge)"), "fine"])
    run = rlm.run("q", model=model)

    assert run.answer("x") == "fine"


def test_final_outside_a_run_is_an_error():
    run = ask("FINAL(1 + 1)")

    with pytest.raises(rlm.RunEnded):
        run.namespace["FINAL"](3)


def test_the_callers_frame_is_not_changed_and_the_runs_version_is_kept_apart(frame):
    run = ask("df['new'] = 1\ndf = df[df.amount > 1]\nprint(len(df))", "FINAL(len(df))", context={"df": frame})

    assert run.answer == 2
    assert list(frame.columns) == ["city", "amount"]
    assert "new" in run.vars["df"].columns


def test_a_frame_handed_over_is_changed_for_real(frame):
    run = ask("df['new'] = 1\nFINAL(len(df))", context={"df": frame}, write=["df"])

    assert run.answer == 3
    assert "new" in frame.columns


def test_a_withheld_column_is_not_there_for_the_model(frame):
    run = ask("print(list(df.columns))\nprint(df)", "FINAL(len(df))", context={"df": frame}, withhold=["city"])

    sent = "\n".join(message.content for call in run.calls for message in call.started.request.messages)
    assert "Graz" not in sent
    assert "amount" in run.steps[0].output
    assert "Lyon" not in run.steps[0].output


def test_known_secrets_are_blanked_in_outputs_and_prompts(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "hunter2-hunter2")
    run = ask("import os\nkey = os.environ['SOME_API_KEY']\nprint(key)\nllm_query(key)", "ok", "FINAL(key)")

    assert "hunter2" not in repr(run.events)
    assert run.answer == "hunter2-hunter2"


def test_the_users_data_is_let_go_when_the_run_is_over(frame):
    watched = weakref.ref(frame)
    model = ScriptedModel([block("n = len(df)\nFINAL(n)")])
    run = rlm.run("q", {"df": frame}, model=model)
    run.namespace.pop("df", None)
    del frame
    gc.collect()

    # pytest's fixture cache holds the frame itself: what must be gone is every other holder.
    holders = [holder for holder in gc.get_referrers(watched()) if isinstance(holder, dict) and holder is not globals()]
    assert not any("df" in holder for holder in holders)


def test_figures_that_no_output_showed_are_a_remark():
    run = ask("print('total 12')", "FINAL('It rose by 37.5 to ' + str(12))")

    assert run.status == "done"
    assert any("37.5" in warning for warning in run.warnings)


def test_a_real_server_is_asked_over_http(monkeypatch, frame):
    """The whole wire: openai's client, the background loop, usage as the server counts it."""
    model = ScriptedModel([block("FINAL(len(df))")], name="served")
    with serve(model) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        run = rlm.run("q", {"df": frame}, model="served")

    assert run.answer == 3
    assert run.usage.calls == 1
    assert server.api_key not in repr(run.events)


def test_no_model_at_all_is_one_line_that_names_three_ways_out(monkeypatch):
    from rlm_kernel.models import local

    monkeypatch.setattr(local, "available", lambda: False)
    with pytest.raises(rlm.ConfigError, match=r"rlm-kernel\[local\].*OPENAI_API_KEY.*OPENAI_BASE_URL"):
        rlm.run("q")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"question": "  "}, "no question"),
        ({"question": 5}, "question is a text"),
        ({"context": [1, 2]}, "dict of names and values"),
        ({"context": pd.DataFrame({"a": [1]})}, "dict of names and values"),
        ({"context": {"class": 1}}, "class"),
        ({"limits": {"steps": 3}}, "Limits"),
        ({"limits": rlm.Limits(steps="three")}, "steps must be a whole number"),
        ({"limits": rlm.Limits(seconds=float("nan"))}, "seconds must be a number"),
        ({"sub_model": 3}, "a model is a name or a model object"),
        ({"temperature": float("nan")}, "temperature must be a number"),
        ({"context": {"not a name": 1}}, "not a name"),
        ({"write": ["nope"]}, "nope"),
        ({"pack": "nope"}, "general"),
    ],
)
def test_what_does_not_fit_is_one_line(options, words):
    with pytest.raises(rlm.ConfigError, match=words):
        ask("FINAL(1 + 1)", **options)


def test_a_secret_answer_is_the_callers_and_is_not_shown(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "kept-between-us-77")
    run = ask("import os\nFINAL(os.environ['MY_TOKEN'])")

    assert run.answer == "kept-between-us-77"
    assert "kept-between-us-77" not in f"{run!r} {run.tree()} {run.events}"


def test_a_model_object_that_breaks_fails_the_run_in_one_line():
    class Broken(ScriptedModel):
        async def complete(self, *_):
            raise LookupError("no\nsuch thing")

    run = rlm.run("q", model=Broken([]))

    assert run.status == "failed"
    assert str(run.error) == "scripted failed: LookupError: no such thing"


def test_a_stopped_run_that_a_later_one_took_over_says_so_and_asks_nothing():
    model = ScriptedModel([block("raise KeyboardInterrupt"), block("FINAL(1 + 1)")])
    sinks = [lambda event: event.tag == "step_finished" and session().last.stop()]
    run = rlm.run("q", {"n": 1}, model=model, sinks=sinks)
    assert run.status == "stopped"
    asked = len(model.requests)

    ask("FINAL(2 + 2)")

    with pytest.raises(rlm.RunEnded, match="a later one began"):
        run.resume()
    assert len(model.requests) == asked
