"""Nothing of the user's is lost: what happens to names, whichever runner runs the code."""

import threading

import pytest

from rlm_kernel.namespace.inventory import user_names


@pytest.mark.parametrize(
    "code",
    [
        "mine = 2",
        "mine: int = 2",
        "mine = mine + [1]",
        "mine, other = 2, 3",
        "for mine in [1, 2]: pass",
        "import json as mine",
        "from json import loads as mine",
        "def mine(): ...",
        "class mine: ...",
        "(mine := 2)",
        "[mine := n for n in [1, 2]]",
        "with open('/dev/null') as mine: pass",
        "match [1, 2]:\n    case [mine, *rest]: pass",
        "match {'a': 1}:\n    case {**mine}: pass",
        "def f():\n    global mine\n    mine = 2\nf()",
        "exec('mine = 2')",
        "globals()['mine'] = 2",
        "vars()['mine'] = 2",
        "del mine",
        "try:\n    1 / 0\nexcept Exception as mine: pass",
        "import sys\nsys._getframe().f_globals['mine'] = 2",
    ],
)
def test_a_name_that_the_user_had_is_theirs_again_after_the_step(make_bench, code):
    """However it was rebound or deleted; the run keeps its own version."""
    value = ["the user's"]
    bench = make_bench({"mine": value})
    outcome = bench.run(code)
    assert outcome.output.failure is None
    assert bench.namespace["mine"] is value
    assert any(change.name == "mine" and change.kept_apart for change in outcome.output.changes)
    if "mine" in bench.executor.vars:
        assert bench.run("mine").value is bench.executor.vars["mine"]
    else:
        assert bench.run("'mine' in globals()").value is False


def test_a_failed_augmented_assignment_changes_nothing(make_bench):
    """The list that is a user's is not the run's."""
    bench = make_bench({"mine": 1})
    bench.run("mine += 'x'")
    assert bench.namespace["mine"] == 1
    assert "mine" not in bench.executor.vars


def test_the_runs_version_lives_on_from_step_to_step(make_bench):
    """Swapped in before each execution, out after it."""
    bench = make_bench({"mine": 1})
    bench.run("mine = 10")
    bench.run("mine += 1")
    assert (bench.namespace["mine"], bench.executor.vars["mine"]) == (1, 11)
    bench.namespace["mine"] = 5
    assert bench.run("mine").value == 11
    assert bench.namespace["mine"] == 5


def test_what_the_user_deletes_between_steps_stays_deleted(make_bench):
    """The run goes on with its own version."""
    bench = make_bench({"mine": 1})
    bench.run("mine = 10")
    del bench.namespace["mine"]
    assert bench.run("mine").value == 10
    assert "mine" not in bench.namespace


def test_a_deleted_name_is_absent_for_the_run_alone(make_bench):
    """And can be bound again."""
    bench = make_bench({"mine": 1})
    assert bench.changes("del mine") == {("mine", "deleted", True)}
    assert bench.run("mine").output.failure.kind == "NameError"
    assert bench.changes("mine = 3") == {("mine", "bound", True)}
    assert bench.namespace["mine"] == 1


def test_new_names_stay_and_are_the_runs(bench):
    """The model's results are real variables of the notebook."""
    assert bench.changes("new = [1]") == {("new", "bound", False)}
    assert bench.changes("new = [2]") == {("new", "rebound", False)}
    assert bench.namespace["new"] == [2]
    assert bench.changes("del new") == {("new", "deleted", False)}
    assert "new" not in bench.namespace


def test_a_new_name_that_the_user_rebinds_is_the_users_from_then_on(bench):
    """A later step gets a version of its own."""
    bench.run("new = [1]")
    taken = bench.namespace["new"] = ["taken over"]
    assert bench.changes("new = [2]") == {("new", "rebound", True)}
    assert bench.namespace["new"] is taken
    assert bench.executor.vars["new"] == [2]


def test_names_handed_over_are_changed_for_real(make_bench):
    """--write NAME, --write all."""
    bench = make_bench({"mine": 1, "other": 1}, writable=frozenset({"mine"}))
    assert bench.changes("mine = 2\nother = 2") == {("mine", "rebound", False), ("other", "rebound", True)}
    assert (bench.namespace["mine"], bench.namespace["other"]) == (2, 1)
    everything = make_bench({"mine": 1, "other": 1}, writable="all")
    everything.run("mine = 2\ndel other")
    assert everything.namespace["mine"] == 2
    assert "other" not in everything.namespace


def test_a_write_of_the_users_thread_wins_and_the_model_is_told(make_bench):
    """What the step's code cannot bind was bound by someone else."""
    bench = make_bench({"mine": 1, "counter": 0})
    namespace = bench.namespace

    def tick():
        namespace["counter"] = 1
        namespace["born"] = "of a thread"

    namespace["tick"] = tick
    output = bench.run("tick()\nx = counter").output
    assert (namespace["counter"], namespace["born"]) == (1, "of a thread")
    assert not any(change.name in ("counter", "born") for change in output.changes)
    assert any("`counter`" in notice for notice in output.notices)


def test_a_write_of_the_users_thread_wins_over_a_version_that_was_swapped_in(make_bench):
    """It is bound for the user; the run goes on with its own."""
    bench = make_bench({"mine": 1})
    bench.run("mine = 10")
    bench.namespace["poke"] = lambda: bench.namespace.__setitem__("mine", 2)
    output = bench.run("poke()").output
    assert bench.namespace["mine"] == 2
    assert any("`mine`" in notice for notice in output.notices)
    assert bench.run("mine").value == 10
    assert bench.namespace["mine"] == 2


def test_a_real_thread_that_keeps_writing_never_loses_its_last_write(make_bench):
    """Swapping in and out happens under its nose."""
    bench = make_bench({"mine": -1})
    bench.run("mine = 'the run has its own'")
    stop = threading.Event()
    last = []

    def write():
        number = 0
        while not stop.is_set():
            bench.namespace["mine"] = number
            last[:] = [number]
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(100):
        bench.run("x = 1")
    stop.set()
    thread.join()
    assert bench.namespace["mine"] == last[0]


def test_functions_of_earlier_steps_may_bind_through_global(make_bench):
    """What they declared global counts in later steps."""
    bench = make_bench({"mine": 1})
    bench.run("def bump():\n    global mine\n    mine = 99")
    assert bench.changes("bump()") == {("mine", "rebound", True)}
    assert bench.namespace["mine"] == 1


def test_functions_of_earlier_steps_that_use_exec_may_bind_anything(make_bench):
    """Where a step mentions them."""
    bench = make_bench({"mine": 1})
    bench.run("def act(code):\n    exec(code, globals())")
    assert bench.changes("act('mine = 2')") == {("mine", "rebound", True)}
    assert bench.namespace["mine"] == 1


def test_an_emptied_namespace_comes_back(make_bench):
    """For the user and for the model, which is told so."""
    bench = make_bench({"mine": 1}, contexts=["mine"], doors={"llm_query": str.upper})
    bench.run("new = 2\nmine = 10")
    output = bench.run("globals().clear()").output
    assert "emptied" in output.notices[0]
    assert bench.namespace["mine"] == 1
    assert bench.run("(mine, new, context, llm_query('x'))").value == (10, 2, 10, "X")


def test_names_are_given_back_after_a_failure_too(make_bench):
    """Whatever the step raises."""
    for error in ("1 / 0", "raise KeyboardInterrupt", "raise SystemExit", "FINAL(1)", "raise BaseException('x')"):
        bench = make_bench({"mine": 1})
        bench.run(f"mine = 2\n{error}")
        assert bench.namespace["mine"] == 1
        assert bench.executor.vars["mine"] == 2


def test_underscore_is_no_news(bench):
    """Loops bind it; the shell keeps the last result there."""
    before = bench.namespace.get("_", "absent")
    output = bench.run("for _ in range(3): pass").output
    assert output.changes == ()
    if bench.kind == "shell":
        assert bench.namespace["_"] is before
    assert "_" not in bench.executor.vars


def test_vars_name_the_functions_written_against_the_runs_version(make_bench):
    """After the run such a function would use the user's."""
    bench = make_bench({"mine": 1, "other": 2})
    bench.run("mine = 10\ndef f():\n    return [mine for _ in range(2)]\ndef g():\n    return other")
    variables = bench.executor.vars
    assert variables.functions == {"f": ("mine",)}
    assert dict(variables).keys() == {"mine", "f", "g"}
    assert "f() uses the run's mine" in repr(variables)
    assert "kept apart" in repr(variables)


def test_vars_stay_after_the_end(make_bench):
    """The layer is reachable through them alone."""
    bench = make_bench({"mine": 1})
    bench.run("mine = [1]\nnew = [2]")
    bench.executor.close()
    assert dict(bench.executor.vars) == {"mine": [1], "new": [2]}
    assert bench.namespace["mine"] == 1
    bench.namespace["new"] = [3]
    assert dict(bench.executor.vars) == {"mine": [1]}


def test_values_given_with_the_question_are_there_for_executions_only(make_bench):
    """The user's variable of that name is another one."""
    bench = make_bench({"df": "the user's"}, contexts=["df", "more"], values={"df": [1], "more": [2]})
    assert bench.run("(df, more, context)").value == ([1], [2], {"df": [1], "more": [2]})
    assert bench.namespace["df"] == "the user's"
    assert "more" not in bench.namespace
    bench.run("more = 5")
    assert "more" not in bench.namespace
    assert bench.run("more").value == 5


class Hostile:
    """Answers every question about itself with an error."""

    @property
    def __class__(self):
        raise RuntimeError("class")

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __sizeof__(self):
        raise RuntimeError("sizeof")

    def __len__(self):
        raise RuntimeError("len")

    def __eq__(self, other):
        raise RuntimeError("eq")

    def __repr__(self):
        raise RuntimeError("repr")

    __hash__ = None


def test_an_object_that_answers_nothing_harms_no_step(make_bench):
    """Proxies outside of their context are like that, and one among the user's variables must not stop every run."""
    hostile = Hostile()
    bench = make_bench({"hostile": hostile, "other": 1}, contexts=["hostile"], writable=frozenset({"other"}))

    assert bench.run("SHOW_VARS()").output.failure is None
    assert bench.run("mine = hostile\nother = hostile\nhostile = 3").output.failure is None
    assert bench.run("other = mine = 5\nglobals()['mine']").output.failure is None
    assert bench.namespace["hostile"] is hostile
    assert user_names(bench.namespace)[-3:] == ("hostile", "other", "mine")
