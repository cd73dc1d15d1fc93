"""What every runner has in common: the protocol, and how one piece of code runs below the boundary."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from rlm_kernel.errors import FinalSignal
from rlm_kernel.namespace.failures import failure_of
from rlm_kernel.namespace.private_loop import PrivateLoop, no_running_loop
from rlm_kernel.namespace.program import Echo, Piece, Value, compile_piece, run_parts
from rlm_kernel.namespace.takeover import Capture
from rlm_kernel.trajectory.records import Failure, Rich

Guard = Callable[[Callable[[], None]], None]
"""Runs a function so that it can be interrupted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """How a piece of code ended."""

    value: Value
    error: BaseException | None = None
    failure: Failure | None = None


class Scene(Protocol):
    """Everything that one step puts out while it executes."""

    capture: Capture
    rich: list[Rich]

    def parse(self, code: str, step: int) -> Piece:
        """Parse the code as this runner understands it. Raises a SyntaxError and the like."""

    def run(self, piece: Piece, namespace: dict[str, object], guard: Guard) -> Ran:
        """Run it; whatever it raises is in the result."""


class Runner(Protocol):
    """Runs code in one way: inside a shell or plainly."""

    @property
    def hidden(self) -> dict[str, object]:
        """Names that are not the user's own, with the values they have then: a name bound to another value is."""

    def scene(self) -> AbstractContextManager[Scene]:
        """Open the capture for one step."""

    def close(self) -> None:
        """Free what was kept from step to step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How pieces run in one scene."""

    echo: Echo
    loop: PrivateLoop
    interactivity: str = "last_expr"
    afterwards: Callable[[], None] = lambda: None
    """Called below the boundary when the code has ended, however it ended."""


def run_piece(piece: Piece, namespace: dict[str, object], guard: Guard, manner: Manner) -> Ran:
    """Compile and run a piece; turn an exception into a failure."""
    value = Value()
    process = os.getpid()
    built_in = dict(builtins.__dict__)

    def below() -> None:
        try:
            parts = compile_piece(piece, manner.interactivity)
            awaits = any(part.awaits for part in parts)
            drive(run_parts(parts, namespace, manner.echo, value), manner.loop, awaits=awaits)
        finally:
            # Code that sets `builtins.len` would break the notebook itself, and this package first of all.
            builtins.__dict__.update(built_in)
            manner.afterwards()

    try:
        try:
            guard(below)
        finally:
            if os.getpid() != process:
                _end_fork()
    except FinalSignal as signal:
        return Ran(value=value, error=signal)
    except BaseException as error:  # a SystemExit or KeyboardInterrupt of the model's code is data like any other
        return Ran(value=value, error=error, failure=failure_of(error, piece.filename, label=piece.label))
    return Ran(value=value)


def _end_fork() -> NoReturn:
    """End a child that the code forked and let run out: it must not go on as a second self of the notebook."""
    os._exit(0)


def drive(coroutine: Coroutine[Any, Any, None], loop: PrivateLoop, *, awaits: bool) -> None:
    """Run `coroutine` to its end in this thread, whether or not an event loop is running in it."""
    with no_running_loop():
        if awaits:
            loop.run(coroutine)
            return
        try:
            coroutine.send(None)
        except StopIteration:
            return
        finally:
            coroutine.close()
