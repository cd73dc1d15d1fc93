"""The run's copies of the user's frames.

A pandas frame is lent to the model as a shallow copy-on-write copy: it costs microseconds, and whatever the model
does to it in place happens to the copy. The same copy serves all steps, so that names the model gave it stay true.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from rlm_kernel.namespace.withholding import Withheld

_DEEP_BYTES = 64 * 2**20
"""Up to this size a frame of a pandas without copy-on-write is copied wholly."""
_SAMPLED_ROWS = 256
_COPY_ON_WRITE = 3
"""The first major version of pandas that copies on write by itself."""


@dataclass(slots=True)
class _Copy:
    source: Any
    state: list[object]
    """The structure of the source when it was copied: its user may change it between steps."""
    frame: Any
    own_state: list[object]
    """The structure of the copy when it was last looked at."""


class FrameCopies:
    """Copies of frames, each kept as long as its source stays what it was."""

    def __init__(self, withhold: Collection[str] = ()) -> None:
        """Start with none.

        Args:
            withhold: columns that the model must not get: ``ssn`` anywhere, ``frame.ssn`` in one variable alone.
        """
        self.withheld = Withheld(frozenset(withhold))
        self._copies: dict[str, _Copy] = {}
        self._refused: set[str] = set()
        self._told: set[str] = set()

    def lend(self, name: str, value: object) -> object:
        """The copy of `value` for a name; `value` itself if it needs none or can have none."""
        if not is_frame(value) and not self.withheld:
            return value
        known = self._copies.get(name)
        if known is not None and known.source is value and _same(known.state, _state(value)):
            return known.frame
        stripped = self.withheld.without(name, value)
        if stripped is value and not is_frame(value):
            return value
        try:
            frame = _copied(value) if stripped is value else stripped
        except Exception:  # a frame class of another package may not copy; the model is told what that means
            frame = None
        if frame is None:
            self._refused.add(name)
            return value
        self._copies[name] = _Copy(source=value, state=_state(value), frame=frame, own_state=_state(frame))
        return frame

    def needs_withholding(self, name: str, value: object) -> bool:
        """Whether a value holds what the model must not get."""
        return self.withheld.without(name, value) is not value

    def take_refused(self) -> set[str]:
        """Names of frames that could not be copied, each told once: they are the user's own objects."""
        new = self._refused - self._told
        self._told |= new
        return new

    def take_changed(self) -> dict[str, object]:
        """Copies that were changed since they were last looked at; they are no copies any more but the run's own."""
        changed = {}
        for name, copy in list(self._copies.items()):
            if not _same(copy.own_state, _state(copy.frame)):
                changed[name] = copy.frame
                del self._copies[name]
        return changed

    def clear(self) -> None:
        """Forget all copies."""
        self._copies.clear()


def is_frame(value: object) -> bool:
    """Whether a value is a frame or series of pandas, or a frame of polars; imports neither."""
    pandas = sys.modules.get("pandas")
    # The type alone is asked: a proxy's `__class__` may raise anything.
    kind = type(value)
    if pandas is not None and hasattr(pandas, "DataFrame") and issubclass(kind, pandas.DataFrame | pandas.Series):
        return True
    return _is_polars(value)


def _is_polars(value: object) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and hasattr(polars, "DataFrame") and issubclass(type(value), polars.DataFrame)


def _copied(value: Any) -> Any:
    return value.clone() if _is_polars(value) else _shallow(value)


def _shallow(value: Any) -> Any:
    """A copy whose changes do not reach the original; None if that would cost too much memory."""
    pandas = sys.modules["pandas"]
    if int(pandas.__version__.partition(".")[0]) >= _COPY_ON_WRITE or _is_set_to_copy_on_write(pandas):
        return value.copy(deep=False)
    used = value.memory_usage()
    return value.copy() if int(getattr(used, "sum", lambda: used)()) <= _DEEP_BYTES else None


def _is_set_to_copy_on_write(pandas: Any) -> bool:
    try:
        return pandas.options.mode.copy_on_write is True
    except AttributeError:
        return False


def _state(frame: Any) -> list[object]:
    """What changes with every change in place: the arrays, the axes, the names. Of a polars frame a sample."""
    if _is_polars(frame):
        step = max(frame.height // _SAMPLED_ROWS, 1)
        return [frame.height, str(frame.schema), str(frame[::step].rows())]
    if not is_frame(frame):
        return [len(frame)] if isinstance(frame, dict | list | tuple) else []
    manager = frame._mgr
    name = frame.name if frame.ndim == 1 else None  # on a DataFrame it could be a column
    return [*manager.arrays, *manager.axes, *frame.index.names, name, len(frame.attrs)]


def _same(before: list[object], after: list[object]) -> bool:
    pairs = zip(before, after, strict=False)
    return len(before) == len(after) and all(one is two or _are_equal(one, two) for one, two in pairs)


def _are_equal(one: object, two: object) -> bool:
    """For names and counts; arrays and axes are the same only if they are the same object."""
    return isinstance(one, str | int | float) and type(one) is type(two) and one == two
