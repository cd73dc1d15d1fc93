"""Whether an answer is right.

The rules, strict on purpose and the same for every method:

- A count, a year or a month is whole: only the very number is right.
- A measured value is right within 0.6 % of it, or within 0.0051. A percentage is not a share: the question says which
  of the two it wants.
- A name must be there as whole words, whatever the case and quotes, with at most a sentence around it, and no rival of
  it (another value of the same column) may stand beside it.
- Several names must all be there, in order, and no rival. They may be the index of a Series or the keys of a dict, for
  "the top three" is naturally given with its counts.
- A list, tuple, set, array, Series or one-cell frame of one element counts as that element, by its value and not by
  its index. Anything with more elements is wrong where one value was asked.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

RELATIVE = 0.006
ABSOLUTE = 0.0051
ROOM = 100
"""Characters that may stand around a name."""
SENTENCE = 200
"""Characters that an answer may have in which a number is looked for."""

_NUMBER = re.compile(r"(?<![\w.,])[-+\u2212]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w])")
_ISO = re.compile(r"(?<!\d)(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)")
_DATE_FORMATS = ("%B %d %Y", "%b %d %Y", "%d %B %Y", "%d %b %Y", "%m/%d/%Y")


@dataclass(frozen=True)
class Name:
    """A name, in any of its accepted forms."""

    forms: tuple[str, ...]
    rivals: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Names:
    """Several names, in order."""

    names: tuple[str, ...]
    rivals: frozenset[str] = frozenset()


Gold = int | float | Name | Names | dt.date


def is_right(gold: Gold, answer: object, question: str = "") -> bool:
    """Whether `answer` says what `gold` says.

    Args:
        gold: what is right.
        answer: what was answered, an object or text.
        question: the question; numbers and names that it gives itself count neither for nor against an answer.
    """
    match gold:
        case Names():
            return _names_right(gold, answer, question)
        case Name():
            return _name_right(gold, plain(answer), question)
        case dt.date():
            return _as_date(answer, year=gold.year) == gold
        case int():
            number = _as_number(plain(answer), question)
            return number is not None and abs(number - gold) < 1e-6
        case float():
            number = _as_number(plain(answer), question)
            return number is not None and abs(number - gold) <= max(RELATIVE * abs(gold), ABSOLUTE)


def plain(value: object) -> object:
    """The value as plain Python: scalars of numpy and pandas unwrapped, one element in place of its container."""
    if type(value).__name__ == "datetime64":
        return str(value)
    if len(getattr(value, "shape", ())) == 2:  # a frame, or an array of two axes
        array: Any = value.to_numpy() if hasattr(value, "to_numpy") else value
        return plain([cell for row in array.tolist() for cell in row])
    for unwrap in ("tolist", "to_list"):
        if hasattr(value, unwrap):
            return plain(getattr(value, unwrap)())
    if isinstance(value, list | tuple | set | frozenset) and len(value) == 1:
        return plain(next(iter(value)))
    return value


def _as_number(value: object, question: str) -> float | None:
    """The one number that `value` is or says."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _number_said(value, question)
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _number_said(text: str, question: str) -> float | None:
    if len(text) > SENTENCE:
        return None
    said = [_parse(found) for found in _NUMBER.findall(text)]
    given = {_parse(found) for found in _NUMBER.findall(question)}
    candidates = {number for number in said if number not in given} or set(said)
    return candidates.pop() if len(candidates) == 1 else None


def _parse(found: str) -> float:
    return float(found.replace(",", "").replace("\u2212", "-"))


def _name_right(gold: Name, answer: object, question: str) -> bool:
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)  # a group's label that a missing value made a float
    if isinstance(answer, list | tuple | set | frozenset | dict):
        return False
    text = str(answer)
    return any(_within(text, [form], gold.rivals, question) for form in gold.forms)


def _names_right(gold: Names, answer: object, question: str) -> bool:
    if isinstance(answer, str):
        return _within(answer, gold.names, gold.rivals, question)
    given = _name_list(answer)
    return given is not None and [_normal(name) for name in given] == [_normal(name) for name in gold.names]


def _name_list(answer: object) -> list[str] | None:
    """The names of an answer of many elements; None if it is no such answer. A frame is none."""
    if isinstance(answer, dict):
        answer = list(answer)
    if hasattr(answer, "tolist"):
        index: Any = getattr(answer, "index", None)
        values = answer.tolist()
        numeric = all(isinstance(item, int | float) for item in values)
        answer = index.tolist() if numeric and hasattr(index, "tolist") else values
    elif hasattr(answer, "to_list"):
        answer = answer.to_list()
    if not isinstance(answer, list | tuple):
        return None
    # A pair of name and count counts as its name.
    return [str(item[0]) if isinstance(item, tuple) and item else str(item) for item in answer]


def _within(text: str, names: Iterable[str], rivals: frozenset[str], question: str) -> bool:
    """Whether all names stand in `text` in order, with little else and no rival."""
    names = [_normal(name) for name in names]
    said = _tidy(text)
    if len(said) > sum(map(len, names)) + ROOM:
        return False
    rest, position = said, 0
    for name in names:
        found = _word(name).search(said, position)
        if found is None:
            return False
        position = found.end()
        rest = _word(name).sub(" ", rest)
    return not any(_rivals(rival, names, said, rest, question) for rival in rivals)


def _rivals(rival: str, names: list[str], said: str, rest: str, question: str) -> bool:
    """Whether a rival is said too. A longer one that holds the name is looked for in all that was said."""
    rival = _tidy(rival)
    where = said if any(name in rival.casefold() for name in names) else rest
    if rival not in where:
        return False
    return bool(re.search(_bounded(rival), where)) and not re.search(_bounded(rival), question)


def _tidy(text: str) -> str:
    return " ".join(re.sub(r"[\"'`*\u2018\u2019\u201c\u201d]", "", text).split())


def _normal(text: str) -> str:
    return _tidy(text).casefold()


def _bounded(text: str) -> str:
    return rf"(?<!\w){re.escape(text)}(?!\w)"


def _word(text: str) -> re.Pattern[str]:
    return re.compile(_bounded(text), re.IGNORECASE)


def _as_date(answer: object, *, year: int) -> dt.date | None:
    """The one day that an answer is or says; a pair is the month and the day of `year`."""
    answer = plain(answer)
    if isinstance(answer, dt.datetime):
        return answer.date()
    if isinstance(answer, dt.date):
        return answer
    if isinstance(answer, list | tuple):
        return _date_of((year, *answer) if len(answer) == 2 else answer)
    text = str(answer)
    if len(text) > SENTENCE:
        return None
    days = {_date_of([int(part) for part in found]) for found in _ISO.findall(text)} | _dates_written(text)
    return days.pop() if len(days) == 1 else None


def _date_of(parts: Sequence[Any]) -> dt.date | None:
    try:
        return dt.date(*(int(part) for part in parts))
    except (TypeError, ValueError, OverflowError):
        return None


def _dates_written(text: str) -> set[dt.date | None]:
    """Days written with a month's name, or as month/day/year."""
    words = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text.replace(",", " ").replace(" of ", " ")).split()
    days: set[dt.date | None] = set()
    for size in (1, 3):
        for start in range(len(words) - size + 1):
            piece = " ".join(words[start : start + size]).rstrip(".")
            for form in _DATE_FORMATS:
                try:
                    days.add(dt.datetime.strptime(piece, form).date())  # noqa: DTZ007 - a day has no zone
                except ValueError:
                    continue
    return days
