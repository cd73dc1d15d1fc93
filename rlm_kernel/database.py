"""One SQLite file of ours: where it lies, who may read it, how it is made and moved on, and when it is not used.

The memo of sub-calls and the store of runs are such files. A file that cannot be used is set aside by a marker beside
it and the next number is taken. It is neither renamed nor deleted: another kernel may have it open, and SQLite finds a
file's log by the file's name.

SQLite allows no connection to live through a fork, so before one every connection of the process is closed; the next
use opens it again.
"""

from __future__ import annotations

import logging
import os
import stat
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sqlite3 import Connection

FILES = 5
"""Files of one kind and version; when all of them are set aside, something else is wrong."""
_PAGES_AT_ONCE = 1000
"""Pages that one writing moves to shorten the file, so that nobody waits long for it."""
_NETWORK = {"afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4"}
_NETWORK |= {"pvfs2", "smb2", "smb3", "smbfs"}
"""File systems whose machines share no memory, which SQLite's log needs."""
_MOUNTS = Path("/proc/self/mountinfo")

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """What a file of ours holds."""

    name: str
    """Begins the file's name and stands in messages: ``memo``."""
    mark: int
    """Stands in the file's header and tells it from other people's."""
    version: int
    """Of tables and bodies."""
    tables: tuple[str, ...]
    """The statements that make the newest version."""
    migrations: tuple[tuple[str, ...], ...] | None = None
    """Statements that lead from version 1 to 2, from 2 to 3 and so on. None: each version has a file of its own."""
    log_bytes: int = 16 * 2**20
    """What SQLite's log is cut down to after it was copied into the file."""

    def path(self, folder: Path, number: int) -> Path:
        """The file of that number, from 1."""
        name = self.name if self.migrations is not None else f"{self.name}-{self.version}"
        return folder / (f"{name}.sqlite3" if number == 1 else f"{name}-{number}.sqlite3")


class ForeignFileError(Exception):
    """The file is sound, but none of this kind and version."""


class UnusableError(Exception):
    """There is no file that can be used. The message names the place and the reason."""


class Database:
    """The file of one kind in a folder, opened on first use. Safe for several threads and processes."""

    def __init__(self, folder: Path, kind: Kind, patience: float) -> None:
        """Nothing is opened yet.

        Args:
            folder: Where the file is, or will be made.
            kind: What it holds.
            patience: Seconds to wait for another process that writes.
        """
        self.kind = kind
        self.path = folder
        """The file in use; its folder before the first use."""
        self.db: Connection | None = None
        self._folder = folder
        self._patience = patience

    def use(self, action: Callable[[Connection], T]) -> T:
        """Do something with the file; a broken one is set aside and a new one begun.

        Raises:
            UnusableError: It cannot be done, and the connection is closed.
        """
        import sqlite3

        with _LOCK:
            while True:
                try:
                    return action(self._connected())
                except (sqlite3.Error, OSError, ForeignFileError) as exc:
                    self.let_go()
                    self._set_aside(exc)

    def look(self, action: Callable[[Connection], T], otherwise: T) -> T:
        """Do something with the file without changing anything, where `use` cannot.

        Args:
            action: Reads.
            otherwise: The result if there is no file.

        Raises:
            OSError, sqlite3.Error: It cannot be read.
        """
        import sqlite3

        path = first_whole(self._folder, self.kind)
        if not path.exists():
            return otherwise
        # A file that has no log is the same until somebody writes; with a log, SQLite must be able to share memory.
        still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro{still}", uri=True, isolation_level=None)
        try:
            return action(db)
        finally:
            db.close()

    def let_go(self) -> None:
        """Close the file; the next use opens it again."""
        with _LOCK:
            db, self.db = self.db, None
            if db is not None:
                import sqlite3

                with suppress(sqlite3.Error):
                    db.close()

    def _connected(self) -> Connection:
        if self.db is None:
            self.path = usable(self._folder, self.kind)
            self.db = connect(self.path, self.kind, self._patience)
            _OPEN.add(self)
        return self.db

    def _set_aside(self, error: Exception) -> None:
        """Mark the file if another would do; raise UnusableError if the trouble is with the disk or the place."""
        import sqlite3

        if isinstance(error, ForeignFileError) or _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            try:
                set_aside(self.path, self.kind, error)
            except OSError as worse:
                error = worse
            else:
                return
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UnusableError(f"{self.path}: {reason}") from error


def usable(folder: Path, kind: Kind) -> Path:
    """Make the folder, for this user alone, and name the file to use in it. Raises OSError if none can be."""
    folder.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    if sys.platform != "win32":
        status = folder.stat()
        if status.st_uid != os.getuid():
            raise PermissionError("the folder belongs to another user")
        if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            folder.chmod(status.st_mode & stat.S_IRWXU)
    if (system := file_system(folder.resolve())) in _NETWORK:
        raise OSError(f"it lies on a network file system ({system})")
    return first_whole(folder, kind)


def first_whole(folder: Path, kind: Kind) -> Path:
    """The first file that is not set aside. Raises OSError if all are."""
    for number in range(1, FILES + 1):
        path = kind.path(folder, number)
        if not _marker(path).exists():
            return path
    raise OSError(f"{FILES} files in it are set aside as broken; delete the folder")


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


def connect(path: Path, kind: Kind, patience: float) -> Connection:
    """Open the file, make it if it is not there, move it on if it is old.

    Raises:
        OSError, sqlite3.Error, ForeignFileError: It cannot be used.
    """
    import sqlite3

    os.close(os.open(path, os.O_RDWR | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR))
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    db = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        with transaction(db, "DEFERRED"):  # else another kernel may make the file between two of the questions
            version = _version_of(db, kind)
        if version == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded only before the first table is made
        if version < kind.version:
            _bring_up(db, kind)
        _log_ahead(db, patience)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA journal_size_limit = {kind.log_bytes}")
    except BaseException:
        db.close()
        raise
    return db


def _version_of(db: Connection, kind: Kind) -> int:
    """The version of a file of this kind, 0 for a new file."""
    mark, version, tables = (
        db.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (mark, version, tables) == (0, 0, 0):
        return 0
    if mark == kind.mark and version == kind.version:
        return int(version)
    newer = mark == kind.mark and version > kind.version
    if kind.migrations is not None and mark == kind.mark and version > 0:
        if newer:
            raise OSError(f"it is of the newer version {version}; upgrade rlm-kernel")
        return int(version)
    raise ForeignFileError(
        f"it is of the newer version {version}" if newer else f"it is no {kind.name} of this version"
    )


def check_version(db: Connection, kind: Kind) -> None:
    """Raise OSError if another kernel, with a newer version of the package, has moved the file on meanwhile."""
    if _version_of(db, kind) != kind.version:
        raise OSError("another version of rlm-kernel has taken it over; restart the kernel")


def _bring_up(db: Connection, kind: Kind) -> None:
    with transaction(db):
        version = _version_of(db, kind)  # another kernel may have been quicker
        steps = [kind.tables] if version == 0 else (kind.migrations or ())[version - 1 :]
        for statement in (statement for step in steps for statement in step):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {kind.mark}")
        db.execute(f"PRAGMA user_version = {kind.version}")


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


def size_of(db: Connection) -> int:
    """Bytes of the pages in use."""
    pages, free, each = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * each)


def settle(db: Connection) -> None:
    """Move the log into the file and cut it off, if nobody is in the way."""
    (patience,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0")
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.execute(f"PRAGMA busy_timeout = {patience}")


def give_back(db: Connection, bound: int) -> None:
    """Cut the file down towards `bound` bytes, as far as there are free pages in it and it does not take long."""
    pages, each = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if (over := min(pages - bound // each, _PAGES_AT_ONCE)) > 0:
        db.executescript(f"PRAGMA incremental_vacuum({over})")  # execute() would stop after the first page


def set_aside(path: Path, kind: Kind, reason: Exception) -> None:
    """Let no kernel use a file again. The first to find it so says so."""
    try:
        descriptor = os.open(_marker(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError:
        return
    os.close(descriptor)
    logger.warning("the file of the %s %s is set aside and a new one begun: %s", kind.name, path, reason)


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.aside")


def _code(error: Exception) -> int:
    """SQLite's primary error code; 0 for other errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


_LOCK = threading.RLock()
"""One for all files of the process: a fork waits for it, so that no thread is inside SQLite at that moment."""
_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()


def _before_fork() -> None:
    _LOCK.acquire()
    for database in tuple(_OPEN):
        database.let_go()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_before_fork, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)
