"""Runs outlive their process: stored as they go on, listed, loaded, saved, compared, replayed."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import rlm_kernel as rlm
from rlm_kernel.interface import session
from rlm_kernel.testing import ScriptedModel


def block(code):
    return f"```python\n{code}\n```"


def asked(*codes, question="How many?", context=None, **options):
    return rlm.run(question, context or {}, model=ScriptedModel([block(code) for code in codes]), **options)


def test_every_run_is_listed_and_loads_with_all_that_it_did():
    first = asked("print(6 * 7)", "FINAL(6 * 7)")
    second = asked("FINAL('second' + '')", question="And this?")

    assert [stored.id for stored in rlm.runs()] == [second.id, first.id]
    newest = rlm.runs()[1]
    assert (newest.question, newest.status, newest.steps, newest.calls) == ("How many?", "done", 2, 2)
    loaded = rlm.load(first.id)
    assert loaded.events == first.events
    assert (loaded.status, loaded.answer, loaded.steps[0].output) == ("done", "42", "42")
    assert loaded.usage == first.usage
    assert str(loaded.tree()) == str(first.tree())


def test_a_run_whose_process_is_killed_loads_as_stopped_with_what_it_did(tmp_path):
    script = textwrap.dedent(
        """
        import rlm_kernel as rlm
        from rlm_kernel.testing import ScriptedModel
        codes = ["print('first')", "import time; print('second', flush=True); time.sleep(60)"]
        rlm.run("q", model=ScriptedModel([f"```python\\n{code}\\n```" for code in codes]), sinks=[
            lambda event: print(event.tag, getattr(event, "step", ""), flush=True)])
        """
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("step_started 2"):
                break
        os.kill(process.pid, signal.SIGKILL)
    [stored] = rlm.runs()
    loaded = rlm.load(stored.id)

    assert stored.status == loaded.status == "stopped"
    assert [step.output for step in loaded.steps] == ["first", ""]


@pytest.mark.parametrize("ending", ["jsonl", "rlm", "html", "ipynb", "py"])
def test_a_run_is_saved_in_every_form_and_two_of_them_load_again(tmp_path, ending):
    run = asked("total = sum(numbers)\nprint(total)", "FINAL(total)", context={"numbers": [1, 2, 3]})
    path = run.save(tmp_path / f"run.{ending}")

    assert path.exists()
    text = path.read_text()
    if ending in {"jsonl", "rlm"}:
        assert rlm.load(path).answer == "6"
    elif ending == "ipynb":
        assert json.loads(text)["nbformat"] == 4
    else:
        assert "sum(numbers)" in text
    if ending == "html":
        assert "<script" not in text


def test_the_report_tells_where_it_went():
    report = asked("a = llm_query('hi')\nprint(a)", "yes", "FINAL(a)").report()
    assert "3 of 500, 1 sub-call" in report
    assert "How many?" in report


def test_a_replay_answers_from_the_record_alone():
    run = asked("x = 20\nprint(x)", "y = llm_query('add')\nprint(y)", "one", "FINAL(x + len(y))")
    again = run.replay()

    assert again.id != run.id
    assert again.answer == run.answer == 37
    assert again.warnings == ()
    assert again.usage.cost == 0


def test_a_replay_that_comes_out_otherwise_says_where():
    numbers = [1, 2, 3]
    run = asked("print(sum(numbers))", "FINAL(sum(numbers))", context={"numbers": numbers})
    again = run.replay({"numbers": [1, 2, 4]})

    assert any("the replay differs" in warning and "step 1" in warning for warning in again.warnings)


def test_a_loaded_run_replays_with_its_context_given_again():
    run = asked("print(len(text))", "FINAL(len(text))", context={"text": "abc"})
    again = session().replay(rlm.load(run.id), {"text": "abc"})

    assert again.answer == 3
    assert again.warnings == ()


def test_what_is_not_there_is_one_line():
    with pytest.raises(rlm.StoreError, match="0 stored runs have the id 'nothing'"):
        rlm.load("nothing")
    with pytest.raises(rlm.StoreError):
        rlm.load("no-such-file.rlm")
    with pytest.raises(rlm.StoreError, match="ends in none of them"):
        asked("FINAL(1 + 1)").save("run.doc")


def test_a_store_that_cannot_be_written_costs_no_run(monkeypatch, tmp_path):
    place = tmp_path / "file"
    place.write_text("no folder")
    monkeypatch.setenv("RLM_STORE", str(place))
    assert asked("FINAL(1 + 1)").answer == 2


def test_the_store_takes_little_time_beside_the_loop():
    """Not a measurement: only that no step waits for a disk."""
    began = time.monotonic()
    asked(*["print(1)"] * 20, "FINAL(1 + 1)")
    assert time.monotonic() - began < 20


def test_a_replay_has_the_windows_that_the_run_had():
    """The prompt names them: with others it would part from the record at once."""
    run = rlm.run("q", model=ScriptedModel([block("print(1)"), block("FINAL(1 + 1)")], window=3_000))
    again = run.replay()

    assert "3,000 tokens" in run.calls[0].started.request.messages[0].content
    assert again.calls[0].started.request.messages == run.calls[0].started.request.messages
    assert again.warnings == ()
