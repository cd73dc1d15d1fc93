"""Ctrl-C and time limits for code that may not want to end.

A step runs below one frame of ours, the boundary. A signal that arrives while that frame is on the stack above the
interrupted one is raised in the model's code; one that arrives while we tidy up is kept until that is done, so
a user's names are never left half restored.

Code may swallow a KeyboardInterrupt (``except: pass`` in a loop). Then it is interrupted again every 50 ms, and a trace
function raises at the next line, then at a line that no ``try`` block protects, then at one that one block does...
"""

from __future__ import annotations

import _thread
import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rlm_kernel.namespace.escape import ANY_LINE, Escape, is_below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlm_kernel.trajectory.records import Outcome

T = TypeVar("T")

_PATIENCE = 0.1
"""Seconds that interrupted code has before it is interrupted again."""
_PULSE = 0.05
"""Seconds between the interrupts after that."""
_FIRST_TRACED = 2
"""The interrupt of one execution that is the first to trace."""


class Interrupted(KeyboardInterrupt):
    """The user interrupted a step; it was taken down cleanly. ``outcome`` is what it did until then."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__("interrupted")


class Watch:
    """One execution: whether it is over, and what ended it."""

    def __init__(self) -> None:
        self.timed_out = False
        self.by_user = False
        self.over = False
        self.presses = 0
        self.pressing = False
        self.boundary: FrameType | None = None
        self.thread = threading.get_ident()
        self.lock = _thread.allocate_lock()
        self._ended = _thread.allocate_lock()
        self._ended.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, at most `seconds` long; True if it came."""
        if self._ended.acquire(timeout=seconds):
            self._ended.release()
            return True
        return False

    def end(self) -> None:
        """The code has ended."""
        with self.lock:
            self.over = True
        self._ended.release()


class Interrupter:
    """Watches SIGINT for a whole run, and one execution at a time within it.

    Use it as a context manager around the run. Outside the main thread there are no signals: entering it does nothing
    there, and a time limit is enforced by an exception set from another thread.
    """

    def __init__(self, on_stop: Callable[[], None] = lambda: None) -> None:
        """Prepare; nothing is installed yet.

        Args:
            on_stop: called at once, from the signal handler, when the user interrupts. It must be quick and take no
                lock that the main thread could hold.
        """
        self.interrupted = False
        """True once the user has interrupted, since it was entered last."""
        self.interrupts = 0
        """How often the user has interrupted."""
        self.timed_out = False
        self._on_stop = on_stop
        self._previous: Any = None
        self._installed = False
        self._watch: Watch | None = None
        self._tidying = 0
        self._ours = False
        self._escape: Escape | None = None

    def __enter__(self) -> Self:
        self.interrupted = False
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._on_signal)
            self._installed = True
        return self

    def __exit__(self, *exc: object) -> None:
        if self._installed:
            self._installed = False
            signal.signal(signal.SIGINT, self._previous if self._previous is not None else signal.default_int_handler)

    @property
    def installed(self) -> bool:
        """True while its signal handler is in place."""
        return self._installed

    def stop(self) -> None:
        """Interrupt what runs now, from any thread or a signal handler: the run above was stopped.

        For runs in other threads than the main one, which no signal reaches.
        """
        self.interrupted = True
        self.interrupts += 1
        watch = self._watch
        if watch is not None and not watch.by_user:
            watch.by_user = True
            _thread.start_new_thread(self._press, (watch,))

    @contextmanager
    def tidying(self) -> Iterator[None]:
        """Keep interrupts out of a block that must run to its end; the user's is counted in `interrupts`."""
        self._tidying += 1
        try:
            yield
        finally:
            self._tidying -= 1

    def call(self, function: Callable[[], T], seconds: float | None, watch: Watch) -> T:
        """Run `function`; this frame is the boundary.

        Args:
            function: runs the model's code, and nothing that must not be interrupted.
            seconds: time after which it is interrupted; None for no bound.
            watch: told what happened.
        """
        outer, self._watch = self._watch, watch
        trace = sys.gettrace()
        watch.boundary = sys._getframe()
        if self.interrupted and not watch.by_user:  # in the moment before the code began
            watch.by_user = True
            _thread.start_new_thread(self._press, (watch,))
        if seconds is not None:
            _thread.start_new_thread(self._limit, (watch, seconds))
        try:
            return function()
        finally:
            watch.boundary = None  # from here on a signal is no longer raised
            self._finish(watch, outer)
            if sys.gettrace() is not trace:
                sys.settrace(trace)  # ours, or that of a debugger which the code started

    def _finish(self, watch: Watch, outer: Watch | None) -> None:
        ended = False
        while not ended:
            # Outside the main thread an interrupt is set from another thread: nothing keeps it, so it is caught here.
            try:
                if not watch.over:
                    watch.end()
                # One that is set and not raised yet is raised at a jump backwards. It is not taken back: an interpreter
                # can be left looking for it for ever.
                for _ in range(2):
                    pass
                ended = True
            except KeyboardInterrupt:
                continue
        self._watch = outer
        if self._installed and signal.getsignal(signal.SIGINT) != self._on_signal:
            signal.signal(signal.SIGINT, self._on_signal)  # the code put a handler of its own in place
        if self._escape is not None:
            self._escape.remove()
            self._escape = None
        self.timed_out = self.timed_out or watch.timed_out

    def _limit(self, watch: Watch, seconds: float) -> None:
        if not watch.wait(seconds):
            watch.timed_out = True
            self._press(watch)

    def _press(self, watch: Watch) -> None:
        """Interrupt until the code has ended."""
        with watch.lock:
            if watch.pressing:
                return
            watch.pressing = True
        if watch.by_user and watch.wait(_PATIENCE):
            return
        while True:
            with watch.lock:
                if watch.over:
                    return
                self._interrupt(watch)
            if watch.wait(_PULSE if watch.presses > 1 else _PATIENCE):
                return

    def _interrupt(self, watch: Watch) -> None:
        if watch.thread == threading.main_thread().ident:
            self._ours = True
            signal.pthread_kill(watch.thread, signal.SIGINT)
        else:
            watch.presses += 1
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(watch.thread), ctypes.py_object(KeyboardInterrupt)
            )

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        ours = self._take_ours()
        if not ours:
            self._note_user()
        self._pass_on(number, frame, ours=ours)

    def _pass_on(self, number: int, frame: FrameType | None, *, ours: bool) -> None:
        """Raise in the code that runs, if any does; while we tidy up it waits; else do what was done before."""
        watch, outer = self._watch, self._outer()
        if watch is not None and is_below(frame, watch.boundary):
            self._raise_in(watch, frame)
        elif watch is not None or self._tidying:
            return
        elif outer is not None:
            outer._pass_on(number, frame, ours=ours)
        elif not ours:
            self._as_before(number, frame)

    def _note_user(self) -> None:
        self.interrupted = True
        self.interrupts += 1
        self._on_stop()
        watch, outer = self._watch, self._outer()
        if watch is not None and not watch.by_user:
            watch.by_user = True
            # The low-level call: threading's own takes locks that the interrupted code may hold.
            _thread.start_new_thread(self._press, (watch,))
        if outer is not None:
            outer._note_user()

    def _take_ours(self) -> bool:
        """Whether a watch sent the signal, this one's or an outer one's, whose signals arrive here too."""
        ours, self._ours = self._ours, False
        outer = self._outer()
        return (outer is not None and outer._take_ours()) or ours

    def _outer(self) -> Interrupter | None:
        """The interrupter of the run whose step started this one, in the same thread."""
        outer = getattr(self._previous, "__self__", None)
        return outer if isinstance(outer, Interrupter) else None

    def _raise_in(self, watch: Watch, frame: FrameType | None) -> None:
        watch.presses += 1
        if watch.presses >= _FIRST_TRACED and watch.boundary is not None:
            if self._escape is None:
                self._escape = Escape(watch.boundary)
            # The very next line ends most loops; the rest is for those that catch that too.
            harder = watch.presses - _FIRST_TRACED
            self._escape.install(frame, blocks=harder - 1 if harder else ANY_LINE)
        raise KeyboardInterrupt

    def _as_before(self, number: int, frame: FrameType | None) -> None:
        if callable(self._previous):
            self._previous(number, frame)
        elif self._previous == signal.SIG_DFL:
            raise KeyboardInterrupt
