"""What an engine must do to be measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One run of an engine."""

    seconds: float
    printed: str = ""
    """What its first step printed."""
    error: str = ""
    calls: int = 0
    """Calls to models, as the engine reports them."""
    tokens: int = 0


class Engine(Protocol):
    """An implementation of RLMs that talks to the mock server."""

    name: str
    child: str
    """The arguments of a child run, as code over ``i``."""

    def end(self, expression: str) -> str:
        """Code that ends a run with the value of an expression."""

    def ask(self, context: object = "some context", *, call_seconds: float | None = None) -> Asked:
        """Do one run and time it. Whatever goes wrong, Ctrl-C too, is the error of what it gives."""

    def bind(self, value: object) -> float:
        """Seconds for making a context available; more than that may be in it, if it does not depend on the value."""
