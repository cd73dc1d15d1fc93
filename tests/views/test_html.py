"""What the HTML of a run promises: safe, bounded, complete enough, whatever the trajectory holds."""

from __future__ import annotations

import base64
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import Page
from trajectories import HOSTILE, PIXEL, Recorder, everywhere, long_run, story

from rlm_kernel.trajectory.records import Failure, Rich
from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views import html

GOLDEN = Path(__file__).parent / "golden" / "story.html"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_shows_as_text(text):
    """Only the tags and attributes of the view are in the page, and the text is there to read."""
    page = Page(html.render(everywhere(text)))
    if text.isprintable():
        assert page.text.count(text) >= 10


@given(st.text(st.characters(exclude_categories=()), max_size=80))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_leaves_a_well_formed_page(text):
    """Whatever is said, all tags close in order and none is foreign; the page is UTF-8 and without controls."""
    page = html.render(everywhere(text))
    Page(page)
    page.encode()
    assert all(char.isprintable() or char in "\n\t" or not char.isascii() for char in page)


def test_the_story_is_as_it_was():
    """The page of a whole run, to the letter; UPDATE_GOLDEN=1 renews the file."""
    page = html.render(story().tree)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(page, encoding="utf-8")
    assert page == GOLDEN.read_text(encoding="utf-8")


def test_the_story_is_told():
    """Question, code, output, failure, changes, notes, calls, child, warning, remark and answer are all there."""
    page = Page(html.render(story().tree))
    for words in (
        "Which five complaint themes",
        "print(df.dtypes)",
        "quarter    object",
        "KeyError: 'Q3' in line 2",
        "+ labels DataFrame 5,860 x 7",
        "df: yours is kept, the run's version (DataFrame 5,860 x 7) is in run.vars",
        "a constant was given",
        "llm_map 30 calls · 2 failed",
        "2 x ModelTimeout",
        "and 10 more calls",
        "rlm_query Why did billing errors rise?",
        "split by week",
        "2 of 30 sub-calls failed",
        "the figure 0.84",
        "login loop       0.47",
    ):
        assert words in page.text, words


def test_every_prefix_of_a_run_can_be_shown():
    """A run cut off after any event, before the first too, gives a page."""
    events = story().events
    for length in range(len(events) + 1):
        Page(html.render(Tree(events[:length])))


def test_root_is_open_and_of_the_steps_only_the_last_failed_and_the_last():
    """A reader sees at once where it went wrong and how it ended."""
    recorder = Recorder()
    run = recorder.run("q")
    for number in range(1, 8):
        run.step(number, f"# number {number}", failure=Failure(kind="E", message="m") if number in {2, 4} else None)
    opened = html.render(recorder.tree).split("<details open")
    assert [("q" in part, "number 4" in part, "number 7" in part) for part in opened[1:]] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


@pytest.mark.parametrize(
    ("status", "sign"),
    [("done", "✓"), ("stopped", "■"), ("limit", "▲"), ("failed", "✗"), ("paused", "‖"), ("running", "◐")],
)
def test_every_status_has_its_own_sign(status, sign):
    """The state is told by a sign and a word, never by colour alone."""
    recorder = Recorder()
    run = recorder.run("q")
    if status != "running":
        run.end(status)
    text = Page(html.render(recorder.tree)).text
    assert text.lstrip().startswith(sign)
    assert status in text


def test_an_extracted_answer_says_so():
    """An answer that FINAL did not give is never shown as if it had."""
    recorder = Recorder()
    run = recorder.run("q")
    run.end("limit", "42", extracted=True)
    assert "taken from the evidence after a limit" in Page(html.render(recorder.tree)).text


def test_a_child_can_be_shown_alone():
    """`run` picks the run that the page is about; an unknown one is a LookupError."""
    tree = story().tree
    page = Page(html.render(tree, "r2")).text
    assert "split by week" in page
    assert "look at the columns" not in page
    with pytest.raises(LookupError):
        html.render(tree, "nobody")


def test_children_stand_in_the_step_that_started_them():
    """The child run of step 4 comes after its code and before step 5."""
    text = Page(html.render(story().tree)).text
    assert text.index("print(why)") < text.index("split by week") < text.index("top = growth")


def test_pictures_are_data_uris_and_html_is_never_raw():
    """PNG is shown, SVG only inside an image, which runs no script; a table is shown as its text."""
    recorder = Recorder()
    run = recorder.run("q")
    svg = "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    rich = (
        Rich(data={"image/png": PIXEL}),
        Rich(data={"image/svg+xml": svg}),
        Rich(data={"text/html": "<table onclick=x><tr><td>1</td></tr></table>", "text/plain": "a table"}),
        Rich(data={"image/png": "not base64 <script>"}),
        Rich(data={"application/vnd.plotly.v1+json": {"data": []}}),
    )
    run.step(1, "plot()", rich=rich)
    page = Page(html.render(recorder.tree))
    images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert images == [
        f"data:image/png;base64,{PIXEL}",
        f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}",
    ]
    assert "a table" in page.text
    assert "an output of type application/vnd.plotly.v1+json" in page.text


def test_only_new_messages_are_repeated():
    """The second request shows what was added since the first, not the whole conversation again."""
    text = Page(html.render(story().tree)).text
    assert text.count("You write Python.") == 2  # once for the run, once for its child
    assert text.count("Output of step 1.") == 2


def test_every_request_of_a_step_is_there_also_one_that_follows_its_code():
    """A request that reads what the code printed has its own row, and the step lasts until it is answered."""
    recorder = Recorder()
    run = recorder.run("q")
    run.step(1, "print(search(text, 'gate'))", "the gate is 4417-B")
    run.ask(1, "the reading", seconds=40.0)
    run.end("done", "4417-B")
    text = Page(html.render(recorder.tree)).text
    assert "Messages · 2 sent" in text
    assert "Messages · 4 sent, 2 of them new" in text
    assert "the reading" in text
    assert text.index("41 s") < text.index("Messages")


@pytest.mark.parametrize(
    "text", ["<&>" * 2000, "\u202e" * 5000, "x" * 5_000_000, "a b\n" * 3000, '"""' + "'\\" * 4000], ids=len
)
def test_a_page_is_bounded(text):
    """However long the texts and however many the steps, the page stays small and says what it leaves out."""
    page = html.render(long_run(60, text))
    Page(page)
    assert len(page) < html.TEXT_ROOM * 1.15
    assert "left out" in page


def test_a_huge_run_is_bounded_and_quick():
    """1,000 steps and 10,000 sub-calls: bounded, quick, gaps counted, failed steps kept."""
    recorder = Recorder()
    run = recorder.run("q")
    for number in range(1, 1001):
        run.ask(number)
        run.code(number, f"# step {number}\n" + "total = df.groupby('a')['b'].sum()\n" * 20)
        for call in range(10):
            run.sub_call(
                number,
                "prompt " * 50,
                "reply " * 50,
                error="boom" if call == 3 else None,
                batch=number if number % 2 else None,
            )
        run.output(number, "out\n" * 100, failure=Failure(kind="KeyError", message="k") if number == 500 else None)
    begun = time.perf_counter()
    page = html.render(recorder.tree)
    assert time.perf_counter() - begun < 5
    assert len(page) < html.TEXT_ROOM * 1.15
    text = Page(page).text
    assert "step 500" in text
    assert "step 1000" in text
    assert "are not shown here" in text


def test_many_children_are_counted_failed_ones_first():
    """Of 2,000 child runs a few are listed, the failed one among them."""
    recorder = Recorder()
    run = recorder.run("q")
    run.ask(1)
    run.code(1, "rlm_query_batched(pairs)")
    for number in range(2000):
        child = recorder.run(f"child {number}", name=f"c{number}", parent="r1", depth=1)
        child.step(1, "x = 1\n" * 50, "out " * 200)
        child.end("failed" if number == 1234 else "done", "a")
    page = html.render(recorder.tree)
    assert len(page) < html.TEXT_ROOM * 1.15
    assert "child 1234" in page
    assert "and 1,980 more child runs" in Page(page).text


def test_pictures_are_bounded_apart_from_text():
    """A picture too large is named, the others are shown."""
    big = base64.b64encode(random.Random(0).randbytes(300_000)).decode()
    recorder = Recorder()
    run = recorder.run("q")
    run.step(1, "plot()", rich=tuple(Rich(data={"image/png": data}) for data in (big, PIXEL, big)))
    page = html.render(recorder.tree)
    assert len(page) < html.TEXT_ROOM + html.PICTURE_ROOM
    assert page.count("<img") == 1
    assert page.count("is not kept here") == 2


def test_runs_nested_in_a_circle_end():
    """A damaged file in which two runs are each other's parent is shown, not followed for ever."""
    recorder = Recorder()
    recorder.run("a", name="a", parent="b").step(1, "x")
    recorder.run("b", name="b", parent="a").step(1, "x")
    Page(html.render(recorder.tree))


@pytest.mark.parametrize(("ended", "sign"), [(False, "◐"), (True, "○")])
def test_an_open_call_is_running_only_while_its_run_is(ended, sign):
    """A call that its run left behind is marked unfinished, and so is the step."""
    recorder = Recorder()
    run = recorder.run("q")
    run.ask(1)
    run.code(1, "llm_query('p')")
    run.open_call(1, "the prompt")
    if ended:
        run.end("stopped")
    text = Page(html.render(recorder.tree)).text
    assert f"{sign}  2 the prompt" in text.replace("\n", " ") or f"{sign} 2 the prompt" in text
    assert f"{sign} 1" in text


def test_a_batch_has_failed_only_if_all_of_it_has():
    """Two failures of three are counted beside a batch; three of three are its state."""
    for failures, sign in ((2, "✓"), (3, "✗")):
        recorder = Recorder()
        run = recorder.run("q")
        run.ask(1)
        run.code(1, "llm_query_batched(p)")
        for number in range(3):
            run.sub_call(1, "p", error="boom" if number < failures else None, batch=1)
        text = Page(html.render(recorder.tree)).text
        assert f"{sign} llm_query_batched 3 calls · {failures} failed" in text
