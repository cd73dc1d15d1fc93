"""What a describer hands back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from rlm_kernel.describe.look import Look
from rlm_kernel.describe.words import visible

_FIELDS = 1000
_FIELD = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of a value. Texts only: nothing of the value itself is held."""

    type: str
    """``pandas DataFrame``, ``str`` and so on."""
    head: str
    """What stands after "`name` is" in the first line, with its full stop."""
    lines: tuple[str, ...] = ()
    """The lines below."""
    kind: str = "object"
    """``table``, ``text``, ``texts``, ``sequence``, ``object``: see `Binding.kind`."""
    size: int | None = None
    """Rows, characters or items."""
    partial: bool = True
    """False if the text shows the whole value."""
    fields: tuple[str, ...] = ()
    """Names of columns or keys."""
    sampled: bool = False
    """True if something said rests on a sample."""


Describer: TypeAlias = Callable[[object, Look], "Facts | str"]
"""Looks at a value; plain text is enough. What it raises is caught, and the type's name stands for the value."""


def field_names(labels: Iterable[object]) -> tuple[str, ...]:
    """Write labels as `Facts.fields`: as they are, save for signs that no request could carry."""
    return tuple(visible(str(label)[:_FIELD]) for label in islice(labels, _FIELDS))
