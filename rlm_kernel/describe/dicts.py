"""Describer for dict: a record by its keys, any other by how many there are of what."""

from __future__ import annotations

from typing import Any

from rlm_kernel.describe.column_words import column_facts
from rlm_kernel.describe.columns import FEW, LONG_TEXT, SAMPLE_ROWS, stride
from rlm_kernel.describe.facts import Facts, field_names
from rlm_kernel.describe.lists import lengths, list_column, mean_length
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import base_of, dict_items, is_container, literal, size_of
from rlm_kernel.describe.shapes import is_record, shape_of
from rlm_kernel.describe.summary import summarize
from rlm_kernel.describe.words import a_or_an, count, label_text, listed, type_name

_WHOLE = 300
_ENTRY = 80
_LINE = 500
_SOME_KEYS = 3


def describe_dict(value: Any, look: Look) -> Facts:
    """Describe a dict."""
    word, size = type_name(type(value)), size_of(value)
    if (whole := literal(value, look, _WHOLE)) is not None:
        head = f"{a_or_an(word)} of {count(size, 'entry', 'entries')}: {whole}"
        names = field_names(key for key, _ in dict_items(value, SAMPLE_ROWS))
        return Facts(type=word, head=head, size=size, partial=False, fields=names)
    items = dict_items(value, SAMPLE_ROWS)
    values = [item for _, item in items]
    documents = size > 1 and all(base_of(item) is str for item in values) and mean_length(values) >= LONG_TEXT
    if not documents and is_record([value], {key: [] for key, _ in items}):
        return record_facts(word, dict(items), size, look)
    return _mapping(word, items, size, look, documents=documents)


def _mapping(word: str, items: list[tuple[Any, Any]], size: int, look: Look, *, documents: bool) -> Facts:
    """Describe a dict that looks things up.

    Where it holds texts, a small model is told none of the keys: it would search for those, not for the question's
    words.
    """
    keys, values = [key for key, _ in items], [item for _, item in items]
    what = f"{shape_of(keys, look, 0)} to {_values(values, look)}"
    head = f"{a_or_an(word)}, {count(size, 'entry', 'entries')}, {what}"
    if all(base_of(item) is str for item in values):
        head += f", {lengths(values, size, look)}"
    lines: list[str] = []
    if size <= FEW and not (look.brief and documents):
        lines.append(f"Keys: {listed([_key(key, look) for key in keys], FEW, _LINE)}.")
    elif not look.brief:
        lines.append(f"Keys such as: {listed([_key(key, look) for key in keys[:_SOME_KEYS]], FEW, _LINE)}.")
        lines += _example(items, look)
    return Facts(
        type=word,
        head=f"{head}.",
        lines=tuple(lines),
        kind="texts" if documents else "object",
        size=size,
        fields=field_names(keys),
        sampled=len(items) < size,
    )


def _values(values: list[Any], look: Look) -> str:
    """Describe the values; numbers also by their range."""
    column = list_column(values)
    if look.brief or column.sort not in ("integer", "number", "ordered"):
        return shape_of(values[:: stride(len(values), SAMPLE_ROWS)], look, 2)
    return column_facts(column, look).text


def _key(key: object, look: Look) -> str:
    return look.quote(key, _ENTRY) if isinstance(key, str) else label_text(key)


def _example(items: list[tuple[Any, Any]], look: Look) -> list[str]:
    key, item = items[0]
    whole = None if look.hides(key) or look.withheld else literal(item, look, _ENTRY)
    return [f"For example {_key(key, look)}: {whole}."] if whole is not None else []


def record_facts(word: str, entries: dict[Any, Any], size: int, look: Look) -> Facts:
    """Describe a record: one line a key."""
    lines: list[str] = []
    for key, item in () if look.only_head else entries.items():
        lines.append(f"- {label_text(key)}: {_hidden(key, item, look) or _entry(item, look)}"[:_LINE])
    return Facts(
        type=word,
        head=f"{a_or_an(word)} of {count(size, 'entry', 'entries')}.",
        lines=tuple(lines),
        size=size,
        fields=field_names(entries),
    )


def _hidden(key: object, item: object, look: Look) -> str | None:
    hidden = look.hides(key)
    return f"{type_name(type(item))}, {hidden}" if hidden else None


def _entry(item: object, look: Look) -> str:
    if not look.brief and (whole := literal(item, look, _ENTRY)) is not None:
        return f"{type_name(type(item))}, {whole}"
    if is_container(item):
        return shape_of([item], look, 2)
    columns = _columns(item, look)
    return f"{summarize(item)}{f': {listed([label_text(label) for label in columns], 20, 300)}' if columns else ''}"


def _columns(item: Any, look: Look) -> list[object]:
    """Give the first column labels of a table; nothing for any other value."""
    names = {f"{str(cls.__module__).partition('.')[0]}.{cls.__qualname__}" for cls in type(item).__mro__}
    if not names & {"pandas.DataFrame", "polars.DataFrame"}:
        return []
    # Labels that were made of a column's values have that column's name.
    hidden = any(look.withholds(name) for name in getattr(item.columns, "names", ()))
    return [] if hidden else list(item.columns[:100])
