"""What one run of the loop is about."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_kernel.engine.history import Count
from rlm_kernel.engine.returns import Returns
from rlm_kernel.prompts.pack import Pack
from rlm_kernel.trajectory.records import Binding

_ROOM_FOR_REPLY = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What one run of the loop is about."""

    question: str
    contexts: tuple[Binding, ...]
    pack: Pack
    window: int
    """Tokens of prompt and reply together."""
    count: Count
    """Tokens of a text."""
    inventory: str = ""
    """One line for each of the user's variables, where none was named."""
    steps: int | None = None
    """Most steps; None for no bound."""
    temperature: float | None = None
    """Overrides the pack's."""
    seed: int | None = None
    sub_window: int = 32_768
    """Tokens that one sub-call may have."""
    returns: Returns | None = None
    """The form that the answer must have."""
    depth: int = 0
    """0 for the root run, more for child runs."""
    levels: int | None = 1
    """How deep models may be called from here: 0 is no sub-calls, 2 child runs; None for no bound."""

    @property
    def room(self) -> int:
        """Tokens that the conversation may take."""
        reply = self.pack.settings.max_tokens or _ROOM_FOR_REPLY
        return self.window - min(reply, self.window // 4) - 64
