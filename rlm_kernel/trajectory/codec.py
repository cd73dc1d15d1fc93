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

import base64
import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from rlm_kernel.trajectory import events as _events
from rlm_kernel.trajectory.events import SCHEMA, AnyEvent, Event

Json = Any
"""What `json.dumps` takes."""
Text = Callable[[str], Json]
"""Writes a text: itself, or an object that stands for it."""
Lookup = Callable[[str, object], str]
"""Finds the text that an object with one key stands for; raises CodecError if it knows none."""

MIGRATIONS: dict[int, Callable[[dict[str, Json]], dict[str, Json]]] = {}
"""What makes a record of the next schema from one of the schema that is the key."""

_LARGE = 2**63
_HEX = re.compile(r"-?0x[0-9a-f]+")


class CodecError(ValueError):
    """A record is no event."""


def plain(text: str) -> Json:
    """A text as JSON: itself, or its bytes where it holds halves of surrogate pairs, which UTF-8 has no form for."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return {"$raw": _base64(text.encode("utf-8", "surrogatepass"))}
    return text


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
    return _writer(kind)(event, text)  # type: ignore[no-any-return]  # a dict for a dataclass


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
            return typing.cast("AnyEvent", _reader(kind)(record, self))
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
                return _unescaped(content)
            return self._lookup(str(form), content)
        raise CodecError(f"a text was expected, not {_short(value)}")


Writer = Callable[[Any, Text], Json]
Read = Callable[[Any, Reader], Any]


@cache
def _tags() -> dict[str, type[Event]]:
    kinds = [kind for kind in vars(_events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return {_tag(kind): kind for kind in kinds if kind is not Event}


def _tag(kind: type[Event]) -> str:
    return str(next(field.default for field in dataclasses.fields(kind) if field.name == "tag"))


# -- writing


@cache
def _writer(kind: Any) -> Writer:  # noqa: PLR0911 - one for each form
    """What writes a value of a type."""
    if kind is str:
        return lambda value, text: text(value)
    if dataclasses.is_dataclass(kind):
        return _write_dataclass(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal or kind in {int, bool}:
        return lambda value, _text: value
    if kind is float:
        return lambda value, _text: value if math.isfinite(value) else {"$number": repr(value)}
    if origin is tuple:
        one = _writer(inner[0])
        return lambda value, text: [one(item, text) for item in value]
    if origin in {Union, types.UnionType}:
        kinds = [kind for kind in inner if kind is not types.NoneType]
        one = _writer(kinds[0]) if len(kinds) == 1 else _write_any
        return lambda value, text: None if value is None else one(value, text)
    return _write_any


def _write_dataclass(kind: Any) -> Writer:
    hints = typing.get_type_hints(kind)
    fields = [(field.name, _writer(hints[field.name]), _default(field)) for field in dataclasses.fields(kind)]

    def write(value: object, text: Text) -> Json:
        record = {}
        for name, one, default in fields:
            held = getattr(value, name)
            if name == "tag" or (held is not default and (held != default or type(held) is not type(default))):
                record[name] = one(held, text)
        return record

    return write


_NO_DEFAULT = object()


def _default(field: dataclasses.Field[Any]) -> object:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return _NO_DEFAULT


def _write_any(value: object, text: Text) -> Json:  # noqa: PLR0911 - one for each form
    """A value of no declared type: JSON as it is, and forms for the rest."""
    match value:
        case int() if abs(value) >= _LARGE:
            return {"$number": hex(value)}
        case None | int():
            return value
        case str():
            return text(value)
        case float():
            return value if math.isfinite(value) else {"$number": repr(value)}
        case bytes() | bytearray():
            return {"$bytes": _base64(bytes(value))}
        case list():
            return [_write_any(item, text) for item in value]
        case tuple():
            return {"$tuple": [_write_any(item, text) for item in value]}
        case Mapping():
            if all(type(key) is str and key[:1] != "$" and plain(key) is key for key in value):
                return {key: _write_any(item, text) for key, item in value.items()}
            return {"$pairs": [[_write_any(key, text), _write_any(item, text)] for key, item in value.items()]}
    return {"$text": plain(_as_text(value))}


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


# -- reading


@cache
def _reader(kind: Any) -> Read:  # noqa: PLR0911 - one for each form
    """What reads a value of a type, and refuses one of another type."""
    if kind is str:
        return lambda value, reader: reader.text(value)
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return _checked(lambda value: isinstance(value, str) and value in inner, f"one of {', '.join(inner)}")
    if kind is bool:
        return _checked(lambda value: isinstance(value, bool), "true or false")
    if kind is int:
        return _checked(lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number")
    if kind is float:
        return _read_number
    if origin is tuple:
        return _read_items(_reader(inner[0]))
    if origin in {Union, types.UnionType}:
        return _read_one_of([kind for kind in inner if kind is not types.NoneType], optional=types.NoneType in inner)
    if origin in {dict, Mapping, typing.get_origin(Mapping[str, object])}:
        return _read_mapping(_reader(inner[1]))
    return _read_any


def _checked(fits: Callable[[Any], bool], wanted: str) -> Read:
    def read(value: Any, _reader: Reader) -> Any:
        if not fits(value):
            raise CodecError(f"{wanted} was expected, not {_short(value)}")
        return value

    return read


def _read_number(value: Any, _reader: Reader) -> float:
    match value:
        case bool():
            pass
        case int() | float():
            return value
        case {"$number": str(name)} if name in {"nan", "inf", "-inf"}:
            return float(name)
        case {"$number": str(name)} if _HEX.fullmatch(name):
            return int(name, 16)
    raise CodecError(f"a number was expected, not {_short(value)}")


def _read_items(one: Read) -> Read:
    def read(value: Any, reader: Reader) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise CodecError(f"a list was expected, not {_short(value)}")
        return tuple(one(item, reader) for item in value)

    return read


def _read_one_of(kinds: list[Any], *, optional: bool) -> Read:
    readers = [_reader(kind) for kind in kinds]

    def read(value: Any, reader: Reader) -> Any:
        if value is None and optional:
            return None
        for one in readers[:-1]:
            try:
                return one(value, reader)
            except CodecError:
                continue
        return readers[-1](value, reader)

    return read


def _read_mapping(one: Read) -> Read:
    def read(value: Any, reader: Reader) -> dict[Any, Any]:
        match value:
            case {"$pairs": list(pairs)} if len(value) == 1 and all(map(_is_pair, pairs)):
                return {_key(_read_any(key, reader)): one(item, reader) for key, item in pairs}
            case dict():
                return {key: one(item, reader) for key, item in value.items()}
        raise CodecError(f"an object was expected, not {_short(value)}")

    return read


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == len(("key", "value"))


def _read_any(value: Any, reader: Reader) -> Any:  # noqa: PLR0911 - one for each form
    match value:
        case list():
            return [_read_any(item, reader) for item in value]
        case {"$bytes": str(body)} if len(value) == 1:
            return _bytes(body)
        case {"$number": _} if len(value) == 1:
            return _read_number(value, reader)
        case {"$tuple": list(items)} if len(value) == 1:
            return tuple(_read_any(item, reader) for item in items)
        case {"$text": held} if len(value) == 1:
            return reader.text(held)
        case {"$pairs": _} if len(value) == 1:
            return _read_mapping(_read_any)(value, reader)
        case dict():
            if len(value) == 1 and next(iter(value)).startswith("$"):
                return reader.text(value)
            return {key: _read_any(item, reader) for key, item in value.items()}
    return value


def _read_dataclass(kind: Any) -> Read:
    hints = typing.get_type_hints(kind)
    given = {field.name: _reader(hints[field.name]) for field in dataclasses.fields(kind) if field.init}
    needed = {field.name for field in dataclasses.fields(kind) if field.init and _default(field) is _NO_DEFAULT}

    def read(value: Any, reader: Reader) -> Any:
        if not isinstance(value, dict):
            raise CodecError(f"an object was expected, not {_short(value)}")
        if missing := sorted(needed - value.keys()):
            raise CodecError(f"{kind.__name__} has no {missing[0]!r}")
        fields = {}
        for name, held in value.items():
            if name in given:
                try:
                    fields[name] = given[name](held, reader)
                except CodecError as exc:
                    raise CodecError(f"{kind.__name__}.{name}: {exc}") from None
            elif name != "tag":
                reader.ignored.add(f"{kind.__name__}.{name}")
        return kind(**fields)

    return read


def _key(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        raise CodecError("a list is no key") from None
    return value


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(body: str) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except ValueError:
        raise CodecError("the bytes cannot be read") from None


def _unescaped(body: str) -> str:
    try:
        return _bytes(body).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise CodecError("the text cannot be read") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 - enough to know it by
