"""What counts as right and what does not."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions.scoring import Name, Names, is_right, plain

CARRIER = Name(("UA",), frozenset({"DL", "AA", "B6", "A"}))
CAR = Name(("ford pinto",), frozenset({"ford", "ford pinto (sw)", "fiat 128"}))
TOP = Names(("UA", "B6", "EV"), frozenset({"DL", "AA"}))
DAY = dt.date(2013, 3, 8)


@pytest.mark.parametrize(
    "answer",
    [
        111279,
        111279.0,
        np.int64(111279),
        np.float32(111279),
        "111279",
        "111,279",
        " **111279** ",
        "There are 111,279 flights.",
        [111279],
        (111279,),
        np.array([[111279]]),
        pd.Series([111279], index=["JFK"]),
        pd.DataFrame({"n": [111279]}),
        pl.Series([111279]),
        pl.DataFrame({"n": [111279]}),
    ],
)
def test_a_count_is_right_in_any_wrapping_of_one(answer):
    """A whole number counts, wrapped or in a sentence."""
    assert is_right(111279, answer)


@pytest.mark.parametrize(
    "answer",
    [
        111278,
        "111278",
        None,
        True,
        float("nan"),
        np.nan,
        "",
        "many",
        [111279, 5],
        "111279 of 336776",
        {"JFK": 111279},
        pd.Series([111279, 1]),
        pd.Series([], dtype=float),
        "x111279",
        "111279 " + "so " * 100,
        object(),
        pd.NaT,
        pd.NA,
    ],
)
def test_a_count_that_is_off_or_not_alone_is_wrong(answer):
    """One off is wrong, and so are several values, no value and a lecture."""
    assert not is_right(111279, answer)


def test_true_is_not_one():
    """A truth value is no number."""
    assert not is_right(1, True)
    assert not is_right(1, np.bool_(True))


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        (27.2333, 27.2333, True),
        (27.2333, 27.2, True),
        (27.2333, "27.2 mm", True),
        (27.2333, 27.5, False),
        (27.2333, 0.272333, False),
        (26.6, "26.6%", True),
        (26.6, "0.266", False),
        (-0.83, -0.83, True),
        (-0.83, "\u22120.83", True),
        (-0.83, 0.83, False),
        (0.99, 1, False),
        (0.99, "0.99", True),
        (150.0, "150", True),
        (150.0, np.timedelta64(150, "s"), False),
    ],
)
def test_a_measured_value_may_be_rounded_and_no_more(gold, answer, right):
    """0.6 % or 0.0051 off is right; a share for a percentage and the other sign are not."""
    assert is_right(gold, answer) is right


def test_numbers_of_the_question_do_not_count_against_the_answer():
    """An answer may repeat the year it was asked for."""
    asked = "How many flights were there in 2013?"
    assert is_right(842, "In 2013 there were 842 flights.", asked)
    assert is_right(2013, "2013", asked)
    assert not is_right(842, "In 2012 there were 842 flights.", asked)


@pytest.mark.parametrize(
    "answer",
    [
        "UA",
        "ua",
        "'UA'",
        "`UA`",
        "**UA**.",
        np.str_("UA"),
        ["UA"],
        {"UA"},
        np.array(["UA"]),
        "The carrier is UA (United).",
        pd.Series(["UA"]),
        pd.Index(["UA"]),
        pd.DataFrame({"carrier": ["UA"]}),
    ],
)
def test_a_name_is_right_in_any_case_and_quotes(answer):
    """A name counts alone, wrapped, or in a short sentence."""
    assert is_right(CARRIER, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "UA or DL",
        "DL",
        "GUAM",
        "",
        None,
        58665,
        ("UA", 58665),
        {"UA": 58665},
        pd.Series([58665], index=["UA"]),
        "UA " + "and more " * 20,
        ["UA", "UA"],
        pd.Series(["UA", "DL"]),
    ],
)
def test_a_name_beside_a_rival_or_with_much_else_is_wrong(answer):
    """Hedging, a count in place of the name, a part of a word: all wrong."""
    assert not is_right(CARRIER, answer)


def test_a_rival_that_holds_the_name_is_told_apart():
    """The longer name of another row is not the shorter one, and a shorter one inside the right one does no harm."""
    assert is_right(CAR, "ford pinto")
    assert is_right(CAR, "Ford  Pinto")
    assert not is_right(CAR, "ford pinto (sw)")
    assert not is_right(CAR, "ford")


def test_rivals_named_in_the_question_do_no_harm():
    """An answer may repeat the question's words."""
    gold = Name(("Gentoo",), frozenset({"Adelie", "Chinstrap"}))
    assert is_right(gold, "Gentoo, not Adelie", "Is Gentoo or Adelie heavier?")
    assert not is_right(gold, "Gentoo, not Chinstrap", "Is Gentoo or Adelie heavier?")


def test_a_year_may_be_given_as_number_or_as_date():
    """A name whose forms are a year fits an integer, a float and a timestamp."""
    year = Name(("1980", "1980-01-01"), frozenset({"1979"}))
    for answer in (1980, 1980.0, np.int32(1980), "1980", pd.Timestamp("1980-01-01"), np.datetime64("1980-01-01")):
        assert is_right(year, answer)
    assert not is_right(year, 1979)
    assert not is_right(year, 19801)


@pytest.mark.parametrize(
    "answer",
    [
        ["UA", "B6", "EV"],
        ("ua", "b6", "ev"),
        np.array(["UA", "B6", "EV"]),
        pd.Index(["UA", "B6", "EV"]),
        pd.Series([9, 8, 7], index=["UA", "B6", "EV"]),
        {"UA": 9, "B6": 8, "EV": 7},
        "UA, B6 and EV",
        [("UA", 9), ("B6", 8), ("EV", 7)],
        pd.Series(["UA", "B6", "EV"]),
        pl.Series(["UA", "B6", "EV"]),
    ],
)
def test_several_names_in_order_are_right(answer):
    """A list, the index of counts, the keys of a dict or a short text."""
    assert is_right(TOP, answer)


@pytest.mark.parametrize(
    "answer",
    [
        ["UA", "EV", "B6"],
        ["UA", "B6"],
        ["UA", "B6", "EV", "DL"],
        "UA, B6, DL, EV",
        "B6, UA, EV",
        None,
        3,
        {"UA"},
        pd.Series([9, 8], index=["UA", "B6"]),
        pd.DataFrame({"c": ["UA", "B6", "EV"], "n": [9, 8, 7]}),
    ],
)
def test_names_out_of_order_too_few_or_too_many_are_wrong(answer):
    """All of them, in order, and no other."""
    assert not is_right(TOP, answer)


@pytest.mark.parametrize(
    "answer",
    [
        dt.date(2013, 3, 8),
        dt.datetime(2013, 3, 8, 5, tzinfo=dt.UTC),
        pd.Timestamp("2013-03-08"),
        np.datetime64("2013-03-08"),
        "2013-03-08",
        "2013/3/8",
        "March 8, 2013",
        "8 March 2013",
        "Mar 8th, 2013",
        "3/8/2013",
        (2013, 3, 8),
        (3, 8),
        "On 2013-03-08T00:00:00.",
        (np.int64(2013), np.int64(3), np.int64(8)),
        ["2013-03-08"],
        np.array([3, 8]),
    ],
)
def test_a_day_is_right_in_several_ways_of_writing(answer):
    """A date object, ISO, words, a tuple."""
    assert is_right(DAY, answer)


@pytest.mark.parametrize("answer", ["2013-03-09", "March", None, 8, (8, 3), (1, 2, 3, 4), "2013-03-08 or 2013-03-09"])
def test_another_day_or_two_days_are_wrong(answer):
    """Only the day itself."""
    assert not is_right(DAY, answer)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_whole_numbers_are_right_exactly_when_equal(gold, answer):
    """Whatever the number and however it is written."""
    for form in (answer, str(answer), f"{answer:,}", np.int64(answer), [answer], pd.Series([answer])):
        assert is_right(gold, form) is (gold == answer)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(anything)
def test_no_answer_breaks_the_marking(answer):
    """Whatever a model hands over is marked, never an error."""
    for gold in (3, 2.5, CARRIER, TOP, DAY):
        assert is_right(gold, answer) in (True, False)


def test_plain_unwraps_to_the_value():
    """Scalars and single elements lose their wrapping, several elements stay a list."""
    assert plain(np.float64(2.5)) == 2.5
    assert plain(pd.Series([["a"]])) == "a"
    assert plain(pd.Series([1, 2])) == [1, 2]
