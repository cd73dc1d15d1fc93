"""``%rlm`` commands, loading and unloading, in a real shell."""

import rlm_kernel as rlm


def test_alone_it_lists_the_commands(cell):
    printed = cell("%rlm").printed
    for command in ("config", "status", "last", "show", "local"):
        assert f"%rlm {command}" in printed


def test_an_unknown_command_names_the_nearest(cell):
    result = cell("%rlm statsu")

    assert isinstance(result.error_in_exec, rlm.ConfigError)
    assert "did you mean 'status'?" in result.printed


def test_config_sets_shows_and_masks(cell):
    cell("%rlm config --model gpt-x --base-url http://user:pw@127.0.0.1:1/v1 --api-key sk-abcdefgh --max-steps 7")
    printed = cell("%rlm config").printed

    assert "gpt-x" in printed
    assert "7" in printed
    assert "sk-abc" not in printed
    assert "pw" not in printed
    assert "127.0.0.1:1/v1" in printed


def test_config_of_what_does_not_fit_changes_nothing(cell):
    assert "there is no option" in cell("%rlm config --modle x").printed
    assert "steps must be" in cell("%rlm config --max-steps zero").printed
    assert "zero" not in cell("%rlm config").printed


def test_configuration_files_are_the_weakest_source(shell, cell, monkeypatch):
    from rlm_kernel.session import Session

    session = Session(shell, defaults={"model": "from-file", "steps": 3})
    assert session.settings().model == "from-file"
    monkeypatch.setenv("RLM_MODEL", "from-env")
    assert session.settings().model == "from-env"
    session.configure({"model": "from-config"})
    assert session.settings().model == "from-config"
    assert session.settings({"model": "from-cell"}).model == "from-cell"
    assert session.settings().limits.steps == 3


def test_last_status_and_show_before_and_after_a_run(shell, model, cell):
    assert "no run yet" in cell("%rlm last").printed
    assert "no run yet" in cell("%rlm status").printed

    model("FINAL(40 + 2)")
    cell("%%rlm -q\nGo.")
    cell("run = %rlm last")
    run = shell.user_ns["run"]

    assert run.answer == 42
    assert run.id in cell("%rlm status").printed
    assert "FINAL(40 + 2)" in cell("%rlm show").printed
    assert "FINAL(40 + 2)" in cell(f"%rlm show {run.id}").printed
    assert "0 stored runs have the id 'nope'" in cell("%rlm show nope").printed


def test_local_shows_its_state(cell):
    assert "takes start or stop" in cell("%rlm local dance").printed
    assert cell("%rlm local").error_in_exec is None


def test_unloading_takes_the_magics_away_and_loading_brings_them_back(shell, cell):
    cell("%unload_ext rlm_kernel")
    assert "not found" in cell("%rlm").printed

    cell("%load_ext rlm_kernel")
    assert "%rlm config" in cell("%rlm").printed


def test_a_base_url_that_is_none_can_be_looked_at(shell, cell):
    cell("%rlm config --base-url http://[bad")

    assert "base_url      (no URL)" in cell("%rlm config").printed


def test_unloaded_under_one_of_its_names_it_can_be_loaded_under_the_other(shell, cell):
    cell("%load_ext rlm")
    cell("%unload_ext rlm")
    assert "rlm" not in shell.magics_manager.magics["cell"]

    cell("%load_ext rlm_kernel")

    assert "rlm" in shell.magics_manager.magics["cell"]
    assert "no run yet" in cell("%rlm status").printed
