"""Child runs: what ``rlm_query`` and its like do. Each has a namespace, a loop and events of its own, in a thread."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlm_kernel.engine.feedback import text_of
from rlm_kernel.engine.plain import plain
from rlm_kernel.engine.ports import Model
from rlm_kernel.engine.subcalls import Subcalls
from rlm_kernel.errors import LimitReached, RLMError, RunEnded, SubcallError

if TYPE_CHECKING:
    from rlm_kernel.running import Run

MOST_AT_ONCE = 16
"""Child runs of one batch that go on at once: each is a thread."""
_WHOLE = 0.6
"""A child that gets this share of its parent's context has been given nothing smaller to do."""
_SMALL = 5_000
"""Characters or items below which that is no matter."""
_MOST_TEXT = 10_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildQuestion:
    """What a child run is asked."""

    text: str
    context: object
    """Its one variable, by reference; None for none."""
    model: Model
    returns: object
    step: int
    """The parent's step."""
    batch: int | None


class Children:
    """The child runs of one run. Safe to use from any thread."""

    def __init__(
        self,
        subcalls: Subcalls,
        *,
        start: Callable[[ChildQuestion], Run],
        parents: Callable[[], Mapping[str, object]],
        depth: int,
    ) -> None:
        """Prepare; nothing is started.

        Args:
            subcalls: of the same run; they answer where no child run may be started.
            start: makes a child run, not yet driven.
            parents: the parent's context variables.
            depth: of the parent.
        """
        self._subcalls = subcalls
        self._start = start
        self._parents = parents
        self._depth = depth

    def close(self) -> None:
        """Let go of the parent's data: the run is over for good and starts nothing more."""

        def refuse(_question: ChildQuestion) -> Run:
            raise RunEnded("the run has ended; it starts no more child runs")

        self._start, self._parents = refuse, dict

    @property
    def allowed(self) -> bool:
        """True if the depth leaves room for child runs that make sub-calls."""
        most = self._subcalls.calls.budget.limits.depth
        return most is None or self._depth + 1 < most

    def query(self, question: str, context: object, model: Model | None = None, returns: object = None) -> object:
        """One child run.

        Raises:
            SubcallError: it came to no answer.
            RunEnded: the run is over.
        """
        result = self._ask([(question, context)], model, returns, None)[0]
        if isinstance(result, SubcallError):
            raise result
        return result

    def query_batched(
        self, pairs: Sequence[tuple[str, object]], model: Model | None = None, returns: object = None
    ) -> list[object | SubcallError]:
        """Child runs together, answers in order; a failed one is a SubcallError in its place."""
        return self._ask(pairs, model, returns, self._subcalls.calls.stream.recorder.next_batch())

    def _ask(
        self, pairs: Sequence[tuple[str, object]], model: Model | None, returns: object, batch: int | None
    ) -> list[object | SubcallError]:
        if self._subcalls.ended:
            raise RunEnded("the run has ended; it starts no more child runs")
        checked = [_pair(pair) for pair in pairs]
        good = [pair for pair in checked if not isinstance(pair, SubcallError)]
        answers = iter(self._run(good, model, returns, batch) if self.allowed else self._flat(good, model, returns))
        return [pair if isinstance(pair, SubcallError) else next(answers) for pair in checked]

    # -- at the depth limit

    def _flat(
        self, pairs: Sequence[tuple[str, object]], model: Model | None, returns: object
    ) -> list[object | SubcallError]:
        """Plain sub-calls in place of child runs."""
        most = self._subcalls.calls.budget.limits.depth
        self._subcalls.warn(
            "depth",
            f"rlm_query became llm_query: the limit of depth {most} is reached; "
            f"raise it with --depth {self._depth + 2} or max_depth={self._depth + 2}",
        )
        prompts = [question if context is None else f"{question}\n\n{as_text(context)}" for question, context in pairs]
        return self._subcalls.query_batched(prompts, model, returns)

    # -- child runs

    def _run(
        self, pairs: Sequence[tuple[str, object]], model: Model | None, returns: object, batch: int | None
    ) -> list[object | SubcallError]:
        subcalls = self._subcalls
        for _, context in pairs:
            self._look_for_whole(context)
        asked = [
            ChildQuestion(
                text=question,
                context=context,
                model=model or subcalls.model,
                returns=returns,
                step=subcalls.step,
                batch=batch,
            )
            for question, context in pairs
        ]
        works = [functools.partial(self._answer, one) for one in asked]
        return subcalls.calls.scope.in_threads(works, MOST_AT_ONCE)

    def _answer(self, question: ChildQuestion) -> object | SubcallError:
        try:
            run = self._start(question).drive()
        except RLMError as exc:
            return SubcallError(f"the child run could not begin: {exc}")
        except BaseException as exc:  # its thread ends here: whatever it is, the parent is told
            return SubcallError(f"the child run was stopped: {type(exc).__name__}: {exc}")
        if isinstance(run.error, LimitReached):
            self._subcalls.warn("limit", f"child runs ended at a limit: {run.error}")
        if run.status == "done" or run.extracted:
            return run.answer
        error = SubcallError(f"the child run {run.id} ended as {run.status}: {run.error}")
        error.final = run.status in {"limit", "stopped"}
        return error

    def _look_for_whole(self, context: object) -> None:
        for name, value in self._parents().items():
            if _share(context, value) >= _WHOLE:
                self._subcalls.warn(
                    "whole",
                    f"a child run was given {_share(context, value):.0%} of `{name}`: nothing was narrowed down for it",
                )


def _pair(pair: object) -> tuple[str, object] | SubcallError:
    if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 - a pair
        return SubcallError(f"rlm_query_batched takes pairs (question, context), not {type(pair).__name__}")
    question, context = pair
    if not isinstance(question, str) or not question.strip():
        return SubcallError("a child run needs a question: a str that is not empty")
    return question, context


def _share(part: object, whole: object) -> float:
    """How much of `whole` is in `part`, as far as sizes tell; 0 for what cannot be compared or is small."""
    if type(part) is not type(whole):
        return 0.0
    try:
        size, all_of_it = len(part), len(whole)  # type: ignore[arg-type]  # what has no length raises
    except Exception:  # an odd class may raise anything
        return 0.0
    if all_of_it < _SMALL and isinstance(whole, str):
        return 0.0
    return size / all_of_it if all_of_it else 0.0


def as_text(value: Any) -> str:
    """A context as text for a prompt, whole: a str, a table as CSV, data as JSON, what is neither as its repr."""
    if isinstance(value, str):
        return value
    to_csv = getattr(value, "to_csv", None) or getattr(value, "write_csv", None)
    try:
        if callable(to_csv):
            return str(to_csv())
        data = plain(value)  # the repr of an array or a column leaves out its middle
    except Exception:  # a class whose methods want something else
        return text_of(value, _MOST_TEXT)
    return text_of(value, _MOST_TEXT) if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
