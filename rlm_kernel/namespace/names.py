"""The names that the model's code sees beside the variables: FINAL and its like, the doors, context, answer."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Mapping, Sequence

from rlm_kernel.errors import FinalSignal, RunEnded
from rlm_kernel.namespace.inventory import is_module
from rlm_kernel.namespace.marks import MISSING
from rlm_kernel.namespace.summaries import summary_of
from rlm_kernel.trajectory.records import Final

_ROWS = 60
"""Rows of SHOW_VARS."""
_LISTED = 12
"""Names listed in an error."""


class Table(str):
    """Text that shows as itself where a string would show its quotes and escapes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class RunNames:
    """Owns the model-facing names of one run and what they record."""

    def __init__(
        self,
        namespace: dict[str, object],
        contexts: Sequence[str],
        doors: Mapping[str, Callable[..., object]],
        extras: Mapping[str, object],
        own: Callable[[str, object], bool],
    ) -> None:
        """Prepare the names; nothing is bound yet.

        Args:
            namespace: where they will be bound.
            contexts: names of the context variables.
            doors: the functions that lead to models, by name.
            extras: modules bound for the model's convenience.
            own: tells whether a name with that value is a variable of the user's or the run's.
        """
        self._namespace = namespace
        self._contexts = tuple(contexts)
        self._own = own
        self._lock = threading.Lock()
        self._final: Final | None = None
        self._going_on = False
        self._context: dict[str, object] = {}
        self.answer = _answer_form()
        functions: dict[str, object] = {
            "FINAL": self._make_final(),
            "FINAL_VAR": self._final_var,
            "SHOW_VARS": self._show_vars,
        }
        self.lasting: dict[str, object] = {**doors, **functions}
        """Names that stay after the run, unless the user has them."""
        self.extras = dict(extras)

    @property
    def offered(self) -> dict[str, object]:
        """Names that are there during an execution where nobody else has them; rebound, they are ordinary variables."""
        final = self.lasting["FINAL"]
        return {**self.extras, "final": final, "Final": final, "answer": self.answer}

    def context(self, values: Mapping[str, object]) -> object:
        """What `context` is bound to: the one context, a dict of several, or MISSING for none.

        Args:
            values: the context variables as the model sees them now.
        """
        if "context" in self._contexts or not self._contexts:
            return MISSING
        if len(self._contexts) == 1:
            return values.get(self._contexts[0], MISSING)
        # One dict for the whole run: the model may have kept it.
        self._context.clear()
        self._context.update(values)
        return self._context

    def begin(self) -> None:
        """An execution begins."""
        self._final = None
        self._going_on = True

    def end(self) -> Final | None:
        """An execution has ended; the answer it gave, if any."""
        self._going_on = False
        found, self._final = self._final, None
        return found

    def read_answer(self, value: object, *, is_ours: bool) -> None:
        """Take the answer of the form ``answer["ready"] = True``, if `value` is one.

        Args:
            value: what the name `answer` is bound to after the code ran.
            is_ours: False if it is a variable that the user had.
        """
        if is_ours and isinstance(value, dict) and "content" in value and value.get("ready"):
            self._record(value["content"])
            self.answer = _answer_form()

    def forget(self) -> None:
        """Drop what was held of the user's values."""
        self._context.clear()
        self._final = None
        self.answer = _answer_form()

    def _record(self, value: object) -> None:
        with self._lock:
            if self._final is None:
                self._final = Final(value)

    def _make_final(self) -> Callable[..., object]:
        def FINAL(value: object = MISSING) -> None:  # noqa: N802  # the name that the model knows
            """End the run with a value."""
            if not self._going_on:
                raise RunEnded("FINAL ends a run, and no run is going on here")
            if value is MISSING:
                raise TypeError("FINAL needs the value that answers the question: FINAL(result)")
            self._record(value)
            raise FinalSignal

        return FINAL

    def _final_var(self, name: object) -> None:
        """End the run with the value of a variable, given by name."""
        if not self._going_on:
            raise RunEnded("FINAL_VAR ends a run, and no run is going on here")
        value = name
        if isinstance(name, str):
            key = name.strip().strip("'\"`").strip()
            if key in self._namespace:
                value = self._namespace[key]
            elif key.isidentifier():
                raise NameError(self._unknown(key))
        self._record(value)
        raise FinalSignal

    def _unknown(self, name: str) -> str:
        names = list(self._visible())
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        more = ", ..." if len(names) > _LISTED else ""
        return f"no variable is named {name!r}; {hint}there is: {', '.join(names[:_LISTED]) or 'none'}{more}"

    def _show_vars(self) -> Table:
        """The variables that exist, with type and size."""
        visible = self._visible()
        rows = [f"{name}: {summary_of(value)}" for name, value in list(visible.items())[:_ROWS]]
        if len(visible) > _ROWS:
            rows.append(f"... and {len(visible) - _ROWS} more")
        return Table("\n".join(rows) or "no variables yet")

    def _visible(self) -> dict[str, object]:
        return {
            name: value
            for name, value in dict(self._namespace).items()
            if self._own(name, value) and not is_module(value)
        }


def _answer_form() -> dict[str, object]:
    return {"content": "", "ready": False}
