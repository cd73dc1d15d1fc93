"""What `visible` and the cuts promise of any text."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.views.cut import clip, head_tail, one_line
from rlm_kernel.views.escape import cells, encodable, visible

ANY = st.text(st.characters(exclude_categories=()))
SHAPED = "\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f"
"""Format characters that have a shape of their own: signs put before Arabic, Syriac and Kaithi numbers."""


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\x00b", "a␀b"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("pass\u200bword", "pass⟨U+200B⟩word"),
        ("\ud800", "⟨U+D800⟩"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("10%\r20%", "10%␍20%"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_an_unseen_character_is_written_out(hidden, shown):
    """Controls become their pictures, marks without a shape their numbers, newlines and tabs stay."""
    assert visible(hidden) == shown


def test_every_control_and_format_character_of_unicode_is_covered():
    """Nothing of the categories control, format, surrogate and separator passes, save what has a shape."""
    shaped = re.compile(f"[{SHAPED}]")
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        if (
            unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
            and char not in "\n\t"
            and not shaped.match(char)
        ):
            assert visible(char) != char, hex(code)


@given(ANY)
def test_visible_twice_is_visible_once(text):
    """What was made visible stays as it is."""
    assert visible(visible(text)) == visible(text)


@given(ANY)
def test_encodable_text_leaves_as_utf8(text):
    """JSON of a notebook is UTF-8, which has no lone surrogates."""
    encodable(text).encode()


@given(ANY, st.integers(min_value=0, max_value=60))
def test_a_cut_counts_what_it_leaves_out(text, limit):
    """Kept and missing characters add up, and what is kept begins and ends the text."""
    cut = head_tail(text, limit)
    assert len(cut.head) + len(cut.tail) + cut.missing == len(text)
    assert text.startswith(cut.head)
    assert text.endswith(cut.tail)
    assert cut.missing or not cut.tail
    assert len(cut.head) + len(cut.tail) <= max(limit, 0) or not cut.missing


@given(ANY, st.integers(min_value=1, max_value=60))
def test_one_line_is_one_line_that_fits(text, width):
    """No newline, no tab, and no wider than asked for, wide characters counted twice."""
    line = one_line(text, width)
    assert "\n" not in line
    assert "\t" not in line
    assert cells(line) <= width


def test_a_clipped_line_says_so():
    """An ellipsis stands for what is cut, and wide characters take two columns."""
    assert clip("日本語のテキスト", 7) == "日本語…"
    assert clip("short", 7) == "short"
