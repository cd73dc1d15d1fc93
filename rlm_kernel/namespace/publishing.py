"""What a step displays: the stand-in for the shell's display publisher, and bounded mime bundles."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from rlm_kernel.namespace.echo import ECHO_CHARS
from rlm_kernel.namespace.takeover import Capture
from rlm_kernel.trajectory.records import Rich

_ENTRY_BYTES = 5_000_000
"""The longest entry of a mime bundle that is kept."""
_STEP_BYTES = 20_000_000
"""What all rich outputs of one step may take together."""

_SPOKEN = ("text/markdown", "text/latex")
"""Types that are text themselves, for objects whose plain text is only their address."""


class StepPublisher:
    """Takes what ``display()`` publishes during a step.

    Everything else is asked of the real publisher: a kernel sets its parent header from other threads at any moment.
    """

    def __init__(self, real: Any, capture: Capture) -> None:
        self._real = real
        self._capture = capture
        self._ids: dict[str, int] = {}
        self._size = 0
        self.rich: list[Rich] = []

    def publish(
        self,
        data: Mapping[str, object],
        metadata: Mapping[str, object] | None = None,
        source: object = None,
        *,
        transient: Mapping[str, object] | None = None,
        update: bool = False,
        **_: object,
    ) -> None:
        """Keep a mime bundle; its plain text goes where the echo goes."""
        del source
        self._capture.echo.write(spoken(data)[:ECHO_CHARS].rstrip("\n") + "\n")
        rich = self._bounded(data, metadata or {})
        display_id = str((transient or {}).get("display_id") or "")
        place = self._ids.get(display_id)
        if update and place is not None:
            self.rich[place] = rich
            return
        if display_id:
            self._ids[display_id] = len(self.rich)
        self.rich.append(rich)

    def clear_output(self, wait: bool = False) -> None:  # noqa: FBT001, FBT002  # IPython's own signature
        """Forget what was displayed."""
        del wait
        self.rich.clear()
        self._ids.clear()

    @property
    def is_publishing(self) -> bool:
        """IPython asks it of its own publishers while they print."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def _bounded(self, data: Mapping[str, object], metadata: Mapping[str, object]) -> Rich:
        kept: dict[str, object] = {}
        for mime, entry in data.items():
            value = base64.b64encode(entry).decode("ascii") if isinstance(entry, bytes) else entry
            size = len(value) if isinstance(value, str) else len(repr(value))
            if size > _ENTRY_BYTES or self._size + size > _STEP_BYTES:
                kept.setdefault("text/plain", f"[{mime} of {size:,} characters left out]")
            else:
                self._size += size
                kept[mime] = value
        return Rich(data=kept, metadata=dict(metadata))


def spoken(data: Mapping[str, object]) -> str:
    """The text of a mime bundle, as far as it has one."""
    plain = str(data.get("text/plain", ""))
    if plain.startswith("<") or not plain:
        for mime in _SPOKEN:
            if mime in data:
                return str(data[mime])
    return plain
