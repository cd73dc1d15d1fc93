"""``%rlm`` over stored runs: runs, report, diff, replay, save, load, show."""

import rlm_kernel as rlm


def test_runs_are_listed_compared_saved_loaded_and_replayed(shell, model, cell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for last in ("FINAL(x * 2)", "FINAL(x * 3)"):
        model("x = 14\nprint(x)", last)
        cell("%%rlm -q\nHow much?")
        shell.run_cell("run = %rlm last")
    second = shell.user_ns["run"]
    first = shell._rlm_session.runs[-2]

    listed = cell("%rlm runs").printed
    assert listed.index(second.id) < listed.index(first.id)
    assert "How much?" in listed
    assert "2 steps" in listed
    assert "x * 3" in cell(f"%rlm diff {first.id} {second.id}").printed
    assert "2 of 30" in cell("%rlm report").printed
    assert "run.html" in cell("%rlm save run.html").printed
    assert (tmp_path / "run.html").exists()
    cell("%rlm save run.rlm")
    shell.run_cell("loaded = %rlm load run.rlm")
    assert shell.user_ns["loaded"].answer == "42"
    assert cell("%rlm replay").result == 42
    assert "x = 14" in cell(f"%rlm show {first.id}").printed


def test_each_says_what_it_takes(shell, model, cell):
    for line, said in (
        ("%rlm diff", "takes the ids of two runs"),
        ("%rlm save", "takes a path that ends in"),
        ("%rlm load", "takes the path of a saved run"),
        ("%rlm runs many", "takes a whole number above 0"),
        ("%rlm report a b", "takes one run"),
    ):
        result = cell(line)
        assert isinstance(result.error_in_exec, rlm.ConfigError)
        assert said in result.printed
