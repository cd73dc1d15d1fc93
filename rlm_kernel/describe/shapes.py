"""The shape of nested values: which types, which keys, how deep. Never a value.

Works on many values at once, so that the records of a list are described by one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from rlm_kernel.describe.columns import stride
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import base_of, dict_items, is_container, items_of, size_of
from rlm_kernel.describe.words import count, label_text, type_name

DEPTH = 3
_VALUES = 100
"""Values looked at, at each level."""
_ITEMS = 20
"""Items looked at in each of them."""
_KEYS = 16
_TYPES = 4
_ROOM = 500


def shape_of(values: Sequence[object], look: Look, depth: int = DEPTH) -> str:
    """Say what `values` have in common: ``int``, ``str or None``, ``list of dict{id int, name str}``."""
    groups: dict[str, list[object]] = {}
    for value in values[:: stride(len(values), _VALUES)]:
        groups.setdefault(_word(value), []).append(value)
    ordered = sorted(groups.items(), key=lambda group: (group[0] == "None", -len(group[1])))
    texts = [_group_shape(word, group, look, depth) for word, group in ordered[:_TYPES]]
    if len(ordered) > _TYPES:
        texts.append(count(len(ordered) - _TYPES, "other type"))
    return " or ".join(texts) if texts else "nothing"


def _word(value: object) -> str:
    return "None" if value is None else type_name(type(value))


def _group_shape(word: str, group: list[object], look: Look, depth: int) -> str:
    if not is_container(group[0]):
        return word
    number = f" of {size_of(group[0]):,}" if len(group) == 1 else ""
    if depth <= 0 or not look.seconds_left:
        return f"{word}{number}"
    if base_of(group[0]) is dict:
        return f"{word}{_keys_shape(group, look, depth)}"
    items = [item for value in group[:_ITEMS] for item in items_of(value, _ITEMS)]
    if not items:
        return f"empty {word}"
    inner = shape_of(items, look, depth - 1)
    return f"{word}{number} {inner}" if number else f"{word} of {inner}"


def _keys_shape(group: list[object], look: Look, depth: int) -> str:
    """Describe dicts by their keys if these are names of fields, else by what the keys and values are."""
    columns: dict[object, list[object]] = {}
    for value in group:
        for key, item in dict_items(value, 4 * _KEYS):
            columns.setdefault(key, []).append(item)
    if not columns:
        return "{}"
    if not is_record(group, columns):
        values = [item for items in columns.values() for item in items]
        return f" of {shape_of(list(columns), look, 0)} to {shape_of(values, look, depth - 1)}"
    room, parts = _ROOM // (DEPTH + 1 - depth) if depth <= DEPTH else _ROOM, list[str]()
    for key, items in islice(columns.items(), _KEYS):
        parts.append(f"{label_text(key)} {look.hides(key) or shape_of(items, look, depth - 1)}")
        room -= len(parts[-1])
        if room < 0:
            break
    rest = len(columns) - len(parts)
    return "{" + ", ".join(parts) + (f", {rest:,} more" if rest else "") + "}"


def is_record(group: Sequence[object], columns: dict[object, list[object]]) -> bool:
    """Tell dicts whose keys are names of fields from dicts that look things up.

    Records share their keys; a single dict counts as one if it has few keys, all of them text.
    """
    if not all(isinstance(key, str) and len(key) <= 40 for key in columns):  # noqa: PLR2004 - longer than field names are
        return False
    if len(group) == 1:
        return len(columns) <= _KEYS
    return len(columns) <= 2 * max(size_of(value) for value in group)
