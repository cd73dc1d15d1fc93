"""The query functions that model code sees. Each call finds the run that it belongs to.

During a run they make that run's sub-calls. They stay bound after it, so that a function which the model wrote still
works when the user calls it: then each call opens a small run of its own. Threads that a run started belong to it;
after its end their calls raise `RunEnded`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rlm_kernel.engine.calls import Subcalls
from rlm_kernel.engine.ports import Model
from rlm_kernel.errors import RunEnded, SubcallError

Door = Callable[..., object]


class Doors:
    """Holds which run is executing a step, and which threads belong to which run."""

    def __init__(self, by_hand: Callable[[], Subcalls], model: Callable[[str], Model]) -> None:
        """Make the doors of one session.

        Args:
            by_hand: opens a small run for a call that no run makes.
            model: finds the model of a name.
        """
        self._by_hand = by_hand
        self._model = model
        self._active: Subcalls | None = None
        self._thread: threading.Thread | None = None
        self._before: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
        self._owners: weakref.WeakKeyDictionary[threading.Thread, Subcalls] = weakref.WeakKeyDictionary()

    @contextmanager
    def executing(self, subcalls: Subcalls) -> Iterator[None]:
        """While a step executes: calls from its thread, and from threads that start meanwhile, are its own."""
        self._before = weakref.WeakSet(threading.enumerate())
        self._thread, self._active = threading.current_thread(), subcalls
        try:
            yield
        finally:
            for thread in threading.enumerate():
                if thread not in self._before:
                    self._owners.setdefault(thread, subcalls)
            self._active = self._thread = None

    def functions(self) -> dict[str, Door]:
        """The functions by the names that model code calls them by."""

        def llm_query(prompt: str, *, model: str | None = None) -> str:
            """Ask a language model about one piece of text; gives its answer.

            Raises:
                SubcallError: there was no answer.
            """
            return self._subcalls().query(prompt, self._named(model))

        def llm_query_batched(prompts: Sequence[str], *, model: str | None = None) -> list[str | SubcallError]:
            """Ask about many pieces at once; answers in order, a failed one a SubcallError in its place."""
            if isinstance(prompts, str):
                raise SubcallError("llm_query_batched takes a list of prompts, not one str; use llm_query for one")
            return self._subcalls().query_batched(list(prompts), self._named(model))

        return {"llm_query": llm_query, "llm_query_batched": llm_query_batched}

    def _named(self, model: str | None) -> Model | None:
        return None if model is None else self._model(model)

    def _subcalls(self) -> Subcalls:
        thread = threading.current_thread()
        owner = self._owners.get(thread)
        if owner is None and self._active is not None and (thread is self._thread or thread not in self._before):
            owner = self._active
        if owner is None:
            return self._by_hand()
        if owner.ended:
            raise RunEnded("the run that started this thread has ended; it makes no more sub-calls")
        return owner
