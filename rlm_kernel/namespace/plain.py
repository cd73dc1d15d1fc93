"""Runs code without IPython: in scripts, and in the threads of child runs."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager

from rlm_kernel.namespace.echo import bounded_repr
from rlm_kernel.namespace.private_loop import PrivateLoop
from rlm_kernel.namespace.program import Piece, parse
from rlm_kernel.namespace.running import Guard, Manner, Ran, run_piece
from rlm_kernel.namespace.takeover import Capture, capturing
from rlm_kernel.trajectory.records import Rich


class PlainRunner:
    """Python alone: no magics, no rich outputs."""

    def __init__(self, *, is_child: bool = False) -> None:
        """Prepare.

        Args:
            is_child: for a child run, which may not change what the whole process shares.
        """
        self.hidden: dict[str, object] = {}
        self._is_child = is_child
        self._loop = PrivateLoop()

    @contextmanager
    def scene(self) -> Iterator[PlainScene]:
        """Open the capture for one step."""
        with capturing(is_child=self._is_child) as capture:
            yield PlainScene(capture, self._loop)

    def close(self) -> None:
        """End what steps left running in the private event loop."""
        self._loop.close()


class PlainScene:
    """One step, run plainly."""

    def __init__(self, capture: Capture, loop: PrivateLoop) -> None:
        self.capture = capture
        self.rich: list[Rich] = []
        self._loop = loop

    def parse(self, code: str, step: int) -> Piece:
        """Parse Python."""
        return parse(code, step)

    def run(self, piece: Piece, namespace: dict[str, object], guard: Guard) -> Ran:
        """Execute the piece with `namespace` as its globals."""
        namespace.setdefault("__builtins__", builtins)
        namespace.setdefault("__name__", "__main__")
        return run_piece(piece, namespace, guard, Manner(echo=self._echo, loop=self._loop))

    def _echo(self, value: object, text_only: bool) -> None:  # noqa: ARG002, FBT001  # the shape of program.Echo
        if value is not None:
            self.capture.echo.write(bounded_repr(value) + "\n")
