"""The text of a value, bounded while it is built: nothing here makes the repr of a 200 MB string."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

ECHO_CHARS = 100_000
"""Characters shown of one value at most."""

LEAF_CHARS = 2_000
"""Characters shown of one string inside a container."""

_DEPTH = 20

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


class Full(Exception):  # no error: it ends the printing
    """The limit is reached."""


class BoundedSink:
    """A file-like that takes so many characters and then raises `Full`."""

    def __init__(self, limit: int = ECHO_CHARS) -> None:
        self._room = limit
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        """Take `text`, or as much as there is room for."""
        self._parts.append(text[: self._room])
        self._room -= len(text)
        if self._room < 0:
            raise Full
        return len(text)

    def text(self) -> str:
        """What was taken."""
        cut = "\n[... the rest is left out ...]" if self._room < 0 else ""
        return "".join(self._parts) + cut


def bounded_string(value: str | bytes, limit: int = ECHO_CHARS) -> str:
    """The repr of a string; of a long one the head, the tail and the length."""
    if len(value) <= limit:
        return repr(value)
    half = limit // 2
    unit = "characters" if isinstance(value, str) else "bytes"
    left_out = len(value) - 2 * half
    return f"{value[:half]!r}\n[... {left_out:,} of {len(value):,} {unit} left out ...]\n{value[-half:]!r}"


def bounded_leaf(value: str | bytes) -> str:
    """The repr of a string inside a container, in one line."""
    if len(value) <= LEAF_CHARS:
        return repr(value)
    half = LEAF_CHARS // 2
    return f"{value[:half]!r}[... {len(value) - 2 * half:,} of {len(value):,} left out ...]{value[-half:]!r}"


def safe_repr(value: object) -> str:
    """``repr(value)``, or a line that says why there is none."""
    try:
        text = repr(value)
    except Exception as exc:
        return f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"
    return text


def bounded_repr(value: object, limit: int = ECHO_CHARS) -> str:
    """``repr(value)`` with a bound, for values of any type."""
    if type(value) in (str, bytes):
        return bounded_string(value, limit)  # type: ignore[arg-type]  # the exact type was just looked at
    sink = BoundedSink(limit)
    with suppress(Full):
        _write(value, sink, ())
    return sink.text()


def _write(value: Any, sink: BoundedSink, above: tuple[int, ...]) -> None:
    kind = type(value)
    if kind in (str, bytes):
        sink.write(bounded_leaf(value))
    elif kind not in _BRACKETS or not value:
        sink.write(safe_repr(value))
    elif id(value) in above or len(above) > _DEPTH:
        sink.write("...".join(_BRACKETS[kind]))
    else:
        _write_items(value, sink, (*above, id(value)))


def _write_items(value: Any, sink: BoundedSink, above: tuple[int, ...]) -> None:
    opening, closing = _BRACKETS[type(value)]
    sink.write(opening)
    is_mapping = type(value) is dict
    items: Iterable[Any] = value.items() if is_mapping else value
    for number, item in enumerate(items):
        if number:
            sink.write(", ")
        if is_mapping:
            _write(item[0], sink, above)
            sink.write(": ")
            _write(item[1], sink, above)
        else:
            _write(item, sink, above)
    sink.write("," + closing if type(value) is tuple and len(value) == 1 else closing)
