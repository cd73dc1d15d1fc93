"""One look at a value: how much may be said, what may not be shown, and how long it may take."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

from rlm_kernel.describe.secrecy import blank_secrets, key_pattern, looks_secret
from rlm_kernel.describe.words import escaped, quoted

WITHHELD = "withheld"
SECRET = "not shown (looks like a secret)"  # noqa: S105 - a phrase, not a password
UNSAID = '"..." (not shown: names a withheld field)'


class Detail(Enum):
    """How much a description says."""

    FULL = "full"
    """For strong models: also a few rows, medians, beginnings and ends."""
    BRIEF = "brief"
    """For small models, in the shape that was measured to work: one line a column, no rows."""
    LINE = "line"
    """For lists of variables: the first line alone."""


FULL = Detail.FULL
BRIEF = Detail.BRIEF


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What every describer is given beside the value."""

    name: str
    """The variable's name."""
    detail: Detail = FULL
    withheld: frozenset[str] = frozenset()
    """Names never shown, folded to one case; see `look_at`."""
    deadline: float = float("inf")
    """When describing should be over, by `clock`."""
    clock: Callable[[], float] = time.monotonic
    field_pattern: re.Pattern[str] | None = None
    """Finds a withheld name used as a key inside a text: JSON, a CSV header, a tag."""

    @property
    def brief(self) -> bool:
        """True if only the shortest useful description is wanted."""
        return self.detail is not Detail.FULL

    @property
    def only_head(self) -> bool:
        """True if nothing below the first line will be used."""
        return self.detail is Detail.LINE

    @property
    def room(self) -> int:
        """Characters that the whole description may have."""
        return 3000 if self.brief else 6000

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, 0 when it is over."""
        return max(0.0, self.deadline - self.clock())

    def hides(self, label: object) -> str | None:
        """Say why values under `label` may not be shown; None if they may."""
        if self.withholds(label):
            return WITHHELD
        return SECRET if looks_secret(label) else None

    def withholds(self, label: object) -> bool:
        """Tell whether the user withheld `label`, which may be a tuple of labels."""
        if not self.withheld or label is None:
            return False
        if isinstance(label, tuple):
            dotted = ".".join(str(part) for part in label)
            return dotted.casefold() in self.withheld or any(self.withholds(part) for part in label)
        return str(label).casefold() in self.withheld

    def may_quote(self, text: str) -> bool:
        """Tell whether no withheld name stands in `text` as a key: its value would stand there too."""
        return self.field_pattern is None or self.field_pattern.search(text) is None

    def quote(self, text: str, limit: int = 40) -> str:
        """Give the beginning of `text` between quotes, safe to show."""
        # A little more than is shown, so that a token cut by the limit is still known by its beginning.
        piece = str.__getitem__(text, slice(0, limit + 200))
        if not self.may_quote(piece):
            return UNSAID
        clean = blank_secrets(piece)
        return quoted(clean, limit, more=len(text) > limit + 200)

    def whole(self, text: str, limit: int) -> str | None:
        """Give all of `text` between quotes; None if it is too long or part of it may not be shown."""
        if len(text) > limit or not self.may_quote(text) or blank_secrets(text) != text:
            return None
        shown = escaped(text)
        return f'"{shown}"' if len(shown) <= limit + limit // 4 else None


def look_at(name: str, *, withhold: Collection[str] = (), detail: Detail = FULL, seconds: float = 0.25) -> Look:
    """Open a look at the variable `name`.

    Args:
        name: the variable's name.
        withhold: labels never shown: ``ssn`` anywhere, ``frame.ssn`` in the variable ``frame`` alone.
        detail: how much to say.
        seconds: time after which only what is already known is said.
    """
    names = {label.casefold() for label in withhold}
    prefix = f"{name.casefold()}."
    names |= {label.removeprefix(prefix) for label in names if label.startswith(prefix)}
    return Look(
        name=name,
        detail=detail,
        withheld=frozenset(names),
        deadline=time.monotonic() + seconds,
        field_pattern=key_pattern(names),
    )
