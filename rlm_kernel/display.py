"""What a cell shows while a run goes on, and what stays when it is over."""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from rlm_kernel.live import Live, open_live
from rlm_kernel.question import Watch
from rlm_kernel.trajectory.events import AnyEvent

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.buttons import GoOn
    from rlm_kernel.recorded import RecordedRun
    from rlm_kernel.running import Run

_EVERY = 0.2  # seconds between two refreshes of the status line
_LIVE_AFTER = 0.5  # seconds after which a run is worth the live view
_KEPT_EVERY = 5.0  # seconds between two refreshes of the static tree below the live view
_CLEAR = "\r\x1b[2K"


class Display:
    """What one cell shows of a run; a context manager around it.

    A status line that is kept fresh; after half a second, in a notebook, the live view in its place. At the end both
    give way to the static tree, which a saved notebook shows without a kernel. A paused run keeps its live view: its
    buttons work between cells too.
    """

    def __init__(
        self, shell: InteractiveShell, *, quiet: bool = False, live: bool = True, go_on: GoOn | None = None
    ) -> None:
        """Show nothing yet.

        Args:
            shell: where the cell runs.
            quiet: show nothing at all.
            live: show the live view where there is a page for it.
            go_on: what drives the run when a button asks for it between cells; None for no buttons.
        """
        self._quiet = quiet
        self._shell = shell
        self._go_on = go_on
        self._wants_live = live and not quiet and go_on is not None and _is_notebook(shell)
        self._line = _line_in(shell)
        self._live: Live | None = None
        self._live_line: _NotebookLine | _TerminalLine = self._line
        self._kept: _NotebookLine | None = None
        """The static tree below a live view: what a notebook keeps if its kernel is killed."""
        self._stack = ExitStack()
        self._run: Run | None = None
        self._began = 0.0
        self._shown_at = 0.0
        self._kept_at = 0.0

    def __enter__(self) -> Self:
        self._line = _line_in(self._shell)  # a run that goes on does so in another cell
        self._began = self._kept_at = time.time()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        run, self._run = self._run, None
        paused = run is not None and run.status == "paused"
        if paused and run is not None:
            self._open(run)
        self._stack.close()
        if run is None or self._quiet:
            self._line.clear()
        elif paused and self._live is not None:
            self._live.rest()
            self._keep(run)
        else:
            self._end(run)

    def _end(self, run: Run) -> None:
        self._line.finish(run)
        if self._live is not None:
            if self._live_line is not self._line:  # it was paused in another cell
                self._live_line.finish(run)
            self._live.close()
            self._live = None
        if self._kept is not None:
            self._kept.clear()
            self._kept = None

    def _open(self, run: Run) -> None:
        """Put the live view in the status line's place, if it is wanted and not there yet."""
        if not self._wants_live or self._live is not None or self._go_on is None:
            return
        live = open_live(self._shell, run, self._go_on)
        if live is None:
            self._wants_live = False
            return
        self._live, self._live_line = live, self._line
        self._stack.enter_context(live.driving())
        self._line.put(live.bundle)

    def _keep(self, run: Run) -> None:
        self._kept_at = time.time()
        if self._kept is None:
            self._kept = _NotebookLine(self._shell)
        self._kept.finish(run)

    def watch(self) -> Watch:
        """What the session should tell this display."""
        return Watch(sinks=(self._event,), tick=self._tick, progress=self._progress, leaving=self._leaving)

    def follow(self, run: Run) -> None:
        """Show this run from now on."""
        self._run = run
        if self._live is not None:  # it was paused, and its view is still there
            self._live.attach()
            self._stack.enter_context(self._live.driving())

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
        if self._quiet or self._run is None:
            return
        if self._live is not None:
            self._live.tick()
        elif now - self._began > _LIVE_AFTER:
            self._open(self._run)
        if self._live is not None and now - self._kept_at > _KEPT_EVERY:
            self._keep(self._run)
        elif self._live is None and now - self._shown_at >= _EVERY:
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
        self.put({"text/plain": status_line(tree, now), "text/html": status_html(tree, now)})

    def progress(self, text: str, share: float | None) -> None:
        from rlm_kernel.views.status import progress_html, progress_line

        self.put({"text/plain": progress_line(text, share), "text/html": progress_html(text, share)})

    def say(self, line: str) -> None:
        self._publisher.publish({"text/plain": line}, {})

    def finish(self, run: RecordedRun) -> None:
        from rlm_kernel.views.bundle import bundle

        self.put(bundle(run.tree().folded))

    def clear(self) -> None:
        if self._shown:
            self.put({"text/plain": "", "text/html": ""})

    def put(self, data: dict[str, Any]) -> None:
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

    def put(self, data: dict[str, Any]) -> None:
        """A terminal shows no live view."""

    def _show(self, text: str) -> None:
        if self._live:
            import shutil

            width = shutil.get_terminal_size().columns - 1
            self._stream.write(_CLEAR + text[:width])
            self._stream.flush()

    def say(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()

    def finish(self, run: RecordedRun) -> None:
        from rlm_kernel.views.text import show

        self.clear()
        show(run.tree().folded)

    def clear(self) -> None:
        if self._live:
            self._stream.write(_CLEAR)
            self._stream.flush()


def show(shell: InteractiveShell, run: RecordedRun, go_on: GoOn | None = None) -> None:
    """Show a run: the live view in a notebook, else its tree.

    Args:
        shell: where the cell runs.
        run: the run.
        go_on: what drives the run when a button asks for it; None for the tree alone.
    """
    from rlm_kernel.running import Run

    lives = isinstance(run, Run) and go_on is not None and _is_notebook(shell)
    live = open_live(shell, run, go_on) if lives else None  # type: ignore[arg-type]  # just looked at
    if live is not None:
        _NotebookLine(shell).put(live.bundle)
        live.rest()
        return
    _line_in(shell).finish(run)


def _line_in(shell: InteractiveShell) -> _NotebookLine | _TerminalLine:
    return _NotebookLine(shell) if _is_notebook(shell) else _TerminalLine(sys.stderr)


def _is_notebook(shell: InteractiveShell) -> bool:
    return getattr(shell, "kernel", None) is not None
