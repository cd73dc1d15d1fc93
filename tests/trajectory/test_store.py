"""Runs on disk come back as they were, are listed, bounded and deleted, and share what is the same."""

import dataclasses
import os
import sqlite3
import stat
import sys
import threading
import zlib
from contextlib import closing

import pytest
from generated import EVENTS
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import LONG, Story, real_run, story

from rlm_kernel.errors import StoreError
from rlm_kernel.trajectory import store_file
from rlm_kernel.trajectory.events import Paused, Resumed, RunFinished
from rlm_kernel.trajectory.records import Message
from rlm_kernel.trajectory.store import Store, folder_in, shared
from rlm_kernel.trajectory.tree import Tree


@pytest.fixture
def store(tmp_path):
    kept = Store(tmp_path)
    yield kept
    kept.close()


def keep(store, told, **options):
    sink = store.sink(told.events[0].run, **options)
    for event in told.events:
        sink(event)


def total(tmp_path):
    return sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())


def test_a_run_comes_back_as_it_was(store, tmp_path):
    told = story()
    keep(store, told, notebook="/home/me/a.ipynb")
    assert store.load("r1") == told.events
    assert Store(tmp_path).load("r") == told.events, "from another store, by the beginning of its id"


def test_a_real_run_comes_back_as_it_was(store):
    """With sub-calls by the batch and a child run."""
    run, seen = real_run([store.sink()])
    assert run.status == "done", run.error
    assert len(run.tree().folded.runs) == 2
    assert store.load(run.id) == seen == list(run.events)


@settings(deadline=None, max_examples=25)
@given(events=st.lists(EVENTS, max_size=6))
def test_any_events_come_back_as_they_were(events, tmp_path_factory):
    """Among them calls whose messages begin like those of another, and texts of every kind."""
    events = [dataclasses.replace(event, seq=seq) for seq, event in enumerate(events, 1)]
    kept = Store(tmp_path_factory.mktemp("any"))
    sink = kept.sink("x")
    for event in events:
        sink(event)
    sink.flush(at_once=True)
    with closing(sqlite3.connect(kept.path)) if events else closing(sqlite3.connect(":memory:")) as db:
        back = list(store_file.read_events(db, 1)) if events else []
    assert repr(back) == repr(events)
    kept.close()


def test_events_are_on_disk_before_the_sink_returns(store, tmp_path):
    """As another process would see them, after each event."""
    sink = store.sink("r1")
    other = Store(tmp_path)
    told = Story()
    told.step(1, "print(1)", "1")
    for number, event in enumerate(told.events, 1):
        sink(event)
        assert other.load("r1") == told.events[:number]


def test_sub_calls_are_on_disk_a_moment_later(store, tmp_path):
    told = Story()
    sink = store.sink("r1")
    sink(told.events[0])
    told.call(1, "a question")
    for event in told.events[1:]:
        sink(event)
    other = Store(tmp_path)
    waited = threading.Event()
    for _ in range(200):
        if len(other.load("r1")) == 3:
            break
        waited.wait(0.01)
    assert other.load("r1") == told.events


def test_the_next_step_takes_waiting_sub_calls_along(store):
    told = Story()
    told.call(1, "a question")
    told.note(1, "notice", "n")
    keep(store, told)
    with closing(sqlite3.connect(store.path)) as db:
        assert len(list(store_file.read_events(db, 1))) == 4


def test_runs_are_listed_newest_first(store):
    first, second = story("r1"), story("r2")
    second.events = [e for e in second.events if not isinstance(e, RunFinished)]

    second.events = [dataclasses.replace(e, at=e.at + 1000) for e in second.events]
    keep(store, first, notebook="/home/me/a.ipynb")
    keep(store, second)
    newer, older = store.runs()
    assert (newer.id, newer.status, newer.notebook) == ("r2", "running", "")
    assert (older.id, older.status, older.notebook) == ("r1", "done", "/home/me/a.ipynb")
    assert (older.question, older.steps, older.calls, older.cost) == ("What is it?", 3, 5, 1.25)
    assert older.began == first.events[0].at
    assert older.last == first.events[-1].at


def test_a_cost_that_is_not_known_is_not_zero(store):

    told = story()
    last = next(n for n, event in enumerate(told.events) if event.tag == "call_finished")
    reply = told.events[last].reply
    unknown = dataclasses.replace(reply, usage=dataclasses.replace(reply.usage, dollars=0.0, unpriced=1))
    told.events[last] = dataclasses.replace(told.events[last], reply=unknown)
    keep(store, told)
    assert store.runs()[0].cost is None


def test_a_run_that_goes_on_after_its_end_is_running_again(store):
    told = story()
    told.end("stopped")
    told.call(4, purpose="root")
    keep(store, told)
    assert store.runs()[0].status == "running"


def test_a_run_that_waits_for_its_user_is_paused(store):
    """And it is neither deleted nor ended when it is loaded."""
    told = Story()
    told.add(Paused, step=1, code="1", why="--step")
    keep(store, told)
    assert store.runs()[0].status == "paused"
    assert store.load("r1") == told.events
    with pytest.raises(StoreError, match="r1 is paused; stop it"):
        store.delete("r1")
    again = told.add(Resumed, step=1, action="run")
    store.sink("r1")(again)
    assert store.runs()[0].status == "running"


@pytest.mark.parametrize(("wanted", "reason"), [("r", "2 stored runs"), ("x", "0 stored runs"), ("", "2 stored")])
def test_a_run_that_cannot_be_found_is_told_with_the_newest(store, wanted, reason):
    keep(store, story("r1"))
    keep(store, story("r2"))
    with pytest.raises(StoreError, match=reason) as caught:
        store.load(wanted)
    assert "r1" in str(caught.value)


def test_a_long_text_is_there_once(store, tmp_path):
    """However many events and runs hold it."""
    keep(store, story("r1"))
    with closing(sqlite3.connect(store.path)) as db:
        texts = [zlib.decompress(body).decode() for (body,) in db.execute("SELECT body FROM text")]
    assert len(texts) == len(set(texts))
    assert LONG in texts
    size = store.size
    for number in range(2, 6):
        keep(store, story(f"r{number}"))
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*) FROM text").fetchone() == (len(texts),)
    assert store.size - size < 5 * 4096
    assert store.load("r5") == story("r5").events


def test_a_growing_conversation_is_written_once(store, tmp_path):
    """60 turns of messages that are too short to stand apart: each is in the file once."""
    told = Story()
    for number in range(1, 61):
        told.messages += (Message("user", os.urandom(400).hex()),)
        told.call(number, purpose="root")
    keep(store, told.end())
    assert store.load("r1") == told.events
    assert store.size < 2 * 60 * 1000, "60 times 400 bytes, the rows and their pages; not 60 * 60 / 2 times"


def test_a_deleted_run_is_gone_with_its_texts(store):
    keep(store, story("r1"))
    told = Story("r2")
    told.step(1, "1", os.urandom(50_000).hex())
    keep(store, told.end())
    full = store.size
    store.delete("r2")
    assert [run.id for run in store.runs()] == ["r1"]
    assert store.size < full - 50_000
    assert store.load("r1") == story("r1").events, "texts that another run uses stay"
    with pytest.raises(StoreError, match="0 stored runs"):
        store.delete("r2")


def test_a_running_run_is_not_deleted(store):
    told = Story()
    keep(store, told)
    with pytest.raises(StoreError, match="r1 is running; stop it"):
        store.delete("r1")


def test_the_oldest_finished_runs_go_when_the_bound_is_passed(tmp_path):
    """Neither one that is running, however old, nor the one that has just ended."""
    store = Store(tmp_path, bound=600_000)
    running = Story("old but running")
    running.step(1, "1", os.urandom(40_000).hex())
    keep(store, running)
    for number in range(12):
        told = Story(f"run {number:02}")
        told.step(1, "1", os.urandom(60_000).hex())

        told.end()
        told.events = [dataclasses.replace(event, at=event.at + 1000 * number + 1) for event in told.events]
        keep(store, told)
        assert store.size <= 700_000
    ids = [run.id for run in store.runs()]
    assert ids[-1] == "old but running"
    assert ids[:-1] == [f"run {number:02}" for number in range(11, 11 - len(ids) + 1, -1)]
    assert 4 <= len(ids) < 12
    store.close()
    assert total(tmp_path) < 1_000_000, "the space is given back"


def test_one_run_that_is_larger_than_the_bound_is_kept(tmp_path):
    store = Store(tmp_path, bound=50_000)
    keep(store, story("r1"))
    told = Story("r2")
    told.step(1, "1", os.urandom(60_000).hex())
    keep(store, told.end())
    assert [run.id for run in store.runs()] == ["r2"]
    store.close()


@pytest.mark.parametrize("word", ["off", "0", "OFF"])
def test_the_store_can_be_switched_off(word, monkeypatch, tmp_path):
    monkeypatch.setenv("RLM_STORE", word)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    store = Store()
    keep(store, story())
    assert store.runs() == []
    assert store.size == 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="none yet"):
        store.load("r1")
    assert not Store("off").on


def test_the_store_lies_where_it_is_told(monkeypatch, tmp_path):
    """In the directory given, else the environment's, else Jupyter's."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    assert folder_in(tmp_path) == tmp_path / "rlm"
    monkeypatch.setenv("RLM_STORE", str(tmp_path / "mine"))
    assert folder_in(None) == tmp_path / "mine" / "rlm"
    assert shared() is shared()
    assert shared().path == tmp_path / "mine" / "rlm"
    monkeypatch.delenv("RLM_STORE")
    assert folder_in(None) == tmp_path / "jupyter" / "rlm"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_nobody_else_may_read_the_runs(store):
    keep(store, story())
    for path in (store.path.parent, *store.path.parent.iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077


def test_a_stored_run_goes_on_in_another_sink(store):
    """As after a resume: the figures are those of the whole."""
    told = story()
    cut = len(told.events) - 1
    sink = store.sink("r1")
    for event in told.events[:cut]:
        sink(event)
    again = store.sink("r1")
    again(told.events[cut])
    assert store.load("r1") == told.events
    run = store.runs()[0]
    assert (run.status, run.steps, run.calls) == ("done", 3, 5)


def test_a_damaged_run_is_told_and_the_others_open(store):
    keep(store, story("r1"))
    keep(store, story("r2"))
    store.file.db.execute("UPDATE block SET body = x'00' WHERE run = 1")
    with pytest.raises(StoreError, match=r"r1 in .* is damaged: a part cannot be unpacked"):
        store.load("r1")
    assert store.load("r2") == story("r2").events


def test_the_tree_of_a_loaded_run_is_that_of_the_run(store):
    from rlm_kernel.views.text import render

    run, _ = real_run([store.sink()])
    assert render(Tree(store.load(run.id))) == render(run.tree().folded)
