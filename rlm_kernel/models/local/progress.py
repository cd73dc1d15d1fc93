"""How the slow parts say what they are doing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Told a stage in a few words, and how much of it is done (0 to 1) where that is known."""


def show_nothing(_stage: str, _fraction: float | None) -> None:
    """A `Progress` that is not interested."""
