"""Text that is kept at its head and its tail and counted in between."""

from __future__ import annotations

import io
from threading import RLock

STREAM_CHARS = 1_000_000
"""Characters kept of one stream, half of them from its beginning and half from its end."""


class BoundedText:
    """Collects writes from any thread without growing beyond its limit."""

    def __init__(self, limit: int = STREAM_CHARS) -> None:
        """Start empty.

        Args:
            limit: characters to keep in all; at least two.
        """
        self._half = max(limit // 2, 1)
        self._head = io.StringIO()
        self._head_room = self._half
        # Two buffers take turns: together they always hold the last `_half` characters or more.
        self._older = ""
        self._newer = io.StringIO()
        self._newer_size = 0
        self._written = 0
        self._lock = RLock()

    def write(self, text: str) -> int:
        """Take `text`, wholly or in part.

        Returns:
            The length of `text`, as a file would say.
        """
        with self._lock:
            self._written += len(text)
            rest = text
            if self._head_room:
                self._head.write(text[: self._head_room])
                rest = text[self._head_room :]
                self._head_room = max(self._head_room - len(text), 0)
            if rest:
                self._keep_tail(rest[-self._half :])
        return len(text)

    def _keep_tail(self, text: str) -> None:
        self._newer.write(text)
        self._newer_size += len(text)
        if self._newer_size >= self._half:
            self._older = self._newer.getvalue()[-self._half :]
            self._newer = io.StringIO()
            self._newer_size = 0

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.__init__(2 * self._half)  # type: ignore[misc]  # starting over is exactly what is meant

    @property
    def dropped(self) -> int:
        """Characters written and not kept."""
        return max(self._written - 2 * self._half, 0)

    def text(self) -> str:
        """What was kept; where something is missing it says how much."""
        with self._lock:
            tail = (self._older + self._newer.getvalue())[-self._half :]
            head = self._head.getvalue()
        if not self.dropped:
            return as_shown(head + tail)
        return as_shown(f"{head}\n[... {self.dropped:,} characters left out ...]\n{tail}")


def as_shown(text: str) -> str:
    """`text` as a terminal leaves it: what a carriage return overwrites (a progress bar) is gone."""
    if "\r" not in text:
        return text
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rpartition("\r")[2] for line in lines)
