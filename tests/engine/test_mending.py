"""Small repairs of code before it runs: columns as they are spelled, and a last value that shows."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.engine.mending import mend

FIELDS = ("Maker", "Top Speed", "Year")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('FINAL(df["maker"])', "FINAL(df['Maker'])"),
        ('FINAL(df[df["year"] > 3]["MAKER"])', "FINAL(df[df['Year'] > 3]['Maker'])"),
        ('FINAL(df.groupby("maker")["top speed"].mean())', "FINAL(df.groupby('Maker')['Top Speed'].mean())"),
        ('FINAL(df[["maker", "year"]].é["year"])', "FINAL(df[['Maker', 'Year']].é['Year'])"),
    ],
)
def test_a_column_that_differs_in_case_alone_is_written_as_it_is(written, meant):
    assert mend(written, FIELDS) == meant


@pytest.mark.parametrize(
    "code",
    [
        'FINAL((df["Maker"] == "maker").sum())',
        'FINAL(df["speed"])',
        'df["year"] = df["Year"] + 1\nFINAL(df["year"].max())',
        "%time df['maker']",
        "this is no code",
        "",
    ],
)
def test_values_new_columns_other_words_and_what_does_not_parse_are_left_alone(code):
    assert mend(code, FIELDS) == code


def test_columns_that_differ_in_case_alone_are_left_to_the_model():
    assert mend('FINAL(df["A"] + df["YEAR"])', ("a", "A", "year", "Year")) == 'FINAL(df["A"] + df["YEAR"])'


def test_the_value_of_a_last_assignment_is_shown_unless_there_is_an_answer():
    assert mend("x = 1\nresult = x + 1", ()) == "x = 1\nresult = x + 1\nresult"
    assert mend("FINAL(1)\nx = 2", ()) == "FINAL(1)\nx = 2"
    assert mend("x.y = 2", ()) == "x.y = 2"


@given(st.text(), st.lists(st.text(max_size=5), max_size=4))
def test_no_text_of_a_model_breaks_it(source, fields):
    mended = mend(source, fields)
    if mended != source:
        ast.parse(mended)
