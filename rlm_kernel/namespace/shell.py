"""Runs code in the user's live IPython shell, terminal or kernel.

IPython's own `run_cell` is not used: it shows tracebacks before one can catch them, fires the user's events, empties
the outer cell's result and writes its history. A step takes its parts instead: the transformations of input and syntax
tree, the traps for builtins and the display hook.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from rlm_kernel.namespace.failures import trimmed
from rlm_kernel.namespace.private_loop import PrivateLoop
from rlm_kernel.namespace.program import Piece, name_code
from rlm_kernel.namespace.publishing import StepPublisher
from rlm_kernel.namespace.running import Guard, Manner, Ran, run_piece
from rlm_kernel.namespace.shell_echo import echo_value
from rlm_kernel.namespace.shell_state import kept_state
from rlm_kernel.namespace.takeover import Capture, capturing
from rlm_kernel.trajectory.records import Rich


class ShellRunner:
    """Magics, ``!commands``, ``await``, figures and rich outputs work as in a cell; the cell itself sees none of it."""

    def __init__(self, shell: Any) -> None:
        """Wrap a shell.

        Args:
            shell: an IPython ``InteractiveShell``.
        """
        self._shell = shell
        self._loop = PrivateLoop()

    @property
    def hidden(self) -> dict[str, object]:
        """IPython's own table of names that ``%who`` leaves out."""
        hidden: dict[str, object] = self._shell.user_ns_hidden
        return hidden

    @contextmanager
    def scene(self) -> Iterator[ShellScene]:
        """Open the capture for one step."""
        shell = self._shell
        with ExitStack() as stack:
            capture = stack.enter_context(capturing())
            publisher = StepPublisher(shell.display_pub, capture)
            stack.enter_context(shell.builtin_trap)
            stack.enter_context(shell.display_trap)
            scene = ShellScene(shell, capture, publisher, self._loop)
            stack.enter_context(kept_state(shell, scene.stand_ins()))
            yield scene

    def close(self) -> None:
        """End what steps left running in the private event loop."""
        self._loop.close()


class ShellScene:
    """One step, run in the shell."""

    def __init__(self, shell: Any, capture: Capture, publisher: StepPublisher, loop: PrivateLoop) -> None:
        self.capture = capture
        self.rich: list[Rich] = publisher.rich
        self._shell = shell
        self._publisher = publisher
        self._loop = loop

    def stand_ins(self) -> list[tuple[object, str, object]]:
        """What stands in for parts of the shell while the step executes."""
        shell = self._shell
        found: list[tuple[object, str, object]] = [
            (sys, "displayhook", self._show),
            (shell, "display_pub", self._publisher),
            (shell, "ask_exit", _refuse_exit),
            # A terminal shell lets commands write to the terminal; the piped form prints.
            (shell, "system", shell.system_piped),
            (shell, "showtraceback", self._take_traceback),
            (shell, "_showtraceback", self._take_rendered),
            (shell.hooks, "show_in_pager", self._print_page),
            # %reset would take the user's history and outputs with it; the names come back after the step.
            (shell, "reset", lambda *_, **__: shell.user_ns.clear()),
        ]
        kernel = getattr(shell, "kernel", None)
        if hasattr(kernel, "_allow_stdin"):
            found.append((kernel, "_allow_stdin", False))
        return found

    def parse(self, code: str, step: int) -> Piece:
        """Transform IPython's syntax and parse."""
        shell = self._shell
        source = shell.transform_cell(code)
        filename, label = name_code(source, step)
        tree = shell.transform_ast(shell.compile.ast_parse(source, filename=filename))
        return Piece(source=source, filename=filename, label=label, tree=tree)

    def run(self, piece: Piece, namespace: dict[str, object], guard: Guard) -> Ran:
        """Execute the piece with `namespace`, the shell's own, as its globals."""
        interactivity = str(self._shell.ast_node_interactivity)
        manner = Manner(echo=self._echo, loop=self._loop, interactivity=interactivity, afterwards=_flush_figures)
        ran = run_piece(piece, namespace, guard, manner)
        if ran.failure is not None and ran.error is not None:
            _remember(ran.error, piece.filename)
        return ran

    def _show(self, value: object) -> None:
        self._echo(value, False)

    def _echo(self, value: object, text_only: bool) -> None:  # noqa: FBT001  # the shape of program.Echo
        echo_value(self._shell, value, self._publisher, self.capture, text_only=text_only)

    def _take_traceback(self, exc_tuple: Any = None, *_: object, **__: object) -> None:
        """Errors that IPython shows by itself, of a nested cell or a formatter, become text of the step."""
        error = exc_tuple[1] if exc_tuple else sys.exc_info()[1]
        if error is not None:
            self.capture.stderr.write(f"{type(error).__name__}: {error}\n")

    def _take_rendered(self, kind: type[BaseException], error: object, lines: list[str]) -> None:
        del lines
        self.capture.stderr.write(f"{kind.__name__}: {error}\n")

    def _print_page(self, data: Any, *_: object, **__: object) -> None:
        """``name?`` and ``%page`` would open a pager that waits for a person."""
        text = data.get("text/plain", "") if isinstance(data, dict) else str(data)
        self.capture.stdout.write(text.rstrip("\n") + "\n")


def _remember(error: BaseException, filename: str) -> None:
    """Leave the exception where ``%debug`` looks for it."""
    trace = trimmed(error.__traceback__, filename)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
    if sys.version_info >= (3, 12):
        sys.last_exc = error


def _refuse_exit(*_: object) -> None:
    raise SystemExit("the notebook stays open; call FINAL(value) to end the run")


def _flush_figures() -> None:
    """Let the inline backend display the figures that the step left open, into the step's capture."""
    backend = sys.modules.get("matplotlib_inline.backend_inline")
    if backend is not None and "matplotlib.pyplot" in sys.modules:
        backend.flush_figures()
