"""Where events are made: numbered, stamped, folded into the tree, handed to the sinks. The threads meet here."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from rlm_kernel.trajectory.events import AnyEvent, Noted, NoteKind
from rlm_kernel.trajectory.tree import Tree

logger = logging.getLogger("rlm_kernel")


class Sink(Protocol):
    """Listens to events: any callable that takes one."""

    def __call__(self, event: AnyEvent) -> None:
        """Take one event. Called in order, from any thread, one at a time."""


class Recorder:
    """The event list of one trajectory, shared by a run and its children."""

    def __init__(self, sinks: Iterable[Sink] = (), *, clock: Callable[[], float] = time.time) -> None:
        self.events: list[AnyEvent] = []
        self.tree = Tree()
        self._sinks = list(sinks)
        self._clock = clock
        # Re-entrant: a sink may cause an event, and a signal may arrive while the main thread holds the lock.
        self._lock = threading.RLock()
        self._calls = itertools.count(1)
        self._batches = itertools.count(1)

    def next_call(self) -> int:
        """A number for a call, unique in the trajectory."""
        return next(self._calls)

    def next_batch(self) -> int:
        """A number for a batch, unique in the trajectory."""
        return next(self._batches)

    def open(self, run: str, *, parent: str | None = None, depth: int = 0) -> Stream:
        """A stream of events for one run of this trajectory."""
        return Stream(self, run, parent, depth)

    def append(self, make: Callable[[int, float], AnyEvent]) -> None:
        """Number, stamp and keep the event that `make` builds from a sequence number and a time."""
        with self._lock:
            event = make(len(self.events) + 1, self._clock())
            self.events.append(event)
            self.tree.add(event)
            for sink in tuple(self._sinks):
                self._tell(sink, event)

    def listen(self, sink: Sink) -> None:
        """Tell a sink all events so far, and every one to come."""
        with self._lock:
            self._sinks.append(sink)
            for event in self.events:
                if sink in self._sinks:  # a bad one is cut off at its first failure
                    self._tell(sink, event)

    def leave(self, sink: Sink) -> None:
        """Tell a sink nothing more."""
        with self._lock:
            self._sinks = [other for other in self._sinks if other is not sink]

    def since(self, seq: int) -> Iterator[AnyEvent]:
        """Events after the one numbered `seq`."""
        return iter(self.events[seq:])

    def _tell(self, sink: Sink, event: AnyEvent) -> None:
        try:
            sink(event)
        except Exception:
            # One bad listener must not cost a run that is being paid for; said once, then cut off.
            logger.exception("a sink failed and is cut off for the rest of this run: %r", sink)
            self._sinks.remove(sink)


class Stream:
    """Makes the events of one run."""

    def __init__(self, recorder: Recorder, run: str, parent: str | None, depth: int) -> None:
        self.recorder = recorder
        self.run = run
        self.parent = parent
        self.depth = depth

    def emit(self, event_type: type[AnyEvent], /, **fields: object) -> None:
        """Record an event of this run. `fields` are those that its type adds to `Event`."""
        self.recorder.append(
            lambda seq, at: event_type(
                seq=seq,
                at=at,
                run=self.run,
                parent=self.parent,
                depth=self.depth,
                **fields,  # type: ignore[arg-type]  # checked by the dataclass itself
            ),
        )

    def below(self, run: str) -> Stream:
        """The stream of a child run."""
        return Stream(self.recorder, run, self.run, self.depth + 1)

    def note(self, step: int, kind: NoteKind, text: str) -> None:
        """Record one remark."""
        self.emit(Noted, step=step, kind=kind, text=text)
