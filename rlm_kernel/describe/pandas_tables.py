"""Describers for pandas. The module is loaded with the first pandas value that is met, never before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlm_kernel.describe.column_words import all_column_facts
from rlm_kernel.describe.columns import PEEK, Sort, stride
from rlm_kernel.describe.facts import Facts, field_names
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.sorts import sort_of, word_of
from rlm_kernel.describe.tables import Table, cell_text, table_facts
from rlm_kernel.describe.words import count, label_text

_log = logging.getLogger(__name__)
_FIRST_VALUES = 5
_LABELS = 2000


@dataclass(frozen=True, slots=True)
class PandasPart:
    """Some values of a Series."""

    values: Any

    def missing(self) -> int:
        """Count what pandas takes for missing."""
        return int(self.values.isna().sum())

    def bounds(self) -> tuple[Any, Any] | None:
        """The smallest and the largest."""
        present = self.values if self.values.dtype.kind != "O" else self.values.dropna()  # None cannot be compared
        if not len(present):
            return None
        low = present.min()
        # Not a number, not a time: nothing is present. They alone differ from themselves.
        return None if low != low else (low, present.max())  # noqa: PLR0124

    def distinct(self) -> Sequence[object]:
        """The different values."""
        return list(self.values.dropna().unique().tolist())

    def first(self, number: int) -> Sequence[object]:
        """The first ones."""
        return list(self.values.dropna().head(number).tolist())

    def median(self) -> object:
        """The middle one."""
        return self.values.median()


@dataclass(frozen=True, slots=True)
class PandasColumn:
    """A Series or one level of an index as a column."""

    cut: Callable[[slice], Any]
    """Gives some of the values; a view of them where pandas can."""
    rows: int
    label: object
    dtype: str
    sort: Sort

    def part(self, start: int, stop: int, step: int = 1) -> PandasPart:
        """Look at some of the values."""
        return PandasPart(self.cut(slice(start, stop, step)))


def series_column(values: Any, label: object) -> PandasColumn:
    """Read a Series as a column, under the name it has in its table."""
    return _column(lambda piece: values.iloc[piece], len(values), label)


def level_column(index: Any, level: int) -> PandasColumn:
    """Read one level of an index as a column. Only pieces of it are ever spelt out."""
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]  # typed only where its stubs are installed

    def cut(piece: slice) -> Any:
        return pd.Series(index[piece].get_level_values(level), copy=False)

    return _column(cut, len(index), index.names[level])


def _column(cut: Callable[[slice], Any], rows: int, label: object) -> PandasColumn:
    # Looked at over the whole length: the head of a column is often unlike its rest.
    peek = cut(slice(0, rows, stride(rows, PEEK)))
    dtype, sort = str(peek.dtype), _sort(peek)
    if sort is None:
        present = _present(peek)
        sort = sort_of(present) if present or dtype == "object" else "text"
        if dtype == "object" and present and sort != "other":
            # Python's own numbers have a range here, but pandas finds no middle of a Decimal.
            dtype, sort = word_of(present), "ordered" if sort in ("integer", "number") else sort
    return PandasColumn(cut, rows, label, _DTYPES.get(dtype, dtype)[:80], sort)


def _present(values: Any) -> list[object]:
    try:
        return list(values.dropna().tolist())
    except Exception:  # there are objects that cannot be asked whether they are missing; such a column has no sort
        _log.debug("values of a %s column cannot be read", values.dtype, exc_info=True)
        return []


_DTYPES = {"string": "str", "large_string[pyarrow]": "str", "string[pyarrow]": "str"}
_SORTS: dict[str, Sort] = {
    "i": "integer",
    "u": "integer",
    "f": "number",
    "b": "boolean",
    "c": "other",
    "M": "ordered",
    "m": "ordered",
}


def _sort(values: Any) -> Sort | None:
    """Give the sort that the dtype tells; None if only the values tell."""
    name = str(values.dtype)
    if name == "category":
        return "text"
    if name.startswith("period"):
        return "ordered"
    return _SORTS.get(getattr(values.dtype, "kind", "O"))


def describe_frame(value: Any, look: Look) -> Facts:
    """Describe a DataFrame."""
    hidden, index = _hidden_labels(value.index, look), value.index
    rows = [at for at in range(len(index)) if at not in hidden] if hidden else None
    return table_facts(
        Table(
            type=_word(value),
            rows=len(index) - len(hidden),
            labels=list(value.columns),
            column=lambda at: series_column(_rows(value.iloc[:, at], rows), value.columns[at]),
            cell=lambda row, at: value.iloc[rows[row] if rows else row, at],
            index=_index_columns(index if rows is None else index[rows], look),
            labels_hidden=any(look.withholds(name) for name in value.columns.names),
            hidden_rows=len(hidden),
        ),
        look,
    )


def _rows(values: Any, rows: list[int] | None) -> Any:
    return values if rows is None else values.iloc[rows]


def _hidden_labels(index: Any, look: Look) -> set[int]:
    """Find rows whose label may not be shown: one row of a frame is a Series with the columns for an index."""
    if len(index) > _LABELS or index.dtype.kind != "O":
        return set()
    return {at for at, label in enumerate(index.tolist()) if look.hides(label)}


def describe_series(value: Any, look: Look) -> Facts:
    """Describe a Series."""
    hidden, size = _hidden_labels(value.index, look), len(value)
    if hidden:
        value = value.iloc[[at for at in range(size) if at not in hidden]]
    head = f"a {_word(value)}, {count(size, 'value')}{f', {len(hidden):,} withheld' if hidden else ''}."
    columns = [series_column(value, value.name), *_index_columns(value.index, look)]
    facts = all_column_facts(columns, look)
    lines = [] if value.name is None else [f"Name: {label_text(value.name)}."]
    lines.append(f"Values: {facts[0].text}.")
    lines += [f"Index{_name(level)}: {said.text}." for level, said in zip(columns[1:], facts[1:], strict=True)]
    lines += _first_values(value, columns[1:], look)
    return Facts(
        type=_word(value),
        head=head,
        lines=tuple(lines),
        kind="sequence",
        size=size,
        fields=() if value.name is None else field_names([value.name]),
        sampled=any(said.sampled for said in facts),
    )


def _first_values(value: Any, index: Sequence[PandasColumn], look: Look) -> list[str]:
    """Write the first values with their labels, as a count of values is read."""
    if look.brief or not index or any(look.hides(label) for label in (value.name, *value.index.names)):
        return []
    some = range(min(_FIRST_VALUES, len(value)))
    pairs = [f"{cell_text(value.index[at], look)}: {cell_text(value.iloc[at], look)}" for at in some]
    return [f"{'All' if len(value) == len(pairs) else 'First'}: {', '.join(pairs)}."] if pairs else []


def describe_index(value: Any, look: Look) -> Facts:
    """Describe an Index."""
    columns = [level_column(value, at) for at in range(value.nlevels)]
    facts = all_column_facts(columns, look)
    return Facts(
        type=_word(value),
        head=f"a {_word(value)}, {count(len(value), 'value')}.",
        lines=tuple(f"Level{_name(column)}: {said.text}." for column, said in zip(columns, facts, strict=True)),
        kind="sequence",
        size=len(value),
        sampled=any(said.sampled for said in facts),
    )


def _word(value: Any) -> str:
    """Name the class and its package: ``pandas DataFrame``, ``geopandas GeoDataFrame``."""
    return f"{type(value).__module__.partition('.')[0]} {type(value).__name__}"


def _name(column: PandasColumn) -> str:
    return "" if column.label is None else f" {label_text(column.label)}"


def _index_columns(index: Any, look: Look) -> list[PandasColumn]:
    """Give the levels of an index that says something: a named one, labels that are no plain count."""
    if look.only_head or not len(index):
        return []
    if type(index).__name__ == "RangeIndex" and index.name is None and (look.brief or index.start == 0):
        return []
    if look.brief and index.nlevels == 1 and index.name is None and index.dtype.kind == "i":
        return []  # what is left of a count after rows were taken out
    return [level_column(index, at) for at in range(index.nlevels)]
