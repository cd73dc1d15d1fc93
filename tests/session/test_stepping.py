"""A run that waits for its user: paused before code runs, stepped, edited, skipped, rejected, told something."""

import pytest

import rlm_kernel as rlm
from rlm_kernel.engine.stepper import Stops, parse_stops
from rlm_kernel.interface import session
from rlm_kernel.question import Question
from rlm_kernel.testing import ScriptedModel


def block(code):
    return f"```python\n{code}\n```"


def asked(*codes, stops, context=None, **options):
    model = ScriptedModel([block(code) for code in codes])
    values = context or {}
    question = Question(text="q", contexts=tuple(values), values=values, model=model, stops=stops, options=options)
    run = session().start(question).drive()
    run.model = model
    return run


STEP = Stops(each=True)


def test_a_stepped_run_waits_after_each_reply_and_before_its_code_runs():
    run = asked("x = 1\nprint(x)", "x += 1\nprint(x)", "FINAL(x * 21)", stops=STEP)

    assert (run.status, run.waiting, len(run.steps)) == ("paused", "x = 1\nprint(x)", 0)
    run.step()
    assert (run.status, run.waiting, len(run.steps)) == ("paused", "x += 1\nprint(x)", 1)
    assert run.namespace["x"] == 1
    run.step()
    run.step()
    assert (run.status, run.answer, run.waiting) == ("done", 42, None)
    assert [event.tag for event in run.events if event.tag in {"paused", "resumed"}] == ["paused", "resumed"] * 3


def test_resume_goes_on_to_the_end():
    run = asked("print(1)", "FINAL(1 + 1)", stops=Stops(steps=frozenset({1})))
    assert run.resume().answer == 2


def test_edited_code_is_what_runs_and_what_the_model_is_told_ran():
    run = asked("x = 1\nprint(x)", "FINAL(x)", stops=STEP)
    run.step("x = 5\nprint('mine', x)")

    assert run.steps[0].code == "x = 5\nprint('mine', x)"
    told = run.model.requests[1].messages
    assert told[-2].content == block("x = 5\nprint('mine', x)")
    assert "mine 5" in told[-1].content
    assert "the user changed your code" in told[-1].content
    assert run.step().answer == 5


def test_skipped_code_does_not_run_and_is_no_step():
    run = asked("x = 1", "FINAL(globals().get('x', 'unset'))", stops=STEP)
    run.skip()

    assert run.steps == ()
    assert "skipped" in run.model.requests[1].messages[-1].content
    assert run.step().answer == "unset"


def test_a_rejection_tells_the_model_why():
    run = asked("x = 1", "FINAL(2 + 2)", stops=STEP)
    with pytest.raises(rlm.ConfigError, match="say why"):
        run.reject(" ")
    run.reject("use the cleaned table")

    assert "use the cleaned table" in run.model.requests[1].messages[-1].content
    assert run.resume().answer == 4


def test_a_hint_is_told_with_the_next_request():
    run = asked("print(1)", "FINAL(1 + 1)", stops=STEP)
    run.hint("the years are Buddhist ones")
    run.step()

    assert run.model.requests[1].messages[-1].content.endswith("[the user says] the years are Buddhist ones")
    run.step()
    with pytest.raises(rlm.RunEnded):
        run.hint("too late")


@pytest.mark.parametrize(
    ("words", "codes", "waits_at", "why"),
    [
        ("error", ["1 / 0", "print(1)", "FINAL(1 + 1)"], "print(1)", "raised an error"),
        ("subcall", ["print(1)", "a = llm_query('hi')", "FINAL(a)"], "a = llm_query('hi')", "makes sub-calls"),
        ("step:2", ["print(1)", "print(2)", "FINAL(1 + 1)"], "print(2)", "step 2 is reached"),
    ],
)
def test_a_run_pauses_where_it_was_told_to(words, codes, waits_at, why):
    run = asked(*codes, stops=parse_stops(step=False, approve=None, pause_on=(words,)))

    assert (run.status, run.waiting) == ("paused", waits_at)
    assert why in run.tree().folded.root.paused.why


def test_it_pauses_once_when_it_has_cost_as_much():
    model = ScriptedModel([block("print(1)"), block("print(2)"), block("FINAL(1 + 1)")], price=(1000.0, 1000.0))
    stops = parse_stops(step=False, approve=None, pause_on=("cost:0.01",))
    run = session().start(Question(text="q", model=model, stops=stops, options={"cost": "none"})).drive()

    assert run.status == "paused"
    assert "the run has cost $" in run.tree().folded.root.paused.why
    assert run.resume().status == "done"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("open('x.txt', 'w').write('a')", "writes files"),
        ("import subprocess", "starts processes"),
        ("import requests", "uses the network"),
        ("del df", "deletes your df"),
        ("df = 1", "rebinds your df"),
        ("import os\nos.remove('x')", "changes files"),
        ("df.to_csv('x.csv')", "writes files"),
    ],
)
def test_risky_code_waits_for_approval_and_says_why(code, why):
    run = asked(code, "FINAL(1 + 1)", stops=Stops(approve="risky"), context={"df": [1]})

    assert run.status == "paused"
    assert why in run.tree().folded.root.paused.why
    run.skip()


@pytest.mark.parametrize("code", ["n = len(df)", "df2 = df * 2", "open('x.txt')", "text = ', '.join(map(str, df))"])
def test_harmless_code_does_not(code):
    run = asked(
        f"try:\n    {code}\nexcept OSError:\n    pass\nFINAL(1 + 1)", stops=Stops(approve="risky"), context={"df": [1]}
    )
    assert run.status == "done"


def test_between_steps_the_user_finds_their_own_and_time_stands_still():
    run = asked("import time\ntime.sleep(0.2)\ndf = 5\nprint(df)", "FINAL(df)", stops=STEP, context={"df": [1]})
    run.step()
    spent = run._parts.calls.budget.seconds

    assert run.vars["df"] == 5
    assert run._parts.calls.budget.seconds == spent
    assert run.step().answer == 5


def test_a_new_question_leaves_a_paused_run_resumable():
    first = asked("x = 1\nprint(x)", "FINAL(x + 1)", stops=STEP)
    second = asked("FINAL(7 + 0)", stops=Stops())

    assert second.answer == 7
    assert first.status == "paused"
    assert first.resume().answer == 2


def test_a_paused_run_can_be_stopped_and_gone_on_with():
    run = asked("x = 1\nprint(x)", "FINAL(x + 1)", stops=STEP)
    run.stop()

    assert run.status == "stopped"
    assert run.resume().answer == 2
    with pytest.raises(rlm.RunEnded, match="no code of it waits"):
        run.step()


@pytest.mark.parametrize("words", ["step", "step:0", "cost:free", "eror"])
def test_a_stop_that_is_none_is_a_usage_error(words):
    with pytest.raises(rlm.ConfigError, match="--pause-on takes"):
        parse_stops(step=False, approve=None, pause_on=(words,))
    with pytest.raises(rlm.ConfigError, match="--approve takes"):
        parse_stops(step=False, approve=words, pause_on=())
