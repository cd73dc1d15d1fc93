"""HTML that is safe to keep in a notebook: a few tags, inline styles, and every foreign text escaped.

Front ends differ in what they keep. GitHub strips all styles; JupyterLab, for a notebook it does not trust, drops
theme variables and keeps the rest. So structure is nested ``<details>``, dim text is opacity, lines and grounds are
translucent grey, and only accents are theme variables, each with a stand-in that reads well on white and on black.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from rlm_kernel.views.cut import head_tail
from rlm_kernel.views.escape import visible
from rlm_kernel.views.words import MARKS, State


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour: a theme variable, and what stands in for it."""

    plain: str
    theme: str = ""

    @property
    def text(self) -> str:
        """The declarations that colour text."""
        return self._declared("color")

    @property
    def ground(self) -> str:
        """The declarations that colour a ground."""
        return self._declared("background")

    def _declared(self, name: str) -> str:
        """Twice, for a front end that drops the variable; and with a fallback, for one that does not set it."""
        themed = f";{name}:var({self.theme},{self.plain})" if self.theme else ""
        return f"{name}:{self.plain}{themed}"


GREEN = Ink("#2c8f41", "--jp-success-color1")
RED = Ink("#e53d39", "--jp-error-color1")
AMBER = Ink("#bd6810")  # JupyterLab's own is too pale for text on white
BLUE = Ink("#1c7ed6", "--jp-brand-color1")
VIOLET = Ink("#9065d8")
GREY = Ink("#808080")
LINE = "rgba(127,127,127,.28)"
FRAME = (
    f"max-width:1120px;padding:8px 12px;border:1px solid {LINE};border-radius:6px;font-size:13px;line-height:1.55;"
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);color:var(--jp-content-font-color1,inherit)"
)
"""Around a whole view."""

INKS: dict[State, Ink] = {
    "running": BLUE,
    "paused": BLUE,
    "done": GREEN,
    "stopped": AMBER,
    "limit": AMBER,
    "failed": RED,
    "unfinished": GREY,
}

_MONO = "font-family:monospace;font-family:var(--jp-code-font-family,monospace);font-size:12px;line-height:1.5"
_BLOCK = (
    f"margin:3px 0 8px;padding:7px 10px;max-height:360px;overflow:auto;border:1px solid rgba(127,127,127,.2);"
    f"border-radius:4px;background:rgba(127,127,127,.07);color:inherit;{_MONO}"
)
MONO = f"{_MONO};overflow-wrap:anywhere"
"""Code within a line."""
PRE = f"{_BLOCK};white-space:pre"
"""Code and output: what is aligned stays aligned, long lines scroll."""
PROSE = f"{_BLOCK};white-space:pre-wrap;overflow-wrap:anywhere;word-break:normal"
"""Prompts and replies: long lines wrap."""

_SMALLEST = 200
_FIGURE = "text-align:right;opacity:.75;font-size:12px"
_GROUND = (
    "display:inline-block;vertical-align:middle;width:64px;max-width:100%;height:4px;border-radius:2px;"
    "background:rgba(127,127,127,.18)"
)
# Two widths: a front end that knows no calc() keeps the first.
_ROW = "display:inline-flex;width:94%;width:calc(100% - 1.4em);gap:8px;vertical-align:top"
_FIGURES = ("tokens", "time", "")
_WIDTHS = ("flex:none;min-width:3.2em", "flex:none;min-width:4em", "flex:none;width:12%;max-width:64px")
"""The bar gives way on a narrow page, in every row alike."""
_IMAGE_TYPES = ("image/png", "image/jpeg")
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def escaped(text: str) -> str:
    """A foreign text as HTML text or attribute value."""
    return html.escape(visible(text), quote=True)


def tag(name: str, body: str, style: str = "", *, title: str = "") -> str:
    """An element around `body`, which is HTML already."""
    attributes = (f' style="{style}"' if style else "") + (f' title="{escaped(title)}"' if title else "")
    return f"<{name}{attributes}>{body}</{name}>"


def details(summary: str, body: str, *, opened: bool = False, style: str = "") -> str:
    """A part that opens and closes without script."""
    attributes = (" open" if opened else "") + (f' style="{style}"' if style else "")
    return f'<details{attributes}><summary style="cursor:pointer">{summary}</summary>{body}</details>'


def fitted(text: str, room: int) -> str:
    """The text escaped, cut so that the HTML has at most about `room` characters; says what it leaves out."""
    keep = room = max(room, 0)
    while True:
        cut = head_tail(text, keep)
        written = escaped(cut.head)
        if cut.missing:
            written += f'\n<i style="opacity:.65">{cut.note}</i>\n{escaped(cut.tail)}'
        if len(written) <= room + _SMALLEST or not keep:
            return written
        keep = min(keep - 1, keep * room // len(written))


def block(text: str, room: int, style: str = PRE) -> str:
    """A text in a block of its own, as `fitted`."""
    return tag("pre", fitted(text.rstrip(), room), style)


def label(text: str) -> str:
    """The small heading over a block. `text` is HTML already."""
    return tag("div", text, "font-size:12px;opacity:.7")


def dim(text: str) -> str:
    """Something said in passing. `text` is HTML already."""
    return tag("span", text, "opacity:.7")


def mark(state: State) -> str:
    """The sign of a state in its colour, with its word for who asks."""
    return tag("span", MARKS[state], f"{INKS[state].text};font-weight:600", title=state)


def pill(state: State, words: str) -> str:
    """The state of a run, in words. `words` is HTML already."""
    style = "flex:none;border:1px solid;border-radius:10px;padding:0 8px;font-size:11px;line-height:18px"
    return tag("span", f"{MARKS[state]} {words}", f"{style};{INKS[state].text}")


def heading(lead: str, title: str) -> str:
    """The first line of a view; a long title wraps. Both are HTML already."""
    name = tag("b", title, "flex:1;min-width:0;overflow-wrap:anywhere")
    return tag("span", f"{lead} {name}", f"{_ROW};align-items:flex-start")


def totals(figures: Iterable[str]) -> str:
    """Figures in a line, which breaks between them. All are HTML already."""
    cells = " ".join(tag("span", figure, "margin-right:16px;white-space:nowrap") for figure in figures)
    return tag("div", cells, "font-size:12px;font-variant-numeric:tabular-nums;margin:4px 0 2px")


def figure(number: str, unit: str) -> str:
    """One figure and what it counts. `number` and `unit` are HTML already."""
    return f"{tag('b', number)} {dim(unit)}"


def row(lead: str, title: str, *figures: str) -> str:
    """One line of the tree: a title that gives way; tokens, time and bar at the right. All are HTML already."""
    cells = " ".join(
        tag("span", figure, f"{_WIDTHS[index]};{_FIGURE}", title=_FIGURES[index])
        for index, figure in enumerate(figures)
    )
    # The spaces matter where styles are stripped: the columns then read as words of one sentence.
    name = tag("span", title, "flex:1;min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap")
    return tag("span", f"{lead} {name} {cells}", f"{_ROW};align-items:center;font-variant-numeric:tabular-nums")


def bar(begin: float, width: float, ink: Ink) -> str:
    """Where in its run's time something lay; both figures are parts of one."""
    begin = min(max(begin, 0.0), 0.97)
    width = min(max(width, 0.03), 1.0 - begin)
    filled = f"display:block;height:4px;border-radius:2px;margin-left:{begin:.0%};width:{width:.0%};{ink.ground}"
    return tag("span", tag("span", "", filled), _GROUND)


def meter(share: float) -> str:
    """How far something is, from 0 to 1."""
    return bar(0.0, share, BLUE)


NO_BAR = tag("span", "", "display:inline-block;width:64px;max-width:100%")
"""Keeps the place of a bar in a row that has none."""


def image(kind: str, data: object) -> str:
    """A picture as a data URI, which runs no script; empty if it is no picture that can be shown so."""
    if not isinstance(data, str):
        return ""
    if kind == "image/svg+xml":
        payload = base64.b64encode(data.encode("utf-8", "replace")).decode()
    elif kind in _IMAGE_TYPES:
        payload = "".join(data.split())
        if not _decodes(payload):
            return ""
    else:
        return ""
    return f'<img alt="{kind}" src="data:{kind};base64,{payload}" style="max-width:100%;margin:2px 0 8px">'


def _decodes(payload: str) -> bool:
    if not _BASE64.fullmatch(payload):
        return False
    try:
        binascii.a2b_base64(payload)
    except binascii.Error:
        return False
    return True
