"""What lies in the file of the store: a row for each run, its events in blocks, and long texts once each.

A block holds the events that were written together, one JSON record a line, compressed. A text above a certain length
stands apart, under the hash of its content, and the record names its row. Of a conversation that grows only the new
messages are written: the record names an earlier call and how many of its messages it begins with.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlm_kernel.database import Kind
from rlm_kernel.trajectory import codec, conversations
from rlm_kernel.trajectory.codec import CodecError, Json, Reader
from rlm_kernel.trajectory.conversations import Place
from rlm_kernel.trajectory.events import SCHEMA, AnyEvent, CallStarted
from rlm_kernel.trajectory.records import Message

if TYPE_CHECKING:
    from sqlite3 import Connection

_COLUMNS = {
    "TEXT NOT NULL": ("notebook", "question", "status", "machine", "boot", "space", "started"),
    "REAL NOT NULL": ("began", "last", "dollars"),
    "INTEGER NOT NULL": ("steps", "calls", "unpriced", "pid"),
}
_OF_A_RUN = ", ".join(f"{name} {kind}" for kind, names in _COLUMNS.items() for name in names)
_TABLES = (
    f"CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, {_OF_A_RUN})",
    "CREATE INDEX by_time ON run (began)",
    "CREATE TABLE block (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, schema INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX by_run ON block (run)",
    "CREATE TABLE text (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, body BLOB NOT NULL)",
    "CREATE TABLE used (run INTEGER NOT NULL, text INTEGER NOT NULL, PRIMARY KEY (run, text)) WITHOUT ROWID",
    "CREATE INDEX by_text ON used (text)",
)
KIND = Kind(name="runs", mark=0x524C4D52, version=1, tables=_TABLES, migrations=(), log_bytes=2**20)
"""A change of the tables makes a new version, and appends to `migrations` what leads to it."""

LONG = 2000
"""Characters from which on a text stands apart."""
_QUICKLY = 2**20
"""Characters from which on a text is compressed with less effort."""
_MOST = 2**63 - 1
_TEXT = "$at"
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False)


@dataclass(slots=True)
class Known:
    """What is in the file already, as far as one run knows."""

    texts: dict[str, int] = field(default_factory=dict)
    """Rows of texts that this run uses."""
    last: dict[Place, CallStarted] = field(default_factory=dict)
    """The last call of each kind."""

    def after(self, fresh: Known) -> None:
        """Take over what was written."""
        self.texts |= fresh.texts
        self.last |= fresh.last


def write_block(
    db: Connection, run: int, events: Sequence[AnyEvent], known: Known, blank: Callable[[str], str]
) -> tuple[Known, int]:
    """Write events of a run as one block; what is known in addition once that is committed, and the block's size.

    Args:
        db: the file, in a transaction.
        run: the row of the run.
        events: in order.
        known: what the run knows to be there.
        blank: takes secrets out of a text.
    """
    fresh = Known()

    def text(held: str) -> Json:
        held = blank(held)
        if len(held) < LONG:
            return codec.plain(held)
        number = known.texts.get(held) or fresh.texts.get(held)
        if number is None:
            number = fresh.texts[held] = _keep(db, run, held)
        return {_TEXT: number}

    lines = []
    for event in events:
        shorter, like = conversations.shortened(event, ChainMap(fresh.last, known.last))
        lines.append(_JSON.encode(codec.encode(shorter, text) | like))
    body = zlib.compress("\n".join(lines).encode(), 3)
    db.execute("INSERT INTO block (run, schema, body) VALUES (?, ?, ?)", (run, SCHEMA, body))
    return fresh, len(body)


def _keep(db: Connection, run: int, text: str) -> int:
    content = text.encode("utf-8", "surrogatepass")
    name = hashlib.sha256(content).digest()
    row = db.execute("SELECT id FROM text WHERE hash = ?", (name,)).fetchone()
    if row is None:
        body = zlib.compress(content, 1 if len(text) > _QUICKLY else 6)
        row = (db.execute("INSERT INTO text (hash, body) VALUES (?, ?)", (name, body)).lastrowid,)
    db.execute("INSERT OR IGNORE INTO used (run, text) VALUES (?, ?)", (run, row[0]))
    return int(row[0])


def read_events(db: Connection, run: int, ignored: set[str] | None = None) -> Iterator[AnyEvent]:
    """The events of a run, in order.

    Args:
        db: the file.
        run: the row of the run.
        ignored: gets what a later version of the package had written and this one leaves out.

    Raises:
        CodecError: the file is damaged.
    """
    calls: dict[int, tuple[Message, ...]] = {}
    texts: dict[object, str] = {}

    def lookup(form: str, number: object) -> str:
        if number not in texts:
            row = db.execute("SELECT body FROM text WHERE id = ?", (number,)).fetchone() if form == _TEXT else None
            if row is None:
                raise CodecError(f"there is no text {number!r}")
            texts[number] = _unpacked(row[0])
        return texts[number]

    seen = 0
    for schema, body in db.execute("SELECT schema, body FROM block WHERE run = ? ORDER BY id", (run,)).fetchall():
        reader = Reader(schema, lookup)
        for record in _records(body):
            like = record.pop(conversations.LIKE, None)
            event = conversations.whole(reader.event(record), like, calls)
            if event is not None and event.seq > seen:  # an interrupt just after a writing makes it happen twice
                seen = event.seq
                yield event
        if ignored is not None:
            ignored |= reader.ignored


def _records(body: bytes) -> Iterator[dict[str, Json]]:
    for line in _unpacked(body).split("\n"):
        try:
            record = json.loads(line)
        except ValueError:
            raise CodecError("a record is no JSON") from None
        if not isinstance(record, dict):
            raise CodecError("a record is no object")
        yield record


def _unpacked(body: bytes) -> str:
    try:
        return zlib.decompress(body).decode("utf-8", "surrogatepass")
    except (zlib.error, UnicodeDecodeError):
        raise CodecError("a part cannot be unpacked") from None


def delete(db: Connection, run: int) -> None:
    """Drop a run, and the texts that no other run uses. Call it in a transaction."""
    db.execute(
        "DELETE FROM text WHERE id IN (SELECT text FROM used WHERE run = ?)"
        " AND NOT EXISTS (SELECT 1 FROM used WHERE used.text = text.id AND used.run <> ?)",
        (run, run),
    )
    for table, column in (("used", "run"), ("block", "run"), ("run", "id")):
        db.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))  # noqa: S608 - names of ours


def upsert(db: Connection, table: str, key: str, values: dict[str, object]) -> int:
    """Insert a row or change the one of that key; its number."""
    columns = [key, *(name for name in values if name != key)]
    marks = ", ".join("?" * len(columns))
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    query = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"  # noqa: S608
    db.execute(query, [_fitting(values[name]) for name in columns])
    return int(db.execute(f"SELECT id FROM {table} WHERE {key} = ?", (values[key],)).fetchone()[0])  # noqa: S608


def _fitting(value: object) -> object:
    """A value as a column can hold it."""
    match value:
        case int():
            return max(-_MOST, min(value, _MOST))
        case float():
            return value if math.isfinite(value) else 0.0
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
    return value
