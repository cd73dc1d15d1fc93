"""The report says where calls, tokens, time and money went, and the diff where two runs part."""

import dataclasses

import pytest
from runs import LONG, START, Story, real_run, story

from rlm_kernel.trajectory.diff import diff as compare
from rlm_kernel.trajectory.events import Paused, Resumed, RunFinished
from rlm_kernel.trajectory.records import Reply
from rlm_kernel.trajectory.report import report_of
from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.usage import Usage
from rlm_kernel.views.diff import diff
from rlm_kernel.views.report import report

HOSTILE = ["\x1b[2Jx", "\u202ex", "a\nb\r\x00", "\ud83d"]


def at(told, *times):
    """The story with its events at the given seconds."""
    told.events = [dataclasses.replace(e, at=START + t) for e, t in zip(told.events, times, strict=True)]
    return told


# -- the report


def test_time_is_split_into_model_code_and_engine():
    """A sub-call within code is the model's time; calls that overlap count once."""
    told = Story()
    told.step(1, "llm_query('p')", sub_calls=["p"])
    told.end()
    #    run, root call 1-4, step from 5, sub-call 6-8, step to 9, end 10
    at(told, 0, 1, 4, 5, 6, 8, 9, 10)
    found = report_of(Tree(told.events), told.events)
    assert (found.seconds, found.in_model, found.in_code, found.in_engine) == (10, 5, 2, 3)
    assert found.stood_still == 0


def test_calls_that_overlap_count_once():
    told = Story()
    told.call(1, "a")
    told.call(1, "b")
    a, a_end, b, b_end = told.events[1:]
    told.events[1:] = [a, b, a_end, b_end]
    at(told, 0, 1, 2, 3, 5)
    assert report_of(Tree(told.events)).in_model == 4


def test_the_time_in_which_a_run_stood_still_is_not_its_own():
    """Paused for the user, or stopped and resumed later."""
    told = Story()
    told.add(Paused, step=1, code="1", why="--step")
    told.add(Resumed, step=1, action="run")
    told.add(RunFinished, status="stopped", answer="")
    told.call(1, purpose="root")
    told.end()
    at(told, 0, 1, 101, 102, 202, 204, 205)
    found = report_of(Tree(told.events), told.events)
    assert (found.seconds, found.stood_still, found.in_model) == (5, 200, 2)
    assert "and 3 min 20 s in which it stood still" in report(Tree(told.events), told.events)


def test_counts_are_those_of_the_tree():
    run, events = real_run()
    found = report_of(Tree(events), events)
    assert (found.steps, found.children, found.sub_calls) == (4, 1, 41)
    assert found.usage == run.usage
    assert found.in_model + found.in_code <= found.seconds + 1e-6
    assert found.slowest in Tree(events).calls.values()


def test_everything_that_went_otherwise_is_in_the_report():
    told = Story(limits={"steps": 10, "calls": 20, "cost": 2.0, "tokens": 5000, "seconds": 60.0})
    told.step(1, "oops", failure="NameError")
    for error in ("refused", "refused", "timed out", "third", "fourth"):
        told.call(1, "p", error=error)
    told.call(1, "p", memo=True)
    told.call(1, "p", retries=3)
    for kind in ("guard", "redraw", "redraw", "remark", "warning"):
        told.note(1, kind, f"a {kind}")
    told.step(2, "FINAL('4711 and 12')", final=True)
    told.end(answer="4711 and 12")
    lines = report(Tree(told.events), told.events)
    for words in (
        "Run       r1, done, root-model with sub-model",
        "Question  What is it?",
        "Steps     2 of 10, 1 failed, 1 answer refused, 2 replies asked for again",
        "Calls     4 of 20, 7 sub-calls, 1 from the memo, 3 retries",
        "2 failed: refused",
        "1 failed in 1 other way",
        "Tokens    440 tokens (400 in, 40 % cached, 40 out) of 5.0k",
        "Cost      $1.0000 of $2",
        "of 1 min",
        "Slowest   0.5 s, call 1 in step 1 to root-model",
        "Figures   in the answer that no output showed: 12, 4711",
        "Remarks   a remark",
        "          a warning",
    ):
        assert words in lines, lines


def test_a_price_that_is_not_known_is_said():
    told = Story()
    told.call(1, "p")
    reply = Reply(text="a", model="m", usage=Usage(calls=1, unpriced=1), estimated=True)
    told.events[-1] = dataclasses.replace(told.events[-1], reply=reply)
    told.call(1, "p")
    lines = report(Tree(told.events))
    assert "Cost      $0.2500 and the price of 1 call is not known" in lines
    assert "tokens of 1 estimated" in lines


def test_a_run_that_goes_on_has_a_report_too():
    told = Story()
    assert "running" in report(Tree(told.events))
    assert report(Tree()) == "no run yet"
    told.step(1, "1")
    assert report(Tree(told.events[:-1]))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_steers_the_terminal(text):
    told = Story("r1", text, model=text)
    told.step(1, text, text, failure=text)
    told.call(1, text, error=text)
    told.note(1, "warning", text)
    told.end("failed", answer=text, error=text)
    for lines in (report(Tree(told.events)), diff(told.events, story().events), diff(story().events, told.events)):
        assert not any(ch in lines for ch in "\x1b\u202e\x00\r\ud83d")


# -- the difference


def test_a_run_does_not_differ_from_itself():
    events = real_run()[1]
    found = compare(events, events)
    assert found.parts_at is None
    assert found.same_answer
    assert found.settings == ()
    assert "4 steps, the same in both" in diff(events, events)


def test_where_two_runs_part_and_how_they_end():
    other = Story("r2", "What is it?", model="another-model")
    other.step(1, f"# look\nprint({LONG!r})", LONG)
    other.step(2, "fine = 1\nprint(fine)", "1", sub_calls=["p", "p"])
    other.end("limit", answer="43")
    found = compare(story().events, other.events)
    assert [(setting.name, setting.one, setting.other) for setting in found.settings] == [
        ("model", "root-model", "another-model")
    ]
    parting = found.parts_at
    assert parting.number == 2
    assert parting.codes == ("oops", "fine = 1\nprint(fine)")
    assert parting.outputs == ("NameError: it failed", "1")
    assert (parting.same_calls, parting.only_one, parting.only_other) == (0, 0, 2)
    assert parting.costs == (0.25, 0.75)
    assert [step.codes[1] is None for step in found.steps] == [False, False, True]
    assert (found.one.steps, found.other.steps, found.other.status) == (3, 2, "limit")
    lines = diff(story().events, other.events)
    for words in (
        "1 step the same; they part at step 2",
        "-oops",
        "+fine = 1",
        "sub-calls: 0 in both, 2 only in the second",
        "step 3: only in the first",
        "status      done  |  stopped at a limit",
        "cost        $1.2500  |  $1.0000",
        "answer      42  |  43",
    ):
        assert words in lines, lines


def test_calls_that_were_answered_differently_are_counted():
    """Whatever order they came in."""
    one, other = Story("r1"), Story("r2")
    for told, answers in ((one, "abc"), (other, "cbx")):
        for answer in answers:
            told.call(1, "p", answer)
        told.step(1, "1")
    step = compare(one.events, other.events).parts_at
    assert (step.same_calls, step.other_answers, step.only_one, step.same_code) == (3, 1, 0, True)
    assert "3 in both, 1 answered differently" in diff(one.events, other.events)


def test_long_differences_are_cut():
    one, other = Story("r1"), Story("r2")
    one.step(1, "\n".join(f"a{n}" for n in range(500)))
    other.step(1, "\n".join(f"b{n}" for n in range(500)))
    for number in range(2, 200):
        one.step(number, "1")
        other.step(number, "2")
    lines = diff(one.events, other.events)
    assert len(lines.splitlines()) < 110
    assert "more lines" in lines
    assert "more steps" in lines
