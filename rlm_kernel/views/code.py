"""Python code as HTML, coloured with inline styles that read well on a light and on a dark ground."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby

from rlm_kernel.views.escape import visible
from rlm_kernel.views.markup import PRE, Ink, block, escaped, tag

_LONGEST = 12_000
"""Longer code is shown plain: colouring costs time and many characters."""

_STYLES = (
    ("Token.Comment", "opacity:.65;font-style:italic"),
    ("Token.Keyword.Constant", Ink("#3b7dd8", "--jp-mirror-editor-atom-color").text),
    ("Token.Keyword", Ink("#ad5ccb", "--jp-mirror-editor-keyword-color").text),
    ("Token.Operator.Word", Ink("#ad5ccb", "--jp-mirror-editor-keyword-color").text),
    ("Token.Literal.String", Ink("#ba6530", "--jp-mirror-editor-string-color").text),
    ("Token.Literal.Number", Ink("#2c8f41", "--jp-mirror-editor-number-color").text),
    ("Token.Name.Function", Ink("#3b7dd8", "--jp-mirror-editor-def-color").text),
    ("Token.Name.Class", Ink("#3b7dd8", "--jp-mirror-editor-def-color").text),
)


def code_block(code: str, room: int) -> str:
    """The code in a block of at most about `room` characters of HTML; colour goes before content does."""
    code = code.strip("\n").rstrip()
    if len(code) > min(room, _LONGEST):
        return block(code, room)
    coloured = "".join(_spans(visible(code)))
    return tag("pre", coloured, PRE) if len(coloured) <= room else block(code, room)


def _spans(code: str) -> Iterator[str]:
    for style, run in groupby(_tokens(code), key=lambda pair: pair[0]):
        text = escaped("".join(value for _, value in run))
        yield tag("span", text, style) if style else text


def _tokens(code: str) -> Iterable[tuple[str, str]]:
    from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]  # ships no types

    lexer = PythonLexer(stripnl=False, ensurenl=False)
    return ((_style(kind), value) for kind, value in lexer.get_tokens(code))


@cache
def _style(kind: object) -> str:
    name = str(kind)
    return next((style for prefix, style in _STYLES if name.startswith(prefix)), "")
