"""Kills, other kernels, full and read-only disks: nothing that was done is lost, and a run never fails for the store."""

import dataclasses
import json
import logging
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import types
from contextlib import closing, suppress
from pathlib import Path

import pytest
from runs import Story, real_run, story

from rlm_kernel import database
from rlm_kernel.errors import StoreError
from rlm_kernel.trajectory import store_file
from rlm_kernel.trajectory.processes import lives, this_process
from rlm_kernel.trajectory.store import Store
from rlm_kernel.trajectory.tree import Tree

spawn = multiprocessing.get_context("spawn")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def plain_main(monkeypatch):
    """A process that is spawned looks at the main module, which a shell of another test may have put its own in for."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


@pytest.fixture
def warnings():
    """The lines logged so far."""
    lines = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("rlm_kernel")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def in_a_fork(work):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def keep(store, told):
    sink = store.sink(told.events[0].run)
    for event in told.events:
        sink(event)
    return sink


def not_kept(store, warnings, reason):
    """One line that names the place and the reason; the run goes on to its end."""
    run, _ = real_run([store.sink()])
    assert run.status == "done", run.error
    keep(store, story("another"))
    assert len(warnings) == 1
    assert "\n" not in warnings[0]
    assert reason in warnings[0]
    assert "RLM_STORE=off" in warnings[0]
    return True


@forks
@pytest.mark.parametrize("times", [50])
def test_nothing_that_was_done_is_lost_at_50_random_kills(times, tmp_path):
    """Sub-calls of the last moments apart; a quarter of a second is given, for a machine that is busy."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    script = [sys.executable, str(HERE / "runs.py"), str(tmp_path), str(times)]
    done = subprocess.run(script, check=False, capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr
    store = Store(tmp_path)
    checked = 0
    for number, killed in map(json.loads, done.stdout.splitlines()):
        notes = tmp_path / f"notes-{number}"
        lines = notes.read_text().splitlines() if notes.exists() else []
        noted = [json.loads(line) for line in lines if line.endswith("]")]
        for name in {name for name, *_ in noted}:
            events = store.load(name)
            there = {event.seq for event in events}
            must = {seq for run, seq, soon, at in noted if run == name and (not soon or at < killed - 0.25)}
            assert must <= there, (name, sorted(must - there))
            assert [event.seq for event in events] == list(range(1, len(events) + 1)), "no gap"
            assert Tree(events).root.status in {"done", "stopped"}
            checked += len(must)
    assert checked > 10 * times
    assert {run.status for run in store.runs()} == {"done", "stopped"}
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def keep_many(place, name, gate):
    gate.wait(60)
    store = Store(place, patience=30)
    for number in range(10):
        keep(store, story(f"{name}-{number}"))
    store.close()


def test_kernels_that_write_at_once_lose_nothing(tmp_path):
    gate = spawn.Barrier(4)
    workers = [spawn.Process(target=keep_many, args=(tmp_path, f"p{n}", gate)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    store = Store(tmp_path)
    assert len(store.runs()) == 40
    for run in store.runs():
        assert store.load(run.id) == story(run.id).events
    store.close()


def keep_and_wait(place, ready, end):
    store = Store(place)
    told = Story("r1")
    told.call(1, purpose="root")
    sink = keep(store, told)
    ready.set()
    end.wait(60)
    del sink


def test_a_run_of_a_live_process_is_running_and_of_a_dead_one_stopped(tmp_path):
    ready, end = spawn.Event(), spawn.Event()
    worker = spawn.Process(target=keep_and_wait, args=(tmp_path, ready, end))
    worker.start()
    assert ready.wait(60)
    store = Store(tmp_path)
    assert store.runs()[0].status == "running"
    assert Tree(store.load("r1")).root.status == "running"
    with pytest.raises(StoreError, match=f"going on in the process {worker.pid}"):
        store.sink("r1")
    with pytest.raises(StoreError, match="is running"):
        store.delete("r1")
    worker.kill()
    worker.join(60)
    assert store.runs()[0].status == "stopped"
    events = store.load("r1")
    assert events[-1].status == "stopped"
    assert events[-1].error == "the process that ran it has ended"
    sink = store.sink("r1")  # goes on here
    assert store.load("r1") == events, "looking changes nothing"
    told = Story("r1")
    told.events = list(events)
    told.call(2, purpose="root")
    for event in told.events[len(events) :]:
        sink(event)
    assert store.runs()[0].status == "running"
    assert store.load("r1") == told.events
    store.close()


def test_a_process_is_known_by_its_start_too():
    """Its number alone may have gone to another."""
    here = this_process()
    assert lives(here, 0)
    assert not lives(dataclasses.replace(here, started="1"), 0)
    assert not lives(dataclasses.replace(here, boot="another"), 0)
    elsewhere = dataclasses.replace(here, machine="another")
    assert not lives(elsewhere, 0)
    assert lives(elsewhere, time.time())


@forks
def test_a_fork_of_the_kernel_keeps_nothing_and_does_not_disturb(tmp_path):
    store = Store(tmp_path)
    told = story()
    sink = store.sink("r1")
    for number, event in enumerate(told.events):
        sink(event)
        if number % 5 == 0:
            assert in_a_fork(lambda event=event: sink(event)) == 0
    assert store.load("r1") == told.events
    store.close()


def test_a_full_disk_is_said_once_and_the_rest_is_written_when_there_is_room(tmp_path, monkeypatch, warnings):
    """What was kept before stays readable meanwhile."""
    store = Store(tmp_path)
    told = Story()
    for number in range(1, 6):
        told.step(number, "1", os.urandom(20_000).hex())
    told.end()
    connect = database.connect

    def full(*args):
        db = connect(*args)
        db.execute("PRAGMA max_page_count = 22")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(database, "connect", full)
        sink = store.sink("r1")
        for event in told.events[:-1]:
            sink(event)
        there = store.load("r1")
        assert 5 <= len(there) < 15
        assert there == told.events[: len(there)]
        assert len(warnings) == 1
        assert "full" in warnings[0]
        store.file.let_go()
    sink(told.events[-1])
    assert store.load("r1") == told.events
    store.close()


def test_a_locked_file_costs_no_event(tmp_path, warnings):
    """Another kernel holds it longer than we wait; the end of the run writes everything."""
    store = Store(tmp_path, patience=0.05)
    told = story()
    sink = store.sink("r1")
    sink(told.events[0])
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for event in told.events[1:-1]:
            sink(event)
        assert len(warnings) == 1
        assert "locked" in warnings[0]
    sink(told.events[-1])
    assert store.load("r1") == told.events
    store.close()


def test_a_file_that_breaks_is_set_aside_and_the_run_is_whole_in_the_new_one(tmp_path, warnings):
    store = Store(tmp_path)
    told = story()
    sink = store.sink("r1")
    for event in told.events[:5]:
        sink(event)
    store.close()
    first = store.path
    first.write_bytes(b"rubbish" * 5000)
    for event in told.events[5:]:
        sink(event)
    assert store.path != first
    assert store.load("r1") == told.events
    assert len(warnings) == 1
    assert "set aside" in warnings[0]
    store.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path, warnings):
    """It is not set aside either: the newer version goes on to use it."""
    store = Store(tmp_path)
    keep(store, story())
    store.close()
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 99")
    content = store.path.read_bytes()
    assert not_kept(store, warnings, "newer version 99; upgrade rlm-kernel")
    assert store.path.read_bytes() == content
    assert len(list(store.path.parent.iterdir())) == 1


def test_a_file_of_an_older_version_is_moved_on(tmp_path, monkeypatch):
    """Its runs are there afterwards, and a second kernel finds the work done."""
    store = Store(tmp_path)
    keep(store, story())
    store.close()
    steps = (("ALTER TABLE run ADD COLUMN mood TEXT",), ("UPDATE run SET mood = 'good'",))
    newer = dataclasses.replace(store_file.KIND, version=3, migrations=steps)
    for _ in range(2):
        later = Store(tmp_path)
        later.file.kind = newer
        assert later.load("r1") == story().events
        assert later.file.use(lambda db: db.execute("SELECT mood FROM run").fetchone()) == ("good",)
        later.close()


def test_a_kernel_does_not_write_into_a_file_that_a_newer_version_has_taken_over(tmp_path, warnings):
    store = Store(tmp_path)
    told = story()
    sink = store.sink("r1")
    sink(told.events[0])
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("PRAGMA user_version = 2")
    sink(told.events[1])
    assert len(warnings) == 1
    assert "newer version 2" in warnings[0]
    with closing(sqlite3.connect(store.path)) as db:
        assert len(list(store_file.read_events(db, 1))) == 1


def test_a_network_file_system_is_said_once(tmp_path, monkeypatch, warnings):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"40 22 0:50 / {tmp_path / 'far'} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(database, "_MOUNTS", mounts)
    store = Store(tmp_path / "far")
    assert not_kept(store, warnings, "network file system (nfs4)")
    assert store.runs() == []


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_a_place_that_is_no_folder_is_said_once(place, tmp_path, warnings):
    (tmp_path / "file").write_text("")
    assert not_kept(Store(tmp_path / place), warnings, "Not a directory" if os.name != "nt" else "")


@forks
def test_a_read_only_store_can_be_read(warnings):
    """For a user who is bound by modes: as root, the child takes another identity first."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        store = Store(place)
        keep(store, story())
        store.close()
        for path in (store.path, store.path.parent):
            if os.getuid() == 0:
                os.chown(path, nobody, nobody)
            path.chmod(0o500 if path.is_dir() else 0o400)

        def child():
            if os.getuid() == 0:
                os.setuid(nobody)
            other = Store(place)
            keep(other, story("r2"))
            assert len(warnings) == 1
            assert [run.id for run in other.runs()] == ["r1"]
            assert other.load("r1") == story().events

        assert in_a_fork(child) == 0
        store.path.parent.chmod(0o700)


def test_an_interrupt_in_the_middle_of_a_writing_loses_nothing(tmp_path, monkeypatch):
    """Before the commit or just after it: everything is there once."""
    store = Store(tmp_path)
    told = story()
    sink = store.sink("r1")
    write = store_file.write_block
    turn = iter(range(1000))

    def interrupted(*args):
        result = write(*args)
        if next(turn) % 3 == 1:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(store_file, "write_block", interrupted)
    after = store_file.Known.after
    monkeypatch.setattr(
        store_file.Known,
        "after",
        lambda *args: (_ for _ in ()).throw(KeyboardInterrupt) if next(turn) % 5 == 1 else after(*args),
    )
    for event in told.events:
        with suppress(KeyboardInterrupt):
            sink(event)
    monkeypatch.undo()
    sink.flush(at_once=True)
    assert store.load("r1") == told.events
    store.close()


def test_an_event_caused_by_a_signal_while_one_is_written_waits_for_it(tmp_path, monkeypatch):
    store = Store(tmp_path)
    told = story()
    sink = store.sink("r1")
    write = store_file.write_block
    inner = iter(told.events[1::2])

    def with_signal(*args):
        result = write(*args)
        for event in inner:
            sink(event)
            break
        return result

    monkeypatch.setattr(store_file, "write_block", with_signal)
    for event in told.events[::2]:
        sink(event)
    assert {event.seq for event in sink._events} == {event.seq for event in told.events}
    assert sink._written == len(told.events)
    store.close()
