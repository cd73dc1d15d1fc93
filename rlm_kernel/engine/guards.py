"""Guards look at a result before it becomes the answer. Each objects at most once in a run, and only with a reason.

A guard gives the name of the pack's section that says what is wrong; a pack without that section switches it off.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

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
    r"\b(list|each|every|all|table|top|two|three|four|five|six|seven|eight|nine|ten|several|rank|per|\d+)\b",
    re.IGNORECASE,
)


REASONS = {
    "unseen": "the answer is a constant, given before any output was seen",
    "non_answer": "the answer is empty, a placeholder or an error text",
    "doubt_nan": "the answer is nan",
    "doubt_table": "the answer is zero",
    "doubt_nothing": "the answer is zero or nothing",
    "ask_one_name": "the answer is a whole table where one name was asked for",
    "ask_one_key": "the answer is several where one was asked for",
    "ask_percent": "the answer is a share where a percentage was asked for",
    "ask_words": "the answer is a number where words were asked for",
}
"""What each objection says to the user."""


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
        return "doubt_table" if _over_table(candidate) else "doubt_nothing"
    if settings.ask_one:
        return _share_for_percentage(candidate) or _not_one_name(candidate)
    return None


def is_nan(value: object) -> bool:
    """True for nan, NaT and pandas' NA, without importing pandas or numpy."""
    if isinstance(value, float):
        return math.isnan(value)
    if type(value).__name__ in {"NaTType", "NAType"}:
        return True
    return isinstance(value, str) and value.strip().lower() in {"nan", "nat", "<na>"}


def length(value: object) -> int | None:
    """`len` of a container; None for anything else, however its class behaves."""
    if isinstance(value, str | bytes):
        return len(value)
    try:
        return len(value)  # type: ignore[arg-type]  # that is the question
    except Exception:  # a hostile or lazy class may raise anything: then it is no container to us
        return None


def _is_non_answer(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        text = value.strip()
        return (
            not text or text.lower() in _PLACEHOLDERS or text in {"None", "[]", "{}"} or bool(_ERROR_TEXT.match(text))
        )
    if isinstance(value, BaseException):
        return True
    return _is_empty(value)


def _is_empty(value: object) -> bool:
    return not isinstance(value, str) and length(value) == 0


def _is_zero(value: object) -> bool:
    return not isinstance(value, bool | str) and length(value) is None and _equals_zero(value)


def _equals_zero(value: object) -> bool:
    try:
        return bool(value == 0)
    except Exception:  # the same: an odd class is not zero
        return False


def _over_table(candidate: Candidate) -> bool:
    return any(context.kind == "table" for context in candidate.contexts)


def _share_for_percentage(candidate: Candidate) -> str | None:
    """A small model often forgets the factor of 100."""
    if "percent" not in candidate.question.lower() or "100" in candidate.code:
        return None
    try:
        return "ask_percent" if 0 < float(candidate.value) < 1 else None  # type: ignore[arg-type]  # no number raises
    except Exception:  # an odd class is no share
        return None


def _not_one_name(candidate: Candidate) -> str | None:
    value, question = candidate.value, candidate.question
    if _SEVERAL_WANTED.search(question):
        return None
    size = None if isinstance(value, str) else length(value)
    if size is not None and size > 1 and _ONE_WANTED.search(question):
        return "ask_one_name" if _over_table(candidate) else "ask_one_key"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    number = number or (isinstance(value, str) and value.strip().lstrip("-").replace(".", "", 1).isdigit())
    if number and not _over_table(candidate) and _WORDS_WANTED.search(question):
        return "ask_words"
    return None
