"""FINAL and its like, the doors, context and answer."""

import pytest

from rlm_kernel.errors import RunEnded
from rlm_kernel.trajectory.records import Final


def ask(prompt):
    return f"asked {prompt}"


def test_final_ends_the_step_with_its_value(bench):
    """The value is the object itself, and what follows does not run."""
    outcome = bench.run("x = [1]\nFINAL(x)\nx.append(2)")
    assert outcome.final.value is bench.namespace["x"]
    assert outcome.final.value == [1]
    assert outcome.output.failure is None
    assert outcome.output.text == ""


@pytest.mark.parametrize("value", ["None", "0", "''", "False", "[]"])
def test_an_empty_answer_is_an_answer(bench, value):
    """None too: it was said."""
    assert bench.run(f"FINAL({value})").final == Final(eval(value))


def test_a_bare_except_cannot_lose_the_answer(bench):
    """It was recorded when FINAL was called; the first one counts."""
    outcome = bench.run(
        "try:\n    FINAL(1)\nexcept:\n    pass\ntry:\n    FINAL(2)\nexcept BaseException:\n    print('on')"
    )
    assert outcome.final == Final(1)
    assert outcome.output.stdout == "on\n"


def test_final_in_a_thread_counts(bench):
    """A pool of the model's may find the answer."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool:\n"
        "    pool.submit(FINAL, 7).exception()"
    )
    assert bench.run(code).final == Final(7)


def test_an_answer_does_not_stay_for_the_next_step(bench):
    """A refused answer is given anew or not at all."""
    assert bench.run("FINAL(1)").final == Final(1)
    assert bench.run("x = 1").final is None


def test_final_without_a_value_says_what_is_missing(bench):
    """As the model reads it."""
    outcome = bench.run("FINAL()")
    assert outcome.final is None
    assert (outcome.output.failure.kind, "FINAL(result)" in outcome.output.failure.message) == ("TypeError", True)


def test_final_var_takes_a_name_or_the_object_itself(bench):
    """Models write both."""
    bench.run("result = [1]")
    assert bench.run("FINAL_VAR('result')").final == Final([1])
    assert bench.run("FINAL_VAR(' \"result\" ')").final == Final([1])
    assert bench.run("FINAL_VAR(result)").final == Final([1])
    assert bench.run("FINAL_VAR('The answer is 5.')").final == Final("The answer is 5.")


def test_final_var_of_an_unknown_name_names_the_nearest(bench):
    """And what exists."""
    bench.run("result = 1\nimport json")
    failure = bench.run("FINAL_VAR('reslt')").output.failure
    assert failure.kind == "NameError"
    assert "did you mean 'result'" in failure.message
    assert "json" not in failure.message


def test_show_vars_lists_variables_and_nothing_else(make_bench):
    """As text that shows as itself, printed or echoed."""
    bench = make_bench({"data": [1, 2, 3]}, contexts=["data"], doors={"llm_query": ask})
    bench.run("total = 6\nimport json")
    output = bench.run("SHOW_VARS()").output
    assert output.echo == "data: list of 3\ntotal: int 6\n"
    assert bench.run("print(SHOW_VARS())").output.stdout == output.echo


def test_small_models_may_write_final_in_their_own_way(make_bench):
    """Unless the user has such a name."""
    assert make_bench().run("final(3)").final == Final(3)
    assert make_bench().run("Final(3)").final == Final(3)
    assert make_bench({"final": str.upper}).run("final('x')").value == "X"


def test_final_as_a_variable_is_an_ordinary_variable(bench):
    """It is a name that models like for results."""
    output = bench.run("final = [1, 2]").output
    assert [(one.name, one.how) for one in output.changes] == [("final", "bound")]
    assert output.notices == ()
    assert bench.namespace["final"] == [1, 2]
    assert bench.run("FINAL(final)").final == Final([1, 2])


def test_the_answer_form_of_the_reference_ends_the_run(bench):
    """``answer["ready"] = True`` after the content, in one step or several."""
    assert bench.run("answer['content'] = [1]").final is None
    assert bench.run("answer['ready'] = True").final == Final([1])
    assert bench.run("x = 1").final is None
    assert bench.run("answer = {'content': 2, 'ready': True}").final == Final(2)
    assert bench.run("x = 1").final is None
    assert "answer" not in bench.namespace


def test_answer_as_a_variable_is_an_ordinary_variable(bench):
    """A model that never heard of the form uses the name all the same."""
    assert bench.run("answer = 42").final is None
    assert bench.namespace["answer"] == 42
    assert bench.run("answer + 1").value == 43


def test_the_users_own_answer_is_no_answer(make_bench):
    """Even if it has the form."""
    bench = make_bench({"answer": {"content": 1, "ready": True}})
    assert bench.run("x = answer").final is None
    assert bench.run("answer = {'content': 2, 'ready': True}").final == Final(2)
    assert bench.namespace["answer"]["content"] == 1


def test_context_is_the_one_variable_or_a_dict_of_several(make_bench):
    """There during executions, gone outside, absent where there is none."""
    one = make_bench({"data": [1]}, contexts=["data"])
    assert one.run("context is data").value is True
    assert "context" not in one.namespace
    several = make_bench({"data": [1], "more": [2]}, contexts=["data", "more"])
    assert several.run("kept = context\nsorted(context)").value == ["data", "more"]
    assert several.run("kept is context").value is True
    assert make_bench().run("context").output.failure.kind == "NameError"


def test_context_follows_the_runs_version(make_bench):
    """Once the model has rebound the variable."""
    bench = make_bench({"data": [1]}, contexts=["data"])
    bench.run("data = [2]")
    assert bench.run("context").value == [2]


def test_a_variable_of_the_users_named_context_is_as_any_other(make_bench):
    """Swapped out for the execution, there again after it."""
    bench = make_bench({"context": "the user's", "data": [1]}, contexts=["data"])
    assert bench.run("context").value == [1]
    assert bench.namespace["context"] == "the user's"
    assert make_bench({"context": [5]}, contexts=["context"]).run("context").value == [5]


@pytest.mark.parametrize("code", ["FINAL = 1", "del llm_query", "context = context[:1]", "def llm_query(x): return x"])
def test_names_of_the_run_are_restored_and_the_model_is_told(make_bench, code):
    """In one sentence."""
    bench = make_bench({"data": [1, 2]}, contexts=["data"], doors={"llm_query": ask})
    output = bench.run(code).output
    assert len(output.notices) == 1
    assert "back as it was" in output.notices[0]
    assert output.changes == ()
    assert bench.run("(llm_query('x'), context)").value == ("asked x", [1, 2])


def test_doors_and_final_stay_after_the_run_and_know_that_it_is_over(make_bench):
    """A function that the model wrote still works; FINAL says that there is no run."""
    bench = make_bench({"data": [1]}, contexts=["data"], doors={"llm_query": ask})
    bench.run("def f():\n    return llm_query('x')")
    bench.executor.close()
    assert bench.namespace["f"]() == "asked x"
    for name in ("FINAL", "FINAL_VAR"):
        with pytest.raises(RunEnded, match="no run is going on"):
            bench.namespace[name]("f")
    assert not {"context", "answer", "final", "Final"} & bench.namespace.keys()
    with pytest.raises(RunEnded):
        bench.run("1")


def test_a_users_variable_named_like_a_door_is_theirs_outside_of_executions(make_bench):
    """During executions it is ours."""
    bench = make_bench({"llm_query": "the user's"}, doors={"llm_query": ask})
    assert bench.run("llm_query('x')").value == "asked x"
    assert bench.namespace["llm_query"] == "the user's"
    bench.executor.close()
    assert bench.namespace["llm_query"] == "the user's"


def test_a_later_run_takes_the_doors_over(make_bench):
    """Names that an earlier run left are no variables of the user's."""
    first = make_bench(doors={"llm_query": ask})
    first.run("1")
    first.executor.close()
    if first.kind == "plain":
        return
    second = make_bench(doors={"llm_query": str.upper})
    assert second.run("llm_query('x')").value == "X"
    second.executor.close()
    assert second.namespace["llm_query"]("x") == "X"


def test_extras_are_there_where_nobody_has_the_name(make_bench):
    """And go with the run, unless a function that it wrote uses them."""
    import json
    import re

    bench = make_bench({"re": "the user's"}, extras={"json": json, "re": re, "rx": re})
    assert bench.run("(json.loads('1'), re)").value == (1, "the user's")
    assert "json" not in bench.namespace
    bench.run("def parse(text):\n    return json.loads(text)")
    bench.executor.close()
    assert bench.namespace["parse"]("[1]") == [1]
    assert "rx" not in bench.namespace


def test_an_extra_that_the_model_imports_itself_is_a_new_name(make_bench):
    """Though the module is the very same object."""
    import json

    bench = make_bench(extras={"json": json})
    assert bench.changes("import json") == {("json", "bound", False)}
    assert bench.namespace["json"] is json
