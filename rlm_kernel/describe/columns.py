"""Many values of one sort: a column, a series, an array, a plain list; and what is found out about them.

Every library's column is read through the same two shapes, `Column` and `Part`. A strided sample is looked at first;
then, while time lasts, all of it, part by part, so that nothing of the size of the column is ever made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from rlm_kernel.describe.look import Look

SAMPLE_ROWS = 20_000
PART_ROWS = 100_000
FEW = 12
"""Up to so many different values are all named."""
MANY = 10_000
"""Beyond so many different values they are no longer counted one by one."""
PEEK = 200
LONG_TEXT = 200
"""From this mean length on texts are something to read, no labels: what differs among them is not looked for."""

Sort = Literal["integer", "number", "ordered", "boolean", "text", "other"]
"""How a column is described: ``ordered`` has a range but no median (dates, periods), ``other`` has a shape."""
_RANGED = frozenset(["integer", "number", "ordered"])


class Part(Protocol):
    """Some values of a column."""

    def missing(self) -> int:
        """How many are missing."""

    def bounds(self) -> tuple[Any, Any] | None:
        """The smallest and the largest value present; None if there is none."""

    def distinct(self) -> Sequence[object]:
        """The different values present, in order of appearance."""

    def first(self, number: int) -> Sequence[object]:
        """The first values present, at most `number`."""

    def median(self) -> object:
        """The middle of the numbers present."""


class Column(Protocol):
    """A column of any library."""

    @property
    def label(self) -> object:
        """Its name in the table; None if it has none."""

    @property
    def dtype(self) -> str:
        """The library's word for its type; holds no values."""

    @property
    def sort(self) -> Sort:
        """How to describe it."""

    @property
    def rows(self) -> int:
        """How many values it has."""

    def part(self, start: int, stop: int, step: int = 1) -> Part:
        """Look at some of its values, without a copy of more than these."""


def stride(rows: int, wanted: int) -> int:
    """Give the step that takes about `wanted` of `rows`, or all of them.

    It has no factor in common with weeks, dozens and hours, or a sample would meet the same weekday each time.
    """
    step = -(-rows // wanted) or 1
    while step > 1 and math.gcd(step, 2 * 3 * 5 * 7) > 1:
        step += 1
    return step


def sample_size(rows: int) -> int:
    """Count the values in the sample of a column."""
    return -(-rows // stride(rows, SAMPLE_ROWS))


@dataclass(kw_only=True, slots=True)
class Tally:
    """What adds up over the parts of a column."""

    ranged: bool
    """Whether smallest and largest are looked for."""
    track: bool
    """Whether different values are collected."""
    rows: int = 0
    missing: int = 0
    low: Any = None
    high: Any = None
    seen: dict[Any, None] = field(default_factory=dict)
    overflow: bool = False
    """True if there are more different values than were collected."""

    def add(self, part: Part, rows: int) -> None:
        """Take in one more part."""
        self.rows += rows
        self.missing += part.missing()
        if self.ranged and (bounds := part.bounds()) is not None:
            low, high = bounds
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
        if self.track and not self.overflow:
            self.seen.update(dict.fromkeys(part.distinct()))
            self.overflow = len(self.seen) > MANY


@dataclass(kw_only=True, slots=True)
class Survey:
    """A column, a sample of it, and what is known so far."""

    column: Column
    sample: Part
    tally: Tally
    sampled: bool
    """True while `tally` rests on the sample."""
    long: bool = False
    """True for texts to read: their lengths are told, not their values."""

    @property
    def effort(self) -> tuple[bool, int]:
        """Sorts surveys by what going through the whole column costs."""
        return self.column.sort in ("text", "other"), len(self.tally.seen)

    def complete(self, look: Look, deadline: float) -> None:
        """Go through all of the column unless `deadline` comes first; then the sample stands."""
        if not self.sampled:
            return
        most = FEW if self.column.sort == "integer" else MANY // 2
        track = self.tally.track and len(self.tally.seen) <= most
        whole = Tally(ranged=self.tally.ranged, track=track)
        for start in range(0, self.column.rows, PART_ROWS):
            if look.clock() > deadline:
                return
            stop = min(self.column.rows, start + PART_ROWS)
            whole.add(self.column.part(start, stop), stop - start)
        if self.tally.track and not track:
            whole.seen, whole.overflow = self.tally.seen, True
        self.tally, self.sampled = whole, False


def survey(column: Column) -> Survey:
    """Look at a sample of a column."""
    long = column.sort == "text" and _mean_length(column) >= LONG_TEXT
    step = stride(column.rows, PEEK if long else SAMPLE_ROWS)
    sample = column.part(0, column.rows, step)
    tally = Tally(ranged=column.sort in _RANGED, track=column.sort in ("integer", "boolean", "text") and not long)
    tally.add(sample, -(-column.rows // step))
    return Survey(column=column, sample=sample, tally=tally, sampled=step > 1, long=long)


def _mean_length(column: Column) -> float:
    peek = column.part(0, column.rows, stride(column.rows, PEEK)).first(PEEK)
    lengths = [len(value) for value in peek if isinstance(value, str)]
    return sum(lengths) / len(lengths) if lengths else 0.0
