"""The query functions that model code sees. Each call finds the run that it belongs to.

During a run they make that run's sub-calls and child runs. They stay bound after it, so that a function which the
model wrote still works when the user calls it: then each call opens a small run of its own. Threads that a run started
belong to it; after its end their calls raise `RunEnded`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rlm_kernel.children import Children
from rlm_kernel.engine.mapping import Mapped
from rlm_kernel.engine.ports import Model
from rlm_kernel.engine.subcalls import Subcalls
from rlm_kernel.errors import RunEnded, SubcallError
from rlm_kernel.namespace.lineage import ancestry

Door = Callable[..., object]
Named = str | Model | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Where the calls of one run's code are handed in."""

    subcalls: Subcalls
    children: Children
    left: Callable[[], Mapping[str, float | None]]
    """What is left of each limit."""


class Doors:
    """Holds which run is executing a step in which thread, and which threads belong to which run."""

    def __init__(self, by_hand: Callable[[], Desk], model: Callable[[str], Model]) -> None:
        """Make the doors of one session.

        Args:
            by_hand: opens a small run for a call that no run makes.
            model: finds the model of a name.
        """
        self._by_hand = by_hand
        self._model = model
        self._executing: dict[threading.Thread, Desk] = {}
        self._before: frozenset[int | None] = frozenset()
        self._owners: weakref.WeakKeyDictionary[threading.Thread, Desk] = weakref.WeakKeyDictionary()

    @contextmanager
    def executing(self, desk: Desk) -> Iterator[None]:
        """While a step executes: calls from its thread, and from threads that start meanwhile, are its own."""
        thread = threading.current_thread()
        outer = self._executing.get(thread)
        if not self._executing:
            self._before = frozenset(other.ident for other in threading.enumerate())
        self._executing[thread] = desk
        try:
            yield
        finally:
            for other in threading.enumerate():
                if other is not thread and self._desk_of(other) is desk:
                    self._owners.setdefault(other, desk)
            if outer is None:
                del self._executing[thread]
            else:
                self._executing[thread] = outer

    @property
    def within(self) -> bool:
        """True in a thread that works for a run, even one that has ended."""
        return self._owner() is not None

    def functions(self) -> dict[str, Door]:
        """The functions by the names that model code calls them by."""
        return {door.__name__: door for door in (*self._for_calls(), *self._for_runs())}

    def _for_calls(self) -> tuple[Door, ...]:
        def llm_query(prompt: str, *, model: Named = None, returns: object = None) -> object:
            """Ask a language model about one piece of text; gives its answer, of the type `returns` if that is given.

            Raises:
                SubcallError: there was no answer.
            """
            return self._desk().subcalls.query(prompt, self._named(model), returns)

        def llm_query_batched(
            prompts: Sequence[str], *, model: Named = None, returns: object = None
        ) -> list[object | SubcallError]:
            """Ask about many pieces at once; answers in order, a failed one a SubcallError in its place."""
            return self._desk().subcalls.query_batched(_listed(prompts), self._named(model), returns)

        async def llm_query_async(prompt: str, *, model: Named = None, returns: object = None) -> object:
            """Ask as `llm_query` does, to be awaited in any event loop; works with ``asyncio.gather``."""
            return await self._desk().subcalls.query_async(prompt, self._named(model), returns)

        def llm_map(
            data: object, instruction: str, *, returns: object = None, columns: Sequence[str] | None = None
        ) -> Mapped:
            """One judgement for each row of a Series, DataFrame, list or dict.

            Returns:
                An aligned result with `.values`, `.errors`, `.usage` and `.to_frame()`.
            """
            return self._desk().subcalls.map(data, instruction, returns=returns, columns=columns)

        return llm_query, llm_query_batched, llm_query_async, llm_map

    def _for_runs(self) -> tuple[Door, ...]:
        def rlm_query(question: str, context: object = None, *, model: Named = None, returns: object = None) -> object:
            """Let a child run answer a question about `context`, with code of its own; gives its answer.

            Raises:
                SubcallError: it came to no answer.
            """
            return self._desk().children.query(question, context, self._named(model), returns)

        def rlm_query_batched(
            pairs: Sequence[tuple[str, object]], *, model: Named = None, returns: object = None
        ) -> list[object | SubcallError]:
            """Child runs together, for pairs (question, context); a failed one is a SubcallError in its place."""
            return self._desk().children.query_batched(pairs, self._named(model), returns)

        def budget() -> Mapping[str, float | None]:
            """What is left of each limit of this run; None where there is no limit."""
            desk = self._owner()
            if desk is None or desk.subcalls.ended:
                raise RunEnded("budget tells what is left of a run, and no run is going on here")
            return desk.left()

        return rlm_query, rlm_query_batched, budget

    def _named(self, model: Named) -> Model | None:
        return self._model(model) if isinstance(model, str) else model

    def _desk(self) -> Desk:
        desk = self._owner()
        if desk is None:
            return self._by_hand()
        if desk.subcalls.ended:
            raise RunEnded("the run that this belongs to has ended; it makes no more calls")
        return desk

    def _owner(self) -> Desk | None:
        """The run that the calling thread works for."""
        thread = threading.current_thread()
        desk = self._desk_of(thread)
        is_orphan = len(list(ancestry(thread))) == 1 and thread.ident not in self._before
        if desk is None and self._executing and is_orphan:  # started below `threading`: the root run's
            desk = next(iter(self._executing.values()))
        return desk

    def _desk_of(self, thread: threading.Thread) -> Desk | None:
        for one in ancestry(thread):
            desk = self._executing.get(one) or self._owners.get(one)
            if desk is not None:
                return desk
        return None


def _listed(prompts: Sequence[str]) -> list[str]:
    if isinstance(prompts, str):
        raise SubcallError("llm_query_batched takes a list of prompts, not one str; use llm_query for one")
    return list(prompts)
