"""Data as rows that can be shown to a model, and results put back beside them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import json
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from typing import Any

from rlm_kernel.engine.plain import plain
from rlm_kernel.errors import ConfigError

_log = logging.getLogger(__name__)
_POLARS_KNOWS = frozenset({bool, int, float, str, list, dict, dt.date, dt.datetime, dt.time, dt.timedelta, Decimal})
_BREAKS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x7f\x85\u2028\u2029"}  # some readers take these for line ends


Columns = list[tuple[str, list[Any]]]
"""Names and values of further columns."""


class Rows(ABC):
    """The rows of some data, in order."""

    def __init__(self, data: Any, columns: Sequence[Any] | None) -> None:
        self.data = data
        self.columns = columns

    def __len__(self) -> int:
        return len(self.data)

    @abstractmethod
    def __iter__(self) -> Iterator[object]:
        """The rows as JSON can hold them, what is missing as None."""

    def labels(self) -> Sequence[Hashable]:
        """What each row is called."""
        return range(len(self))

    def aligned(self, values: list[Any]) -> Any:
        """Values, one a row, in the shape of the data."""
        return values

    def frame(self, columns: Columns) -> Any:
        """The data as a table with further columns; none of them takes the place of the data's."""
        pandas = _pandas()
        table = pandas.DataFrame({"row": pandas.Series(list(self._items()), dtype=object)})
        return _with_columns(table, columns)

    def _items(self) -> Iterator[Any]:
        return iter(self.data)


class ListRows(Rows):
    """Of a list, a tuple or an array of one dimension."""

    def __iter__(self) -> Iterator[object]:
        return (plain(item) for item in self.data)


class DictRows(Rows):
    """Of a dict: its values."""

    def __iter__(self) -> Iterator[object]:
        return (plain(item) for item in self.data.values())

    def labels(self) -> Sequence[Hashable]:
        """The keys."""
        return list(self.data)

    def aligned(self, values: list[Any]) -> Any:
        """A dict with the same keys."""
        return dict(zip(self.data, values, strict=True))

    def frame(self, columns: Columns) -> Any:
        """A table with the keys as its index."""
        table = super().frame(columns)
        table.index = _pandas().Index(list(self.data), tupleize_cols=False)
        return table

    def _items(self) -> Iterator[Any]:
        return iter(self.data.values())


class SeriesRows(Rows):
    """Of a pandas Series or Index."""

    def __iter__(self) -> Iterator[object]:
        return (plain(item) for item in self.data)

    def labels(self) -> Sequence[Hashable]:
        """The index, where it tells rows apart."""
        index = self._index()
        return index.tolist() if index.is_unique else range(len(self))

    def aligned(self, values: list[Any]) -> Any:
        """A Series with the same index, of objects where some are missing."""
        return _pandas_series(values, self._index())

    def frame(self, columns: Columns) -> Any:
        """The column as a table with further columns."""
        name = "row" if self.data.name is None else self.data.name
        return _with_columns(self.data.to_frame(name), columns)

    def _index(self) -> Any:
        return self.data.index if hasattr(self.data, "index") else _pandas().RangeIndex(len(self.data))


class DataFrameRows(SeriesRows):
    """Of a pandas DataFrame."""

    def __iter__(self) -> Iterator[object]:
        names = [str(name) for name in self.data.columns]
        wanted = [at for at, name in enumerate(self.data.columns) if self.columns is None or name in self.columns]
        keys = _distinct([names[at] for at in wanted])
        for row in zip(*(self.data.iloc[:, at] for at in wanted), strict=True):
            yield {key: plain(item) for key, item in zip(keys, row, strict=True)}

    def frame(self, columns: Columns) -> Any:
        """The table with further columns."""
        return _with_columns(self.data.copy(deep=False), columns)


class PolarsRows(Rows):
    """Of a polars Series."""

    def __iter__(self) -> Iterator[object]:
        return (plain(item) for item in self.data)

    def aligned(self, values: list[Any]) -> Any:
        """A polars Series."""
        return _polars_series("value", values)

    def frame(self, columns: Columns) -> Any:
        """The column as a table with further columns."""
        series = self.data if self.data.name else self.data.alias("row")
        return self._extended(series.to_frame(), columns)

    def _extended(self, table: Any, columns: Columns) -> Any:
        names = _distinct([*table.columns, *(name for name, _ in columns)])[len(table.columns) :]
        made = [_polars_series(name, values) for name, (_, values) in zip(names, columns, strict=True)]
        return table.with_columns(made)


class PolarsFrameRows(PolarsRows):
    """Of a polars DataFrame."""

    def __iter__(self) -> Iterator[object]:
        chosen = self.data if self.columns is None else self.data.select(self.columns)
        for row in chosen.iter_rows():
            yield {key: plain(item) for key, item in zip(chosen.columns, row, strict=True)}

    def frame(self, columns: Columns) -> Any:
        """The table with further columns."""
        return self._extended(self.data, columns)


def rows_of(data: object, columns: Sequence[Any] | None = None) -> Rows:
    """The rows of some data.

    Raises:
        ConfigError: it has no rows, or not those columns.
    """
    for module, name, kind in _TABLES:
        if _is(data, module, name):
            return kind(data, _checked(data, columns))
    if columns is not None:
        raise ConfigError(f"columns= chooses the columns of a table; a {type(data).__name__} has none")
    for module, name, kind in _COLUMNS:
        if _is(data, module, name):
            return kind(data, None)
    if isinstance(data, Mapping):
        return DictRows(data, None)
    if isinstance(data, list | tuple) or (_is(data, "numpy", "ndarray") and getattr(data, "ndim", 0) == 1):
        return ListRows(data, None)
    hint = "use llm_query for a single text" if isinstance(data, str) else "make it a list"
    takes = "llm_map takes a Series, a DataFrame, a list, a tuple or a dict"
    raise ConfigError(f"{takes}, not a {type(data).__name__}; {hint}")


def row_text(row: object) -> str:
    """A row as one line of JSON: nothing in it can end the line or the string that it stands in."""
    text = json.dumps(row, ensure_ascii=False).translate(_BREAKS)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # half of a surrogate pair becomes its escape


def is_missing(row: object) -> bool:
    """True for a row with nothing to judge in it."""
    match row:
        case None:
            return True
        case str():
            return not row.strip()
        case dict():
            return all(is_missing(item) for item in row.values())
        case _:
            return False


def spread(values: Sequence[Any]) -> Columns:
    """The columns of values: one for each field if they are records, else ``value``."""
    records = [None if value is None else _record(value) for value in values]
    fields = dict.fromkeys(name for record in records if record for name in record)
    if not fields or any(record is None and value is not None for record, value in zip(records, values, strict=True)):
        return [("value", list(values))]
    return [(str(name), [(record or {}).get(name) for record in records]) for name in fields]


_TABLES: tuple[tuple[str, str, type[Rows]], ...] = (
    ("pandas", "DataFrame", DataFrameRows),
    ("polars", "DataFrame", PolarsFrameRows),
)
_COLUMNS: tuple[tuple[str, str, type[Rows]], ...] = (
    ("pandas", "Series", SeriesRows),
    ("pandas", "Index", SeriesRows),
    ("polars", "Series", PolarsRows),
)


def _is(data: object, module: str, name: str) -> bool:
    """True for an instance of a library's class; data of a library that was never imported is none of its."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(data, kind)


def _checked(data: Any, columns: Sequence[Any] | None) -> Sequence[Any] | None:
    there = list(data.columns)
    if columns is None:
        if not there and len(data):
            raise ConfigError("the table has no columns to judge by")
        return None
    wanted = [columns] if isinstance(columns, str) else list(columns)
    if not wanted:
        raise ConfigError("columns= names no column; leave it out to take all")
    for name in wanted:
        if name not in there:
            near = difflib.get_close_matches(str(name), [str(column) for column in there], n=1)
            raise ConfigError(f"there is no column {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return wanted


def _record(value: object) -> dict[str, Any] | None:
    if isinstance(value, Mapping):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    fields = getattr(type(value), "model_fields", None)
    return {name: getattr(value, name) for name in fields} if isinstance(fields, dict) else None


def _with_columns(table: Any, columns: Columns) -> Any:
    own = list(table.columns)
    names = _distinct([*own, *(name for name, _ in columns)])[len(own) :]
    for name, (_, values) in zip(names, columns, strict=True):
        table.insert(len(table.columns), name, _pandas_series(values, table.index))
    return table


def _pandas_series(values: list[Any], index: Any) -> Any:
    """Of the type of the values; of objects where some are missing, so that None stays None."""
    made = _pandas().Series(values, index=index, dtype=object)
    return made if any(value is None for value in values) else made.infer_objects()


def _distinct(names: Sequence[Any]) -> list[Any]:
    """The names, later ones with ``_`` at their ends until they are new."""
    taken: dict[Any, None] = {}
    for name in names:
        new = name
        while new in taken:
            new = f"{new}_"
        taken[new] = None
    return list(taken)


def _polars_series(name: str, values: list[Any]) -> Any:
    polars = import_module("polars")
    if all(value is None or type(value) in _POLARS_KNOWS for value in values):
        try:
            return polars.Series(name, values, strict=True)
        except Exception as exc:  # values of several types, for instance
            _log.debug("kept as objects: %s", exc)
    return polars.Series(name, values, dtype=polars.Object)  # else records would lose their class


def _pandas() -> Any:
    try:
        return import_module("pandas")
    except ImportError:
        raise ConfigError("a table needs pandas: pip install pandas") from None
