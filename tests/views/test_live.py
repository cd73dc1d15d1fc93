"""The live view: small messages that lead a view on the other side to what a snapshot says."""

import copy
import json
import re
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trajectories import HOSTILE, PIXEL, START, Recorder, everywhere, long_run, story

from rlm_kernel.trajectory.events import Paused, Resumed
from rlm_kernel.trajectory.records import Rich
from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.live import LiveView
from rlm_kernel.views.live_detail import PIECE
from rlm_kernel.views.outline import outline


class Reader:
    """A view on the other side: what js/src/store.ts does, in a few lines."""

    def __init__(self):
        self.rows, self.text, self.seq = {}, "", 0
        self.rest = {"meters": {}, "pending": None, "head": {}, "state": "running"}

    def take(self, message):
        message = json.loads(json.dumps(message))
        assert message["seq"] == self.seq + 1
        self.seq = message["seq"]
        if message["type"] == "stream":
            self.text = message["text"] if message["at"] == 0 else self.text + message["text"]
            return
        for patch in message["rows"]:
            if patch["id"] not in self.rows:
                assert patch["up"] is None or patch["up"] in self.rows, "a row came before what it stands under"
            self.rows.setdefault(patch["id"], {}).update(patch)
        self.rest |= {name: part for name, part in message.items() if name in {"meters", "pending", "head", "state"}}


def drain(view, reader, now=START + 100):
    while (message := view.flush(now)) is not None:
        reader.take(message)


def follow(events, flushes=()):
    """A view and a reader of it, flushed after the events with these numbers and at the end."""
    view, reader = LiveView(), Reader()
    for number, event in enumerate(events):
        view(event)
        if number in flushes:
            drain(view, reader)
    drain(view, reader)
    return view, reader


def same(view, reader):
    snapshot = json.loads(json.dumps(view.snapshot(START + 100)))
    assert list(reader.rows.values()) == snapshot["rows"]
    assert reader.text == snapshot["stream"]["text"]
    assert reader.rest == {name: snapshot[name] for name in ("meters", "pending", "head", "state")}
    assert reader.seq == snapshot["seq"]


STORIES = {
    "a bit of everything": lambda: story().events,
    "cut off in a batch": lambda: story().events[:40],
    "hostile": lambda: recorded(everywhere, "".join(HOSTILE)),
    "long": lambda: recorded(long_run, 60, "x = 1"),
    "paused, edited and gone on": lambda: paused().events,
}


def recorded(build, *args):
    """The events of one of the trees in `trajectories`."""
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "tree", property(lambda recorder: seen.extend(recorder.events)))
        build(*args)
    return seen


def paused():
    recorder = Recorder()
    run = recorder.run()
    run.step(1, "# look\nprint(1)", "1\n")
    run.ask(2, "```python\nos.remove('a')\n```")
    run.add(Paused, step=2, code="os.remove('a')", why="It removes a file (line 1).")
    recorder.wait(50)
    run.add(Resumed, step=2, action="edit", code="print('a')")
    run.code(2, "print('a')")
    run.output(2, "a\n")
    run.ask(3, "```python\nFINAL(1)\n```")
    run.add(Paused, step=3, code="FINAL(1)", why="")
    return recorder


@pytest.mark.parametrize("name", STORIES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_order_of_flushes_leads_to_the_snapshot(name, data):
    """However messages and events come in turn, a reader of all messages knows what a snapshot says."""
    events = STORIES[name]()
    flushes = data.draw(st.sets(st.integers(0, len(events) - 1)))
    same(*follow(events, flushes))


@given(st.lists(st.one_of(st.text(max_size=20), st.integers(1, 3), st.none()), max_size=30))
def test_what_is_being_written_arrives_whole_in_any_pieces(pieces):
    """Text is a piece, a number begins another step, None flushes."""
    view, reader = follow(story().events[:1])
    step, expected = 1, ""
    for piece in pieces:
        if piece is None:
            drain(view, reader)
        elif isinstance(piece, int):
            expected = expected if piece == step else ""
            step = piece
            view.stream(step, "")
        else:
            expected += piece
            view.stream(step, piece)
    drain(view, reader)
    same(view, reader)
    assert len(reader.text) >= len(expected.encode("utf-16-le", "ignore")) // 4


def test_the_reply_that_is_written_goes_when_its_code_runs():
    recorder = Recorder()
    run = recorder.run()
    run.ask(1, None)
    view, reader = follow(recorder.events)
    view.stream(1, "I look ")
    view.stream(1, "at it.")
    drain(view, reader)
    assert reader.text == "I look at it."
    run.finish(1, "```python\nx\n```")
    run.code(1, "x")
    for event in recorder.events[-2:]:
        view(event)
    drain(view, reader)
    assert reader.text == ""
    same(view, reader)


@pytest.mark.parametrize("name", ["a bit of everything", "cut off in a batch", "long", "paused, edited and gone on"])
def test_titles_states_and_times_are_those_of_the_static_views(name):
    """Two folds, one outline: a step is called the same in the live view and in the HTML that replaces it."""
    events = STORIES[name]()
    view, _ = follow(events)
    rows = {row["id"]: row for row in view.snapshot()["rows"]}

    def check(run, row):
        assert row["state"] == run.state
        steps = [each for each in rows.values() if each["up"] == row["id"] and each["kind"] == "step"]
        assert len(steps) == len(run.steps)
        for shown, step in zip(steps, run.steps, strict=True):
            assert (shown["title"], shown["state"], shown["no"]) == (step.title, step.state, step.step.number)
            if shown["t1"] is not None and step.step.finished:
                assert shown["t1"] - shown["t0"] == pytest.approx(step.seconds, abs=0.2)
            assert shown.get("in", 0) == step.usage.input_tokens
            assert shown.get("n", 0) == step.sub_calls + sum(child.steps and _calls(child) for child in step.children)
            for child in step.children:
                check(
                    child, next(each for each in rows.values() if each["up"] == shown["id"] and each["kind"] == "run")
                )

    def _calls(run):
        return sum(step.sub_calls for step in run.steps)

    check(outline(Tree(events)), rows["r1"])


def test_a_batch_counts_its_items_and_is_over_with_the_last():
    view, _ = follow(story().events)
    rows = view.snapshot()["rows"]
    batch = next(row for row in rows if row["kind"] == "batch")
    assert (batch["title"], batch["n"], batch["done"], batch["failed"], batch["state"]) == (
        "llm_map",
        30,
        28,
        2,
        "done",
    )
    assert sum(row["up"] == batch["id"] for row in rows) == 30


def test_child_runs_of_one_batch_stand_under_it():
    recorder = Recorder()
    run = recorder.run()
    run.code(1, "rlm_query_batched([...])")
    for number in (2, 3):
        child = recorder.run(f"part {number}", name=f"r{number}", parent="r1", depth=1, step=1, batch=7)
        child.step(1, "FINAL(1)", final=True)
        child.end("done" if number == 2 else "failed")
    view, _ = follow(recorder.events)
    rows = {row["id"]: row for row in view.snapshot()["rows"]}
    batch = next(row for row in rows.values() if row["kind"] == "batch")
    assert (batch["title"], batch["n"], batch["done"], batch["failed"]) == ("rlm_query_batched", 2, 1, 1)
    assert {rows[f"r{number}"]["up"] for number in (2, 3)} == {batch["id"]}


def test_calls_that_a_run_left_open_are_closed_with_it():
    recorder = Recorder()
    run = recorder.run()
    run.code(1, "llm_query_batched(['a', 'b'])")
    run.open_call(1, batch=1)
    run.open_call(1, batch=1)
    run.end("stopped")
    view, _ = follow(recorder.events)
    rows = view.snapshot()["rows"]
    assert {row["state"] for row in rows} == {"stopped", "unfinished"}
    assert all(row["t1"] is not None for row in rows)
    assert view.snapshot()["meters"]["flight"][0] == 0


def test_a_pause_shows_what_waits_and_stops_the_clock():
    """Seconds of a pause do not count, and what waits goes when it is answered."""
    events = paused().events
    at = next(number for number, event in enumerate(events) if event.tag == "paused")
    view, reader = follow(events[: at + 1])
    assert reader.rest["state"] == "paused"
    assert reader.rest["pending"] | {"at": 0} == {
        "id": "r1s2", "step": 2, "at": 0, "code": "os.remove('a')", "why": "It removes a file (line 1)."
    }  # fmt: skip
    assert reader.rows["r1s2"]["state"] == "paused"
    before, _, since = reader.rest["meters"]["seconds"]
    assert since is None
    view(events[at + 1])
    drain(view, reader)
    assert (reader.rest["state"], reader.rest["pending"]) == ("running", None)
    after, _, since = reader.rest["meters"]["seconds"]
    assert after == before
    assert since == pytest.approx(before + 50, abs=0.5)


def test_nothing_new_is_no_message():
    view, _ = follow(story().events)
    assert view.flush(START + 200) is None
    view.snapshot()
    assert view.flush(START + 200) is None


def test_meters_say_what_is_used_of_each_limit():
    view, reader = follow(story().events)
    meters = reader.rest["meters"]
    assert meters["steps"] == [5, 30]
    assert meters["calls"] == [view._tree.usage.calls, 500]
    assert meters["tokens"][0] == view._tree.usage.tokens
    assert meters["seconds"][:2] == [pytest.approx(26.8), 900.0]


def test_a_long_prompt_leaves_only_when_it_is_opened_and_then_in_pieces():
    """A megabyte is in no delta, no snapshot and no page."""
    recorder = Recorder()
    run = recorder.run()
    run.code(1, "llm_query(big)")
    prompt = "".join(f"line {number}\n" for number in range(100_000))
    call = run.open_call(1, prompt)
    run.finish(call, "ok")
    view = LiveView()
    sizes = []
    for event in recorder.events:
        view(event)
        while (message := view.flush(START + 9)) is not None:
            sizes.append(len(json.dumps(message)))
    page = view.detail(f"c{call}")
    sizes += [len(json.dumps(view.snapshot())), len(json.dumps(page)), len(json.dumps(view.detail("r1s1", "messages")))]
    assert max(sizes) < 5_000
    sent = page["blocks"][0]["items"][0]
    assert sent["length"] == len(prompt)
    text, at = "", 0
    while at is not None:
        piece = view.detail(f"c{call}", sent["part"], at)
        assert len(piece["text"]) <= PIECE
        text, at = text + piece["text"], piece["next"]
    assert text == prompt


def test_a_page_shows_output_as_the_notebook_would():
    """A table as HTML for the sanitiser of the page, a picture as data, both with their text."""
    recorder = Recorder()
    run = recorder.run()
    table = Rich(data={"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "   a\n0  1"})
    figure = Rich(data={"image/png": PIXEL, "text/plain": "<Figure>"})
    run.step(1, "df", rich=(table, figure), echo="   a\n0  1")
    view, _ = follow(recorder.events)
    blocks = view.detail("r1s1")["blocks"]
    assert [block["kind"] for block in blocks] == ["code", "html", "image"], "the table's text is not said twice"
    assert blocks[2]["data"] == PIXEL
    assert view.detail("r1s1", "messages")["blocks"][-1]["text"].startswith("I look.")


def test_what_is_asked_for_and_is_not_there_is_empty():
    view, _ = follow(story().events)
    assert view.detail("nothing")["blocks"] == []
    for row in ("r1", "r1s1", "b1", "c1"):
        for part in ("nothing", "sent.99", "rich.99", "tool.1", "sent.x", "sent."):
            assert view.detail(row, part, 10**9)["text"] == ""


UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066-\u2069\ud800-\udfff]")


def texts(value):
    match value:
        case str():
            yield value
        case dict():
            for name, each in value.items():
                if name not in {"data", "html"}:  # put into an img's data URI, and through the sanitiser
                    yield from texts(each)
        case list() | tuple():
            for each in value:
                yield from texts(each)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_arrives_with_every_character_visible(text):
    """In rows, head, pages and pieces: nothing unseen, and all of it can leave as UTF-8. Markup is text for the page."""
    recorder = Recorder()
    run = recorder.run(text, model=text, sub_model=text)
    run.ask(1, text)
    run.code(1, text)
    run.sub_call(1, text, text, batch=1)
    run.sub_call(1, text, error=text)
    run.output(1, text, echo=text, stderr=text, rich=(Rich(data={"text/plain": text, text: text}),), notices=(text,))
    run.note(2, "guard", text)
    run.add(Paused, step=2, code="x", why=text)
    view, reader = follow(recorder.events)
    view.stream(2, text)
    drain(view, reader)
    said = [reader.rows, reader.rest, reader.text]
    for row in reader.rows:
        for part in ("", "messages", "usage", "code", "output", "reply", "sent.0"):
            said.append(view.detail(row, part))
    json.dumps(said, ensure_ascii=False).encode()
    assert not [each for each in texts(said) if UNSEEN.search(each)]


def test_events_from_many_threads_and_flushes_between_them_lose_nothing():
    recorder = Recorder()
    run = recorder.run()
    run.code(1, "llm_query_batched(prompts)")
    view, reader = follow(recorder.events)
    calls = 400
    opened = []
    for _ in range(calls):
        opened.append(run.open_call(1, batch=1))
    before = len(recorder.events)
    for call in opened:
        run.finish(call, "ok", seconds=0.01)
    starts, ends = recorder.events[2:before], recorder.events[before:]
    over = threading.Event()

    def flushing():
        while not over.is_set():
            drain(view, reader)

    def feed(part):
        for event in part:
            view(event)

    flusher = threading.Thread(target=flushing)
    flusher.start()
    for events in (starts, ends):
        threads = [threading.Thread(target=feed, args=(events[number::4],)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    over.set()
    flusher.join()
    drain(view, reader)
    assert {row["id"]: row for row in view.snapshot()["rows"]} == reader.rows
    assert reader.rows["b1"]["done"] == calls


def test_an_event_costs_the_same_however_many_there_were():
    """Ten thousand sub-calls: the second half is folded about as fast as the first."""
    recorder = Recorder()
    run = recorder.run()
    run.code(1, "llm_query_batched(prompts)")
    for _ in range(10_000):
        run.finish(run.open_call(1, batch=1), "ok", seconds=0.01)
    view, spent = LiveView(), []
    for number in range(0, len(recorder.events), 1000):
        began = time.process_time()
        for event in recorder.events[number : number + 1000]:
            view(event)
        spent.append(time.process_time() - began)
    half = len(spent) // 2
    assert sum(spent[half:]) < 3 * sum(spent[:half]) + 0.05
    assert sum(spent) / len(recorder.events) < 0.001


def test_a_view_does_not_change_what_it_is_told():
    events = story().events
    before = copy.deepcopy(events)
    view, _ = follow(events)
    view.detail("r1s4")
    assert events == before
