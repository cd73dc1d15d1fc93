"""Which sort of column plain Python values make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

from rlm_kernel.describe.columns import Sort
from rlm_kernel.describe.words import type_name

_NUMBERS = {int, float, Decimal, Fraction}


def sort_of(values: Sequence[object]) -> Sort:
    """Give the sort that all of `values` have; ``other`` if they have none in common."""
    types = {type(value) for value in values}
    if len(types) == 1 and issubclass(next(iter(types)), str):
        return "text"
    if types == {bool}:
        return "boolean"
    if types == {int}:
        return "integer"
    if types and (types <= {int, float} or (len(types) == 1 and types <= _NUMBERS)):
        return "number"
    if len(types) == 1 and (types <= {date, time, timedelta} or issubclass(next(iter(types)), datetime)):
        return "ordered"
    return "other"


def word_of(values: Sequence[object]) -> str:
    """Name the type of `values`."""
    names = dict.fromkeys(type_name(type(value)).rpartition(".")[2] for value in values)
    return " or ".join(names)
