"""The questions have answers, the needles are hidden well, and results survive being broken off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_model import _problem, main, select
from questions import contexts
from questions.apart import APART
from questions.asking import as_text, cut
from questions.dev import DEV
from questions.needles import hide
from questions.question import NotUnique, most, row_with_most, stated, top
from questions.results import Result, Results, table

from rlm_kernel.testing import ScriptedModel, serve

PROSE = tuple(f"Paragraph number {number} says nothing of interest." for number in range(200))


def a_result(name="q", **changes):
    given = dict.fromkeys(("id", "half", "kind", "method"), name)
    counts = {"steps": 1, "calls": 2, "input_tokens": 3, "output_tokens": 4, "seconds": 5.0}
    return Result(
        **(given | counts | {"right": True, "answer": "7", "status": "done", "sent": None, "error": ""} | changes)
    )


@pytest.mark.parametrize("half", [DEV, APART], ids=["dev", "apart"])
def test_every_question_over_data_that_is_here_has_an_answer(half):
    """Golds are computed, unique, not trivial, and marked right by the marking."""
    for question in select(half, "all", None):
        if question.kind == "needle":
            continue  # 40 million characters; `--check` does them
        try:
            problem = _problem(question)
        except contexts.DataMissing as missing:
            pytest.skip(str(missing))
        assert problem is None, question.id


def test_the_halves_share_no_table_and_no_text():
    """Nothing that prompts are worked on with is asked about in the half kept apart."""
    assert not {question.load for question in DEV} & {question.load for question in APART}
    assert not {question.name for question in DEV if question.kind != "needle"} & {question.name for question in APART}
    assert not {question.text for question in DEV} & {question.text for question in APART}


def test_both_halves_are_large_enough():
    """At least 24 table questions and 8 over texts each, and a needle in each of three sizes."""
    for half in (DEV, APART):
        kinds = [question.kind for question in select(half, "all", None)]
        assert kinds.count("table") >= 24
        assert kinds.count("text") >= 8
        assert {question.id.split("_")[1] for question in half if question.kind == "needle"} == {"10k", "1m", "10m"}


@given(size=st.integers(2_000, 40_000), seed=st.text(max_size=5))
def test_a_needle_stands_once_and_at_the_same_place_each_time(size, seed):
    """A hidden sentence is there once, the text has about the size asked for, and the same seed gives the same text."""
    text = hide("The needle.", PROSE, size, seed)
    assert text.count("The needle.") == 1
    assert size <= len(text) <= size + 200
    assert text == hide("The needle.", PROSE, size, seed)


@given(text=st.text(max_size=400), room=st.integers(1, 100))
def test_a_cut_fits_and_its_share_is_told(text, room):
    """What is sent direct is a beginning that fits; all of it where all fits."""
    kept, share = cut(text, room, len)
    assert text.startswith(kept)
    assert len(kept) <= room
    if text and len(text) <= room:
        assert share == 1.0
    if text:
        assert share == len(kept) / len(text)


def test_tools_refuse_a_tie():
    """A question with two answers is found, not asked."""
    pd = pytest.importorskip("pandas")
    scores = pd.Series({"a": 2.0, "b": 2.0, "c": 1.0})
    for ask in (most, lambda series: top(series, 1)):
        with pytest.raises(NotUnique):
            ask(scores)
    with pytest.raises(NotUnique):
        row_with_most(pd.DataFrame({"n": [3, 3], "who": ["a", "b"]}), "n", "who")
    assert row_with_most(pd.DataFrame({"n": [3, 3, 1], "who": ["a", "a", "b"]}), "n", "who").rivals == {"b"}


def test_a_statement_that_left_the_text_is_noticed():
    """An answer taken from a text is checked against it, whatever the line breaks."""
    assert stated("It was\nbuilt by Hale.", "built by Hale", "Hale").forms == ("Hale",)
    with pytest.raises(LookupError):
        stated("It was built by Cole.", "built by Hale", "Hale")


def test_texts_are_sent_whole_in_a_readable_form():
    """A frame goes as CSV, a dict by its keys."""
    pd = pytest.importorskip("pandas")
    assert as_text(pd.DataFrame({"a": [1], "b": ["x"]})) == "a,b\n1,x\n"
    assert as_text({"k": "v"}) == "## k\nv"


def test_results_are_gone_on_from_and_another_setup_is_refused(tmp_path):
    """What was asked is not asked again, and two models never mix in one file."""
    path = tmp_path / "deep" / "out.json"
    Results(path, {"model": "a"}).add(a_result())
    again = Results(path, {"model": "a"})
    assert again.has("q", "q", "q")
    assert list(again) == [a_result()]
    with pytest.raises(ValueError, match="--out"):
        Results(path, {"model": "b"})


def test_the_table_counts_by_kind_and_in_all():
    """Right answers by half, method and kind, with a row for all kinds."""
    rows = [a_result(id="1", kind="table"), a_result(id="2", kind="text", right=False, sent=0.5)]
    text = table(rows)
    assert "| q | q | table | 1/1 | 100% | 1 / 1 | 2 / 2 | 5 / 5 | - |" in text
    assert "| q | q | text | 0/1 | 0% |" in text
    assert "| q | q | all | 1/2 | 50% |" in text


@pytest.fixture
def served(monkeypatch):
    """A model that answers every root call with the number of Japanese cars, in code or in words."""

    def reply(messages):
        direct = "Reply with the answer alone" in messages[-1].content
        return "79" if direct else "```python\nprint(len(cars))\nFINAL((cars['Origin'] == 'Japan').sum())\n```"

    with serve(ScriptedModel(reply, name="scripted", window=8_192)) as server:
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key)
        yield ["--base-url", server.base_url, "--model", "scripted"]


@pytest.mark.parametrize("method", ["rlm", "direct"])
def test_a_question_is_asked_marked_and_kept(served, method, tmp_path, capsys):
    """One question through the real client and the real loop: right, on the disk, and not asked twice."""
    out = tmp_path / "out.json"
    asked = [*served, "--method", method, "--only", "cars_from_japan", "--out", str(out), "--trace", str(tmp_path)]
    assert main(asked) == 0
    shown = capsys.readouterr().out
    assert "right cars_from_japan" in shown
    assert f"| dev | {method} | table | 1/1 |" in shown
    (kept,) = json.loads(out.read_text())["results"]
    assert kept["right"]
    assert kept["calls"] == 1
    assert (kept["sent"] or 0) < 1  # the window holds a part of the table only
    assert main(asked) == 0
    assert "cars_from_japan" not in capsys.readouterr().out


def test_the_half_kept_apart_shows_totals_only(served, capfd):
    """No id, no question, no answer of it reaches the screen."""
    question = next(iter(APART))
    assert main([*served, "--half", "apart", "--only", question.id]) == 0
    shown = "".join(capfd.readouterr())
    assert "| apart | rlm | table |" in shown
    assert question.id not in shown
    assert question.text[:20] not in shown


def test_wrong_options_are_one_line(capsys, tmp_path):
    """A question that is not there, traces of the hidden half, a server without a model's name."""
    for wrong in (["--only", "nothing"], ["--half", "apart", "--trace", str(tmp_path)], ["--base-url", "http://x/v1"]):
        assert main(wrong) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
