"""Guards look at a result before it becomes the answer. Each objects at most once in a run, and only with a reason.

A guard gives the name of the pack's section that says what is wrong; a pack without that section switches it off.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from types import UnionType
from typing import Any, TypeGuard

from rlm_kernel.engine.replies import constant_final
from rlm_kernel.prompts.pack import Settings
from rlm_kernel.trajectory.records import Binding

_PLACEHOLDERS = frozenset({"...", "answer", "your answer", "<answer>", "final answer", "todo", "placeholder"})
_ERROR_TEXT = re.compile(r"\A\s*(?:Traceback \(most recent|(?:\w+\.)*\w*(?:Error|Exception)\b\s*[:(])")
_WORDS_WANTED = re.compile(
    r"\b(who|whom|whose|stand for|what is the name|which (?!year|month|day|number|quarter|hour|share))", re.IGNORECASE
)
_ONE_WANTED = re.compile(r"\b(?:which|what) (?:is the |was the |one )?(?!(?:\w+ )?(?:are|were)\b)(\w+)", re.IGNORECASE)
_SEVERAL_WANTED = re.compile(
    r"\b(?:list|each|every|all|table|top|several|rank|per|respectively)\b"
    r"|\b(?:which|what|the|first|last|give|name)\s+(?:\w+\s+)?"
    r"(?:two|three|four|five|six|seven|eight|nine|ten|twenty|\d+)\s",
    re.IGNORECASE,
)
_NUMBER_WANTED = re.compile(
    r"\b(?:how (?:many|much|often)|(?:what|which) (?:percentage|percent|share|fraction|number)"
    r"|what (?:is|was) the (?:\w+ )?(?:average|mean|median|total|sum|number|correlation|percentage|difference))\b",
    re.IGNORECASE,
)
_NUMBERS_WANTED = re.compile(r"\b(?:list|each|every|table|respectively|by)\b", re.IGNORECASE)
_PERCENTAGE_OF = re.compile(r"\bpercent(?:age)? of\b", re.IGNORECASE)
_FULL = 100.0

NEVER_TRUE = frozenset({"doubt_nan", "ask_one_name", "ask_one_number", "ask_row", "ask_percent", "doubt_same"})
"""Objections that saying it twice does not answer."""

REASONS = {
    "unseen": "the answer is a constant, given before any output was seen",
    "non_answer": "the answer is empty, a placeholder or an error text",
    "doubt_nan": "the answer is nan",
    "doubt_table": "the answer is zero",
    "doubt_nothing": "the answer is zero or nothing",
    "doubt_same": "the answer is a difference of zero",
    "ask_one_name": "the answer is several values where one was asked for",
    "ask_one_number": "the answer is several values where one number was asked for",
    "ask_row": "the answer is the label of a row where a name was asked for",
    "ask_one_key": "the answer is several where one was asked for",
    "ask_percent": "the answer is no percentage from 0 to 100",
    "ask_words": "the answer is a number where words were asked for",
}
"""Objections in a few words, for the trajectory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A value that might become the answer."""

    value: object
    question: str
    code: str
    contexts: tuple[Binding, ...]
    seen: bool
    """True if the model had seen some output before it wrote the code."""


def objection(candidate: Candidate, settings: Settings) -> str | None:
    """The section that says what is wrong with a candidate; None if nothing is."""
    value = candidate.value
    if is_nan(value):
        return "doubt_nan"
    if _is_non_answer(value):
        return "doubt_nothing" if settings.doubt_zero and _is_empty(value) else "non_answer"
    partial = any(context.partial for context in candidate.contexts)
    if not candidate.seen and partial and constant_final(candidate.code):
        return "unseen"
    if settings.doubt_zero and _is_zero(value):
        return _doubt_of_zero(candidate)
    if settings.ask_one:
        return _no_percentage(candidate) or _several_for_one(candidate) or _number_for_name(candidate)
    return None


def _is(value: object, kinds: type | UnionType) -> TypeGuard[Any]:
    """`isinstance` that believes the type alone: an object may say anything of its own class, or raise."""
    return issubclass(type(value), kinds)


def is_nan(value: object) -> bool:
    """True for nan, NaT and pandas' NA, without importing pandas or numpy."""
    if _is(value, float):
        return math.isnan(value)
    if type(value).__name__ in {"NaTType", "NAType"}:
        return True
    return _is(value, str) and value.strip().lower() in {"nan", "nat", "<na>"}


def length(value: object) -> int | None:
    """`len` of a container; None for anything else, however its class behaves."""
    if _is(value, str | bytes):
        return len(value)
    try:
        return len(value)  # type: ignore[arg-type]  # that is the question
    except BaseException:  # a hostile or lazy class may raise anything: then it is no container to us
        return None


def _is_non_answer(value: object) -> bool:
    if value is None:
        return True
    if _is(value, str):
        text = value.strip()
        return (
            not text or text.lower() in _PLACEHOLDERS or text in {"None", "[]", "{}"} or bool(_ERROR_TEXT.match(text))
        )
    if _is(value, BaseException):
        return True
    return _is_empty(value)


def _is_empty(value: object) -> bool:
    return not _is(value, str) and length(value) == 0


def _is_zero(value: object) -> bool:
    return not _is(value, bool | str) and length(value) is None and _equals_zero(value)


def _equals_zero(value: object) -> bool:
    try:
        return bool(value == 0)
    except BaseException:  # the same: an odd class is not zero
        return False


def _over_table(candidate: Candidate) -> bool:
    return any(context.kind == "table" for context in candidate.contexts)


def _doubt_of_zero(candidate: Candidate) -> str:
    if not _over_table(candidate):
        return "doubt_nothing"
    return "doubt_same" if " - " in candidate.code else "doubt_table"


def _no_percentage(candidate: Candidate) -> str | None:
    """A small model often forgets the factor of 100, or takes a sum for the share of rows."""
    try:
        number = float(candidate.value)  # type: ignore[arg-type]  # no number raises
    except Exception:  # an odd class is no percentage
        return None
    too_small = "percent" in candidate.question.lower() and 0 < number < 1 and "100" not in candidate.code
    too_large = _PERCENTAGE_OF.search(candidate.question) and number > _FULL
    return "ask_percent" if too_small or too_large else None


def _several_for_one(candidate: Candidate) -> str | None:
    value, question = candidate.value, candidate.question
    size = None if _is(value, str) else length(value)
    if size is None or size < 2:  # noqa: PLR2004 - more than one
        return None
    if _over_table(candidate) and _NUMBER_WANTED.search(question) and not _NUMBERS_WANTED.search(question):
        return "ask_one_number"
    if _ONE_WANTED.search(question) and not _SEVERAL_WANTED.search(question):
        return "ask_one_name" if _over_table(candidate) else "ask_one_key"
    return None


def _number_for_name(candidate: Candidate) -> str | None:
    question = candidate.question
    if not _is_number(candidate.value) or not _WORDS_WANTED.search(question) or _NUMBER_WANTED.search(question):
        return None
    if not _over_table(candidate):
        return "ask_words"
    # Over a table a number can name something: a group may be one. A fraction, an extreme value, a row's label do not.
    fraction = not float(str(candidate.value)).is_integer()
    extreme = re.search(r"\b(?:idx)?(?:max|min)\(", candidate.code)
    grouped = re.search(r"groupby|value_counts|\.loc\b", candidate.code)
    doubtful = fraction or (extreme and not grouped)
    return "ask_row" if doubtful and not _asks_for_column(candidate) else None


def _asks_for_column(candidate: Candidate) -> bool:
    asked = _ONE_WANTED.search(candidate.question)
    fields = {field.lower() for context in candidate.contexts for field in context.fields}
    return asked is not None and asked.group(1).lower() in fields and asked.group(1).lower() in candidate.code.lower()


def _is_number(value: object) -> bool:
    if _is(value, str):
        return bool(value.strip().lstrip("-").replace(".", "", 1).isdigit())
    if _is(value, bool) or length(value) is not None:
        return False
    try:
        return bool(value == float(value))  # type: ignore[arg-type]  # no number raises
    except Exception:  # an odd class is no number
        return False
