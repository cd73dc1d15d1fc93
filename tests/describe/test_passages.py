"""`search`: the passages of a text that answer to some words."""

from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.describe.passages import search

FILLER = "The weather was mild and the road was long, and nobody said a word about it on the way to the coast. "
CONTENTS = "anchor  awning  ballast  beacon  bowsprit  bulwark  capstan  cleat  "
TEXT = (
    CONTENTS
    + FILLER * 40
    + "The bowsprit is the spar that reaches forward from the bow; old Thomas Hale carved this one in 1871. "
    + FILLER * 40
)


def test_the_passage_that_tells_comes_before_the_table_of_contents():
    """Prose counts more than a list of words."""
    first, *_ = search(TEXT, "bowsprit").split("\n--\n")

    assert "reaches forward" in first


def test_every_word_counts_and_case_does_not():
    first, *_ = search(TEXT, "who CARVED the Bowsprit").split("\n--\n")

    assert "Thomas Hale" in first


def test_a_word_some_sentences_away_still_counts():
    """What a passage is about is often said once, before."""
    text = (
        FILLER * 20
        + "It was called the Gannet. "
        + FILLER * 4
        + "She sank off Lyme. "
        + FILLER * 20
        + "He sank into a chair."
    )

    found = search(text, "Gannet sank")
    assert found.index("Lyme") < found.index("into a chair")


def test_passages_of_several_texts_bear_their_keys():
    found = search(
        {"a.txt": FILLER * 3, "b.txt": FILLER + "The mill was sold to the miller. " + FILLER}, "sold mill miller"
    )

    assert found.startswith("[b.txt] ")
    assert search(["nothing", "the mill"], "mill").startswith("[1] ")


def test_what_is_not_there_is_said():
    assert search(TEXT, "xylophone") == "nothing found"
    assert search(42, "anything") == "nothing found"


def test_it_shows_as_plain_text():
    """A bare expression in a cell shows the passages, not a quoted string."""
    assert repr(search(TEXT, "bowsprit")) == str(search(TEXT, "bowsprit"))


@given(st.text(max_size=300), st.text(max_size=40))
def test_any_text_and_any_words_are_searched_without_an_error_and_within_bounds(text, words):
    assert len(search(text, words)) < 6 * 700
