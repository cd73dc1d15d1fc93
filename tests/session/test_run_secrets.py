"""Known secrets reach no model and no trajectory, wherever they stand."""

import rlm_kernel as rlm
from rlm_kernel.testing import ScriptedModel


def test_a_secret_in_question_data_and_names_is_blanked_before_anything_is_sent(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "kept-between-us-77")
    model = ScriptedModel(["```python\nprint(note)\n```", "```python\nFINAL(len(note))\n```"])
    run = rlm.run("Is kept-between-us-77 in it?", {"note": "note: kept-between-us-77"}, model=model)

    assert run.answer == len("note: kept-between-us-77")
    assert "kept-between" not in str(model.requests)
    assert "kept-between" not in repr(run.events)
    assert "[secret]" in run.question


def test_a_secret_in_the_inventory_is_blanked(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("MY_PASSWORD", "hunter2-hunter2")
    shell = InteractiveShell.instance()
    try:
        shell.user_ns["login"] = "user hunter2-hunter2"
        model = ScriptedModel(["```python\nFINAL(1 + 1)\n```"])
        rlm.run("Who?", model=model)
        assert "login" in str(model.requests)
        assert "hunter2" not in str(model.requests)
    finally:
        InteractiveShell.clear_instance()
