"""Describer for numpy arrays. Loaded with the first one that is met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_kernel.describe.column_words import column_facts
from rlm_kernel.describe.columns import PEEK, SAMPLE_ROWS, Sort, sample_size, stride
from rlm_kernel.describe.dicts import record_facts
from rlm_kernel.describe.facts import Facts
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import literal
from rlm_kernel.describe.sorts import sort_of
from rlm_kernel.describe.tables import Table, table_facts
from rlm_kernel.describe.words import escaped

_WHOLE = 12
_SORTS: dict[str, Sort] = {
    "i": "integer",
    "u": "integer",
    "f": "number",
    "b": "boolean",
    "M": "ordered",
    "m": "ordered",
    "U": "text",
}


@dataclass(frozen=True, slots=True)
class ArrayPart:
    """Some values of an array."""

    values: Any
    sort: Sort

    def missing(self) -> int:
        """Count what is not a number or not a time."""
        import numpy as np

        if self.values.dtype.kind == "f":
            return int(np.isnan(self.values).sum())
        return int(np.isnat(self.values).sum()) if self.values.dtype.kind in "mM" else 0

    def _present(self) -> Any:
        import numpy as np

        match self.values.dtype.kind:
            case "f":
                return self.values[~np.isnan(self.values)]
            case "m" | "M":
                return self.values[~np.isnat(self.values)]
            case _:
                return self.values

    def bounds(self) -> tuple[Any, Any] | None:
        """The smallest and the largest."""
        present = self._present()
        return (present.min(), present.max()) if present.size else None

    def distinct(self) -> Sequence[object]:
        """The different values."""
        import numpy as np

        return list(np.unique(self.values).tolist())

    def first(self, number: int) -> Sequence[object]:
        """The first ones."""
        return list(self.values[:number].tolist())

    def median(self) -> object:
        """The middle one."""
        import numpy as np

        return np.median(self._present())


@dataclass(frozen=True, slots=True)
class ArrayColumn:
    """A flat array as a column."""

    values: Any
    label: object
    dtype: str
    sort: Sort

    @property
    def rows(self) -> int:
        """How many values it has."""
        return int(self.values.shape[0])

    def part(self, start: int, stop: int, step: int = 1) -> ArrayPart:
        """Look at some of them: a view."""
        return ArrayPart(self.values[start:stop:step], self.sort)


def array_column(values: Any, label: object) -> ArrayColumn:
    """Read a flat array as a column."""
    kind = values.dtype.kind
    sort = _SORTS.get(kind) or (sort_of(values[:: stride(len(values), PEEK)].tolist()) if kind == "O" else "other")
    # Python objects may be anything further on; they are described by their shape.
    sort = "other" if kind == "O" and sort != "text" else sort
    return ArrayColumn(values, label, "str" if kind == "U" else str(values.dtype), sort)


def describe_array(value: Any, look: Look) -> Facts:
    """Describe an array by shape, type and range."""
    kind, size = "numpy ndarray", int(value.size)
    head = f"a {kind} of shape {tuple(value.shape)}, {value.dtype}"
    if value.dtype.names and value.ndim == 1:
        return _structured(value, look)
    if value.ndim == 0 or size <= _WHOLE:
        whole = literal(value.tolist(), look, 300)
        if whole is not None:
            return Facts(type=kind, head=f"{head}: {whole}", kind="sequence", size=size, partial=False)
    flat, some = _flat(value)
    facts = column_facts(array_column(flat, None), look)
    sampled = some or facts.sampled
    note = f" (from a sample of {sample_size(len(flat)):,} values)" if sampled else ""
    said = facts.text.removeprefix(str(value.dtype)).lstrip(",: ")
    return Facts(
        type=kind,
        head=f"{head}: {said}{note}." if said else f"{head}.",
        kind="sequence",
        size=_rows(value),
        sampled=sampled,
    )


def _rows(value: Any) -> int:
    return int(value.shape[0]) if value.ndim else 1


def _flat(value: Any) -> tuple[Any, bool]:
    """View an array as a flat one; where that needs a copy, take a sample of it and say so."""
    if value.flags.c_contiguous or value.ndim == 1:
        return value.reshape(-1), False
    if value.flags.f_contiguous:
        return value.T.reshape(-1), False
    step = max(1, round((value.size / SAMPLE_ROWS) ** (1 / value.ndim)))
    return value[tuple(slice(None, None, step) for _ in value.shape)].reshape(-1), step > 1


def _structured(value: Any, look: Look) -> Facts:
    names = list(value.dtype.names)
    return table_facts(
        Table(
            type="numpy structured array",
            rows=len(value),
            labels=names,
            column=lambda at: array_column(value[names[at]].reshape(len(value), -1)[:, 0], names[at]),
            cell=lambda row, at: value[names[at]][row].tolist(),
        ),
        look,
    )


def describe_scalar(value: Any, look: Look) -> Facts:
    """Describe one numpy number."""
    kind = f"numpy {type(value).__name__}"
    if value.dtype.names:
        return record_facts(kind, {name: value[name].tolist() for name in value.dtype.names}, len(value), look)
    return Facts(type=kind, head=f"a {kind}: {escaped(str(value)[:60])}", partial=False)
