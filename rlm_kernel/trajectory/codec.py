"""Events as JSON and back, without loss.

Everything is derived from the dataclasses: a new event, or a new field with a default, needs nothing here. A record is
the event's fields by name, under its `tag`; fields that hold their default are left out. What JSON has no form for
stands as an object with one key: ``$raw`` for a text that UTF-8 has no form for, ``$bytes``, ``$number`` for nan, the
infinite and very large whole numbers, ``$tuple``, ``$pairs`` for a mapping whose keys are not plain, ``$text`` for any
other object.

Reading is strict where it must be and lenient where it can be: a value of the wrong type is a `CodecError`, but fields
and events that a later version of the package added are left out and noted in `Reader.ignored`. Nothing that is read
is ever executed.
"""

from __future__ import annotations

import dataclasses
import logging
import typing
from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any

from rlm_kernel.trajectory import events as _events
from rlm_kernel.trajectory.events import SCHEMA, AnyEvent, Event
from rlm_kernel.trajectory.forms import CodecError, Json, Text, plain, reader_of, short, unescaped, writer_of

Lookup = Callable[[str, object], str]
"""Finds the text that an object with one key stands for; raises CodecError if it knows none."""

MIGRATIONS: dict[int, Callable[[dict[str, Json]], dict[str, Json]]] = {}
"""What makes a record of the next schema from one of the schema that is the key."""

__all__ = ["MIGRATIONS", "CodecError", "Json", "Reader", "Text", "encode", "plain", "rewritten", "tags", "tell_ignored"]

logger = logging.getLogger(__name__)


def nowhere(form: str, _value: object) -> str:
    """The look-up of records that hold all their texts."""
    raise CodecError(f"there is no text for {form!r}")


def encode(event: Event, text: Text = plain) -> dict[str, Json]:
    """The record of an event.

    Args:
        event: any event.
        text: writes each text in it; by default as it is.
    """
    kind: Any = type(event)
    return writer_of(kind)(event, text)  # type: ignore[no-any-return]  # a dict for a dataclass


def rewritten(event: AnyEvent, change: Callable[[str], str]) -> AnyEvent:
    """The event with every text in it changed, names of runs too."""
    changed = Reader().event(encode(event, lambda text: plain(change(text))))
    assert changed is not None
    return changed


def tags() -> dict[str, type[Event]]:
    """Every type of event by its tag."""
    return dict(_tags())


class Reader:
    """Reads records of one schema version."""

    def __init__(self, schema: int = SCHEMA, lookup: Lookup = nowhere) -> None:
        """Take what the records' file says of them.

        Args:
            schema: the version of the event records.
            lookup: finds texts that stand elsewhere.
        """
        self.schema = schema
        self.ignored: set[str] = set()
        """Fields and events that this version of the package does not know, such as ``StepStarted.mood``."""
        self._lookup = lookup

    def event(self, record: object) -> AnyEvent | None:
        """The event of a record; None if a later version of the package added it.

        Raises:
            CodecError: it is no record of an event.
        """
        if not isinstance(record, dict) or not isinstance(tag := record.get("tag"), str):
            raise CodecError("a record is an object with a tag")
        if tag not in _tags():
            self.ignored.add(tag)
            return None
        for version in range(self.schema, SCHEMA):
            if version in MIGRATIONS:
                record = MIGRATIONS[version](record)
        kind: Any = _tags()[tag]
        try:
            return typing.cast("AnyEvent", reader_of(kind)(record, self))
        except CodecError:
            if self.schema <= SCHEMA:
                raise
            self.ignored.add(tag)  # a later version of the package gave it another form
            return None

    def events(self, records: Iterable[object]) -> list[AnyEvent]:
        """The events of records, without those that are not known."""
        return [event for record in records if (event := self.event(record)) is not None]

    def text(self, value: object) -> str:
        """The text that a value stands for."""
        if isinstance(value, str):
            return value
        if isinstance(value, dict) and len(value) == 1:
            [(form, content)] = value.items()
            if form == "$raw" and isinstance(content, str):
                return unescaped(content)
            return self._lookup(str(form), content)
        raise CodecError(f"a text was expected, not {short(value)}")


def tell_ignored(ignored: Collection[str], name: str) -> None:
    """Log what a later version of the package had written and this one has left out of what `name` says."""
    if ignored:
        left_out = ", ".join(sorted(ignored))
        logger.warning("%s is of a newer version of rlm-kernel than this one; left out: %s", name, left_out)


@cache
def _tags() -> dict[str, type[Event]]:
    kinds = [kind for kind in vars(_events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return {_tag(kind): kind for kind in kinds if kind is not Event}


def _tag(kind: type[Event]) -> str:
    return str(next(field.default for field in dataclasses.fields(kind) if field.name == "tag"))
