"""Cuts long texts so that a reader still sees how they begin and end, and how much is missing."""

from __future__ import annotations

from dataclasses import dataclass

from rlm_kernel.views.escape import cells, visible

_HEAD = 0.7
"""The part of a cut text that its beginning gets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cut:
    """A text in two parts. Nothing is missing where `missing` is 0; the whole is `head` then."""

    head: str
    tail: str = ""
    missing: int = 0

    @property
    def note(self) -> str:
        """What is missing, in words; empty if nothing is."""
        return f"… {self.missing:,} characters left out …" if self.missing else ""

    @property
    def text(self) -> str:
        """Both parts with the note between them."""
        return f"{self.head}\n{self.note}\n{self.tail}" if self.missing else self.head


def head_tail(text: str, limit: int) -> Cut:
    """Keep at most `limit` characters of `text`: more of its beginning than of its end."""
    if len(text) <= limit:
        return Cut(head=text)
    limit = max(limit, 0)
    first = int(limit * _HEAD)
    head, tail = _whole_lines(text[:first], text[len(text) - (limit - first) :])
    return Cut(head=head, tail=tail, missing=len(text) - len(head) - len(tail))


def one_line(text: str, width: int) -> str:
    """The text in one visible line of at most `width` columns."""
    line = visible(" ".join(text[: width * 8].split()))
    return clip(line if len(text) <= width * 8 else line + "…", width)


def clip(line: str, width: int) -> str:
    """A visible line cut to `width` columns; an ellipsis stands for the rest."""
    if cells(line) <= width:
        return line
    line = line[: max(width, 0)]
    while line and cells(line) > width - 1:
        line = line[:-1]
    return line.rstrip() + "…" if width > 0 else ""


def _whole_lines(head: str, tail: str) -> tuple[str, str]:
    """Move the cut to the ends of lines where that costs little."""
    end = head.rfind("\n")
    if end > len(head) * 0.6:
        head = head[:end]
    begin = tail.find("\n")
    if 0 <= begin < len(tail) * 0.4:
        tail = tail[begin + 1 :]
    return head, tail
