"""The store: every run on disk while it goes on, so that it outlives its kernel.

An event is committed before the sink returns, and so before the next action begins: a killed process loses nothing
that it had begun. Sub-calls come by the thousand, and their events are committed together within 50 ms, or
with the next other event; a kill can lose the sub-calls that ended in that time, and nothing else. After a loss of
power the last seconds may be gone; the file is whole even then.

The store is a service to the run, never a condition for it: where it cannot write it says so once, the run goes on,
and what happened is written later if the disk allows it. Secrets are blanked once more on the way in.
"""

from __future__ import annotations

import atexit
import dataclasses
import logging
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from rlm_kernel import database
from rlm_kernel.database import Database, UnusableError
from rlm_kernel.errors import StoreError
from rlm_kernel.trajectory import codec, processes, store_file
from rlm_kernel.trajectory.codec import CodecError
from rlm_kernel.trajectory.events import AnyEvent, Status
from rlm_kernel.trajectory.processes import Process
from rlm_kernel.trajectory.secrets import Secrets
from rlm_kernel.trajectory.store_file import KIND
from rlm_kernel.trajectory.store_sink import RunSink
from rlm_kernel.trajectory.summary import endings

if TYPE_CHECKING:
    from sqlite3 import Connection

BOUND = 2**30
"""Bytes that the stored runs may take."""
_KEPT_SHARE = 0.9
"""The part of the bound that is left when runs are dropped, so that it happens seldom."""
_OFF = {"off", "0", "none", "false", "no"}

OPEN = {"running", "paused"}
"""The states of a run that may go on in its process."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRun:
    """One line of the list of runs."""

    id: str
    began: float
    """Seconds since the epoch."""
    last: float
    """When its last event happened."""
    notebook: str
    question: str
    """Its beginning."""
    status: Status
    """``stopped`` too for a run whose process died."""
    steps: int
    calls: int
    cost: float | None
    """Dollars; None if the price of any call is not known."""


class Store:
    """The runs of this user, in one file. Safe for several threads and kernels."""

    def __init__(self, directory: str | Path | None = None, *, bound: int = BOUND, patience: float = 2.0) -> None:
        """Nothing is opened before the first use.

        Args:
            directory: Where the folder ``rlm`` is made; None is ``RLM_STORE``, else Jupyter's data directory. ``off``
                keeps nothing.
            bound: Bytes that the runs may take; the oldest finished ones go first.
            patience: Seconds to wait for another process that writes.
        """
        folder = folder_in(directory)
        self.on = folder is not None
        """False if it was switched off."""
        self.file = Database(folder or Path(), KIND, patience)
        self.bound = bound
        self._sinks: weakref.WeakSet[RunSink] = weakref.WeakSet()
        self._said: set[str] = set()
        _ALL.add(self)

    @property
    def path(self) -> Path:
        """The file in use; its folder before the first use."""
        return self.file.path

    def sink(self, run_id: str | None = None, *, notebook: str = "", secrets: Secrets | None = None) -> RunSink:
        """What keeps the events of one root run and its children.

        Args:
            run_id: The root run's id; that of the first event if left out. A run that is stored already goes on.
            notebook: The path of the notebook, for the list.
            secrets: Values that must not be stored; those of the environment if left out.

        Raises:
            StoreError: The run is going on in another process.
        """
        sink = RunSink(self, run_id, notebook, (secrets or Secrets.known(os.environ)).blank)
        if self.on and run_id is not None and (found := self._rows(run_id)):
            run, process = found[0]
            if run.status in OPEN and process != processes.this_process():
                raise StoreError(f"run {run.id} is going on in the process {process.pid}; stop it there first")
            stored = self._events(run)
            sink.go_on(stored, [] if process == processes.this_process() else endings(stored))
        self._sinks.add(sink)
        return sink

    def runs(self) -> list[StoredRun]:
        """The stored runs, newest first. Raises StoreError."""
        return [run for run, _ in self._rows()]

    def load(self, run_id: str) -> list[AnyEvent]:
        """The events of a run, by its id or the beginning of it.

        A run whose process died ends as ``stopped``. Nothing is executed.

        Raises:
            StoreError: there is no such run, or several, or it cannot be read.
        """
        run, _ = self._find(run_id)
        events = self._events(run)
        return events if run.status in OPEN else [*events, *endings(events)]

    def delete(self, run_id: str) -> None:
        """Drop a run for good. Raises StoreError, also for a run that is going on."""
        run, _ = self._find(run_id)
        if run.status in OPEN:
            raise StoreError(f"run {run.id} is {run.status}; stop it before it is deleted")

        def drop(db: Connection) -> None:
            with database.transaction(db):
                for (row,) in db.execute("SELECT id FROM run WHERE name = ?", (run.id,)).fetchall():
                    store_file.delete(db, row)
            database.give_back(db, 0)

        try:
            self.file.use(drop)
        except UnusableError as exc:
            raise StoreError(f"run {run.id} cannot be deleted: {exc}") from exc

    @property
    def size(self) -> int:
        """Bytes that the runs take; what `bound` bounds. Raises StoreError."""
        return self._read(database.size_of, 0)

    def close(self) -> None:
        """Write what waits and let go of the file; the next use opens it again."""
        for sink in tuple(self._sinks):
            sink.flush(at_once=True)
        self.file.let_go()

    def say(self, reason: UnusableError) -> None:
        """Say once that runs are not kept."""
        if str(reason) not in self._said:
            self._said.add(str(reason))
            logger.warning(
                "runs are not kept, they go on all the same: %s (RLM_STORE=FOLDER keeps them elsewhere, RLM_STORE=off "
                "keeps none)",
                reason,
            )

    def shrink(self, spared: str) -> None:
        """Drop the oldest finished runs if the bound is passed; never a running one, nor the one named."""

        def work(db: Connection) -> None:
            if database.size_of(db) <= self.bound:
                return
            for run, row, _ in reversed(_listed(db)):
                if run.id != spared and run.status not in OPEN:
                    with database.transaction(db):
                        store_file.delete(db, row)
                    if database.size_of(db) <= self.bound * _KEPT_SHARE:
                        break
            database.give_back(db, self.bound)

        self.file.use(work)

    def _find(self, run_id: str) -> tuple[StoredRun, Process]:
        found = [(run, process) for run, process in self._rows() if run.id.startswith(run_id)]
        exact = [pair for pair in found if pair[0].id == run_id]
        if len(found) != 1 and not exact:
            known = ", ".join(run.id for run, _ in self._rows()[:5]) or "none yet"
            raise StoreError(f"{len(found)} stored runs have the id {run_id!r}; the newest are {known}")
        return (exact or found)[0]

    def _rows(self, run_id: str | None = None) -> list[tuple[StoredRun, Process]]:
        for sink in tuple(self._sinks):
            sink.flush()
        nothing: list[tuple[StoredRun, int, Process]] = []
        rows = self._read(lambda db: _listed(db, run_id), nothing)
        return [(run, process) for run, _, process in rows]

    def _events(self, run: StoredRun) -> list[AnyEvent]:
        ignored: set[str] = set()

        def read(db: Connection) -> list[AnyEvent]:
            with database.transaction(db, "DEFERRED"):
                (row,) = db.execute("SELECT id FROM run WHERE name = ?", (run.id,)).fetchone() or (None,)
                return list(store_file.read_events(db, row, ignored)) if row is not None else []

        nothing: list[AnyEvent] = []
        try:
            events = self._read(read, nothing)
        except CodecError as exc:
            raise StoreError(f"run {run.id} in {self.path} is damaged: {exc}") from exc
        codec.tell_ignored(ignored, f"run {run.id}")
        return events

    def _read(self, action: Callable[[Connection], T], otherwise: T) -> T:
        """Read, from a place that cannot be written to as well."""
        if not self.on:
            return otherwise
        try:
            return self.file.use(action)
        except UnusableError as exc:
            import sqlite3

            try:
                return self.file.look(action, otherwise)
            except (sqlite3.Error, OSError):
                raise StoreError(f"the stored runs cannot be read: {exc}") from exc


def _listed(db: Connection, run_id: str | None = None) -> list[tuple[StoredRun, int, Process]]:
    """The runs with their rows and processes, newest first."""
    names = [field.name for field in dataclasses.fields(Process)]
    query = (
        "SELECT id, name, began, last, notebook, question, status, steps, calls, dollars, unpriced, "  # noqa: S608
        f"{', '.join(names)} FROM run WHERE ? IS NULL OR name = ? ORDER BY began DESC, id DESC"
    )
    found = []
    for number, name, began, last, notebook, question, status, steps, calls, dollars, unpriced, *place in db.execute(
        query, (run_id, run_id)
    ).fetchall():
        process = Process(**dict(zip(names, place, strict=True)))
        gone = status in OPEN and not processes.lives(process, last)
        run = StoredRun(
            id=name,
            began=began,
            last=last,
            notebook=notebook,
            question=question,
            status=cast("Status", "stopped" if gone else status),
            steps=steps,
            calls=calls,
            cost=None if unpriced else dollars,
        )
        found.append((run, number, process))
    return found


def folder_in(directory: str | Path | None) -> Path | None:
    """The folder of the store: in the directory given, else ``RLM_STORE``, else Jupyter's; None if it is off."""
    chosen = directory or os.environ.get("RLM_STORE")
    if isinstance(chosen, str) and chosen.lower() in _OFF:
        return None
    if not chosen:
        from jupyter_core.paths import jupyter_data_dir

        chosen = jupyter_data_dir()
    return Path(os.path.abspath(os.path.expanduser(chosen))) / "rlm"  # noqa: PTH100, PTH111  # these never raise


_ALL: weakref.WeakSet[Store] = weakref.WeakSet()
_shared: dict[Path | None, Store] = {}


def shared() -> Store:
    """The process's store in the folder that is in force now."""
    return _shared.setdefault(folder_in(None), Store())


@atexit.register
def _close_all() -> None:
    for store in tuple(_ALL):
        store.close()
