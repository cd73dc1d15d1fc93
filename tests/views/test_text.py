"""What the text tree of a run promises."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trajectories import HOSTILE, Recorder, everywhere, long_run, story

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views import text
from rlm_kernel.views.escape import cells

GOLDEN = Path(__file__).parent / "golden" / "story.txt"


def unprintable(drawn: str) -> str:
    return "".join(char for char in drawn if (ord(char) < 32 and char != "\n") or 0x7F <= ord(char) < 0xA0)


def test_the_story_is_as_it_was():
    """The tree of a whole run, to the letter; UPDATE_GOLDEN=1 renews the file."""
    drawn = text.render(story().tree) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(drawn, encoding="utf-8")
    assert drawn == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_cannot_steer_a_terminal(hostile):
    """No control character but the newline, and no bidi mark, is in the tree."""
    drawn = text.render(everywhere(hostile))
    assert not unprintable(drawn)
    assert "\u202e" not in drawn
    drawn.encode()


@given(st.text(st.characters(exclude_categories=()), max_size=60), st.integers(min_value=1, max_value=160))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_line_is_wider_than_asked(anything, width):
    """Whatever is said, each line fits (40 columns are the least) and holds no control character."""
    drawn = text.render(everywhere(anything), width=width)
    assert not unprintable(drawn)
    assert max(map(cells, drawn.split("\n"))) <= max(width, 40)


def test_every_prefix_of_a_run_can_be_drawn():
    """A run cut off after any event, before the first too, gives a tree."""
    events = story().events
    for length in range(len(events) + 1):
        assert text.render(Tree(events[:length]))


def test_colours_are_all_that_colour_adds():
    """With its colour codes taken out, the coloured tree is the plain one."""
    coloured = text.render(story().tree, colour=True)
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[\d*m", "", coloured) == text.render(story().tree)


def test_a_long_run_stays_readable():
    """1,000 steps are cut to some hundred lines that say what is not there and keep the end."""
    drawn = text.render(long_run(1000, "x = 1\n" * 40))
    assert drawn.count("\n") < text.LINES * 1.2
    assert "are not shown here" in drawn
    assert "✓ 1000 1000" in drawn


def test_a_huge_line_is_cut():
    """A line of 5 MB takes one line."""
    assert len(text.render(long_run(3, "x" * 5_000_000))) < 20_000


def test_branches_reach_from_the_first_step_to_the_answer():
    """Every line of a run's body hangs on a branch, the answer on the last one."""
    body = text.render(story().tree).split("\n")[3:]
    assert all(line.startswith(("├", "│", "└", "   ")) for line in body)
    assert sum(line.startswith("└─ Answer") for line in body) == 1


def test_show_prints_the_same_words_through_rich(monkeypatch):
    """On a terminal rich colours the tree; the words are those of the plain one, and markup in them is no markup."""
    import rich.console

    recorder = Recorder()
    run = recorder.run("[bold red]not markup[/] :smile:")
    run.step(1, "# say it\nprint('''two\nlines''')", "[link=http://x]y[/link]\n")
    written = io.StringIO()
    console = rich.console.Console(file=written, force_terminal=True, width=100, color_system="standard")
    monkeypatch.setattr(rich.console, "Console", lambda: console)
    text.show(recorder.tree)
    printed = written.getvalue()
    assert "\x1b[" in printed
    plain = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", printed).rstrip("\n").split("\n")]
    assert plain == text.render(recorder.tree).split("\n")


def test_a_short_answer_stands_in_its_line():
    """A heading over one word would be waste; an extracted answer keeps the heading that says so."""
    for extracted, line in ((False, "└─ Answer  42"), (True, "     42")):
        recorder = Recorder()
        run = recorder.run("q")
        run.end("limit" if extracted else "done", "42", extracted=extracted)
        assert text.render(recorder.tree).splitlines()[-1] == line


def test_an_answer_that_is_not_ascii_has_the_whole_width():
    """Only signs that take two columns halve what fits in a line."""
    recorder = Recorder()
    recorder.run("q").end("done", "é" * 60)
    assert "é" * 60 in text.render(recorder.tree)
