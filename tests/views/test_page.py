"""A saved page stands alone: it shows the tree, and neither loads nor runs anything."""

import re
from html.parser import HTMLParser

import pytest
from trajectories import HOSTILE, Recorder, everywhere, story

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.html import render
from rlm_kernel.views.page import page


class Reader(HTMLParser):
    """Collects tags and attributes, and sees that every tag is closed."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.attributes, self.open, self.title = set(), {}, [], ""
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value)
        if tag not in {"meta", "br", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "title":
            self.title += data


def test_the_page_holds_the_tree():
    tree = story().tree
    source = page(tree)
    assert source.startswith("<!DOCTYPE html>")
    assert render(tree) in source
    read = Reader(source)
    assert read.open == []
    assert read.title.startswith("Which five complaint themes")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_loaded_or_run(text):
    source = page(everywhere(text))
    read = Reader(source)
    assert not read.tags & {"script", "iframe", "object", "embed", "link", "base", "form", "svg"}
    assert not [name for name in read.attributes if name.startswith("on")]
    assert all(value.startswith("data:image/") for value in read.attributes.get("src", []))
    assert not read.attributes.get("href")
    assert "default-src 'none'" in read.attributes["content"][0]
    assert not re.search(r"url\((?!data:)", source)
    assert source.encode()


def test_a_run_that_has_not_begun_has_a_page_too():
    assert "no run yet" in page(Tree())
    assert Recorder().tree.runs == {}
