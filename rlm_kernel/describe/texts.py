"""Describers for text and bytes. However long a text is, only its ends and a few slices are read."""

from __future__ import annotations

from typing import Any

from rlm_kernel.describe.facts import Facts
from rlm_kernel.describe.forms import bytes_form, form_of, text_in
from rlm_kernel.describe.look import UNSAID, Look
from rlm_kernel.describe.words import about, count

_WHOLE = 300
_BEGINNING = 120
_SAMPLE = 300
_COUNTED = 4_000_000
"""Up to so many characters are searched for line ends, in a millisecond or two."""
_SLICES = 64
_SLICE = 4096
_SIGNS_A_TOKEN = 4.0
_SIGNS_A_TOKEN_WIDE = 1.5
"""Characters to a token, of ASCII and of all other text."""


def describe_str(value: Any, look: Look) -> Facts:
    """Describe a text."""
    size = str.__len__(value)
    head = f"a str of {count(size, 'character')}"
    if size <= _WHOLE and (whole := look.whole(str.__str__(value), _WHOLE)) is not None:
        return Facts(type="str", head=f"{head}: {whole}", kind="text", size=size, partial=False)
    beginning = str.__getitem__(value, slice(0, 4 * _SAMPLE))
    if look.brief:
        begins = look.quote(" ".join(beginning.split()), _BEGINNING) if look.may_quote(beginning) else UNSAID
        return Facts(type="str", head=f"{head}. It begins: {begins}", kind="text", size=size)
    lines, exact = line_count(value, size)
    number = count(lines, "line") if exact else f"{about(lines)} lines"
    said = [f"It begins: {look.quote(beginning, _SAMPLE)}"]
    if not look.withheld and size > 2 * _SAMPLE:
        # With something withheld, a piece from the end could hold its value without its name.
        said.append(f"It ends: {look.quote(str.__getitem__(value, slice(size - 100, size)), 100)}")
    if form := form_of(beginning):
        said.append(f"By its beginning it is probably {form}.")
    return Facts(
        type="str",
        head=f"{head}, {number}, {about(token_count(value, size))} tokens.",
        lines=tuple(said),
        kind="text",
        size=size,
        sampled=not exact,
    )


def _slices(value: str, size: int) -> list[str]:
    step = max(1, size // _SLICES)
    return [str.__getitem__(value, slice(at, at + _SLICE)) for at in range(0, size, step)]


def line_count(value: str, size: int) -> tuple[int, bool]:
    """Count lines, or estimate them from slices of a very long text. Tells also whether it counted."""
    if size <= _COUNTED:
        ends = str.count(value, "\n")
        return ends + (1 if size and not str.endswith(value, "\n") else 0), True
    slices = _slices(value, size)
    read = sum(map(len, slices))
    return round(sum(piece.count("\n") for piece in slices) * size / read) + 1, False


def token_count(value: str, size: int) -> float:
    """Estimate the tokens of a text from its length and the share of signs beyond ASCII."""
    if str.isascii(value):
        return size / _SIGNS_A_TOKEN
    read = "".join(piece[: _SLICE // 8] for piece in _slices(value, size))
    plain = sum(map(str.isascii, read)) / len(read)
    return size * (plain / _SIGNS_A_TOKEN + (1 - plain) / _SIGNS_A_TOKEN_WIDE)


def describe_bytes(value: Any, look: Look) -> Facts:
    """Describe bytes: their number, and what they are if that is plain."""
    kind = "bytearray" if isinstance(value, bytearray) else "bytes"
    base: Any = bytearray if kind == "bytearray" else bytes
    size = base.__len__(value)
    beginning = bytes(base.__getitem__(value, slice(0, 4 * _SAMPLE)))
    head, lines = f"a {kind} object of {count(size, 'byte')}", []
    if form := bytes_form(beginning):
        lines.append(f"By its first bytes it is probably {form}.")
    elif (text := text_in(beginning)) is not None:
        lines.append(
            f"It is probably text in UTF-8 and begins: {look.quote(text, _BEGINNING if look.brief else _SAMPLE)}"
        )
    return Facts(type=kind, head=f"{head}.", lines=tuple(lines), size=size)
