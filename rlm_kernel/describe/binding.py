"""A value described as the `Binding` that the loop, the prompts and the views share."""

from __future__ import annotations

import logging
from collections.abc import Collection

from rlm_kernel.describe.facts import Facts
from rlm_kernel.describe.look import FULL, SECRET, WITHHELD, Detail, Look, look_at
from rlm_kernel.describe.plain import base_of
from rlm_kernel.describe.registry import facts_of
from rlm_kernel.describe.secrecy import looks_secret
from rlm_kernel.describe.summary import summarize
from rlm_kernel.describe.words import a_or_an, type_name
from rlm_kernel.trajectory.records import Binding

_log = logging.getLogger(__name__)


def describe(
    name: str,
    value: object,
    *,
    withhold: Collection[str] = (),
    detail: Detail = FULL,
    seconds: float = 0.25,
) -> Binding:
    """Describe a variable for a model. Never raises, copies nothing of size, ends within about `seconds`.

    Args:
        name: the variable's name.
        value: what it is bound to.
        withhold: columns and keys whose values are never shown: ``ssn``, or ``frame.ssn`` in one variable alone.
        detail: `FULL` for strong models, `BRIEF` for small ones.
        seconds: time for looking through large values; what did not fit rests on a sample, and the text says so.
    """
    look = look_at(name, withhold=withhold, detail=detail, seconds=seconds)
    try:
        facts = _hidden(value, look) or facts_of(value, look)
        return _binding(facts, value, look)
    except KeyboardInterrupt:
        raise
    except BaseException:  # describers run foreign code; a panic in polars is no Exception
        _log.debug("no description of %s", name, exc_info=True)
        return _binding(_bare(value), value, look)


def _hidden(value: object, look: Look) -> Facts | None:
    """Tell only the type of a variable whose own name is withheld or looks like a secret."""
    reason = WITHHELD if look.withholds(look.name) else None
    if reason is None and looks_secret(look.name) and base_of(value):
        reason = SECRET
    if reason is None:
        return None
    word = type_name(type(value))
    return Facts(type=word, head=f"{a_or_an(word)}, {reason}.")


def _bare(value: object) -> Facts:
    try:
        word = type_name(type(value))
    except Exception:
        word = "object"
    return Facts(type=word, head=f"{a_or_an(word)}.")


def _binding(facts: Facts, value: object, look: Look) -> Binding:
    text = f"`{look.name}` is {facts.head}"
    text, cut = _bounded("\n".join([text, *facts.lines]), look.room)
    return Binding(
        name=look.name,
        type=facts.type,
        text=text,
        kind=facts.kind,
        summary=summarize(value) if not look.hides(look.name) else facts.type,
        size=facts.size,
        partial=facts.partial or cut,
        fields=facts.fields,
        sampled=facts.sampled,
    )


def _bounded(text: str, room: int) -> tuple[str, bool]:
    """Cut a text at the end of a line, as describers of other packages may say too much."""
    if len(text) <= room:
        return text, False
    kept = text[: room - 20].rpartition("\n")[0] or text[: room - 20]
    return f"{kept}\n(and more)", True
