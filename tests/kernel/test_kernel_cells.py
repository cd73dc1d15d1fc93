"""Cells of a real kernel: questions, what they need, and what happens without it."""

import os

import pytest

from rlm_kernel.testing import ScriptedModel, serve


@pytest.fixture(scope="module")
def server():
    def reply(messages):
        shown = "".join(message.content for message in messages)
        return "```python\nFINAL(sum(speeds))\n```" if "speeds" in shown else "```python\nFINAL('nothing')\n```"

    with serve(ScriptedModel(reply)) as server:
        yield server


@pytest.fixture(scope="module")
def run(start, server):
    return start(OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY=server.api_key, RLM_MODEL="scripted")


def result(messages):
    found = [m["content"]["data"]["text/plain"] for m in messages if m["msg_type"] == "execute_result"]
    return found[0] if found else None


def printed(messages):
    return "".join(m["content"]["text"] for m in messages if m["msg_type"] == "stream")


def test_a_question_cell_is_answered(run):
    """Its value is the cell's, and the model was told of the variable that the cell names."""
    run("speeds = [10, 20, 30]")

    reply, messages = run("@speeds what do they add up to?")

    assert reply["status"] == "ok"
    assert result(messages) == "60"
    assert result(run("_ + 1")[1]) == "61"


def test_a_question_without_a_name_is_about_all_variables(run):
    run("speeds = [10, 20, 30]")

    assert result(run("@ what do the speeds add up to?")[1]) == "60"


def test_a_name_that_does_not_exist_is_an_error_in_one_line(run):
    """The magic's own, with the nearest match."""
    run("speeds = [10, 20, 30]")

    reply, _ = run("@speed what do they add up to?")

    assert reply["status"] == "error"
    assert "did you mean 'speeds'?" in reply["evalue"]


def test_decorators_run_as_python(run):
    reply, messages = run("import functools\n@functools.cache\ndef f():\n    return 7\nf()")
    assert (reply["status"], result(messages)) == ("ok", "7")

    reply, messages = run("@functools.lru_cache (maxsize=2)\ndef g():\n    return 8\ng()")
    assert (reply["status"], result(messages)) == ("ok", "8")


def test_a_mistake_in_a_decorator_is_pythons_to_report(run, server):
    """No model hears of it."""
    heard = len(server.requests)

    reply, _ = run("@lru_cache maxsize\ndef f(): ...")

    assert reply["ename"] == "SyntaxError"
    assert len(server.requests) == heard


def test_the_kernel_says_what_it_is(run):
    run.client.kernel_info()
    info = run.client.get_shell_msg(timeout=60)["content"]

    assert info["implementation"] == "rlm"
    assert "@name your question" in info["banner"]
    assert info["help_links"][0]["text"] == "Recursive Language Models"


def test_a_silent_request_asks_nothing(run, server):
    """Front ends run code of their own silently, which no user wrote."""
    heard = len(server.requests)

    run("@speeds what do they add up to?", silent=True)

    assert len(server.requests) == heard


def test_python_works_where_the_extension_does_not_load(start, tmp_path):
    """And one line in the first cell says what is missing and why."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['rlm_kernel.magics'] = None")
    run = start(PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))

    reply, messages = run("6 * 7")
    assert result(messages) == "42"
    said = printed(messages)
    assert said.startswith("rlm: Python cells work, questions and %%rlm do not: rlm_kernel did not load (")
    assert said.count("\n") == 1

    reply, _ = run("@df what is in it?")
    assert (reply["ename"], reply["evalue"]) == ("UsageError", "Cell magic `%%rlm` not found.")
    assert printed(run("1")[1]) == ""
