"""A column in words: ``int64, 1 to 5210``; ``str, one of "Graz", "Lyon"; 12 missing``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from rlm_kernel.describe.columns import FEW, SAMPLE_ROWS, Column, Part, Sort, Survey, Tally, stride, survey
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.shapes import shape_of
from rlm_kernel.describe.words import about, scalar_text

_log = logging.getLogger(__name__)
_VALUE = 40
_NAMED_ROOM = 400
_SENTENCE = 60
_MIDNIGHT = " 00:00:00"


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnFacts:
    """What is said of a column."""

    text: str
    sampled: bool = False


def column_facts(column: Column, look: Look) -> ColumnFacts:
    """Describe one column, with all the time that is left."""
    return all_column_facts([column], look)[0]


def all_column_facts(columns: Sequence[Column], look: Look) -> list[ColumnFacts]:
    """Describe columns: samples of all of them first, then whole ones, the cheapest first, while time lasts."""
    begun = [_begin(column, look) for column in columns]
    surveys = [found for found in begun if isinstance(found, Survey)]
    unclear: dict[int, ColumnFacts] = {}
    for found in sorted(surveys, key=lambda found: found.effort):
        try:
            found.complete(look, look.deadline)
        except Exception as exc:  # values that cannot be compared or hashed: the sample did not tell it
            unclear[id(found)] = _unclear(found.column, look, exc)
    return [unclear.get(id(found)) or _end(found, look) for found in begun]


def _begin(column: Column, look: Look) -> Survey | ColumnFacts:
    if hidden := look.hides(column.label):
        return ColumnFacts(text=f"{column.dtype}, {hidden}")
    if not column.rows:
        return ColumnFacts(text=f"{column.dtype}, empty")
    if not look.seconds_left:
        return ColumnFacts(text=column.dtype, sampled=True)
    try:
        return survey(column)
    except Exception as exc:  # likewise
        return _unclear(column, look, exc)


def _end(found: Survey | ColumnFacts, look: Look) -> ColumnFacts:
    if isinstance(found, ColumnFacts):
        return found
    try:
        said = _words(found, look)
    except Exception as exc:  # likewise
        return _unclear(found.column, look, exc)
    text = said + _missing(found)
    return ColumnFacts(text=text, sampled=_rests_on_sample(found, said))


def _rests_on_sample(found: Survey, said: str) -> bool:
    uncounted = found.column.sort == "text" and (found.tally.overflow or found.long)
    return found.sampled or uncounted or " about " in said


def _unclear(column: Column, look: Look, exc: Exception) -> ColumnFacts:
    """Describe a column of values that do not go together."""
    _log.debug("column %r is told by its types alone", column.label, exc_info=exc)
    try:
        sample = column.part(0, column.rows, stride(column.rows, SAMPLE_ROWS)).first(SAMPLE_ROWS)
        shape = shape_of(sample, look, 2)
    except Exception:
        return ColumnFacts(text=column.dtype, sampled=True)
    return ColumnFacts(text=f"mixed: {shape}" if shape != column.dtype else f"mostly {shape}", sampled=True)


def _words(found: Survey, look: Look) -> str:
    column, tally = found.column, found.tally
    if tally.missing == tally.rows:
        return column.dtype if found.sampled else f"{column.dtype}, nothing but missing values"
    match column.sort:
        case "integer" | "number" | "ordered":
            return f"{column.dtype}, {_range(found, look)}"
        case "boolean":
            constant = len(tally.seen) == 1 and not found.sampled
            return f"{column.dtype}, {f'always {next(iter(tally.seen))}' if constant else 'True or False'}"
        case "text":
            return f"{column.dtype}, {_texts(found, look)}"
        case _:
            shape = shape_of(found.sample.first(100), look, 2)
            return f"{column.dtype}: {shape}" if shape != column.dtype else shape


def _range(found: Survey, look: Look) -> str:
    tally, sort = found.tally, found.column.sort
    low, high = scalar_text(tally.low), scalar_text(tally.high)
    if low.endswith(_MIDNIGHT) and high.endswith(_MIDNIGHT):
        low, high = low.removesuffix(_MIDNIGHT), high.removesuffix(_MIDNIGHT)
    if low == high:
        return f"about {low}" if found.sampled else f"always {low}"
    text = f"{'about ' if found.sampled else ''}{low} to {high}"
    if look.brief or sort == "ordered":
        return text
    if sort == "integer" and not found.sampled and _apart(tally):
        return f"one of {', '.join(scalar_text(value) for value in sorted(tally.seen))}"
    return f"{text}, median {'about ' if found.column.rows > SAMPLE_ROWS else ''}{_middle(found.sample, sort)}"


def _middle(sample: Part, sort: Sort) -> str:
    text = scalar_text(sample.median())
    return text.removesuffix(".0") if sort == "integer" else text


def _apart(tally: Tally) -> bool:
    """Tell whether few whole numbers stand apart, as codes do: 3, 4, 6, 8."""
    if not 2 < len(tally.seen) <= FEW or tally.overflow:  # noqa: PLR2004 - two values say no more than a range
        return False
    return bool(int(tally.high) - int(tally.low) >= len(tally.seen))


def _texts(found: Survey, look: Look) -> str:
    if found.long:
        return f"{_length(found.sample)}, e.g. {_shown(found.sample.first(1)[0], look)}"
    values = list(found.tally.seen)
    if len(values) <= FEW and not found.tally.overflow and (named := _named(values, look)) is not None:
        several = "one of " if len(values) > 1 else "always "
        return f"{several}{named}{' (in a sample)' if found.sampled else ''}"
    examples = ", ".join(_shown(value, look) for value in values[:2])
    length = _length(found.sample)
    return f"{_different(found)}, e.g. {examples}{f'; {length}' if length and not look.brief else ''}"


def _named(values: Sequence[object], look: Look) -> str | None:
    """Name all of a few values; None if they are too long for that."""
    if any(len(str(value)) > _VALUE for value in values):
        return None
    named = ", ".join(_shown(value, look) for value in sorted(values, key=str))
    return named if len(named) <= _NAMED_ROOM else None


def _shown(value: object, look: Look) -> str:
    return look.quote(value, _VALUE) if isinstance(value, str) else scalar_text(value)


def _different(found: Survey) -> str:
    tally = found.tally
    number = f"{len(tally.seen):,} different"
    if found.sampled or tally.overflow:
        return f"at least {number}"
    return f"all {number}" if len(tally.seen) == tally.rows > FEW else number


def _length(sample: Part) -> str:
    """Say how long texts are where that decides how to read them."""
    lengths = [len(value) for value in sample.first(200) if isinstance(value, str)]
    mean = sum(lengths) / len(lengths) if lengths else 0
    return f"{about(mean)} characters each" if mean > _SENTENCE else ""


def _missing(found: Survey) -> str:
    tally = found.tally
    if not tally.missing or (tally.missing == tally.rows and not found.sampled):
        return ""
    if found.sampled:
        return f"; {about(tally.missing * found.column.rows / tally.rows)} missing"
    return f"; {tally.missing:,} missing"
