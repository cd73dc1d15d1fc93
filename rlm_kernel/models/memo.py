"""The memo: identical calls are answered from a store on disk, across runs and kernels.

The store is one SQLite file. It needs no server and no further package, several processes may read and write it at
once, and a killed process leaves it whole. The alternative, `diskcache`, is SQLite too, but it pickles what is no
plain value, and its last release (5.6.3) is of August 2023.

On disk are the replies and a hash of each request, never the request itself. The memo is a convenience: where it
cannot work it says so once, switches itself off and finds nothing. The least recently used replies go first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from rlm_kernel import database
from rlm_kernel.database import Database, Kind, UnusableError
from rlm_kernel.trajectory.records import Reply, Request
from rlm_kernel.usage import Usage

if TYPE_CHECKING:
    from sqlite3 import Connection

VERSION = 1
"""Of tables, keys and bodies. It is part of the file's name, so that two versions of the package live side by side."""
_TABLES = (
    "CREATE TABLE reply (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, used INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX by_use ON reply (used)",
)
_KIND = Kind(
    name="memo",
    mark=0x524C4D4B,
    version=VERSION,
    tables=_TABLES,
)
BOUND = 256 * 2**20
"""Bytes that the replies may take on disk."""
_KEPT_SHARE = 0.8
"""The part of the bound that is left when replies are dropped, so that it happens seldom."""
_FRESH_SECONDS = 60
"""How exact the time of last use is; a reply used again within it causes no write."""
_PACKED_FROM = 1024
"""Bytes from which on a reply is compressed."""
_CHUNK = 500
"""Keys in one statement; older builds of SQLite take no more than 999."""
_ROW_BYTES = 200
"""What a row takes beside its body, roughly: key, index, page."""
_KEPT = ("text", "model", "finish", "reasoning", "estimated")
"""Fields of a reply that are stored as they are. Retries are left out: a hit had none."""
_COUNTS = tuple(field.name for field in dataclasses.fields(Usage))
_NOTHING: Mapping[str, object] = MappingProxyType({})

T = TypeVar("T")
logger = logging.getLogger(__name__)


def key_of(
    request: Request, *, model: str, endpoint: str, sample: int = 0, extra: Mapping[str, object] = _NOTHING
) -> str:
    """The key of a call: equal only for calls that a server cannot tell apart.

    Args:
        request: Every field of it counts, save for the time-out.
        model: The model's name as it is sent.
        endpoint: The base URL.
        sample: Tells apart calls that are meant to be drawn anew.
        extra: Whatever else changes the answer. The order of its names does not count.

    Raises:
        TypeError: If a value is neither JSON nor a dataclass of such.
    """
    fields = [
        (field.name, _whole(getattr(request, field.name)))
        for field in dataclasses.fields(request)
        if field.name != "timeout"
    ]
    identity = (VERSION, endpoint, model, fields, sample, sorted(extra.items()))
    return hashlib.sha256(_json(identity)).hexdigest()


def _whole(value: object) -> object:
    """A temperature of 1.0 is one of 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(value: object) -> bytes:
    # The order of names inside a schema counts: a model fills in the fields in that order. Escapes would make two
    # halves of a surrogate pair and the character that they stand for the same text.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return text.encode("utf-8", "surrogatepass")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be part of a memo's key or reply")


class Memo:
    """Replies by the key of their request. Safe for several threads and processes; never raises for trouble on disk."""

    def __init__(
        self,
        directory: str | Path | None = None,
        *,
        bound: int = BOUND,
        patience: float = 5.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is opened before the first use.

        Args:
            directory: Where the folder of the memo is made; None is ``RLM_MEMO_DIR``, else the user's cache.
            bound: Bytes that the replies may take.
            patience: Seconds to wait for another process that writes.
            clock: Tells the time of last use.
        """
        self.off = ""
        """Why the memo is off for this process; empty while it is on."""
        self._file = Database(folder_in(directory), _KIND, patience)
        self._bound = bound
        self._clock = clock
        self._used: set[str] = set()
        self._noted = 0

    @property
    def path(self) -> Path:
        """The file in use; its folder before the first use."""
        return self._file.path

    def key(self, request: Request, *, model: str, endpoint: str, sample: int) -> str:
        """The key of a call; see `key_of`."""
        return key_of(request, model=model, endpoint=endpoint, sample=sample)

    def get(self, keys: Sequence[str]) -> dict[str, Reply]:
        """The replies that are there, as they were given: the caller marks them as hits."""
        wanted = tuple(dict.fromkeys(keys))
        nothing: list[tuple[str, int, bytes]] = []
        rows = self._try(lambda db: self._found(db, wanted), nothing) if wanted else nothing
        return {key: reply for key, _, body in rows if (reply := _unpacked(body)) is not None}

    def put(self, entries: Mapping[str, Reply]) -> None:
        """Keep replies, in place of older ones of the same key."""
        rows = [(key, _packed(reply)) for key, reply in entries.items()]
        if rows:
            self._try(lambda db: self._keep(db, rows), None)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop the replies of these keys."""
        rows = [(key,) for key in keys]

        def drop(db: Connection) -> None:
            with database.transaction(db):
                db.executemany("DELETE FROM reply WHERE key = ?", rows)

        self._try(drop, None)

    def clear(self) -> None:
        """Drop all replies and give the space back."""

        def drop(db: Connection) -> None:
            with database.transaction(db):
                db.execute("DELETE FROM reply")
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self._try(drop, None)

    @property
    def size(self) -> int:
        """Bytes that the replies take; what `bound` bounds."""
        return self._try(database.size_of, 0)

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        if self._file.db is not None and self._used:
            self._try(self._note_use, None)
        self._file.let_go()

    def _try(self, action: Callable[[Connection], T], otherwise: T) -> T:
        if self.off:
            return otherwise
        try:
            return self._file.use(action)
        except UnusableError as exc:
            self.off = str(exc)
            logger.warning("the memo is off for this process: %s", self.off)
            return otherwise

    def _found(self, db: Connection, keys: tuple[str, ...]) -> list[tuple[str, int, bytes]]:
        rows: list[tuple[str, int, bytes]] = []
        with database.transaction(db, "DEFERRED"):
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                rows += db.execute(f"SELECT key, used, body FROM reply WHERE key IN ({marks})", part)  # noqa: S608
        before = int(self._clock()) - _FRESH_SECONDS
        self._used.update(key for key, used, _ in rows if used <= before)
        if self._used and self._noted <= before:
            self._note_use(db)
        return rows

    def _note_use(self, db: Connection) -> None:
        with database.transaction(db):
            self._write_use(db)
        self._used.clear()

    def _write_use(self, db: Connection) -> None:
        self._noted = int(self._clock())
        db.executemany("UPDATE reply SET used = ? WHERE key = ?", [(self._noted, key) for key in self._used])

    def _keep(self, db: Connection, rows: list[tuple[str, bytes]]) -> None:
        now = int(self._clock())
        with database.transaction(db):
            db.executemany(
                "INSERT INTO reply (key, used, body) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET used = excluded.used, body = excluded.body",
                [(key, now, body) for key, body in rows],
            )
            self._write_use(db)
            if database.size_of(db) > self._bound:
                _shrink(db, int(self._bound * _KEPT_SHARE))
        self._used.clear()
        database.give_back(db, self._bound)


def _shrink(db: Connection, target: int) -> None:
    """Drop what was used longest ago. A row's share of its page is a guess, so look again until it is enough."""
    while (excess := database.size_of(db) - target) > 0:
        doomed = []
        for number, length in db.execute("SELECT id, length(body) FROM reply ORDER BY used, id"):
            doomed.append((number,))
            excess -= length + _ROW_BYTES
            if excess <= 0:
                break
        if not doomed:
            return
        db.executemany("DELETE FROM reply WHERE id = ?", doomed)


def _packed(reply: Reply) -> bytes:
    values = {name: getattr(reply, name) for name in _KEPT}
    usage = {name: getattr(reply.usage, name) for name in _COUNTS}
    body = _json(values | {"tool_calls": reply.tool_calls, "usage": usage})
    return zlib.compress(body, 1) if len(body) > _PACKED_FROM else body


def _unpacked(body: bytes) -> Reply | None:
    """None for what another version of the package wrote and this one cannot read."""
    try:
        values = json.loads((body if body[:1] == b"{" else zlib.decompress(body)).decode("utf-8", "surrogatepass"))
        usage = Usage(**{name: value for name, value in values["usage"].items() if name in _COUNTS})
        kept = {name: values[name] for name in _KEPT}
        return Reply(**kept, tool_calls=tuple(values["tool_calls"]), usage=usage)
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error):
        return None


def folder_in(directory: str | Path | None) -> Path:
    """The folder of the memo in a directory: the one given, else ``RLM_MEMO_DIR``, else this user's cache."""
    chosen = directory or os.environ.get("RLM_MEMO_DIR")
    if not chosen:
        import platformdirs

        chosen = platformdirs.user_cache_dir("rlm-kernel", appauthor=False)
    return Path(os.path.abspath(os.path.expanduser(chosen))) / "memo"  # noqa: PTH100, PTH111  # these never raise


_shared: dict[Path, Memo] = {}


def shared() -> Memo:
    """The process's memo in the folder that is in force now."""
    return _shared.setdefault(folder_in(None), Memo(patience=1.0))
