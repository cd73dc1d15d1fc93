"""Describers for polars. Loaded with the first polars value that is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_kernel.describe.column_words import column_facts
from rlm_kernel.describe.columns import Sort
from rlm_kernel.describe.facts import Facts, field_names
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.tables import Table, table_facts
from rlm_kernel.describe.words import count, escaped, label_text

_LAZY_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class PolarsPart:
    """Some values of a Series."""

    values: Any

    def missing(self) -> int:
        """Count nulls and NaN."""
        nulls = int(self.values.null_count())
        return nulls + int(self.values.is_nan().sum() or 0) if self.values.dtype.is_float() else nulls

    def _present(self) -> Any:
        present = self.values.drop_nulls()
        return present.drop_nans() if present.dtype.is_float() else present

    def bounds(self) -> tuple[Any, Any] | None:
        """The smallest and the largest."""
        low = self.values.min() if not self.values.dtype.is_float() else self._present().min()
        return None if low is None else (low, self._present().max())

    def distinct(self) -> Sequence[object]:
        """The different values."""
        return list(self._present().unique(maintain_order=True).to_list())

    def first(self, number: int) -> Sequence[object]:
        """The first ones."""
        return list(self._present().head(number).to_list())

    def median(self) -> object:
        """The middle one."""
        return self._present().median()


@dataclass(frozen=True, slots=True)
class PolarsColumn:
    """A Series as a column."""

    values: Any
    label: object
    dtype: str
    sort: Sort

    @property
    def rows(self) -> int:
        """How many values it has."""
        return len(self.values)

    def part(self, start: int, stop: int, step: int = 1) -> PolarsPart:
        """Look at some of them: a view, or a copy of a sample."""
        piece = self.values.slice(start, stop - start)
        return PolarsPart(piece if step == 1 else piece.gather_every(step))


def polars_column(values: Any, label: object) -> PolarsColumn:
    """Read a Series as a column, under the name it has in its table."""
    return PolarsColumn(values, label, dtype_word(values.dtype), _sort(values.dtype))


def dtype_word(dtype: Any) -> str:
    """Name a dtype by its class: polars' own text of an Enum holds all its values."""
    word = type(dtype).__name__ if type(dtype).__name__ != "DataTypeClass" else str(dtype)
    zone = getattr(dtype, "time_zone", None)
    if word in ("List", "Array"):
        return f"{word}({dtype_word(dtype.inner)})"
    return f"{word}({zone})" if zone else escaped(word)[:80]


def _sort(dtype: Any) -> Sort:
    if dtype.is_integer():
        return "integer"
    if dtype.is_float() or dtype.is_decimal():
        return "number"
    if dtype.is_temporal():
        return "ordered"
    return _SORTS.get(dtype_word(dtype), "other")


_SORTS: dict[str, Sort] = {"Boolean": "boolean", "String": "text", "Categorical": "text", "Enum": "text"}


def describe_frame(value: Any, look: Look) -> Facts:
    """Describe a DataFrame."""
    names = list(value.columns)
    return table_facts(
        Table(
            type="polars DataFrame",
            rows=int(value.height),
            labels=names,
            column=lambda at: polars_column(value.to_series(at), names[at]),
            cell=lambda row, at: value.to_series(at)[row],
        ),
        look,
    )


def describe_lazy(value: Any, look: Look) -> Facts:
    """Describe a LazyFrame by its schema; nothing is collected."""
    schema = dict(value.collect_schema())
    lines = []
    for name, dtype in list(schema.items())[:_LAZY_COLUMNS]:
        hidden = look.hides(name)
        lines.append(f"- {label_text(name)}: {dtype_word(dtype)}{f', {hidden}' if hidden else ''}")
    if rest := len(schema) - len(lines):
        lines.append(f"- and {count(rest, 'more column')}")
    return Facts(
        type="polars LazyFrame",
        head=f"a polars LazyFrame, {count(len(schema), 'column')}; its rows are computed by .collect().",
        lines=tuple(lines),
        kind="table",
        fields=field_names(schema),
    )


def describe_series(value: Any, look: Look) -> Facts:
    """Describe a Series."""
    facts = column_facts(polars_column(value, value.name or None), look)
    name = (f"Name: {label_text(value.name)}.",) if value.name else ()
    return Facts(
        type="polars Series",
        head=f"a polars Series, {count(len(value), 'value')}.",
        lines=(*name, f"Values: {facts.text}."),
        kind="sequence",
        size=len(value),
        fields=field_names([value.name]) if value.name else (),
        sampled=facts.sampled,
    )
