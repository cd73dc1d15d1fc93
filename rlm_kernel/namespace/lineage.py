"""Which thread was started by which, while steps execute: a thread belongs to the step that started it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

_parents: weakref.WeakKeyDictionary[threading.Thread, weakref.ref[threading.Thread]] = weakref.WeakKeyDictionary()


def recording(start: Callable[..., Any]) -> Callable[..., Any]:
    """A stand-in for `threading.Thread.start` that remembers who called it."""

    def recorded(thread: threading.Thread) -> None:
        _parents[thread] = weakref.ref(threading.current_thread())
        start(thread)

    return recorded


def ancestry(thread: threading.Thread) -> Iterator[threading.Thread]:
    """The thread itself, the one that started it, and so on, as far as is known."""
    seen: set[threading.Thread] = set()
    found: threading.Thread | None = thread
    while found is not None and found not in seen:
        seen.add(found)
        yield found
        parent = _parents.get(found)
        found = parent() if parent is not None else None
