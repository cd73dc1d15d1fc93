"""What the status line says while a run goes on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import Page
from trajectories import HOSTILE, START, Recorder, everywhere, story

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views.escape import cells
from rlm_kernel.views.status import status_html, status_line


def test_a_batch_is_counted():
    """While a batch is out, the line names the function, how many are done and how many were sent."""
    recorder = Recorder()
    run = recorder.run("q")
    run.ask(1)
    run.code(1, "llm_query_batched(prompts)")
    calls = [run.open_call(1, "p", batch=1) for _ in range(1172)]
    for call in calls[:214]:
        run.finish(call, seconds=0)
    line = status_line(recorder.tree, START + 150)
    assert line == "step 1 · running llm_query_batched 214/1,172 · 215 calls · 290k tokens · 2 min 30 s"


def test_the_line_follows_the_run():
    """Before anything, while the model writes, while code runs, between steps, in a child, at the end."""
    recorder = Recorder()
    assert status_line(recorder.tree, START) == "starting"
    run = recorder.run("q")
    assert status_line(recorder.tree, START).startswith("starting · 0 calls")
    run.ask(1, None)
    assert status_line(recorder.tree, START).startswith("step 1 · gpt-5 is writing · 0 calls")
    run.code(1, "x")
    assert status_line(recorder.tree, START).startswith("step 1 · running code")
    child = recorder.run("q", name="r2", parent="r1", depth=1)
    child.ask(2, None)
    assert status_line(recorder.tree, START).startswith("step 1 · 1 child run at step 2")
    child.end("done")
    run.output(1)
    assert status_line(recorder.tree, START).startswith("step 1 · between steps")
    run.ask(1, None)
    assert status_line(recorder.tree, START).startswith("step 1 · gpt-5 is reading the output")
    run.end("limit")
    assert status_line(recorder.tree, START + 99).startswith("▲ stopped at a limit · 1 step · 0 calls")


def test_the_clock_stops_with_the_run():
    """A finished run keeps its own time however late it is looked at."""
    tree = story().tree
    assert status_line(tree, START + 1e6).endswith("· 27 s")


@given(st.integers(min_value=1, max_value=120), st.sampled_from(range(len(story().events) + 1)))
def test_the_line_is_never_wider_than_asked(width, length):
    """At any moment, in any width, it is one line that fits."""
    line = status_line(Tree(story().events[:length]), START, width=width)
    assert "\n" not in line
    assert cells(line) <= width


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_shows_as_text(hostile):
    """The HTML of the line holds none of the tags that a question may bring."""
    Page(status_html(everywhere(hostile), START))
    assert status_line(everywhere(hostile), START).isprintable()


def test_html_says_what_the_line_says():
    """Question, state and figures, before the run began too."""
    assert "27 s" in Page(status_html(story().tree, START)).text
    assert "Which five complaint themes" in Page(status_html(story().tree, START)).text
    assert Page(status_html(Tree(), START)).text == "starting"
