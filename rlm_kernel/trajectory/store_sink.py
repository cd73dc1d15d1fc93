"""What a run tells its events to, so that they are on disk: a row, blocks, and a thread for what may wait a moment."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rlm_kernel import database
from rlm_kernel.database import UnusableError
from rlm_kernel.trajectory import processes, store_file
from rlm_kernel.trajectory.events import AnyEvent, CallFinished, CallStarted, RunFinished
from rlm_kernel.trajectory.store_file import Known
from rlm_kernel.trajectory.summary import Summary

if TYPE_CHECKING:
    from sqlite3 import Connection

    from rlm_kernel.trajectory.store import Store

SOON = 0.05
"""Seconds after which the event of a sub-call is on disk at the latest, on a disk that is not behind."""
_LOOKED_AFTER = 32 * 2**20
"""Bytes that a run writes before the bound is looked at again."""
_AT_ONCE = 1000
"""Events in one block."""
_RESTS = 10.0
"""Seconds for which a disk that failed is left alone."""

logger = logging.getLogger(__name__)


class RunSink:
    """Keeps the events of one root run and its children. Made by `Store.sink`."""

    def __init__(self, store: Store, run: str | None, notebook: str, blank: Callable[[str], str]) -> None:
        self._run = run
        self._store = store
        self._notebook = notebook
        self._blank = blank
        self._process = processes.this_process()
        self._events: list[AnyEvent] = []
        self._open: set[int] = set()
        """Sub-calls that have not ended."""
        self._lock = threading.RLock()
        self._writing = False
        self._rests_until = 0.0
        self._over = False
        """True if the root run's end was just written."""
        self._begin_anew(Summary())
        self._before = Summary()

    due = False
    """True while it waits for the thread."""

    def _begin_anew(self, summary: Summary) -> None:
        self._written = 0
        self._place: Path | None = None
        self._known = Known()
        self._summary = summary
        self._grown = 0

    @property
    def run(self) -> str:
        """The id under which the run is kept; empty before the first event if none was given."""
        return self._run or (self._events[0].run if self._events else "")

    def go_on(self, stored: Sequence[AnyEvent], ends: Sequence[AnyEvent]) -> None:
        """Begin after events that are stored, and write the ends that they lack."""
        for event in stored:
            self._before.add(event)
        self._summary = dataclasses.replace(self._before)
        self._events.extend(ends)

    def __call__(self, event: AnyEvent) -> None:
        """Keep one event."""
        if not self._store.on or os.getpid() != self._process.pid:  # a fork is another process, and keeps nothing
            return
        self._events.append(event)
        if self._may_wait(event):
            _WAITING.add(self)
        else:
            self.flush(at_once=isinstance(event, RunFinished))

    def flush(self, *, at_once: bool = False) -> None:
        """Write what waits. Never raises for trouble on disk.

        Args:
            at_once: also if the disk has just failed.
        """
        if os.getpid() != self._process.pid:
            return
        with self._lock:
            if self._writing:  # a signal came while this very thread writes
                return
            self._writing = True
            try:
                while len(self._events) > self._written and (at_once or time.monotonic() >= self._rests_until):
                    self._store.file.use(self._write)
                    self._rests_until = 0.0
                    self._tidy()
            except UnusableError as exc:
                self._rests_until = time.monotonic() + _RESTS
                self._store.say(exc)
            finally:
                self._writing = False

    def _may_wait(self, event: AnyEvent) -> bool:
        """True for the events of sub-calls, and for the calls of child runs."""
        match event:
            case CallStarted() if event.purpose == "sub-call" or event.depth > 0:
                self._open.add(event.call)
                return True
            case CallFinished() if event.call in self._open:
                self._open.discard(event.call)
                return True
        return False

    def _write(self, db: Connection) -> None:
        if self._place != self._store.file.path:
            if self._place is not None:  # the file was set aside: the new one gets everything
                self._begin_anew(dataclasses.replace(self._before))
            self._place = self._store.file.path
        events = self._events[self._written : self._written + _AT_ONCE]
        summary = dataclasses.replace(self._summary)
        for event in events:
            summary.add(event)
        values = dataclasses.asdict(summary) | dataclasses.asdict(self._process)
        values |= {"name": self.run, "notebook": self._notebook, "question": self._blank(summary.question)}
        with database.transaction(db):
            database.check_version(db, store_file.KIND)
            row = store_file.upsert(db, "run", "name", values)
            fresh, size = store_file.write_block(db, row, events, self._known, self._blank)
        self._known.after(fresh)
        self._summary = summary
        self._written += len(events)
        self._grown += size
        self._over = any(isinstance(event, RunFinished) and event.parent is None for event in events)

    def _tidy(self) -> None:
        """At the end of the run, move the log into the file; then and now and again, look at the bound."""
        if self._over:
            self._store.file.use(database.settle)
        if self._over or self._grown > _LOOKED_AFTER:
            self._over, self._grown = False, 0
            self._store.shrink(self.run)


class _Waiting:
    """Writes, in a thread of its own and a moment later, what sinks hold back."""

    def __init__(self) -> None:
        self._sinks: deque[RunSink] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, sink: RunSink) -> None:
        if sink.due:
            return
        sink.due = True
        self._sinks.append(sink)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="rlm-store", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is about to end
                sink.flush()
        self._wake.set()

    def _work(self) -> None:
        while self._wake.wait():
            time.sleep(SOON / 2)
            self._wake.clear()
            for _ in range(len(self._sinks)):
                sink = self._sinks.popleft()
                sink.due = False  # before it writes: what comes meanwhile makes it due again
                try:
                    sink.flush()
                except Exception:
                    logger.exception("events of run %s could not be written", sink.run)


_WAITING = _Waiting()
