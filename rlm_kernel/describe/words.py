"""Numbers, names and pieces of other people's text as words that are safe to put before a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

MAX_LABEL = 80
_SCALARS = (bool, int, float, complex, date, datetime, time, timedelta, Decimal, Fraction, UUID)
"""Types whose ``str`` is short and harmless."""
_SCALAR = 60
_BITS = 190
"""Whole numbers of more bits, 57 digits, are told by their length."""
_LARGE, _HUGE = 1e6, 1e15
_FOREIGN_SCALARS = frozenset(["Timestamp", "Timedelta", "Period", "Interval", "NaTType", "NAType"])
_PLAIN_LABEL = re.compile(r"[^\W\d][\w .\-/%$#()&+]*(?<! )")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def is_scalar(value: object) -> bool:
    """Tell whether `value` is exactly a number, a truth value or a date of the standard library."""
    return type(value) in _SCALARS


def is_foreign_scalar(value: object) -> bool:
    """Tell whether `value` is a single number or date of numpy or pandas."""
    module, name = type(value).__module__, type(value).__name__
    if module == "numpy":
        bases = {base.__name__ for base in type(value).__mro__}
        return "generic" in bases and "void" not in bases  # a void is a record, its fields have names
    return module.startswith("pandas") and name in _FOREIGN_SCALARS


def visible(text: str) -> str:
    """Write only what cannot be seen as escapes: control characters, bidi marks, lone surrogates."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def escaped(text: str) -> str:
    r"""Write control characters, bidi marks and other invisible ones as escapes, as in ``"\u202e"``."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_ESCAPES.get(sign) or (sign if sign.isprintable() else _escape(sign)) for sign in text)


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def quoted(text: str, limit: int, *, more: bool = False) -> str:
    """Give at most `limit` characters of `text` between double quotes, with ``...`` where it was cut."""
    shown = escaped(text[:limit])
    cut = more or len(text) > limit
    # Escapes make a text longer: one sign may become ten.
    if len(shown) > 2 * limit:
        shown, cut = shown[: 2 * limit], True
    return f'"{shown}..."' if cut else f'"{shown}"'


def label_text(label: object) -> str:
    """Write the label of a column or the key of a dict so that it can be copied exactly.

    Quoted where plain text would mislead: spaces at the ends, a text that looks like a number, signs that end a label.
    """
    if isinstance(label, str):
        plain = len(label) <= MAX_LABEL and label.isprintable() and _PLAIN_LABEL.fullmatch(label)
        return label if plain else quoted(label, MAX_LABEL)
    if isinstance(label, tuple):
        parts = ", ".join(
            quoted(part, MAX_LABEL) if isinstance(part, str) else label_text(part)
            for part in label[:8]
            if part is not label
        )
        return f"({parts})"
    if label is None or is_scalar(label) or is_foreign_scalar(label):
        return scalar_text(label)
    return type_name(type(label))  # its own text may be anything, and cost anything


def scalar_text(value: object) -> str:
    """Write one number, date or truth value."""
    if type(value).__module__ == "numpy" and hasattr(value, "item") and "time" not in type(value).__name__:
        value = value.item()
    match value:
        case bool():
            return str(value)
        case int():
            return whole_number(value)
        case float():
            return real_number(value)
        case _:
            return escaped(str(value)[:_SCALAR])


def exact_text(value: object) -> str | None:
    """Write a number, a date or a truth value with nothing lost; None if that would be long."""
    if isinstance(value, int) and value.bit_length() > _BITS:
        return None
    text = repr(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _SCALAR else None


def whole_number(value: int) -> str:
    """Write an int; Python itself refuses to write one of more than 4,300 digits."""
    bits = value.bit_length()
    return str(int(value)) if bits <= _BITS else f"a number of about {int(bits * 0.30103) + 1:,} digits"


def real_number(value: float) -> str:
    """Write a float with six digits, always recognisable as one; an amount in the millions without an exponent."""
    short = f"{value:.1f}" if _LARGE <= abs(value) < _HUGE else f"{value:.6g}"
    return short if any(sign in short for sign in ".enif") else f"{short}.0"


def count(number: int, thing: str, things: str = "") -> str:
    """Write ``1 row``, ``336,776 rows``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {things or thing + 's'}"


def about(number: float) -> str:
    """Write a rough number in words: ``about 420 thousand``."""
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if number >= size:
            return f"about {_two_digits(number / size)}{word}"
    return f"about {_two_digits(number)}"


def _two_digits(number: float) -> str:
    return f"{number:.2g}" if number < 10 else f"{float(f'{number:.2g}'):.0f}"  # noqa: PLR2004 - where %g turns to 1e+02


def a_or_an(noun: str) -> str:
    """Put the article before a type's name."""
    return f"{'an' if noun[:1].lower() in 'aeio' else 'a'} {noun}"


def listed(items: Sequence[str], limit: int, room: int, *, total: int | None = None) -> str:
    """Join the first `limit` items that fit into `room` characters and count the rest of the `total`."""
    shown: list[str] = []
    for item in items[:limit]:
        room -= len(item) + 2
        if room < 0:
            break
        shown.append(item)
    rest = (len(items) if total is None else total) - len(shown)
    if not rest:
        return ", ".join(shown)
    return ", ".join([*shown, f"and {rest:,} more"]) if shown else f"{rest:,} in all"


def type_name(cls: type) -> str:
    """Give a type's qualified name, without the module where everyone knows it."""
    module, name = str(cls.__module__), str(cls.__qualname__)
    return escaped(name if module in ("builtins", "__main__") else f"{module}.{name}")[:120]
