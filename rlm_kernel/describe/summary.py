"""A value in a few words, in microseconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rlm_kernel.describe.plain import base_of, size_of
from rlm_kernel.describe.words import count, is_scalar, scalar_text, type_name


def summarize(value: object) -> str:
    """Say what `value` is in a few words: ``DataFrame 336,776 x 19``, ``list of 12``. Never raises, shows no text."""
    try:
        return _summary(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # foreign code of any kind may have been reached; polars panics are no Exception
        return _bare(value)


def _bare(value: object) -> str:
    try:
        return type_name(type(value)).rpartition(".")[2]
    except Exception:
        return "object"


def _summary(value: object) -> str:
    if value is None or is_scalar(value):
        return f"{type(value).__name__} {scalar_text(value)}" if value is not None else "None"
    base = base_of(value)
    if base is None:
        return _foreign(value)
    name, size = type(value).__name__, size_of(value)
    if base is str:
        return f"{name} of {count(size, 'character')}"
    if base in (bytes, bytearray):
        return f"{name} of {count(size, 'byte')}"
    return f"{name} of {size:,}"


def _foreign(value: object) -> str:
    for cls in type(value).__mro__:
        known = _SHAPES.get((str(cls.__module__).partition(".")[0], cls.__qualname__))
        if known is not None:
            return f"{type(value).__name__} {known(value)}"
    if isinstance(value, type):
        return f"class {value.__name__}"
    name = _bare(value)
    return f"{name} {value.__name__}" if name in ("function", "module", "builtin_function_or_method") else name  # type: ignore[attr-defined]


def _shape(value: Any) -> str:
    return " x ".join(f"{int(size):,}" for size in value.shape) or "of one value"


_SHAPES: dict[tuple[str, str], Callable[[Any], str]] = {
    ("pandas", "DataFrame"): _shape,
    ("pandas", "Series"): _shape,
    ("pandas", "Index"): _shape,
    ("polars", "DataFrame"): _shape,
    ("polars", "Series"): _shape,
    ("numpy", "ndarray"): _shape,
    ("torch", "Tensor"): _shape,
    ("pyarrow", "Table"): _shape,
}
