"""What each step did to names, with the values they had before: what rewind and undo go by."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final, Literal

from rlm_kernel.namespace.marks import MISSING, Mark

KEPT_BYTES = 256 * 2**20
"""Old values kept, roughly, in bytes."""

Place = Literal["namespace", "layer"]
"""Where the name was bound: in the user's namespace for real, or in the run's own layer."""


class _Stand:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


DROPPED: Final = _Stand("DROPPED")
"""Stands for an old value that took too much memory to keep."""
UNTOUCHED: Final = _Stand("UNTOUCHED")
"""Stands for no version of its own in the layer."""


@dataclass(kw_only=True, slots=True)
class Entry:
    """One change of one name."""

    step: int
    name: str
    place: Place
    old: object
    """The value before, or MISSING, UNTOUCHED, DROPPED."""
    new: Mark | None
    """Recognises the value after; None if the name was deleted."""
    was_made: bool = False
    """True if the value before was one that the run had made."""
    size: int = 0


class Journal:
    """The entries of a run, oldest first; old values are dropped, oldest first, beyond a bound."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._entries: list[Entry] = []
        self._kept_bytes = kept_bytes
        self._size = 0

    def note(self, entry: Entry) -> None:
        """Write down a change."""
        entry.size = size_of(entry.old) if _is_value(entry.old) else 0
        self._entries.append(entry)
        self._size += entry.size
        for oldest in self._entries:
            if self._size <= self._kept_bytes:
                break
            self._drop(oldest)

    def take_after(self, steps: int) -> list[Entry]:
        """Remove the entries of every step after the first `steps`; give them newest first."""
        taken = [entry for entry in self._entries if entry.step > steps]
        self._entries = [entry for entry in self._entries if entry.step <= steps]
        self._size -= sum(entry.size for entry in taken)
        return taken[::-1]

    def drop_values(self, *, keep: frozenset[str] | Literal["all"] = frozenset()) -> None:
        """Let go of old values.

        Args:
            keep: names whose old values in the user's namespace are still wanted.
        """
        for entry in self._entries:
            if entry.place == "layer" or (keep != "all" and entry.name not in keep):
                self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        if _is_value(entry.old):
            entry.old = DROPPED
            self._size -= entry.size
            entry.size = 0


def _is_value(old: object) -> bool:
    return old is not MISSING and old is not UNTOUCHED and old is not DROPPED


def size_of(value: object) -> int:
    """Bytes that a value takes, roughly and quickly: containers are judged by a few of their items. Never raises."""
    try:
        return _size_of(value)
    except Exception:  # an object may answer any question with an error; it must not cost the user a name
        return 64


def _size_of(value: object) -> int:
    nbytes = getattr(value, "nbytes", None)
    if isinstance(nbytes, int):
        return nbytes
    size = sys.getsizeof(value, 64)
    if isinstance(value, dict):
        return size + _sampled(list(zip(range(8), value.values(), strict=False)), len(value))
    if isinstance(value, list | tuple | set | frozenset):
        return size + _sampled(list(zip(range(8), value, strict=False)), len(value))
    return size


def _sampled(items: list[tuple[int, object]], length: int) -> int:
    return sum(sys.getsizeof(item, 64) for _, item in items) * length // len(items) if items else 0
