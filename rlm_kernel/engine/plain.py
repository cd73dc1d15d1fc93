"""Any value as what JSON can hold: for the rows that a model is shown, and for checks of live values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

_DEEPEST = 12


def plain(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one return for each kind of value
    """The value in None, bool, int, float, str, list and dict; what is missing (nan, NaT) is None, the rest is text."""
    if value is None or type(value) in {bool, int, str}:
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else float(value) if math.isfinite(value) else str(value)
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if depth >= _DEEPEST:
        return str(value)
    match value:
        case enum.Enum():
            return plain(value.value, depth + 1)
        case str() | int():
            return str.__str__(value) if isinstance(value, str) else int(value)
        case dt.date() | dt.time():
            return value.isoformat()
        case Mapping():
            return {str(plain(key, depth + 1)): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | AbstractSet():
            return [plain(item, depth + 1) for item in value]
    return _converted(value, depth)


def _converted(value: Any, depth: int) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name), depth + 1) for field in fields}
    kind = type(value)
    if hasattr(kind, "model_dump"):
        return plain(value.model_dump(), depth + 1)
    if getattr(value, "ndim", None) == 0 and hasattr(kind, "item"):
        made = value.item()  # a number of numpy's
        return str(made) if type(made) is kind else plain(made, depth + 1)
    if hasattr(kind, "columns") and hasattr(kind, "to_dict"):
        records = value.to_dicts() if hasattr(kind, "to_dicts") else value.to_dict("records")
        return plain(records, depth + 1)
    for method in ("tolist", "to_list"):
        if hasattr(kind, method):
            return plain(getattr(value, method)(), depth + 1)
    return str(value)
