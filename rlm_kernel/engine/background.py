"""One daemon thread with one asyncio loop does all HTTP; a scope per run owns every task that the run started."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeVar

from rlm_kernel.errors import RunEnded

T = TypeVar("T")

SLICE = 0.02
"""Seconds that the main thread waits at a time; the display is refreshed in between."""


class Background:
    """An asyncio loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.pid = os.getpid()
        self._thread = threading.Thread(target=self.loop.run_forever, name="rlm-background", daemon=True)
        self._thread.start()


_current: Background | None = None
_lock = threading.Lock()


def background() -> Background:
    """The process's background loop, started on first use and again after a fork."""
    global _current  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = Background()
        return _current


class Scope:
    """Everything in flight that belongs to one run. Stopping it cancels all at once, from any thread."""

    def __init__(self, on_tick: Callable[[], None] = lambda: None) -> None:
        """Make a scope.

        Args:
            on_tick: called in the main thread about every `SLICE` seconds while it waits; must be quick.
        """
        self._loop = background().loop
        self._process = os.getpid()
        self._tasks: set[asyncio.Task[object]] = set()
        self._parent: Scope | None = None
        self._children: set[Scope] = set()
        self.on_tick = on_tick
        self.on_stop: Callable[[], None] = lambda: None
        """Called when the scope is stopped, maybe in a signal handler: must be quick and take no lock."""
        self.stopped = False

    def child(self) -> Scope:
        """A scope for a child run: it may be stopped alone, and is stopped with this one.

        Raises:
            RunEnded: this one was stopped.
        """
        child = Scope(self.on_tick)
        child._parent = self
        self._children.add(child)
        if self.stopped:
            raise RunEnded("the run has ended; it starts no more child runs")
        return child

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run `work` in the background and wait for its result; see `start` and `wait`."""
        return self.wait(self.start(work))

    def start(self, work: Coroutine[object, object, T]) -> concurrent.futures.Future[T]:
        """Run `work` in the background.

        Raises:
            RunEnded: the scope was stopped, or this is a fork of its process; `work` never began.
        """
        if self.stopped or os.getpid() != self._process:
            work.close()
            if not self.stopped:  # no thread of the loop lives in a fork, and nothing would be accounted
                raise RunEnded("this is another process than the run's; make its calls in threads or as one batch")
            raise RunEnded("the run has ended; it sends no more requests")
        return asyncio.run_coroutine_threadsafe(self._owned(work), self._loop)

    def wait(self, future: concurrent.futures.Future[T]) -> T:
        """Wait for a result of `start`. The main thread ticks meanwhile and stays open to Ctrl-C.

        Raises:
            RunEnded: the scope was stopped meanwhile.
        """
        ticking = threading.current_thread() is threading.main_thread()
        try:
            while True:
                try:
                    return future.result(SLICE if ticking else None)
                except concurrent.futures.TimeoutError:
                    if future.done():  # the work itself timed out
                        raise
                    self.on_tick()
        except concurrent.futures.CancelledError:
            raise RunEnded("the run was stopped while this call was in flight") from None
        except BaseException:
            future.cancel()  # an interrupted wait must not leave its work behind
            raise

    def in_threads(self, works: Sequence[Callable[[], T]], at_once: int) -> list[T]:
        """Do each piece of blocking work in a thread, and wait for all; results in order.

        Args:
            works: what to do; must not raise. Each looks at the scope itself to end when it is stopped.
            at_once: threads at the most.

        Raises:
            RunEnded: the scope was stopped meanwhile; the threads end by themselves.
        """
        results: dict[int, T] = {}
        left = iter(list(enumerate(works)))
        done = threading.Event()

        def worker() -> None:
            for index, work in left:
                if self.stopped:  # the run may go on meanwhile, in another scope: nobody waits for this any more
                    return
                results[index] = work()
                if len(results) == len(works):
                    done.set()

        for number in range(min(len(works), at_once)):
            threading.Thread(target=worker, name=f"rlm-child-{number + 1}", daemon=True).start()
        ticking = threading.current_thread() is threading.main_thread()
        while works and not done.wait(SLICE):
            if self.stopped:
                raise RunEnded("the run was stopped while its child runs went on")
            if ticking:
                self.on_tick()
        return [results[index] for index in range(len(works))]

    def stop(self) -> None:
        """Cancel everything in flight and refuse what comes later. Safe in a signal handler; may be called twice."""
        if not self.stopped:
            self.stopped = True
            self.on_stop()
        self._loop.call_soon_threadsafe(self._cancel)
        for child in tuple(self._children):
            child.stop()
        if self._parent is not None:
            self._parent._children.discard(self)

    async def _owned(self, work: Coroutine[object, object, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        if self.stopped:
            work.close()
            raise asyncio.CancelledError
        self._tasks.add(task)
        try:
            return await work
        finally:
            self._tasks.discard(task)

    def _cancel(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
