"""Cheap fingerprints of mutable objects: did this list, dict, array or frame change in place?

A fingerprint costs little whatever the size: small objects are looked at whole, of others it holds the length and a
sample. Equal fingerprints prove nothing, different ones do: what is claimed is true, what cannot be known is not
claimed.
"""

from __future__ import annotations

import sys
import zlib
from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from math import gcd
from typing import Any

_WHOLE = 4096
"""Items up to which a list or a dict is looked at whole."""
_WHOLE_BYTES = 2**18
"""Bytes up to which an array is."""
_SAMPLE = 64
_WITHIN = 8
"""Items looked at of a container inside a container."""
_BYTES = 4096
_DEEP = 5
"""Containers inside each other that are looked into."""
_LOOKS = 500
"""Objects looked at for one fingerprint."""
_ARRAYS = 32
"""Arrays looked at of one frame."""

_SCALARS = (int, float, complex, bool, str, bytes, type(None))


@dataclass(slots=True)
class Fingerprint:
    """What was seen of an object."""

    facts: list[object] = field(default_factory=list)
    """Lengths and checksums; compared by equality."""
    items: list[object] = field(default_factory=list)
    """Sampled items; compared by identity, scalars by value."""
    looks: int = 0
    """Objects looked at so far."""

    def same(self, other: Fingerprint) -> bool:
        """Whether both may have been taken of the same state."""
        return (
            self.facts == other.facts
            and len(self.items) == len(other.items)
            and all(_same(mine, theirs) for mine, theirs in zip(self.items, other.items, strict=True))
        )


def fingerprint(value: object) -> Fingerprint | None:
    """Take one; None for an object that is not known to change in place."""
    found = Fingerprint()
    try:
        known = _look(value, found, 0)
    except Exception:  # a subclass of a container may do anything when asked for its items
        return None
    return found if known else None


def _look(value: Any, into: Fingerprint, depth: int) -> bool:
    into.looks += 1
    if isinstance(value, list | dict | set | deque):
        into.facts.append(len(value))
        _look_at_items(value, into, depth)
    elif isinstance(value, bytearray):
        into.facts += [len(value), zlib.crc32(value[:: max(len(value) // _BYTES, 1)])]
    elif _is_of(value, "numpy", "ndarray"):
        _look_at_array(value, into, depth)
    elif _is_of(value, "pandas", "DataFrame", "Series"):
        _look_at_frame(value, into, depth)
    else:
        return False
    return True


def _look_at_items(value: Any, into: Fingerprint, depth: int) -> None:
    wanted = _WITHIN if depth else _WHOLE
    items: list[object]
    if isinstance(value, list):
        items = value[:: max(len(value) // wanted, 1)][: wanted + 1]
    elif isinstance(value, dict):
        items = [one for pair in _both_ends(value.items(), len(value), wanted // 2) for one in pair]
    elif isinstance(value, deque):
        items = _both_ends(value, len(value), wanted)
    else:
        items = list(islice(value, wanted))
    _take(items, into, depth)


def _both_ends(items: Any, length: int, wanted: int) -> list[Any]:
    """All items, or as many as wanted, half of them from each end."""
    if length <= wanted:
        return list(items)
    return [*islice(items, wanted // 2), *islice(reversed(items), wanted // 2)]


def _take(items: list[object], into: Fingerprint, depth: int) -> None:
    into.items += items
    for item in items[:: max(len(items) // (2 * _SAMPLE), 1)]:
        if depth < _DEEP and into.looks < _LOOKS and not isinstance(item, _SCALARS):
            _look(item, into, depth + 1)


def _look_at_array(value: Any, into: Fingerprint, depth: int) -> None:
    into.facts += [value.shape, value.dtype.str]
    if value.dtype.hasobject:
        wanted = _WITHIN if depth else _SAMPLE
        _take(_spread(value, wanted).ravel().tolist()[: 2 * wanted], into, depth)
    else:
        whole = depth == 0 and value.nbytes <= _WHOLE_BYTES
        sample = value if whole else _spread(value, _BYTES // max(value.itemsize, 1))
        into.facts.append(zlib.crc32(sample.tobytes()))


def _spread(value: Any, wanted: int) -> Any:
    """About so many items from all over an array, without touching the others."""
    if value.size <= wanted:
        return value
    flat = value.reshape(-1) if value.flags.c_contiguous else value.T.reshape(-1) if value.flags.f_contiguous else None
    if flat is None:
        step = max(round((value.size / wanted) ** (1 / value.ndim)), 1)
        return value[(slice(None, None, step),) * value.ndim]
    step = value.size // wanted
    while any(gcd(step, side) > 1 for side in value.shape):  # else the same few columns would be met again and again
        step += 1
    return flat[::step]


def _look_at_frame(value: Any, into: Fingerprint, depth: int) -> None:
    manager = value._mgr
    into.items += [*manager.axes]
    arrays = list(manager.arrays)
    into.facts.append(len(arrays))
    for array in arrays[:_ARRAYS]:
        into.items.append(array)
        if _is_of(array, "numpy", "ndarray"):
            into.looks += 1
            _look_at_array(array, into, depth)


def _is_of(value: object, module: str, *names: str) -> bool:
    """Whether `value` is of a class of a library, which is not imported for the question."""
    library = sys.modules.get(module)
    return library is not None and isinstance(value, tuple(getattr(library, name) for name in names))


def _same(mine: object, theirs: object) -> bool:
    return mine is theirs or (type(mine) is type(theirs) and isinstance(mine, _SCALARS) and bool(mine == theirs))
