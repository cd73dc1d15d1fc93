"""What the loop asks its driver to do, and what it hands back at its end."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_kernel.errors import LimitReached
from rlm_kernel.trajectory.events import NoteKind
from rlm_kernel.trajectory.records import Message, Purpose


@dataclass(frozen=True, kw_only=True, slots=True)
class Generate:
    """Ask the root model. The driver sends a `Reply` back, or throws a ModelError or LimitReached."""

    step: int
    messages: tuple[Message, ...]
    purpose: Purpose = "root"
    temperature: float | None = None
    seed: int | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Execute:
    """Run code. The driver sends an `Outcome` back, or throws LimitReached."""

    step: int
    code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Put a line into the trajectory. The driver sends None back."""

    step: int
    kind: NoteKind
    text: str


Action = Generate | Execute | Note


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """The loop's end: the answer."""

    value: object
    extracted: LimitReached | None = None
    """The limit that was reached, if the answer was taken from the evidence and not given by FINAL."""
