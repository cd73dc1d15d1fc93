"""The root's conversation stays inside its window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.engine.history import Exchange, History, HistoryOverflow
from rlm_kernel.trajectory.records import Message

OPENING = (
    Message("system", "s"),
    Message("user", "example " * 50),
    Message("assistant", "code"),
    Message("user", "question"),
)


def words(text):
    return len(text.split())


def exchange(n, size=100, fault=False):
    return Exchange(reply=f"code {n}", feedback="out " * size, short=f"(short {n})", fault=fault)


def test_it_grows_only_at_its_end():
    """What was sent stays the beginning of what is sent next."""
    history = History(OPENING, words)
    before = history.messages
    for n in range(5):
        history.add(exchange(n))
        assert history.messages[: len(before)] == before
        before = history.messages


def test_nothing_is_done_where_it_fits():
    history = History(OPENING, words)
    history.add(exchange(1))

    assert history.fit(10_000) is None


def test_oldest_outputs_shrink_first_and_the_newest_stays():
    """Near the window, old outputs become a line each; the newest is what the next reply rests on."""
    history = History(OPENING, words)
    for n in range(6):
        history.add(exchange(n))

    said = history.fit(500)

    contents = [message.content for message in history.messages]
    assert "older outputs" in said
    assert "(short 0)" in contents
    assert contents[-1].startswith("out out")
    assert history.tokens <= 500


def test_examples_go_before_steps_do():
    history = History(OPENING, words)
    history.add(exchange(1, size=10))

    said = history.fit(70)

    assert "worked examples" in said
    assert history.messages[0] == OPENING[0]
    assert history.messages[1] == OPENING[-1]


def test_what_cannot_fit_is_said_with_both_sizes():
    history = History(OPENING, words)

    with pytest.raises(HistoryOverflow, match=r"need about \d+ tokens, there is room for 5"):
        history.fit(5)


def test_only_the_newest_fault_stays_where_a_pack_wants_that():
    history = History(OPENING, words, newest_fault_only=True)
    history.add(exchange(1))
    history.add(exchange(2, fault=True))
    history.add(exchange(3, fault=True))

    assert [m.content for m in history.messages if m.role == "assistant"] == ["code", "code 1", "code 3"]


@given(st.lists(st.integers(0, 400), max_size=25), st.integers(80, 2_000))
def test_after_fitting_it_fits(sizes, room):
    """Either the conversation fits, or it says that it cannot."""
    history = History(OPENING, words)
    for n, size in enumerate(sizes):
        history.add(exchange(n, size))
        try:
            history.fit(room)
        except HistoryOverflow:
            return
        assert history.tokens <= room
        assert history.messages[-1].role == "user"


def test_a_reply_without_end_is_cut_to_its_beginning():
    """What the model wrote itself must not end its run."""
    history = History(OPENING, words)
    history.add(exchange(1))
    history.add(Exchange(reply="plan " + "lorem " * 50_000, feedback="no code", short="no code"))

    told = history.fit(600)

    assert history.tokens <= 600
    assert history.messages[-2].content.startswith("plan lorem")
    assert history.messages[-2].content.endswith("\n...")
    assert "1 long replies to their beginning" in told
