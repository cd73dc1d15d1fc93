"""``%%rlm`` in a real shell."""

import json
import signal
import socket
import threading

import pytest

import rlm_kernel as rlm
from rlm_kernel.testing import Fault, ScriptedModel


def test_the_answer_is_the_cells_value(shell, model, cell):
    """Shown as Out, kept in _, bound to -o: the object, not its text."""
    model("FINAL([n * 2 for n in numbers])")
    shell.run_cell("numbers = [1, 2, 3]")

    result = cell("%%rlm numbers -o doubled\nDouble them.")

    assert result.result == [2, 4, 6]
    assert shell.user_ns["doubled"] is result.result
    assert shell.user_ns["_"] is result.result
    assert "Double them." in result.printed
    assert "FINAL([n * 2 for n in numbers])" in result.printed


def test_a_name_in_the_question_is_a_context_and_prose_stays_prose(shell, model, cell):
    server = model("FINAL(sorted(context))")
    shell.run_cell("a, b = [1], [2]")

    result = cell("%%rlm a\nCompare with @b and mail me@example.org or @nobody.")

    assert result.result == ["a", "b"]
    assert "@nobody is no variable" in result.printed
    assert "example" not in result.printed.split("\n")[0]
    assert "`b`" in server.requests[0].body["messages"][-1]["content"]


def test_without_a_name_the_model_is_told_of_the_users_variables(shell, model, cell):
    server = model("FINAL(len(speeds))")
    shell.run_cell("speeds = [10, 20, 30]\nimport math")

    assert cell("%%rlm\nHow many speeds are there?").result == 3
    told = server.requests[0].body["messages"][-1]["content"]
    assert "speeds" in told
    assert "math" not in told


def test_in_out_and_the_counter_stay_as_they_were(shell, model, cell):
    """Steps leave no trace in the history of the user's cells."""
    model("x = 1\nx", "_ = 5\nFINAL(x)")
    shell.run_cell("40 + 2", store_history=True)
    before, count = dict(shell.user_ns["Out"]), shell.execution_count

    cell("%%rlm\nGo.")

    assert shell.execution_count == count + 1
    assert {k: v for k, v in shell.user_ns["Out"].items() if k < count} == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--max-stps 3", "did you mean --max-steps?"),
        ("numbrs", "no variable 'numbrs'; did you mean 'numbers'?"),
        ("--max-steps none -o 3x", "-o takes a name"),
        ("--max-steps -3", "steps must be a whole number above 0"),
        ("--max-steps 2.5", "steps must be a whole number above 0"),
        ("--max-seconds nan", "seconds must be a number above 0"),
        ("--max-seconds 1e12", "seconds must be a number above 0"),
        ("--call-timeout inf", "call_seconds must be a number above 0"),
        ("--temperature nan", "temperature must be a number"),
        ("--temperature -1", "temperature must be a number of 0 or more"),
        ("-o class", "-o takes a name"),
        ("--max-seconds soon", "seconds must be a number above 0"),
        ("--temperature hot", "temperature must be a number"),
        ("--write nope", "no variable 'nope'"),
        ("'unclosed", "cannot be read"),
    ],
)
def test_a_bad_line_is_a_one_line_error_before_anything_is_asked(shell, model, cell, line, words):
    server = model("FINAL(1)")
    shell.run_cell("numbers = [1]")

    result = cell(f"%%rlm {line}\nGo.")

    assert isinstance(result.error_in_exec, rlm.ConfigError)
    assert words in result.printed
    assert len(result.printed.strip().splitlines()) == 1
    assert server.requests == []


def test_a_run_that_is_not_done_is_a_one_line_error_and_leaves_out_untouched(shell, model, cell):
    """So Run All stops; the run keeps what there is."""
    model().model = ScriptedModel(["```python\nprint('some evidence')\n```", "It says so."])
    shell.run_cell("keep = 'mine'")

    result = cell("%%rlm -o keep --max-steps 1 -q\nGo.")

    assert isinstance(result.error_in_exec, rlm.RunNotDone)
    assert len(result.printed.strip().splitlines()) == 1
    assert "limit of 1 step" in result.printed
    assert shell.user_ns["keep"] == "mine"
    run = shell.run_line_magic("rlm", "last")
    assert run.status == "limit"
    assert run.extracted
    assert run.answer == "It says so."
    assert len(run.steps) == 1


def test_what_a_server_says_cannot_steer_the_terminal(shell, model, cell):
    """Escape codes, line ends and unseen marks of an error's text are written out, in the tree and in the error."""
    server = model()
    server.faults = [Fault(status=404, text=json.dumps({"error": {"message": "no \x1b[2J\x07\u202e\rmodel"}}))]

    result = cell("%%rlm\nGo.")

    assert isinstance(result.error_in_exec, rlm.RunNotDone)
    assert "model" in result.printed
    assert not set(result.printed) & set("\x1b\x07\u202e\r")
    assert result.printed.splitlines()[-1].startswith("RunNotDone: the run ended as failed: ")


def test_the_users_names_stay_theirs(shell, model, cell):
    """Rebound and deleted names go into the run's layer; new ones stay."""
    model("mine = 'changed'\ndel other\nnew = 7\nprint(mine)", "FINAL((mine, 'other' in globals(), new))")
    shell.run_cell("mine, other = 'mine', 'other'")

    result = cell("%%rlm mine\nGo.")

    assert result.result == ("changed", False, 7)
    assert (shell.user_ns["mine"], shell.user_ns["other"], shell.user_ns["new"]) == ("mine", "other", 7)
    assert shell.run_line_magic("rlm", "last").vars["mine"] == "changed"


def test_write_hands_a_name_over(shell, model, cell):
    model("mine = 'changed'\nFINAL(mine)")
    shell.run_cell("mine = 'mine'")
    cell("%%rlm mine --write mine\nGo.")

    assert shell.user_ns["mine"] == "changed"


def test_doors_are_restored_when_the_model_rebinds_them(shell, model, cell):
    server = model("llm_query = None\nprint(1)", "FINAL(callable(llm_query))")

    assert cell("%%rlm\nGo.").result is True
    assert "llm_query" in server.requests[1].body["messages"][-1]["content"]


def test_a_users_variable_of_a_door_s_name_is_treated_as_any_other(shell, model, cell):
    model("FINAL(callable(llm_query))")
    shell.run_cell("llm_query = 'mine'")

    assert cell("%%rlm\nGo.").result is True
    assert shell.user_ns["llm_query"] == "mine"


def test_context_goes_and_the_query_functions_stay(shell, model, cell):
    model("FINAL(len(context))", "three")
    shell.run_cell("numbers = [1, 2]")

    assert cell("%%rlm numbers\nGo.").result == 2
    assert "context" not in shell.user_ns
    assert "three" in shell.run_cell("llm_query('two?')").result
    assert "llm_query" not in cell("%who").printed


def test_a_step_s_traceback_does_not_leak_into_the_cell(shell, model, cell):
    model("1 / 0", "FINAL('a' + 'b')")

    result = cell("%%rlm -q\nGo.")

    assert result.result == "ab"
    assert "Traceback" not in result.printed


def test_hostile_model_text_shows_as_text(shell, model, cell):
    """No control sequence of a model reaches the terminal."""
    model("print('\\x1b[31mred\\x1b]0;title\\x07')", "FINAL('<img src=x onerror=alert(1)>\\x1b[2J' + '')")

    printed = cell("%%rlm\nGo.").printed

    assert "\x1b]0" not in printed
    assert "\x1b[31m" not in printed
    assert "onerror" in printed


def test_a_question_inside_a_run_is_refused(shell, model, cell):
    """No nested run charges anyone, and the settings are locked meanwhile."""
    server = model("get_ipython().run_cell_magic('rlm', '', 'inner')", "%rlm config --model other", "FINAL('a' + 'b')")

    assert cell("%%rlm -q\nGo.").result == "ab"
    assert "use llm_query" in server.requests[1].body["messages"][-1]["content"]
    assert "cannot be changed" in server.requests[2].body["messages"][-1]["content"]


def test_quiet_shows_the_answer_alone(shell, model, cell):
    model("FINAL(1 + 1)")

    assert cell("%%rlm -q\nGo.").printed.strip() == "Out[1]: 2"


def test_the_help_documents_every_option(shell, cell):
    text = shell.find_cell_magic("rlm").__doc__
    for option in ("--out", "--model", "--sub-model", "--max-steps", "--max-calls", "--max-tokens", "--max-seconds"):
        assert option in text
    for option in ("--call-timeout", "--temperature", "--seed", "--withhold", "--write", "--quiet"):
        assert option in text


def test_an_endpoint_elsewhere_is_announced_once(shell, model, cell, monkeypatch):
    from rlm_kernel.session import session_of
    from rlm_kernel.testing import ScriptedModel

    far = ScriptedModel(["```python\nFINAL(1 + 1)\n```"] * 2, name="far")
    far.endpoint, far.on_this_machine = "https://models.example/v1", False
    monkeypatch.setattr(session_of(shell), "model", lambda *_: far)

    first, second = cell("%%rlm -q\nGo."), cell("%%rlm -q\nGo.")

    assert "will be sent to https://models.example/v1" in first.printed
    assert "models.example" not in second.printed


def test_any_name_that_python_can_use_may_be_asked_about(shell, model, cell):
    """A name need not begin with a letter of English, and an unknown one is told of once."""
    model("FINAL(größe + über)")
    shell.run_cell("größe, über = 1, 2")

    result = cell("%%rlm\nAdd @größe to @über, said @someone and @someone.")

    assert result.result == 3
    assert [c.name for c in shell._rlm_session.last.tree().folded.root.started.contexts] == ["größe", "über"]
    assert result.printed.count("@someone is no variable") == 1


def test_an_interrupt_before_the_run_began_is_one_line(shell, model, cell, monkeypatch):
    """While the server is asked for its window, or the local model loads."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        timer = threading.Timer(0.8, signal.raise_signal, [signal.SIGINT])
        timer.start()
        result = cell("%%rlm\nGo.")
        timer.join()

    assert isinstance(result.error_in_exec, rlm.RunNotDone)
    assert len(result.printed.strip().splitlines()) == 1
    assert "before the run began" in result.printed
