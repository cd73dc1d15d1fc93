"""What the buttons of a page do to a run: while a cell drives it, and between cells."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from rlm_kernel.errors import RLMError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rlm_kernel.running import Run

GoOn = Callable[["Run", Callable[[], "Run"]], object]
"""Drives a run as its cell wanted it shown and kept, by something that goes on with it."""


class Buttons:
    """Takes control messages of a page for one run, from whatever thread brings them."""

    def __init__(self, shell: InteractiveShell, run: Run, go_on: GoOn) -> None:
        """Attach to a run.

        Args:
            shell: where it runs.
            run: the run.
            go_on: drives it between cells.
        """
        self._shell = shell
        self._run = run
        self._go_on = go_on
        self._main = threading.main_thread().ident

    def take(self, message: Mapping[str, object]) -> None:
        """Do what a control message says. Never raises."""
        action = str(message.get("action"))
        code, reason = str(message.get("code") or ""), str(message.get("reason") or "")
        if self._run.status == "running":
            if action == "stop":
                _interrupt(self._main)
            else:
                self._run.stepper.press(action, code, reason)
        else:
            self._in_main(lambda: self._act(action, code, reason))

    def _act(self, action: str, code: str, reason: str) -> None:
        """Between cells the click itself drives the run, as a cell would."""
        run = self._run
        acts: dict[str, Callable[[], Run]] = {
            "resume": run.resume,
            "step": run.step,
            "into": run.step,
            "approve": run.step,
            "edit": lambda: run.step(code),
            "skip": run.skip,
            "reject": lambda: run.reject(reason or "the user rejected it"),
        }
        try:
            if action == "stop":
                run.stop()
            elif action in acts:
                self._go_on(run, acts[action])
        except (RLMError, KeyboardInterrupt) as exc:
            print(f"rlm: {exc}", file=sys.stderr)  # noqa: T201 - there is no cell whose error it could be

    def _in_main(self, act: Callable[[], None]) -> None:
        loop = getattr(getattr(self._shell, "kernel", None), "io_loop", None)
        if loop is not None:
            loop.add_callback(act)  # a message may come in a thread of the kernel; runs belong to the main one
        elif threading.get_ident() == self._main:
            act()


def _interrupt(thread: int | None) -> None:
    """What the kernel's own interrupt does; measured: 0.02 s late, where `interrupt_main` waits for a sleep to end."""
    if thread is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, signal.SIGINT)
    else:
        import _thread

        _thread.interrupt_main()
