"""What is withheld, and what looks like a secret, stands in no text that a model reads."""

import dataclasses
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.describe import BRIEF, FULL, describe, inventory
from rlm_kernel.describe.secrecy import blank_secrets, looks_secret

PLANTED = "zq7secretvaluezq7"
NUMBER = 987654321
DETAILS = pytest.mark.parametrize("detail", [FULL, BRIEF])


def everything(binding):
    return " ".join([binding.text, binding.summary, binding.type, *binding.fields])


def told(value, detail=FULL, withhold=("ssn",), name="data"):
    text = everything(describe(name, value, withhold=withhold, detail=detail))
    return text + inventory({name: value}, [name], withhold=withhold)


harmless = st.one_of(st.none(), st.booleans(), st.integers(0, 99), st.text("abc", max_size=5))


def holding(children):
    record = st.dictionaries(st.sampled_from(["id", "user", "tags", "note"]), children, max_size=4)
    planted = record.map(lambda values: {**values, "ssn": PLANTED})
    deep = record.map(lambda values: {**values, "ssn": {"inner": [PLANTED, NUMBER]}})
    return st.one_of(record, planted, deep, st.lists(children, max_size=4), st.lists(planted, min_size=1, max_size=4))


nested = st.recursive(harmless, holding, max_leaves=25)


@settings(max_examples=200, deadline=None)
@given(nested, st.sampled_from([FULL, BRIEF]))
def test_a_withheld_key_shows_no_value_however_deep_it_lies(value, detail):
    """A value under a withheld key is never shown, at any depth, in dicts, lists and what holds them."""
    for held in (
        value,
        pd.DataFrame({"x": [value, value]}, dtype=object),
        pd.Series([value] * 3, dtype=object),
        {"k": value, "rows": [value] * 30},
    ):
        text = told(held, detail)
        assert PLANTED not in text
        assert str(NUMBER) not in text


@dataclasses.dataclass(slots=True)
class Slotted:
    """A record."""

    ssn: str = PLANTED


def frames():
    ids = [f"{PLANTED}{at}" for at in range(40)]
    numbers = [NUMBER + at for at in range(40)]
    plain = pd.DataFrame({"ssn": ids, "age": range(40)})
    return {
        "text": plain,
        "upper case": plain.rename(columns={"ssn": "SSN"}),
        "numbers": pd.DataFrame({"ssn": numbers, "age": range(40)}),
        "category": plain.astype({"ssn": "category"}),
        "index": plain.set_index("ssn"),
        "index of two": plain.set_index(["ssn", "age"]),
        "columns of two": pd.concat({"person": plain}, axis=1),
        "labels are values": plain.pivot_table(columns="ssn", values="age"),
        "one row": plain.iloc[3],
        "on its side": plain.head(5).T,
        "one row of polars": pl.DataFrame({"ssn": ids}).row(0, named=True),
        "rows with a head": [["ssn", "age"], [PLANTED, 3]],
        "numpy record": np.array([(PLANTED, 3)], dtype=[("ssn", "U40"), ("age", "i8")])[0],
        "object with slots": Slotted(ssn=PLANTED),
        "series": plain["ssn"],
        "counts": plain["ssn"].value_counts(),
        "means": plain.groupby("ssn")["age"].mean(),
        "index alone": pd.Index(ids, name="ssn"),
        "few rows": plain.head(2),
        "cells": pd.DataFrame({"person": [{"ssn": i, "age": 3} for i in ids]}),
        "text in cells": pd.DataFrame({"raw": [json.dumps({"ssn": i}) for i in ids]}),
        "polars": pl.DataFrame({"ssn": ids, "age": range(40)}),
        "polars enum": pl.DataFrame({"ssn": pl.Series(ids, dtype=pl.Enum(ids))}),
        "polars struct": pl.DataFrame({"person": [{"ssn": i} for i in ids]}),
        "polars list of enum": pl.DataFrame({"ssn": pl.Series([[i] for i in ids], dtype=pl.List(pl.Enum(ids)))}),
        "polars lazy": pl.DataFrame({"ssn": pl.Series(ids, dtype=pl.Enum(ids))}).lazy(),
        "polars series": pl.Series("ssn", ids),
        "numpy records": np.array(list(zip(ids, range(40), strict=True)), dtype=[("ssn", "U40"), ("age", "i8")]),
        "records": plain.to_dict("records"),
        "columns": plain.to_dict("list"),
        "dict of frames": {"people": plain, "n": 3},
        "dict of frames with values for labels": {"people": plain.pivot_table(columns="ssn", values="age"), "n": 3},
        "csv": plain.to_csv(index=False),
        "csv, last column": plain[["age", "ssn"]].to_csv(index=False),
        "csv of one column": plain[["ssn"]].to_csv(index=False),
        "json": plain.to_json(orient="records"),
        "xml": f"<people><ssn>{PLANTED}</ssn></people>" * 40,
        "bytes": plain.to_csv(index=False).encode(),
        "dict of texts": {"a": json.dumps({"ssn": PLANTED}) * 30, "b": json.dumps({"ssn": PLANTED}) * 30},
        "short json": json.dumps({"ssn": PLANTED}),
        "python text": str({"ssn": PLANTED, "age": 3}),
    }


@DETAILS
@pytest.mark.parametrize("name", list(frames()))
def test_a_withheld_column_shows_no_value_in_any_form_of_table(name, detail):
    """Values of a withheld column stand nowhere, whatever holds them: frame, index, labels, records, CSV, JSON."""
    text = told(frames()[name], detail)
    assert PLANTED not in text
    assert str(NUMBER)[:7] not in text


@DETAILS
def test_the_type_of_a_withheld_column_is_told(detail):
    """A model knows that a withheld column is there and what it holds, and so can write code for it."""
    binding = describe("people", frames()["text"], withhold=["ssn"], detail=detail)
    assert "- ssn: str, withheld" in binding.text
    assert "ssn" in binding.fields


def test_rows_beside_a_withheld_one_are_shown():
    """One row of a frame is a Series: what may be shown of it is, what may not is counted."""
    text = describe("row", frames()["one row"], withhold=["ssn"]).text
    assert text.startswith("`row` is a pandas Series, 2 values, 1 withheld.")
    assert '"age": 3' in text
    text = describe("turned", frames()["on its side"], withhold=["ssn"]).text
    assert text.startswith("`turned` is a pandas DataFrame, 2 rows.")
    assert "1 row withheld." in text
    assert '"age" | 0 | 1' in text


def test_a_name_withheld_in_one_frame_is_shown_in_another():
    """`people.ssn` withholds the column in the variable `people` alone."""
    frame = frames()["text"]
    assert PLANTED not in everything(describe("people", frame, withhold=["people.ssn"]))
    assert PLANTED in everything(describe("others", frame, withhold=["people.ssn"]))


def test_a_withheld_variable_tells_its_type_alone():
    """A variable whose own name is withheld shows nothing of its value."""
    assert describe("ssn", [PLANTED] * 3, withhold=["ssn"]).text == "`ssn` is a list, withheld."


def test_what_an_object_says_of_itself_is_not_used_where_something_is_withheld():
    """An object's own words cannot know what is withheld."""

    class Speaking:
        def __rlm_describe__(self):
            return f"ssn {PLANTED}"

    assert PLANTED in describe("o", Speaking()).text
    assert PLANTED not in describe("o", Speaking(), withhold=["ssn"]).text


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apiKey",
        "API-KEY",
        "password",
        "DB_PASSWORD",
        "access token",
        "Authorization",
        "client_secret",
        "privateKey",
        "token",
        "refreshToken",
        "aws_secret_access_key",
    ],
)
@DETAILS
def test_values_under_names_of_secrets_are_told_by_type_alone(key, detail):
    """A key or column that names a secret shows its type and no value."""

    class Config:
        def __init__(self):
            setattr(self, key, PLANTED)

    for value in (
        {key: PLANTED, "n": 1},
        [{key: PLANTED}] * 30,
        pd.DataFrame({key: [PLANTED, "x"]}),
        {"deep": {key: PLANTED}},
        Config(),
        pl.DataFrame({key: [PLANTED]}),
        pd.Series([PLANTED], name=key),
    ):
        assert PLANTED not in told(value, detail, withhold=())


def test_a_variable_that_names_a_secret_is_told_by_type_alone():
    """`OPENAI_API_KEY = "..."` in a notebook is not shown, neither described nor listed."""
    assert describe("OPENAI_API_KEY", PLANTED).text == "`OPENAI_API_KEY` is a str, not shown (looks like a secret)."
    assert PLANTED not in inventory(
        {"OPENAI_API_KEY": PLANTED, "credentials": {"a": PLANTED}}, ["OPENAI_API_KEY", "credentials"]
    )


@pytest.mark.parametrize(
    "label",
    [
        "author",
        "token_count",
        "max_tokens",
        "tokens",
        "keyboard",
        "secretary",
        "key",
        "passenger",
        "n_token_total",
        3,
        None,
        ("a", "b"),
    ],
)
def test_names_that_only_resemble_secrets_are_shown(label):
    """Everyday names are no secrets."""
    assert not looks_secret(label)


@pytest.mark.parametrize(
    "text",
    [
        f"api_key={PLANTED}",
        f'"password": "{PLANTED} and more"',
        f"Authorization: Bearer {PLANTED}",
        f"https://user:{PLANTED}@host/x",
        f"sk-{PLANTED}",
        f"GITHUB_TOKEN: 'x{PLANTED}'",
        f"-----BEGIN RSA PRIVATE KEY-----\n{PLANTED}",
    ],
)
def test_secrets_inside_texts_are_blanked(text):
    """What is written like a secret in a text is replaced where the text is shown."""
    assert PLANTED not in blank_secrets(text)
    for value in (text, text + " word" * 500, [text] * 400, pd.DataFrame({"log": [text, "b"]}), {"log": text}):
        assert PLANTED not in told(value, withhold=())
