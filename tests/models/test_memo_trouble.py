"""Other processes, forks, kills, broken files and full disks: the memo stays whole, or says once that it is off."""

import logging
import multiprocessing
import os
import signal
import sqlite3
import sys
import tempfile
import threading
import types
from contextlib import closing
from pathlib import Path

import pytest
from memo_parts import MIB, bulky, reply, write_many, write_until_killed

from rlm_kernel import database
from rlm_kernel.models.memo import VERSION, Memo

spawn = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def plain_main(monkeypatch):
    """A process that is spawned looks at the main module, which a shell of another test may have put its own in for."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


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
    """The exit code of a child that does some work."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def sound(path):
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def is_off(memo, warnings, reason):
    """Off for good, with one line that names the place and the reason, and never an error."""
    memo.put({"b": reply()})
    assert memo.get(["a", "b"]) == {}
    memo.forget(["a"])
    memo.clear()
    assert memo.size == 0
    memo.close()
    assert len(warnings) == 1
    assert "\n" not in warnings[0]
    assert str(memo.path) in warnings[0]
    assert reason in warnings[0]
    assert memo.off
    return True


def test_processes_that_begin_at_once_lose_nothing(tmp_path):
    """Four of them make the file together and write at once, in ten folders one after another."""
    folders = [tmp_path / str(n) for n in range(10)]
    gate = spawn.Barrier(4)
    workers = [spawn.Process(target=write_many, args=(folders, f"p{n}", gate)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * 4
    for folder in folders:
        memo = Memo(folder)
        assert len(memo.get([f"p{n}-{turn}-{i}" for n in range(4) for turn in range(10) for i in range(20)])) == 800
        memo.close()
        assert sound(memo.path)
        assert len(list(memo.path.parent.iterdir())) == 1, "no file was set aside, and no log is left"


def test_threads_share_one_memo(tmp_path):
    memo = Memo(tmp_path)
    errors = []

    def work(name):
        for turn in range(20):
            entries = {f"{name}-{turn}-{n}": reply(f"{name}{turn}{n}") for n in range(10)}
            memo.put(entries)
            if memo.get(list(entries)) != entries:
                errors.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(memo.get([f"{name}-{turn}-{n}" for name in range(8) for turn in range(20) for n in range(10)])) == 1600
    memo.close()


@forks
def test_a_fork_has_a_connection_of_its_own(tmp_path):
    """Parent and child go on, in any order, while other threads of the parent are at work."""
    memo = Memo(tmp_path)
    memo.put({"before": reply()})
    stop = threading.Event()
    written = []

    def busy():
        while not stop.is_set():
            memo.put({f"thread-{len(written)}": reply()})
            written.append(f"thread-{len(written)}")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for n in range(10):

            def child(n=n):
                assert memo.get(["before"])
                memo.put({f"child-{n}": reply()})
                assert not memo.off

            assert in_a_fork(child) == 0
    finally:
        stop.set()
        thread.join()
    assert len(memo.get([f"child-{n}" for n in range(10)])) == 10
    assert len(memo.get(written)) == len(written) > 0
    memo.close()
    assert sound(memo.path)


@forks
def test_no_file_is_open_while_the_process_forks(tmp_path):
    """SQLite's locks do not pass to a child, which would believe it had them."""
    memo = Memo(tmp_path)
    memo.put({"a": reply()})
    seen = []

    def child():
        seen.append(memo._file.db)
        assert seen == [None]

    assert in_a_fork(child) == 0
    assert memo.get(["a"])
    memo.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_a_process_killed_while_it_writes_leaves_a_usable_file(tmp_path):
    """Whatever it had put before is there."""
    ready = spawn.Queue()
    worker = spawn.Process(target=write_until_killed, args=(tmp_path, ready))
    worker.start()
    while ready.get(timeout=60) < 5:
        pass
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    memo = Memo(tmp_path)
    assert len(memo.get([f"{turn}-{n}" for turn in range(5) for n in range(50)])) == 250
    memo.put({"a": reply()})
    assert memo.get(["a"])
    assert not memo.off
    memo.close()
    assert sound(memo.path)


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8176])
def test_a_broken_file_is_set_aside_and_said_once(content, tmp_path, warnings):
    """It is left as it is, and every kernel takes the new file."""
    broken = tmp_path / "memo" / f"memo-{VERSION}.sqlite3"
    broken.parent.mkdir()
    broken.write_bytes(content)
    for _ in range(2):
        memo = Memo(tmp_path)
        memo.put({"a": reply()})
        assert memo.get(["a"])
        memo.close()
    assert Memo(tmp_path).get(["a"])
    assert broken.read_bytes() == content
    assert len(warnings) == 1
    assert str(broken) in warnings[0]


def test_a_file_that_breaks_while_it_is_used_is_set_aside(tmp_path, warnings):
    """The call that meets it goes on with the new file."""
    memo = Memo(tmp_path)
    memo.put({f"{n}": reply(bulky()) for n in range(100)})
    memo.close()
    first = memo.path
    content = bytearray(first.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    first.write_bytes(content)
    memo.put({"a": reply()})
    assert memo.get(["a", "1"]) == {"a": reply()}
    assert memo.path != first
    assert len(warnings) == 1
    assert "malformed" in warnings[0]
    memo.close()


@pytest.mark.parametrize(
    ("pragma", "reason"), [("user_version = 99", "newer version 99"), ("application_id = 7", "no memo")]
)
def test_a_newer_or_foreign_file_is_not_touched(pragma, reason, tmp_path, warnings):
    memo = Memo(tmp_path)
    memo.put({"a": reply()})
    memo.close()
    first = memo.path
    with closing(sqlite3.connect(first)) as db:
        db.execute(f"PRAGMA {pragma}")
    content = first.read_bytes()
    assert memo.get(["a"]) == {}
    memo.put({"a": reply()})
    assert memo.get(["a"])
    assert first.read_bytes() == content
    assert len(warnings) == 1
    assert reason in warnings[0]
    memo.close()


def test_one_broken_file_after_another_ends_in_off(tmp_path, warnings):
    """Something else is wrong then; the memo does not fill the disk with broken files."""
    memo = Memo(tmp_path)
    for _ in range(database.FILES):
        memo.put({"a": reply()})
        memo.close()
        memo.path.write_bytes(b"rubbish" * 1000)
    memo.put({"a": reply()})
    assert memo.off
    assert "delete the folder" in warnings[-1]


def test_a_reply_that_cannot_be_read_is_a_miss(tmp_path):
    """One that a later version of the package wrote, or a damaged one."""
    memo = Memo(tmp_path)
    memo.put({name: reply() for name in "abcde"})
    for name, body in {"a": b"{}", "b": b"x\x00", "c": b"", "d": b'{"usage": 3}'}.items():
        memo._file.db.execute("UPDATE reply SET body = ? WHERE key = ?", (body, name))
    assert memo.get(list("abcde")) == {"e": reply()}
    assert not memo.off
    memo.close()


def test_a_full_disk_switches_the_memo_off(tmp_path, warnings):
    """What was kept before is whole."""
    memo = Memo(tmp_path)
    memo.put({"a": reply()})
    memo._file.db.execute("PRAGMA max_page_count = 20")
    memo.put({f"{n}": reply(bulky()) for n in range(100)})
    assert is_off(memo, warnings, "full")
    assert sound(memo.path)
    other = Memo(tmp_path)
    assert set(other.get(["a", "1"])) == {"a"}
    other.close()


def test_a_file_that_stays_locked_switches_the_memo_off(tmp_path, warnings):
    memo = Memo(tmp_path, patience=0.05)
    memo.put({"a": reply()})
    other = sqlite3.connect(memo.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert memo.get(["a"]), "reading does not wait for who writes"
    memo.put({"c": reply()})
    assert is_off(memo, warnings, "locked")
    other.close()


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_a_place_that_is_no_folder_switches_the_memo_off(place, tmp_path, warnings):
    (tmp_path / "file").write_text("")
    assert is_off(Memo(tmp_path / place), warnings, "Not a directory" if os.name != "nt" else "")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that nobody can write to")
def test_a_place_where_nothing_can_be_made_switches_the_memo_off(warnings):
    assert is_off(Memo("/proc"), warnings, "/proc/memo")


@forks
@pytest.mark.parametrize("with_file", [True, False])
def test_a_read_only_folder_switches_the_memo_off(with_file, warnings):
    """For a user who is bound by modes: as root, the child takes another identity first."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        if with_file:
            memo = Memo(place)
            memo.put({"a": reply()})
            memo.close()
        folder = Path(place) / "memo"
        folder.mkdir(exist_ok=True)
        paths = [*folder.iterdir(), folder]
        for path in paths:
            if os.getuid() == 0:
                os.chown(path, nobody, nobody)
            path.chmod(0o500 if path == folder else 0o400)

        def child():
            if os.getuid() == 0:
                os.setuid(nobody)
            assert is_off(Memo(place), warnings, "Permission denied")

        assert in_a_fork(child) == 0
        folder.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can make another user's folder")
def test_a_folder_of_another_user_is_not_used(tmp_path, warnings):
    """Who owns it could put replies into it, or read ours."""
    (tmp_path / "memo").mkdir()
    os.chown(tmp_path / "memo", 65534, 65534)
    assert is_off(Memo(tmp_path), warnings, "belongs to another user")


def test_a_network_file_system_switches_the_memo_off(tmp_path, monkeypatch, warnings):
    """SQLite's log needs memory that all who write share."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"40 22 0:50 / {str(tmp_path / 'my home').replace(' ', chr(92) + '040')} rw - nfs4 server:/export rw\n"
    )
    monkeypatch.setattr(database, "_MOUNTS", mounts)
    assert database.file_system(tmp_path) == "ext4"
    assert is_off(Memo(tmp_path / "my home" / "me"), warnings, "network file system (nfs4)")
    local = Memo(tmp_path)
    local.put({"a": reply()})
    assert local.get(["a"])
    local.close()


def test_an_interrupt_in_the_middle_of_a_write_loses_only_that_write(tmp_path):
    """Ctrl-C can come between any two statements."""
    memo = Memo(tmp_path)
    memo.put({"a": reply()})

    def interrupted(_db):
        with database.transaction(memo._file.db):
            memo._file.db.execute("DELETE FROM reply")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memo._try(interrupted, None)
    memo._file.db.execute("BEGIN")
    memo._file.db.execute("DELETE FROM reply")  # and no end of it: the interrupt came just before
    assert memo.get(["a"]) == {"a": reply()}
    memo.put({"b": reply()})
    assert not memo.off
    memo.close()


def test_the_log_does_not_grow_without_end(tmp_path):
    memo = Memo(tmp_path, bound=4 * MIB)
    for turn in range(20):
        memo.put({f"{turn}-{n}": reply(bulky(20_000)) for n in range(60)})
    log = memo.path.with_name(memo.path.name + "-wal")
    assert log.stat().st_size < 17 * MIB
    memo.close()
    assert not log.exists()
