"""What a cell shows while a run goes on, and what stays when it is over."""

from __future__ import annotations

import sys
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from rlm_kernel.trajectory.events import AnyEvent
from rlm_kernel.wiring import Watch

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.runs import Run

_EVERY = 0.2  # seconds between two refreshes of the status line
_CLEAR = "\r\x1b[2K"


class Display:
    """One status line that is kept fresh, replaced at the end by the tree. A context manager around a run."""

    def __init__(self, shell: InteractiveShell, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._shell = shell
        self._line = _line_in(shell)
        self._run: Run | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        self._line = _line_in(self._shell)  # a run that goes on does so in another cell
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._quiet or self._run is None:
            self._line.clear()
        else:
            self._line.finish(self._run)
        self._run = None

    def watch(self) -> Watch:
        """What the session should tell this display."""
        return Watch(sinks=(self._event,), tick=self._tick, progress=self._progress, leaving=self._leaving)

    def follow(self, run: Run) -> None:
        """Show this run from now on."""
        self._run = run

    def _event(self, event: AnyEvent) -> None:
        import threading

        if threading.current_thread() is not threading.main_thread():
            return
        if event.tag == "step_started":
            self._shown_at = 0.0  # its code may run long, and nothing ticks then
            self._tick()
        elif event.tag == "step_finished":
            self._tick()

    def _tick(self) -> None:
        now = time.time()
        if self._quiet or self._run is None or now - self._shown_at < _EVERY:
            return
        self._shown_at = now
        self._line.follow(self._run, now)

    def _progress(self, text: str, share: float | None) -> None:
        now = time.time()
        if self._quiet or (now - self._shown_at < _EVERY and share not in {0.0, 1.0}):
            return
        self._shown_at = now
        self._line.progress(text, share)

    def _leaving(self, line: str) -> None:
        self._line.clear()
        self._line.say(line)  # the user must see where data goes, quiet or not


class _NotebookLine:
    """A line in the cell's output, behind a display id."""

    def __init__(self, shell: InteractiveShell) -> None:
        # The cell's own publisher. While a step runs, the shell's takes what is shown for the step's output.
        self._publisher = shell.display_pub
        self._id = uuid.uuid4().hex
        self._shown = False

    def follow(self, run: Run, now: float) -> None:
        from rlm_kernel.views.status import status_html, status_line

        tree = run.tree().folded
        self._put({"text/plain": status_line(tree, now), "text/html": status_html(tree, now)})

    def progress(self, text: str, share: float | None) -> None:
        from rlm_kernel.views.status import progress_html, progress_line

        self._put({"text/plain": progress_line(text, share), "text/html": progress_html(text, share)})

    def say(self, line: str) -> None:
        self._publisher.publish({"text/plain": line}, {})

    def finish(self, run: Run) -> None:
        from rlm_kernel.views.bundle import bundle

        self._put(bundle(run.tree().folded))

    def clear(self) -> None:
        if self._shown:
            self._put({"text/plain": "", "text/html": ""})

    def _put(self, data: dict[str, object]) -> None:
        self._publisher.publish(data, {}, transient={"display_id": self._id}, update=self._shown)
        self._shown = True


class _TerminalLine:
    """A line that is overwritten, on a terminal; nothing but the end elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()

    def follow(self, run: Run, now: float) -> None:
        from rlm_kernel.views.status import status_line

        self._show(status_line(run.tree().folded, now))

    def progress(self, text: str, share: float | None) -> None:
        from rlm_kernel.views.status import progress_line

        self._show(progress_line(text, share))

    def _show(self, text: str) -> None:
        if self._live:
            import shutil

            width = shutil.get_terminal_size().columns - 1
            self._stream.write(_CLEAR + text[:width])
            self._stream.flush()

    def say(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def finish(self, run: Run) -> None:
        from rlm_kernel.views.text import show

        self.clear()
        show(run.tree().folded)

    def clear(self) -> None:
        if self._live:
            self._stream.write(_CLEAR)
            self._stream.flush()


def show(shell: InteractiveShell, run: Run) -> None:
    """Show the tree of a run."""
    _line_in(shell).finish(run)


def _line_in(shell: InteractiveShell) -> _NotebookLine | _TerminalLine:
    return _NotebookLine(shell) if _is_notebook(shell) else _TerminalLine(sys.stderr)


def _is_notebook(shell: InteractiveShell) -> bool:
    return getattr(shell, "kernel", None) is not None
