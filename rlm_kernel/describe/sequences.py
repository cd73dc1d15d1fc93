"""Describers for list, tuple, set and deque."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlm_kernel.describe.column_words import column_facts
from rlm_kernel.describe.columns import LONG_TEXT, SAMPLE_ROWS, sample_size, stride
from rlm_kernel.describe.dicts import record_facts
from rlm_kernel.describe.facts import Facts, field_names
from rlm_kernel.describe.lists import ListColumn, lengths, list_column, mean_length
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import base_of, dict_items, items_of, literal, size_of
from rlm_kernel.describe.shapes import is_record, shape_of
from rlm_kernel.describe.words import a_or_an, about, count, label_text, listed, type_name

_WHOLE = 300
_RECORDS = 5000
_KEYS = 200
_FIELDS = 40


def describe_sequence(value: Any, look: Look) -> Facts:
    """Describe a list, tuple, set or deque."""
    word, size = type_name(type(value)), size_of(value)
    if (whole := literal(value, look, _WHOLE)) is not None:
        head = f"{a_or_an(word)} of {count(size, 'item')}: {whole}"
        return Facts(type=word, head=head, kind="sequence", size=size, partial=False)
    names = getattr(type(value), "_fields", None)
    if base_of(value) is tuple and isinstance(names, tuple):
        return record_facts(word, dict(zip(names, items_of(value, _KEYS), strict=False)), size, look)
    # A set, a deque or a subclass is read from its front; a plain list anywhere, without a copy.
    values: Sequence[Any] = value if type(value) in (list, tuple) else items_of(value, SAMPLE_ROWS)
    peek = values[:: stride(len(values), _RECORDS)]
    present = [item for item in peek if item is not None]
    if present and all(base_of(item) is dict for item in peek) and is_record(peek, _keys(peek)):
        return _records(word, size, peek, look)
    if present and all(base_of(item) is str for item in present) and mean_length(present) >= LONG_TEXT:
        return _long_texts(word, size, values, look)
    return _items(word, size, values, look)


def _items(word: str, size: int, values: Sequence[Any], look: Look) -> Facts:
    """Describe a sequence by what its items have in common."""
    column, front = list_column(values), len(values) < size
    note = f" (of the first {len(values):,})" if front else ""
    if column.sort == "other":
        peek = values[:: stride(len(values), _RECORDS)]
        head = f"{a_or_an(word)} of {size:,}: {shape_of(peek, look)}{note}."
        return Facts(type=word, head=head, kind="sequence", size=size, sampled=len(peek) < size)
    facts = column_facts(column, look)
    if facts.sampled and not front and facts.text != column.dtype:
        note = f' ("about" and "at least": from a sample of {sample_size(size):,})'
    head = f"{a_or_an(word)} of {count(size, 'item')}. Items: {facts.text}{note}."
    return Facts(type=word, head=head, kind="sequence", size=size, sampled=facts.sampled or front)


def _keys(records: Sequence[Any]) -> dict[object, list[object]]:
    """Gather the values of many records under their keys."""
    columns: dict[object, list[object]] = {}
    for record in records:
        for key, item in dict_items(record, _KEYS):
            columns.setdefault(key, []).append(item)
    return columns


def _records(word: str, size: int, peek: Sequence[Any], look: Look) -> Facts:
    """Describe a list of dicts with the same keys as a table is described, one line a key."""
    columns = _keys(peek)
    lines: list[str] = []
    room = look.room * 0.8
    for key, items in list(columns.items())[: 0 if look.only_head else _FIELDS]:
        line = f"- {label_text(key)}: {_field(key, items, len(peek), look, sampled=len(peek) < size)}"
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    if rest := list(columns)[len(lines) :]:
        lines.append(f"- and {count(len(rest), 'more key')}: {listed([label_text(key) for key in rest], 60, 500)}")
    if len(peek) < size:
        lines.append(f"(From a sample of {len(peek):,} of them.)")
    return Facts(
        type=word,
        head=f"{a_or_an(word)} of {size:,} dict.",
        lines=tuple(lines),
        kind="sequence",
        size=size,
        fields=field_names(columns),
        sampled=len(peek) < size,
    )


def _field(key: object, items: list[Any], records: int, look: Look, *, sampled: bool) -> str:
    """Describe what stands under one key of many records."""
    present = [item for item in items if item is not None]
    column: ListColumn = list_column(present, key)
    if hidden := look.hides(key):
        return f"{column.dtype}, {hidden}"
    if not present:
        return "always None"
    text = shape_of(present, look, 2) if column.sort == "other" else column_facts(column, look).text
    for lacking, words in ((len(items) - len(present), "None"), (records - len(items), "absent")):
        if lacking:
            text += f"; {words} in {f'{about(100 * lacking / records)} %' if sampled else f'{lacking:,}'}"
    return text


def _long_texts(word: str, size: int, values: Sequence[Any], look: Look) -> Facts:
    head = f"{a_or_an(word)} of {size:,} str, {lengths(values, size, look)}"
    first = next(item for item in values if item is not None)
    lines = () if look.brief else (f"The first begins: {look.quote(first, 200)}",)
    return Facts(type=word, head=f"{head}.", lines=lines, kind="texts", size=size, sampled=len(values) < size)
