"""The buttons of the live view, pressed by hand-made comm messages: while the cell runs, and between cells."""

import time
import uuid

import pytest


class Page:
    """A front end that knows the live view's comm and presses its buttons."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.comm = ""

    def wait_for_view(self, message, seconds=30):
        """Read what the cell publishes until the live view has opened."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            got = self.kernel.client.get_iopub_msg(timeout=seconds)
            if got["msg_type"] == "comm_open" and "_esm" in str(got["content"]["data"])[:2_000_000]:
                self.comm = got["content"]["comm_id"]
                return
        raise AssertionError("the live view did not open")

    def press(self, action, **more):
        content = {"type": "control", "action": action, "nonce": uuid.uuid4().hex, **more}
        data = {"method": "custom", "content": content}
        client = self.kernel.client
        client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": self.comm, "data": data}))

    def wait_for_state(self, state, seconds=30):
        """Read what the view is told until it is told of this state."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            got = self.kernel.client.get_iopub_msg(timeout=seconds)
            told = got["content"].get("data", {}).get("content") if got["msg_type"] == "comm_msg" else None
            if isinstance(told, dict) and told.get("state") == state:
                return
        raise AssertionError(f"the run did not come to be {state}")

    def until(self, holds, seconds=20):
        """Wait until something holds that can be seen without the kernel."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it does not come to hold"
            time.sleep(0.02)


@pytest.fixture
def page(kernel):
    return Page(kernel)


def slowly(server, seconds=0.4):
    server.model.latency = seconds
    return server


def test_pause_waits_in_the_running_cell_step_goes_on_by_one_and_resume_to_the_end(kernel, model, page):
    server = slowly(model(*[f"print({i})" for i in range(6)], "FINAL('en' + 'd')"))
    cell = kernel.start("%%rlm\nGo.")
    page.wait_for_view(cell)
    page.press("pause")
    page.wait_for_state("paused")
    waiting = len(server.model.requests)
    time.sleep(1.0)
    assert len(server.model.requests) == waiting  # frozen

    page.press("step")
    page.until(lambda: len(server.model.requests) == waiting + 1)
    time.sleep(1.0)
    assert len(server.model.requests) == waiting + 1
    page.press("resume")
    ran = kernel.finish(cell)

    assert ran.status == "ok"
    assert ran.result == "'end'"


def test_edited_code_is_what_runs(kernel, model, page):
    server = slowly(model("print('one')", "print('two')", "print('three')", "FINAL(mine)"))
    cell = kernel.start("%%rlm\nGo.")
    page.wait_for_view(cell)
    page.press("pause")
    page.wait_for_state("paused")
    page.press("edit", code="mine = 'by hand'\nprint(mine)")
    page.wait_for_state("running")
    page.wait_for_state("paused")
    page.press("resume")
    ran = kernel.finish(cell)

    assert ran.result == "'by hand'"
    told = [request.body["messages"][-1]["content"] for request in server.requests]
    assert any("the user changed your code" in text for text in told)


def test_stop_ends_the_cell_at_once(kernel, model, page):
    server = slowly(model(*["print(1)"] * 3, "FINAL(1 + 1)"))
    cell = kernel.start("%%rlm\nGo.")
    page.wait_for_view(cell)
    server.model.latency = 30.0
    time.sleep(0.6)
    began = time.monotonic()
    page.press("stop")
    ran = kernel.finish(cell)

    assert ran.status == "error"
    assert ran.ename == "RunNotDone"
    assert time.monotonic() - began < 3
    kernel.run("run = %rlm last")
    assert kernel.run("run.status").result == "'stopped'"


def test_between_cells_a_click_drives_the_run(kernel, model, page):
    model("x = 20\nprint(x)", "FINAL(x * 2 + 2)")
    cell = kernel.start("%%rlm --step -o found\nGo.")
    page.wait_for_view(cell)
    kernel.finish(cell)
    page.press("step")
    time.sleep(1.5)
    assert kernel.run("x").result == "20"
    page.press("resume")
    time.sleep(1.5)
    assert kernel.run("found").result == "42"


def test_at_the_end_no_widget_is_left_on_the_page(kernel, model, page):
    slowly(model("print(1)", "FINAL(1 + 1)"))
    ran = kernel.run("%%rlm\nGo.")

    assert [set(data) for data in ran.displays] == [{"text/html", "text/plain", "application/vnd.rlm.run+json"}]
