"""Answers that come as text: what value a text spells, and whether it is an answer at all."""

from __future__ import annotations

import ast
import re

from rlm_kernel.engine.feedback import text_of
from rlm_kernel.engine.replies import Code, TextFinal, constant_final, final_calls, read
from rlm_kernel.engine.returns import Misfit, Returns
from rlm_kernel.trajectory.records import Final, Outcome, Reply

_COUNTING = re.compile(r"\s*how (?:many|often|much)\b", re.IGNORECASE)
_NOT_FOUND = re.compile(r"\W*(?:not found|not (?:in|mentioned|stated|given)|unable to determine)\b", re.IGNORECASE)
_PASSAGE_WORDS = 12  # fewer are a value, not something to read
_SCALAR_CHARS = 60  # the longest printed line taken for a single value
_NUMBER_CHARS = 40  # the longest plain answer that may spell a value
_MOST_CHARS = 20_000


def asks_how_many(question: str) -> bool:
    """True if a number is wanted."""
    return _COUNTING.match(question) is not None


def says_not_found(text: str) -> bool:
    """True if a model says that what it was given to read does not answer."""
    return _NOT_FOUND.match(text) is not None


def is_passage(text: str) -> bool:
    """True for prose to be read, False for a value."""
    return len(text.split()) >= _PASSAGE_WORDS


def is_scalar(text: str) -> bool:
    """True if printed text is one value, and no container or table."""
    shown_container = text.startswith(("(", "[", "{", "<", "Series", "Empty"))
    return bool(text) and "\n" not in text and len(text) <= _SCALAR_CHARS and not shown_container


def literal(text: str) -> object:
    """The Python value that a text spells, else the text."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, int | float | str | list | tuple | dict) else text


def fit(value: object, returns: Returns) -> object:
    """A value in the form asked for; a text may spell it. Raises Misfit."""
    try:
        return returns.check(value)
    except Misfit:
        if not isinstance(value, str):
            raise
        return returns.read(value)


def meant_as_final(code: Code, outcome: Outcome, *, takes_scalar: bool) -> Final | None:
    """What a step gave that its code did not hand to FINAL in so many words.

    Args:
        code: the code.
        outcome: what came of it.
        takes_scalar: take a single value that was shown: it would only be repeated in the next reply.
    """
    failure = outcome.output.failure
    if code.text is not None and failure is not None and failure.kind in {"NameError", "SyntaxError"}:
        return Final(literal(code.text.strip()))  # FINAL(some words), written as text
    if not takes_scalar or failure is not None:
        return None
    printed = outcome.output.stdout.strip()
    if outcome.has_value and isinstance(outcome.value, int | float | str) and not printed:
        return Final(outcome.value)
    return Final(literal(printed)) if is_scalar(printed) and outcome.value is None else None


def plain_answer(reply: Reply) -> object:
    """The answer in a reply that was asked for plain text, however it was wrapped; None for code, which is none."""
    match read(reply):
        case TextFinal(text):
            return literal(text.strip())
        case Code(source, _) if constant_final(source):
            return literal(ast.unparse(final_calls(source)[0].args[0]))
        case Code() if "```" in reply.text:
            return None
        case _:
            text = reply.text.strip()
            return literal(text) if len(text) <= _NUMBER_CHARS else text_of(text, _MOST_CHARS)
