"""Stepping between cells: ``%rlm step``, edit, skip, hint and their like, in a real shell."""

import rlm_kernel as rlm


def test_a_stepped_cell_returns_with_the_run_suspended_and_the_code_on_view(shell, model, cell):
    model("x = 1\nprint('first', x)", "FINAL(x + 41)")

    result = cell("%%rlm --step -o found\nGo.")
    assert result.success
    assert result.result is None
    assert "paused before step 1" in result.printed
    assert "print('first', x)" in result.printed
    assert "x" not in shell.user_ns

    assert cell("%rlm step").result is None
    assert shell.user_ns["x"] == 1
    assert cell("%rlm step").result == 42
    assert shell.user_ns["found"] == 42


def test_edit_puts_the_code_into_a_new_cell_and_running_it_is_the_step(shell, model, cell):
    model("x = 1\nprint(x)", "FINAL(x)")
    cell("%%rlm --step -q\nGo.")
    cell("%rlm edit")
    text = shell.rl_next_input or shell.payload_manager.read_payload()[-1]["text"]
    assert text == "%%rlm_step\nx = 1\nprint(x)"

    cell(text.replace("x = 1", "x = 5"))
    assert shell.user_ns["x"] == 5
    assert cell("%rlm continue").result == 5


def test_skip_reject_hint_and_stop(shell, model, cell):
    server = model("a = 1", "b = 2", "FINAL(3 + 0)")
    cell("%%rlm --step -q\nGo.")
    cell('%rlm hint "mind the gap"')
    cell("%rlm skip")
    cell("%rlm reject not that either")
    told = [request.body["messages"][-1]["content"] for request in server.requests]
    assert "mind the gap" in told[1]
    assert "not that either" in told[2]
    cell("%rlm stop")
    shell.run_cell("run = %rlm last")
    assert shell.user_ns["run"].status == "stopped"
    assert "a" not in shell.user_ns


def test_without_a_run_that_waits_each_says_so_in_a_line(shell, model, cell):
    model("FINAL(1 + 1)")
    cell("%%rlm -q\nGo.")
    for command in ("step", "skip", "reject no"):
        result = cell(f"%rlm {command}")
        assert isinstance(result.error_in_exec, rlm.RunEnded)
        assert "no code of it waits" in result.printed
    assert "no code waits" in cell("%rlm edit").printed
    assert "%rlm hint takes words" in cell("%rlm hint").printed


def test_debug_enters_the_frame_of_a_failed_step(shell, model, cell):
    import sys

    model("def half(n):\n    return n / 0\nhalf(8)", "FINAL(1 + 1)")
    cell("%%rlm --pause-on error -q\nGo.")
    trace = sys.last_traceback
    while trace.tb_next:
        trace = trace.tb_next

    assert trace.tb_frame.f_locals["n"] == 8
    assert isinstance(sys.last_value, ZeroDivisionError)
