"""Plain Python values as a column."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlm_kernel.describe.columns import PEEK, SAMPLE_ROWS, Sort, stride
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import size_of
from rlm_kernel.describe.sorts import sort_of, word_of
from rlm_kernel.describe.words import about


@dataclass(frozen=True, slots=True)
class ListPart:
    """Some values of a list."""

    values: Sequence[Any]

    def missing(self) -> int:
        """Count None and NaN."""
        return len(self.values) - len(self.present())

    def present(self) -> list[Any]:
        """Give what is neither None nor NaN, the one float that differs from itself."""
        return [item for item in self.values if item is not None and (type(item) is not float or not math.isnan(item))]

    def bounds(self) -> tuple[Any, Any] | None:
        """The smallest and the largest."""
        present = self.present()
        return (min(present), max(present)) if present else None

    def distinct(self) -> Sequence[object]:
        """The different values."""
        return list(dict.fromkeys(self.present()))

    def first(self, number: int) -> Sequence[object]:
        """The first ones."""
        return self.present()[:number]

    def median(self) -> object:
        """The middle one."""
        return statistics.median(self.present())


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A list or tuple of plain values as a column."""

    values: Sequence[Any]
    label: object
    dtype: str
    sort: Sort

    @property
    def rows(self) -> int:
        """How many values it has."""
        return len(self.values)

    def part(self, start: int, stop: int, step: int = 1) -> ListPart:
        """Look at some of them."""
        return ListPart(self.values[start:stop:step])


def list_column(values: Sequence[Any], label: object = None) -> ListColumn:
    """Read plain values as a column."""
    present = [value for value in values[:: stride(len(values), PEEK)] if value is not None]
    return ListColumn(values, label, word_of(present), sort_of(present))


def mean_length(texts: Sequence[Any]) -> float:
    """Give the mean number of characters."""
    return sum(map(size_of, texts)) / len(texts) if texts else 0.0


def lengths(values: Sequence[Any], size: int, look: Look) -> str:
    """Say how long texts are, together and each; `values` may be a part of them."""
    found = list(map(size_of, values[:: stride(len(values), SAMPLE_ROWS)]))
    total = sum(found)
    if len(found) < size:
        return f"{about(total * size / len(found))} characters in all"
    text = f"{total:,} characters in all"
    return text if look.brief else f"{text}, {min(found):,} to {max(found):,} each"
