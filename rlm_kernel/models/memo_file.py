"""The file of the memo: where it lies, who may read it, what is in it, and when it is not used.

A file that cannot be used is set aside by a marker beside it and the next number is taken. It is neither renamed nor
deleted: another kernel may have it open, and SQLite finds a file's log by the file's name.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite3 import Connection

VERSION = 1
"""Of tables, keys and bodies. It is part of the file's name, so that two versions of the package live side by side."""
_APPLICATION = 0x524C4D4B
"""Marks the file as a memo of ours in its header."""
_FILES = 5
"""Files of one version; when all of them are set aside, something else is wrong."""
_LOG_BYTES = 16 * 2**20
"""What SQLite's log is cut down to after it was copied into the file."""
_PAGES_AT_ONCE = 1000
"""Pages that one writing moves to shorten the file, so that nobody waits long for it."""
_TABLES = (
    "CREATE TABLE reply (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX by_use ON reply (used)",
)
_NETWORK = {"afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
_NETWORK |= {"pvfs2", "smb2", "smb3", "smbfs"}
"""File systems whose machines share no memory, which SQLite's log needs."""
_MOUNTS = Path("/proc/self/mountinfo")

logger = logging.getLogger(__name__)


class ForeignFileError(Exception):
    """The file is sound, but no memo of this version."""


def folder_in(directory: str | Path | None) -> Path:
    """The folder of the memo in a directory: the one given, else ``RLM_MEMO_DIR``, else this user's cache."""
    chosen = directory or os.environ.get("RLM_MEMO_DIR")
    if not chosen:
        import platformdirs

        chosen = platformdirs.user_cache_dir("rlm-kernel", appauthor=False)
    return Path(os.path.abspath(os.path.expanduser(chosen))) / "memo"  # noqa: PTH100, PTH111  # these never raise


def usable(folder: Path) -> Path:
    """Make the folder, for this user alone, and name the file to use in it. Raises OSError if none can be."""
    folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    if sys.platform != "win32":
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise PermissionError("the folder belongs to another user")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            folder.chmod(status.st_mode & stat.S_IRWXU)
    if (kind := file_system(folder.resolve())) in _NETWORK:
        raise OSError(f"it lies on a network file system ({kind})")
    for number in range(1, _FILES + 1):
        path = folder / (f"memo-{VERSION}.sqlite3" if number == 1 else f"memo-{VERSION}-{number}.sqlite3")
        if not _marker(path).exists():
            return path
    raise OSError(f"{_FILES} files in it are set aside as broken; delete the folder")


def file_system(path: Path) -> str:
    """The kind of file system that a path lies on, as far as this machine tells; else an empty string."""
    if path.drive.startswith("\\\\"):
        return "smbfs"
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    kinds = {}
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        place = before.split(" ")[4].replace("\\040", " ")  # the kernel writes a blank so
        kinds[Path(place)] = after.split(" ")[0]  # what is mounted later covers what was before
    return next((kinds[place] for place in (path, *path.parents) if place in kinds), "")


def connect(path: Path, patience: float) -> Connection:
    """Open the file, and make it if it is not there. Raises OSError, sqlite3.Error or ForeignFileError."""
    import sqlite3

    os.close(os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        with transaction(db, "DEFERRED"):  # else another kernel may make the file between two of the questions
            ours = _is_ours(db)
        if not ours:
            _fill(db)
        _log_ahead(db, patience)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _is_ours(db: Connection) -> bool:
    """True for a memo of this version, False for a new file."""
    mark, version, tables = (
        db.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (mark, version) == (_APPLICATION, VERSION):
        return True
    if (mark, version, tables) == (0, 0, 0):
        return False
    newer = mark == _APPLICATION and version > VERSION
    raise ForeignFileError(f"it is of the newer version {version}" if newer else "it is no memo of this version")


def _fill(db: Connection) -> None:
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded only before the first table is made
    with transaction(db):
        if not _is_ours(db):  # another kernel may have been quicker
            for statement in _TABLES:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {VERSION}")


def _log_ahead(db: Connection, patience: float) -> None:
    """Switch to a write-ahead log. SQLite does not wait here for kernels that do the same, so we do."""
    import sqlite3

    until = time.monotonic() + patience
    while True:
        try:
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as exc:
            if _code(exc) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                raise OSError("the file system does not allow a write-ahead log")
            return


@contextmanager
def transaction(db: Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Do all or nothing of what is inside."""
    if db.in_transaction:  # left by an interrupt at the wrong moment
        db.rollback()
    db.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.rollback()
        raise
    db.execute("COMMIT")


def give_back(db: Connection, bound: int) -> None:
    """Cut the file down towards `bound` bytes, as far as there are free pages in it and it does not take long."""
    pages, each = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if (over := min(pages - bound // each, _PAGES_AT_ONCE)) > 0:
        db.executescript(f"PRAGMA incremental_vacuum({over})")  # execute() would stop after the first page


def is_broken(error: Exception) -> bool:
    """True if another file would do, False if the trouble is with the disk or the place."""
    import sqlite3

    return isinstance(error, ForeignFileError) or _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def set_aside(path: Path, reason: Exception) -> None:
    """Let no kernel use a file again. The first to find it so says so."""
    try:
        descriptor = os.open(_marker(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        return
    os.close(descriptor)
    logger.warning("the memo %s is set aside and a new one begun: %s", path, reason)


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.aside")


def _code(error: Exception) -> int:
    """SQLite's primary error code; 0 for other errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
