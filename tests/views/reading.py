"""Reads the HTML of a view back, strictly."""

from __future__ import annotations

from html.parser import HTMLParser

ATTRIBUTES = {"style", "title", "open", "src", "alt"}
TAGS = {"div", "span", "details", "summary", "pre", "b", "i", "br", "img"}
VOID = {"br", "img"}


class Page(HTMLParser):
    """Reads a page back: its text, its tags and attributes; fails on anything left open or not allowed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        assert tag in TAGS
        assert {name for name, _ in attrs} <= ATTRIBUTES
        for name, value in attrs:
            if name == "style":
                assert not set(value or "") & set('<>"\\@')
                assert "url(" not in (value or "")
                assert "position" not in (value or "")
            if name == "src":
                assert (value or "").startswith(
                    ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/svg+xml;base64,")
                )
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_decl(self, decl):
        raise AssertionError(decl)

    def unknown_decl(self, data):
        raise AssertionError(data)
