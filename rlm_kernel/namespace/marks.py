"""Recognising an object later without keeping it alive."""

from __future__ import annotations

import sys
import weakref
from typing import Final

_SMALL = 100_000
"""Bytes (of the object itself) up to which one that takes no weak reference is simply kept."""


class Missing:
    """Stands for no binding at all, where None is a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


class Mark:
    """Recognises one object.

    Most objects take a weak reference. Of the others (lists, strings, numbers) small ones are kept, large ones are
    known by address and type: `del big` must free them.
    """

    __slots__ = ("_address", "_kept", "_kind", "_weak")

    def __init__(self, value: object) -> None:
        self._address = id(value)
        self._kind = type(value)
        self._kept: object = MISSING
        self._weak: weakref.ref[object] | None = None
        try:
            self._weak = weakref.ref(value)
        except TypeError:
            if _small(value):
                self._kept = value

    def is_of(self, value: object) -> bool:
        """Whether `value` is the marked object."""
        if self._weak is not None:
            found = self._weak()
            return found is not None and found is value
        return id(value) == self._address and type(value) is self._kind


def _small(value: object) -> bool:
    try:
        return sys.getsizeof(value) <= _SMALL
    except Exception:  # `__sizeof__` may raise anything: then the object is known by its address
        return False
