"""The JSON forms of types: what writes a value of a type and what reads it back, derived from dataclasses."""

from __future__ import annotations

import base64
import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Protocol, Union, get_args, get_origin

Json = Any
"""What `json.dumps` takes."""
Text = Callable[[str], Json]
"""Writes a text: itself, or an object that stands for it."""
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


class Source(Protocol):
    """What reads records, as the forms need it."""

    ignored: set[str]

    def text(self, value: object) -> str:
        """The text that a value stands for."""


Writer = Callable[[Any, Text], Json]
Read = Callable[[Any, Source], Any]


# -- writing


@cache
def writer_of(kind: Any) -> Writer:  # noqa: PLR0911 - one for each form
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
        one = writer_of(inner[0])
        return lambda value, text: [one(item, text) for item in value]
    if origin in {Union, types.UnionType}:
        kinds = [kind for kind in inner if kind is not types.NoneType]
        one = writer_of(kinds[0]) if len(kinds) == 1 else _write_any
        return lambda value, text: None if value is None else one(value, text)
    return _write_any


def _write_dataclass(kind: Any) -> Writer:
    hints = typing.get_type_hints(kind)
    fields = [(field.name, writer_of(hints[field.name]), _default(field)) for field in dataclasses.fields(kind)]

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
def reader_of(kind: Any) -> Read:  # noqa: PLR0911 - one for each form
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
        return _read_items(reader_of(inner[0]))
    if origin in {Union, types.UnionType}:
        return _read_one_of([kind for kind in inner if kind is not types.NoneType], optional=types.NoneType in inner)
    if origin in {dict, Mapping, typing.get_origin(Mapping[str, object])}:
        return _read_mapping(reader_of(inner[1]))
    return _read_any


def _checked(fits: Callable[[Any], bool], wanted: str) -> Read:
    def read(value: Any, _reader: Source) -> Any:
        if not fits(value):
            raise CodecError(f"{wanted} was expected, not {short(value)}")
        return value

    return read


def _read_number(value: Any, _reader: Source) -> float:
    match value:
        case bool():
            pass
        case int() | float():
            return value
        case {"$number": str(name)} if name in {"nan", "inf", "-inf"}:
            return float(name)
        case {"$number": str(name)} if _HEX.fullmatch(name):
            return int(name, 16)
    raise CodecError(f"a number was expected, not {short(value)}")


def _read_items(one: Read) -> Read:
    def read(value: Any, reader: Source) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise CodecError(f"a list was expected, not {short(value)}")
        return tuple(one(item, reader) for item in value)

    return read


def _read_one_of(kinds: list[Any], *, optional: bool) -> Read:
    readers = [reader_of(kind) for kind in kinds]

    def read(value: Any, reader: Source) -> Any:
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
    def read(value: Any, reader: Source) -> dict[Any, Any]:
        match value:
            case {"$pairs": list(pairs)} if len(value) == 1 and all(map(_is_pair, pairs)):
                return {_key(_read_any(key, reader)): one(item, reader) for key, item in pairs}
            case dict():
                return {key: one(item, reader) for key, item in value.items()}
        raise CodecError(f"an object was expected, not {short(value)}")

    return read


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == len(("key", "value"))


def _read_any(value: Any, reader: Source) -> Any:  # noqa: PLR0911 - one for each form
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
    given = {field.name: reader_of(hints[field.name]) for field in dataclasses.fields(kind) if field.init}
    needed = {field.name for field in dataclasses.fields(kind) if field.init and _default(field) is _NO_DEFAULT}

    def read(value: Any, reader: Source) -> Any:
        if not isinstance(value, dict):
            raise CodecError(f"an object was expected, not {short(value)}")
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


def unescaped(body: str) -> str:
    """The text of a ``$raw``."""
    try:
        return _bytes(body).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise CodecError("the text cannot be read") from None


def short(value: object) -> str:
    """A value as errors show it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."  # noqa: PLR2004 - enough to know it by
