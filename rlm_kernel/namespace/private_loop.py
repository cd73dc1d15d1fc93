"""Top-level ``await`` in a thread whose own event loop may be running already, as in a kernel."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from rlm_kernel.namespace.escape import Escape

T = TypeVar("T")

_GRACE = 0.1
"""Seconds that cancelled tasks have to end, at each attempt."""
_ATTEMPTS = 10


@contextmanager
def no_running_loop() -> Iterator[None]:
    """Let this thread look as if no event loop ran in it.

    Then ``await`` at the top level and ``asyncio.run`` work in a step as they do in a script. The kernel's own loop
    stands still meanwhile, as it does during any cell.
    """
    running = asyncio._get_running_loop()
    if running is None:
        yield
        return
    # From Python 3.14 on a thread has one current task: the outer one must step aside, not only its loop.
    task = asyncio.current_task(running)
    if task is not None:
        asyncio.tasks._leave_task(running, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)
        asyncio.set_event_loop(running)  # asyncio.run leaves None behind
        if task is not None:
            asyncio.tasks._enter_task(running, task)


class PrivateLoop:
    """An event loop that runs only while a step awaits; what a step started there goes on in the next one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` to its end. Call it where no loop runs."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        task = self._loop.create_task(coroutine)
        try:
            return self._loop.run_until_complete(task)
        except BaseException:
            if not task.done():
                self._end([task])
            raise

    def close(self) -> None:
        """Cancel what is left and free the loop."""
        loop, self._loop = self._loop, None
        if loop is None or loop.is_closed() or loop.is_running():
            return
        with no_running_loop():
            self._loop = loop
            self._end(list(asyncio.all_tasks(loop)))
            self._loop = None
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def _end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Cancel tasks until they are done.

        One that swallows its cancellation must not stay suspended: when it is collected as garbage it would be asked to
        close, swallow that too and never return.
        """
        for attempt in range(_ATTEMPTS):
            alive = [task for task in tasks if not task.done()]
            if not alive or self._loop is None:
                break
            for task in alive:
                task.cancel()
            escape = Escape(sys._getframe())
            with suppress(KeyboardInterrupt):
                if attempt:
                    escape.install(None, blocks=attempt - 1)
                self._loop.run_until_complete(asyncio.wait(alive, timeout=_GRACE))
            escape.remove()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.exception()  # looked at, so that nothing is logged of it
