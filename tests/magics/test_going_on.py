"""``%rlm continue``, and the options of ``%%rlm`` that bound and shape a run."""

import pytest

import rlm_kernel as rlm


def answering(server, *codes, evidence="It is 20."):
    """The root's replies in order, and a plain answer where it is told to go no further."""
    inner = server.model._answer
    server.model._answer = lambda messages: evidence if "go no further" in messages[-1].content else inner(messages)
    return codes


def test_continue_goes_on_from_a_limit_and_binds_what_the_cell_asked_for(shell, model, cell):
    server = model("x = 20\nprint(x)", "FINAL(x * 2 + 2)")
    answering(server)

    result = cell("%%rlm --max-steps 1 -o found\nGo.")
    assert isinstance(result.error_in_exec, rlm.RunNotDone)
    assert "the limit of 1 step is reached" in result.printed
    assert "go on with %rlm continue --max-steps N" in result.printed
    assert "found" not in shell.user_ns

    result = cell("%rlm continue --max-steps 5")
    assert result.result == 42
    assert shell.user_ns["found"] == 42
    assert "FINAL(x * 2 + 2)" in result.printed


def test_continue_without_a_higher_limit_says_which_one(shell, model, cell):
    answering(model("print(20)"))
    cell("%%rlm --max-steps 1\nGo.")

    assert "the run would meet the same limit at once: steps" in cell("%rlm continue").printed
    assert "cost must be a number above 0" in cell("%rlm continue --max-cost lots").printed


def test_continue_of_a_run_that_is_done_is_refused_in_a_line(shell, model, cell):
    model("FINAL(1 + 1)")
    cell("%%rlm -q\nGo.")
    assert "is done; only a run that is paused, stopped or at a limit goes on" in cell("%rlm continue").printed


def test_returns_names_a_type_of_the_users(shell, model, cell):
    """A class of their own, known to the notebook alone; the model is told once what is wrong."""
    server = model("FINAL({'name': 'late trains', 'share': 'most'})", "FINAL({'name': 'late trains', 'share': 0.5})")
    shell.run_cell("from dataclasses import dataclass\n@dataclass\nclass Theme:\n    name: str\n    share: float")
    result = cell("%%rlm --returns Theme\nWhich theme?")

    assert result.result == shell.user_ns["Theme"]("late trains", 0.5)
    assert "share" in server.requests[1].body["messages"][-1]["content"]


def test_a_type_that_is_none_is_a_usage_error_before_anything_is_sent(shell, model, cell):
    server = model("FINAL(1 + 1)")
    result = cell("%%rlm --returns Thme\nWhich theme?")

    assert isinstance(result.error_in_exec, rlm.ConfigError)
    assert "Thme" in result.printed
    assert server.requests == []


@pytest.mark.parametrize("wrong", ["--depth -1", "--depth deep", "--max-cost 0", "--concurrency 0.5"])
def test_limits_that_do_not_fit_are_one_line(shell, model, cell, wrong):
    result = cell(f"%%rlm {wrong}\nGo.")

    assert isinstance(result.error_in_exec, rlm.ConfigError)
    assert len([line for line in result.printed.splitlines() if line.strip()]) == 1


def test_depth_lets_child_runs_start(shell, model, cell):
    server = model()
    server.model._answer = lambda messages: (
        "```python\nFINAL(len(context))\n```"
        if "`context`" in messages[1].content
        else "```python\nFINAL(rlm_query('How long?', 'four'))\n```"
    )
    assert cell("%%rlm --depth 2 -q\nGo.").result == 4
    shell.run_cell("run = %rlm last")
    assert [call.depth for call in shell.user_ns["run"].calls] == [0, 1]


def test_no_memo_asks_anew(shell, model, cell):
    for option, calls in (("", 1), ("", 0), ("--no-memo", 1)):
        server = model("FINAL(llm_query('hi there'))", "hello")
        before = len(server.requests)
        cell(f"%%rlm -q {option}\nGo.")
        assert len(server.requests) - before == 1 + calls
