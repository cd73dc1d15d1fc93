"""What a question is, and the small tools that its answer is computed with.

A gold answer is what a function of the data returns, never a number typed in. The tools raise `NotUnique` where a
question has no single answer, so that ``--check`` finds it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from .scoring import Gold, Name, Names

Kind = Literal["table", "text", "needle"]
Load = Callable[[], Any]


class NotUnique(ValueError):
    """A question has two answers."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question over one value."""

    id: str
    kind: Kind
    name: str
    """Name of the variable that holds the value."""
    text: str
    load: Load
    """Gives the value; cached where that is worth it."""
    solve: Callable[[Any], Gold]
    """Finds the right answer in the value."""
    optional: bool = False
    """True if its value is only there where a path was given."""


class Half:
    """The questions of one half, in the order in which they are asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._questions: dict[str, Question] = {}

    def __iter__(self) -> Iterator[Question]:
        return iter(self._questions.values())

    def __len__(self) -> int:
        return len(self._questions)

    def add(self, question: Question) -> None:
        """Add a question whose id is new."""
        if question.id in self._questions:
            raise ValueError(f"two questions are called {question.id!r}; rename one")
        self._questions[question.id] = question

    def about(self, name: str, load: Load, *, kind: Kind = "table", optional: bool = False) -> Asker:
        """A decorator maker for questions over one value: ``@ask("How many ...?")`` above the function that knows."""

        def ask(text: str) -> Callable[[Callable[[Any], Gold]], Callable[[Any], Gold]]:
            def register(solve: Callable[[Any], Gold]) -> Callable[[Any], Gold]:
                self.add(
                    Question(
                        id=solve.__name__, kind=kind, name=name, text=text, load=load, solve=solve, optional=optional
                    )
                )
                return solve

            return register

        return ask


Asker = Callable[[str], Callable[[Callable[[Any], Gold]], Callable[[Any], Gold]]]


def most(scores: Any) -> Name:
    """The label of the largest value of a Series; the other labels are its rivals."""
    return _extreme(scores, first=False)


def least(scores: Any) -> Name:
    """The label of the smallest value of a Series."""
    return _extreme(scores, first=True)


def _extreme(scores: Any, *, first: bool) -> Name:
    ranked = scores.dropna().sort_values(ascending=first)
    if len(ranked) > 1 and math.isclose(ranked.iloc[0], ranked.iloc[1], rel_tol=1e-6, abs_tol=1e-9):
        raise NotUnique(f"{ranked.index[0]!r} and {ranked.index[1]!r} share {ranked.iloc[0]}")
    return one_of(ranked.index[0], ranked.index)


def row_with_most(frame: Any, column: str, wanted: str) -> Name:
    """What `wanted` is in the row with the largest `column`; several such rows must agree on it."""
    return _row(frame, frame[column].max(), column, wanted)


def row_with_least(frame: Any, column: str, wanted: str) -> Name:
    """What `wanted` is in the row with the smallest `column`."""
    return _row(frame, frame[column].min(), column, wanted)


def _row(frame: Any, value: object, column: str, wanted: str) -> Name:
    labels = frame.loc[frame[column] == value, wanted].unique()
    if len(labels) != 1:
        raise NotUnique(f"{len(labels)} values of {wanted} share {column} {value}")
    return one_of(labels[0], frame[wanted].dropna().unique())


def one_of(label: object, labels: Any) -> Name:
    """`label`, with the other labels as its rivals."""
    texts = {_text(other) for other in labels} - {_text(label)}
    return Name((_text(label),), frozenset(texts))


def _text(label: object) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def top(scores: Any, count: int) -> Names:
    """The labels of the `count` largest values, largest first; no two may share a place."""
    ranked = scores.dropna().sort_values(ascending=False)
    head = ranked.iloc[: count + 1]
    if head.duplicated().any():
        raise NotUnique(f"two of {list(head.index)} share a place")
    names = tuple(str(label) for label in head.index[:count])
    return Names(names, frozenset(map(str, ranked.index)) - set(names))


def only(labels: Any) -> Name:
    """The one label there is."""
    found = list(labels)
    if len(found) != 1:
        raise NotUnique(f"{len(found)} labels where one was wanted: {found[:4]}")
    return Name((str(found[0]),))


def stated(text: str, passage: str, *forms: str) -> Name:
    """An answer that `text` gives in `passage`: checks that it does, whatever the spacing."""
    if " ".join(passage.split()) not in " ".join(text.split()):
        raise LookupError(f"the text no longer says {passage!r}; write the question anew")
    return Name(forms)


def fault(gold: Gold) -> str | None:
    """Why an answer is too trivial to ask for; None if it is not."""
    match gold:
        case Name(forms=names) | Names(names=names):
            return None if names and all(name.strip() for name in names) else "the name is empty"
        case dt.date():
            return None
        case int():
            return "a count of nothing" if gold == 0 else None
        case float():
            # Under 0.1 the absolute tolerance is wide: half of the value would do.
            return None if math.isfinite(gold) and abs(gold) >= 0.1 else f"{gold} is no number worth asking for"
    return f"{type(gold).__name__} is no kind of answer"
