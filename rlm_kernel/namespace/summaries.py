"""A value in a few words: ``DataFrame 5,860 x 7``."""

from __future__ import annotations

from collections.abc import Sized
from types import ModuleType
from typing import Any

_SHORT = 40


def summary_of(value: object) -> str:
    """Type and size; of a short scalar the value too. Never raises, never looks at more than the surface."""
    try:
        return _summary(value)
    except Exception:
        return type(value).__name__


def _summary(value: Any) -> str:  # noqa: PLR0911  # one line per kind of value reads best
    kind = type(value).__name__
    if isinstance(value, ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"class {value.__name__}"
    if value is None:
        return "None"
    if isinstance(value, bool | int | float | complex):
        return f"{kind} {repr(value)[:_SHORT]}"
    if isinstance(value, str):
        return f"str {value!r}" if len(value) <= _SHORT else f"str of {len(value):,} characters"
    if isinstance(value, bytes | bytearray):
        return f"{kind} of {len(value):,} bytes"
    return _shaped(value, kind)


def _shaped(value: Any, kind: str) -> str:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape and all(isinstance(side, int) for side in shape):
        return f"{kind} {' x '.join(f'{side:,}' for side in shape)}"
    if isinstance(value, Sized):
        return f"{kind} of {len(value):,}"
    name = getattr(value, "__name__", None)
    return f"{kind} {name}" if isinstance(name, str) else kind
