"""What the engine asks of the outside: a model that answers, an executor that runs code.

Implementations match these by shape; they do not import this module.
"""

from __future__ import annotations

from typing import Protocol

from rlm_kernel.trajectory.records import Outcome, Reply, Request


class Model(Protocol):
    """A language model behind some endpoint."""

    @property
    def name(self) -> str:
        """The name sent to the server and shown to the user."""

    @property
    def endpoint(self) -> str:
        """Where requests go, as shown to the user; never holds a secret."""

    @property
    def on_this_machine(self) -> bool:
        """True if requests stay on this machine."""

    @property
    def concurrency(self) -> int | None:
        """How many calls it serves well at once; None if it sets no bound."""

    async def window(self) -> int:
        """Tokens of prompt and reply together that one call may have."""

    def count(self, text: str) -> int:
        """Tokens in `text`, at least roughly; never waits for a network."""

    async def complete(self, request: Request) -> Reply:
        """Answer one request. Raises a ModelError; cancelling the task ends the call."""


class Executor(Protocol):
    """Runs the model's code, one step at a time."""

    def execute(self, code: str, *, step: int, seconds: float | None) -> Outcome:
        """Run `code`. Whatever it raises is in the outcome.

        Args:
            code: Python source, IPython syntax allowed where the executor says so.
            step: number of the step, for tracebacks.
            seconds: time after which the code is interrupted; None for no bound.

        Raises:
            KeyboardInterrupt: the user interrupted (a real SIGINT), after the step was taken down cleanly.
        """
