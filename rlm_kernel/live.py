"""The live view of a run in a notebook: the widget, the control plane that brings its clicks, the run's buttons."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from rlm_kernel.buttons import Buttons, GoOn

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.plane import Plane
    from rlm_kernel.running import Run
    from rlm_kernel.trajectory.events import AnyEvent
    from rlm_kernel.views.widget import Widget

logger = logging.getLogger("rlm_kernel")

_SLICE = 0.02  # seconds between two looks while a paused run waits for a click


def open_live(shell: InteractiveShell, run: Run, go_on: GoOn) -> Live | None:
    """A live view of a run, ready to be put onto the page; None where it cannot be had, which is no error."""
    try:
        return Live(shell, run, go_on)
    except Exception:  # a broken widget stack must not cost a run that is being paid for
        logger.warning("the live view cannot be shown; the status line and the tree are", exc_info=True)
        return None


class Live:
    """One live view on the page."""

    def __init__(self, shell: InteractiveShell, run: Run, go_on: GoOn) -> None:
        from rlm_kernel.plane import Plane
        from rlm_kernel.views.widget import Widget

        self._run = run
        self._plane: Plane = Plane(shell, self._receive)
        self._opening = ExitStack()
        self._opening.enter_context(self._plane.listening())  # before the page knows of the widget and may speak
        self._widget: Widget = Widget()
        self._plane.watch(self._widget.comm_id)
        self._widget.on_control(Buttons(shell, run, go_on).take)
        self._leave: Callable[[], None] = run.listen(self._take)
        self.bundle: dict[str, Any] = self._widget.bundle()
        """What shows it on the page."""

    @contextmanager
    def driving(self) -> Iterator[None]:
        """While a cell drives the run: clicks arrive, and a pause by button waits in that cell."""
        stepper = self._run.stepper
        with self._plane.listening():
            self._opening.close()
            stepper.hold = self._hold
            try:
                yield
            finally:
                stepper.hold = None

    def attach(self) -> None:
        """Another cell drives the run now."""
        self._widget.attach()

    def tick(self) -> None:
        """Take clicks and send what is new; called many times a second by the main thread while it waits."""
        self._plane.pump()
        self._widget.tick()

    def rest(self) -> None:
        """Nothing drives the run; the view stays."""
        self._opening.close()
        self._widget.rest()

    def close(self) -> None:
        """The run is over, and something else takes the view's place on the page."""
        self._leave()
        self._widget.close()

    def _take(self, event: AnyEvent) -> None:
        self._widget.sink(event)

    def _receive(self, data: dict[str, Any], _buffers: list[memoryview]) -> None:
        content = data.get("content")
        if isinstance(content, dict):
            self._widget.receive(content)

    def _hold(self) -> None:
        self.tick()
        time.sleep(_SLICE)
