"""A person at the buttons of a run, in a real JupyterLab: pause, step, edit, approve, stop, and afterwards."""

import time

import pytest
from lab import notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext rlm"
ASK = "%%rlm -o found\nHow far does it get?"


def code(text):
    return f"```python\n{text}\n```"


def counting(steps=8):
    """A model that counts on, a step a reply."""

    def reply(messages):
        number = sum(message.role == "assistant" for message in messages)
        return code(f"n = {number}\nprint('at', n)") if number < steps else code("FINAL(n)")

    return reply


class Controls:
    """The live view of a cell."""

    def __init__(self, front, cell):
        self.view = front.outputs(cell).locator(".rlm-live")
        self.view.wait_for()

    def press(self, name):
        self.view.locator(".controls").get_by_role("button", name=name, exact=True).click()

    @property
    def gate(self):
        return self.view.locator(".gate")

    def rows(self):
        return self.view.get_by_role("treeitem").count()


def settled(asked, seconds=1.2):
    """How many requests there were, once no more come."""
    before = -1
    while before != len(asked.requests):
        before = len(asked.requests)
        time.sleep(seconds)
    return before


def test_pause_freezes_step_goes_on_by_one_and_resume_to_the_answer(front, server, model):
    asked = model(counting(), latency=0.5)
    front.lab().open(server.put("pause.ipynb", notebook(LOAD, ASK, "found")))
    front.run(0)
    front.start(1)
    controls = Controls(front, 1)
    controls.press("Pause")
    controls.gate.wait_for()
    frozen, rows = settled(asked), controls.rows()
    assert frozen < 8

    controls.press("Step")
    assert settled(asked) == frozen + 1
    assert controls.rows() > rows
    controls.press("Resume")
    front.wait(1)
    front.run(2)

    assert front.result(1) == front.result(2) == "7"
    assert "done" in front.tree(1).inner_text()
    assert front.outputs(1).locator(".rlm-live").count() == 0


def test_edited_code_is_what_runs_and_a_rejection_is_told(front, server, model):
    asked = model(counting(4), latency=0.5)
    front.lab().open(server.put("edit.ipynb", notebook(LOAD, ASK)))
    front.run(0)
    front.start(1)
    controls = Controls(front, 1)
    controls.press("Pause")
    controls.gate.wait_for()
    settled(asked)
    editor = controls.gate.locator(".cm-content")
    editor.click()
    front.page.keyboard.press("Control+a")
    front.page.keyboard.type("mine = 'typed by hand'\nprint(mine)")
    controls.gate.get_by_role("button", name="Edit").click()
    settled(asked)
    told = asked.requests[-1].messages
    assert "typed by hand" in told[-1].content
    assert "mine = 'typed by hand'" in told[-2].content

    controls.gate.get_by_role("button", name="Reject").click()
    front.page.keyboard.type("count the late ones only")
    front.page.keyboard.press("Enter")
    settled(asked)
    assert "count the late ones only" in asked.requests[-1].messages[-1].content
    controls.press("Stop")
    front.wait(1)
    assert "stopped" in front.tree(1).inner_text()


def test_stop_ends_the_cell_and_nothing_is_asked_afterwards(front, server, model):
    asked = model(counting(50), latency=0.4)
    front.lab().open(server.put("stopped.ipynb", notebook(LOAD, ASK, "1 + 1")))
    front.run(0)
    front.start(1)
    Controls(front, 1).press("Stop")
    front.wait(1)
    (error,) = front.errors(1)
    asked_then = len(asked.requests)
    front.run(2)
    time.sleep(1)

    assert len(error.strip().splitlines()) == 1
    assert front.result(2) == "2"
    assert len(asked.requests) == asked_then


def test_a_run_paused_between_cells_goes_on_by_its_buttons(front, server, model):
    model(counting(3))
    front.lab().open(server.put("between.ipynb", notebook(LOAD, ASK.replace("-o", "--step -o"), "n", "found")))
    front.run(0, 1)
    controls = Controls(front, 1)
    controls.gate.wait_for()
    controls.press("Step")
    time.sleep(1.5)
    front.run(2)
    assert front.result(2) == "0"
    controls.press("Resume")
    front.outputs(1).locator(".rlm-live").wait_for(state="detached")
    front.run(3)
    assert front.result(3) == "2"


def test_show_opens_the_live_view_of_an_earlier_run_again(front, server, model):
    model(counting(2))
    front.lab().open(server.put("again.ipynb", notebook(LOAD, ASK, "%rlm show")))
    front.run(0, 1, 2)
    view = front.outputs(2).locator(".rlm-live")
    view.wait_for()
    assert view.get_by_role("treeitem").count() >= 3
