"""Our own format: a header, then one record a line. And the same records where they travel inside another format."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rlm_kernel.errors import StoreError
from rlm_kernel.trajectory import codec, conversations
from rlm_kernel.trajectory.codec import CodecError, Json, Reader
from rlm_kernel.trajectory.events import SCHEMA, AnyEvent, CallFinished, CallStarted, RunStarted
from rlm_kernel.trajectory.records import Message

NAME = "rlm-kernel"
"""Stands in the header of our files, and is the key of our records in files of another format."""
VERSION = 1
"""Of the file's make-up. It grows when an older version of the package could not read it."""


def header() -> dict[str, Json]:
    """What our records say of themselves."""
    return {"format": NAME, "version": VERSION, "schema": SCHEMA}


def records(events: Iterable[AnyEvent]) -> Iterator[dict[str, Json]]:
    """The record of each event, conversations shortened."""
    last: dict[conversations.Place, CallStarted] = {}
    for event in events:
        shorter, like = conversations.shortened(event, last)
        yield codec.encode(shorter) | like


def lines(events: Sequence[AnyEvent]) -> Iterator[str]:
    """The lines of a file in our own format."""
    yield json.dumps(header(), ensure_ascii=False)
    for record in records(events):
        yield json.dumps(record, ensure_ascii=False, allow_nan=False)


def load(path: str | Path) -> list[AnyEvent]:
    """The events in a file of our own format, or of the reference project's with ours inside.

    What a later version of the package added is left out. Nothing is executed.

    Raises:
        StoreError: it cannot be read, or holds no run of ours.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as exc:
        raise StoreError(f"{path} cannot be read: {exc.strerror or exc}") from exc
    except UnicodeDecodeError:
        raise StoreError(f"{path} holds no run: it is no text in UTF-8") from None
    events = read(text.split("\n"), str(path))
    if reason := _lack(events):
        raise StoreError(f"{path} holds no whole run: {reason}")
    return events


def read(file: Iterable[str], name: str = "the file") -> list[AnyEvent]:
    """The events in the lines of a file. Raises StoreError, which calls it by `name`."""
    reader: Reader | None = None
    calls: dict[int, tuple[Message, ...]] = {}
    events: list[AnyEvent] = []
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            entry = _object(line)
            if reader is None:
                reader = _begun(entry)
                found = _inside(entry)
            else:
                found = _inside(entry) if "tag" not in entry else [entry]
            for record in found:
                like = record.pop(conversations.LIKE, None) if isinstance(record, dict) else None
                event = conversations.whole(reader.event(record), like, calls)
                events += [event] if event is not None else []
        except CodecError as exc:
            raise StoreError(f"{name}, line {number}: {exc}") from None
    if reader is None:
        raise StoreError(f"{name} is empty")
    codec.tell_ignored(reader.ignored, name)
    return events


def _lack(events: Sequence[AnyEvent]) -> str:
    """Why the events cannot be folded into a tree, whoever wrote the file; empty if they can."""
    runs: set[str] = set()
    calls: set[int] = set()
    for event in events:
        match event:
            case RunStarted() if event.run in runs or (event.parent not in runs if runs else event.parent is not None):
                return f"run {event.run} has no place in it"
            case RunStarted():
                runs.add(event.run)
            case _ if event.run not in runs:
                return f"event {event.seq} is of a run that has not begun"
            case CallStarted():
                calls.add(event.call)
            case CallFinished() if event.call not in calls:
                return f"call {event.call} ends without having begun"
    return "" if runs else "it has not begun"


def _object(line: str) -> dict[str, Json]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise CodecError("it is no JSON") from None
    if not isinstance(entry, dict):
        raise CodecError("it is no JSON object")
    return entry


def _begun(entry: dict[str, Json]) -> Reader:
    """The reader for a file that begins with this object."""
    ours = entry if entry.get("format") == NAME else entry.get(NAME)
    match ours:
        case {"version": int(version), "schema": int(schema)}:
            if version > VERSION:
                raise CodecError(f"it is of the newer version {version}; upgrade rlm-kernel")
            return Reader(schema)
    raise CodecError("it is no run saved by rlm-kernel")


def _inside(entry: dict[str, Json]) -> list[Json]:
    """Our records inside a line of another format."""
    match entry.get(NAME):
        case {"events": list(found)}:
            return found
    return []
