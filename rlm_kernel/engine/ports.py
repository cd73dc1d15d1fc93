"""What the engine asks of the outside: a model that answers, an executor that runs code.

Implementations match these by shape; they do not import this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rlm_kernel.trajectory.records import Outcome, Reply, Request
from rlm_kernel.usage import Usage

Refused = Callable[[float | None], None]
"""Told each time a server says that it is too busy, with the seconds that it asked to wait, if it did."""


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

    @property
    def identity(self) -> str | None:
        """Where the model is, so that its answers may be kept for another day; None if they may not."""

    @property
    def call_seconds(self) -> float | None:
        """Time that one of its calls wants where the user did not say; None for the limits' own default."""

    def cost(self, usage: Usage) -> float | None:
        """Dollars for a call's tokens; None if its price is not known."""

    async def window(self) -> int:
        """Tokens of prompt and reply together that one call may have."""

    def count(self, text: str) -> int:
        """Tokens in `text`, at least roughly; never waits for a network."""

    async def complete(self, request: Request, refused: Refused | None = None) -> Reply:
        """Answer one request. Raises a ModelError; cancelling the task ends the call.

        Args:
            request: what to ask.
            refused: told of refusals on the way to the answer, if it is retried.
        """


class Memo(Protocol):
    """Keeps answers of sub-calls for another day. Never raises; thread-safe."""

    def key(self, request: Request, *, model: str, endpoint: str, sample: int) -> str:
        """The key of a request; `sample` counts equal requests of one batch."""

    def get(self, keys: Sequence[str]) -> Mapping[str, Reply]:
        """The answers that are there."""

    def put(self, entries: Mapping[str, Reply]) -> None:
        """Keep answers."""


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
