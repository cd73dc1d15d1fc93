"""Reading built-in values without running anybody's code.

A subclass may override ``__len__``, ``__iter__`` or ``__repr__`` with something slow, lazy or broken, and a proxy may
answer to ``isinstance`` by loading what it stands for. So the class is asked of ``type``, and the methods of the
built-in base are called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from rlm_kernel.describe.look import Look
from rlm_kernel.describe.words import exact_text, is_scalar, label_text

_CONTAINERS: tuple[type[Any], ...] = (dict, list, tuple, set, frozenset, deque)
_BASES: tuple[type[Any], ...] = (*_CONTAINERS, str, bytes, bytearray)
_DEPTH = 4
_BRACKETS: dict[type[Any], tuple[str, str]] = {list: ("[", "]"), tuple: ("(", ")"), dict: ("{", "}"), set: ("{", "}")}


def base_of(value: object) -> type[Any] | None:
    """Give the built-in type that `value` really is; None if it is none of those read here."""
    classes = type(value).__mro__
    return next((base for base in _BASES if base in classes), None)


def is_container(value: object) -> bool:
    """Tell whether `value` holds other values that can be read here."""
    return base_of(value) in _CONTAINERS


def size_of(value: object) -> int:
    """Count the items or characters of a built-in value."""
    base = base_of(value)
    return int(base.__len__(value)) if base else 0


def items_of(value: object, number: int) -> list[Any]:
    """Take the first items of a list, a tuple, a set or a deque."""
    base = base_of(value)
    items: Iterable[Any] = base.__iter__(value) if base else ()
    return list(islice(items, number))


def dict_items(value: Any, number: int) -> list[tuple[Any, Any]]:
    """Take the first entries of a dict."""
    return list(islice(dict.items(value), number)) if base_of(value) is dict else []


def literal(value: object, look: Look, room: int) -> str | None:
    """Write a small built-in value whole, as Python would; None if it is too long, not plain, or may not be shown."""
    text = _literal(value, look, room, _DEPTH)
    # Rows of a table may stand below a withheld name even without being a dict: [["ssn", "age"], ["123", 5]].
    return text if text is not None and len(text) <= room and look.may_quote(text) else None


def _literal(value: Any, look: Look, room: int, depth: int) -> str | None:
    if value is None or is_scalar(value):
        return exact_text(value)
    if type(value) is str:
        return look.whole(value, room)
    return _nested(value, look, room, depth) if depth and type(value) in _BRACKETS else None


def _nested(value: Any, look: Look, room: int, depth: int) -> str | None:
    if size_of(value) > room // 2:
        return None
    parts: list[str] = []
    entries = dict_items(value, room) if type(value) is dict else [(None, item) for item in items_of(value, room)]
    for key, item in entries:
        text = None if look.hides(key) else _literal(item, look, room, depth - 1)
        if text is not None and type(value) is dict:
            shown = look.quote(key, room) if isinstance(key, str) else label_text(key)
            text = f"{shown}: {text}"
        room -= len(text or "") + 2
        if text is None or room < 0:
            return None
        parts.append(text)
    left, right = _BRACKETS[type(value)]
    comma = "," if type(value) is tuple and len(parts) == 1 else ""
    return (left + ", ".join(parts) + comma + right) if parts or type(value) is not set else "set()"
