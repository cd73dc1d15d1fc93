"""Makes every character of a foreign text visible, so that nothing in it can steer a terminal or hide from a reader."""

from __future__ import annotations

import re
import unicodedata

_DELETE = 0x7F
_LONE = "\ud800-\udfff"
_UNSEEN = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, save newline and tab: ESC begins what a terminal obeys
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners and fillers without a shape
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line separators, bidi
    "\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U00013430-\U0001343f"
    "\U000e0000-\U000e0fff"  # tags and variation selectors, in which a whole text can be smuggled
    f"{_LONE}]"
)
_SURROGATES = re.compile(f"[{_LONE}]")


def visible(text: str) -> str:
    """The text with every unseen character written out; newlines and tabs stay.

    C0 controls become their control pictures (``␛[31m``), all others their number (``⟨U+202E⟩``).
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    return _UNSEEN.sub(_written_out, text)


def encodable(text: str) -> str:
    """The text with lone surrogates replaced, for JSON that leaves as UTF-8."""
    return _SURROGATES.sub("\ufffd", text)


def cells(text: str) -> int:
    """Columns that a visible text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_cell, text))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < ord(" "):
        return chr(0x2400 + code)
    if code == _DELETE:
        return "␡"
    return f"⟨U+{code:04X}⟩"


def _cell(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
