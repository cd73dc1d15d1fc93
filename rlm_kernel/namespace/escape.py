"""Getting out of code that catches every exception: a trace function raises where nothing catches."""

from __future__ import annotations

import inspect
import sys
from types import FrameType
from typing import Any, Final

from rlm_kernel.namespace.protection import protecting_blocks

ANY_LINE: Final = 1_000
"""A number of protecting blocks that no line reaches: raise at the next one, whatever it is."""

_RESUMED = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR


class Escape:
    """Raises KeyboardInterrupt at the next line that few enough ``try`` blocks protect, in frames below a boundary."""

    def __init__(self, boundary: FrameType) -> None:
        self._boundary = boundary
        self._before = sys.gettrace()
        self._frames: list[tuple[FrameType, Any]] = []
        self._blocks = 0

    def install(self, frame: FrameType | None, *, blocks: int) -> None:
        """Begin to trace.

        Args:
            frame: the innermost frame that is running already.
            blocks: how many blocks may protect the line.
        """
        self._blocks = blocks
        known = {id(one) for one, _ in self._frames}
        while frame is not None and frame is not self._boundary:
            if id(frame) not in known:
                self._frames.append((frame, frame.f_trace))
            frame.f_trace = self._on_event
            frame = frame.f_back
        sys.settrace(self._on_event)

    def remove(self) -> None:
        """Put every trace function back."""
        sys.settrace(self._before)
        for frame, trace in self._frames:
            frame.f_trace = trace
        self._frames.clear()

    def _on_event(self, frame: FrameType, event: str, arg: object) -> Any:
        del arg
        if _is_machinery(frame):
            return None
        # Raising where a coroutine is resumed would hit its await, inside the very block that catches.
        is_place = event == "line" or (event == "call" and not frame.f_code.co_flags & _RESUMED)
        if is_place and self._lets_out(frame):
            raise KeyboardInterrupt
        return self._on_event

    def _lets_out(self, place: FrameType) -> bool:
        """Whether an exception raised in `place` would leave enough of the blocks around it."""
        blocks = 0
        is_of_the_notebook = False  # an event loop that waits is none of the code's
        frame: FrameType | None = place
        while frame is not None and frame is not self._boundary:
            if not _is_machinery(frame):
                is_of_the_notebook = is_of_the_notebook or frame.f_globals.get("__name__") == "__main__"
                blocks += protecting_blocks(frame.f_code, frame.f_lasti)
            frame = frame.f_back
        return frame is not None and is_of_the_notebook and blocks <= self._blocks


def is_below(frame: FrameType | None, boundary: FrameType | None) -> bool:
    """Whether `boundary` called, directly or not, what runs in `frame`."""
    if boundary is None or frame is boundary:
        return False
    while frame is not None:
        if frame is boundary:
            return True
        frame = frame.f_back
    return False


def _is_machinery(frame: FrameType) -> bool:
    """Frames between the boundary and the model's code that let a KeyboardInterrupt through."""
    return str(frame.f_globals.get("__name__", "")).startswith(("asyncio.", "rlm_kernel."))
