"""The widget sends what the live view has to say: not too often, from a thread if it must, and hears the page once."""

import json
import threading
import time

import pytest
from trajectories import story

from rlm_kernel.views.widget import EVERY, Widget


@pytest.fixture
def widget(monkeypatch):
    """A widget whose messages are kept, with the thread and the time of each."""
    widget = Widget()
    widget.sent = []
    monkeypatch.setattr(
        widget._model,
        "send",
        lambda message: widget.sent.append((time.monotonic(), threading.current_thread(), message)),
    )
    yield widget
    widget.close()


def messages(widget, kind):
    return [message for _, _, message in widget.sent if message["type"] == kind]


def test_ticks_send_at_most_ten_times_a_second_and_lose_nothing(widget):
    events = story().events
    began = time.monotonic()
    while time.monotonic() - began < 0.7:
        if events:
            widget.sink(events.pop(0))
        widget.tick()
        time.sleep(0.002)
    for event in events:
        widget.sink(event)
    widget.flush()
    deltas = messages(widget, "delta")
    assert len(deltas) <= 0.7 / EVERY + 2
    rows = {}
    for delta in deltas:
        for patch in delta["rows"]:
            rows.setdefault(patch["id"], {}).update(patch)
    assert list(rows.values()) == widget.live.snapshot()["rows"]


def test_a_thread_sends_while_the_main_thread_is_busy(widget):
    widget.attach()
    for event in story().events:
        widget.sink(event)
    deadline = time.monotonic() + 5
    while not widget.sent and time.monotonic() < deadline:
        sum(range(1000))
    assert widget.sent[0][1].name == "rlm-widget"
    widget.rest()
    assert not [thread for thread in threading.enumerate() if thread.name == "rlm-widget"]


def test_a_thread_sends_in_the_context_of_the_cell_that_it_was_attached_in(widget):
    """Kernels keep the running cell in a context variable; a message from a bare thread would go to another cell."""
    import contextvars

    cell = contextvars.ContextVar("cell")
    seen = []
    widget._model.send = lambda message: seen.append(cell.get("none"))
    cell.set("first")
    widget.attach()
    cell.set("another")
    widget.sink(story().events[0])
    time.sleep(3 * EVERY)
    assert seen == ["first"]


def test_a_control_is_heard_once_whichever_ways_it_comes(widget):
    heard = []
    widget.on_control(heard.append)
    for _ in range(2):
        widget.receive({"type": "control", "action": "pause", "nonce": "a-1"})
    widget.receive({"type": "control", "action": "pause", "nonce": "a-2"})
    assert [each["action"] for each in heard] == ["pause", "pause"]


def test_a_page_that_asks_for_everything_gets_it_unless_it_has_it(widget):
    for event in story().events:
        widget.sink(event)
    widget.flush()
    widget.receive({"type": "sync", "seq": 1, "nonce": "1"})
    assert messages(widget, "snapshot") == []
    widget.receive({"type": "sync", "seq": 0, "nonce": "2"})
    assert [message["seq"] for message in messages(widget, "snapshot")] == [1]


def test_a_page_of_a_row_is_sent_when_it_is_asked_for(widget):
    for event in story().events:
        widget.sink(event)
    widget.receive({"type": "detail", "id": "r1s1", "part": "", "at": 0, "nonce": "1"})
    (detail,) = messages(widget, "detail")
    assert detail["blocks"][0]["text"] == "# look at the columns\nprint(df.dtypes)"
    json.dumps(detail)


@pytest.mark.parametrize(
    "content",
    [{}, {"type": "nothing"}, {"type": "detail"}, {"type": "detail", "id": 7, "part": {}, "at": "x"}, {"nonce": {}}],
)
def test_a_message_that_makes_no_sense_does_no_harm(widget, content):
    widget.receive(content)


def test_the_state_that_stays_with_the_kernel_is_that_of_the_end(widget):
    """A view that is opened later begins from it, and goes on with the next message."""
    for event in story().events:
        widget.sink(event)
    widget.rest()
    assert widget._model.snapshot == widget.live.snapshot(time.time()) | {"now": widget._model.snapshot["now"]}
    assert widget.live.flush(time.time()) is None
