"""The words for tables of every library."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rlm_kernel.describe import BRIEF, describe


def orders():
    return pd.DataFrame(
        {
            "order_id": range(1, 101),
            "city": ["Graz", "Lyon", None, "Turin"] * 25,
            "customer": [f"person {at % 40}" for at in range(100)],
            "amount": [1.5, 910.0, np.nan, 20.25] * 25,
            "placed": pd.date_range("2024-01-01", periods=100),
            "size": pd.Categorical(["S", "M"] * 50),
            "paid": [True, False] * 50,
            "doors": [2, 4, 5, 4] * 25,
        },
    )


def lines(value, **options):
    return describe("x", value, **options).text.splitlines()


def test_a_small_model_is_told_one_line_a_column():
    """The brief words are those that were measured to work: type, range or values, missing; no rows."""
    assert lines(orders(), detail=BRIEF) == [
        "`x` is a pandas DataFrame, 100 rows.",
        "- order_id: int64, 1 to 100",
        '- city: str, one of "Graz", "Lyon", "Turin"; 25 missing',
        '- customer: str, 40 different, e.g. "person 0", "person 1"',
        "- amount: float64, 1.5 to 910.0; 25 missing",
        "- placed: datetime64[us], 2024-01-01 to 2024-04-09",
        '- size: category, one of "M", "S"',
        "- paid: bool, True or False",
        "- doors: int64, 2 to 5",
    ]


def test_a_strong_model_is_also_told_medians_codes_and_rows():
    """The full words add the median, whole numbers that are codes, and the first rows."""
    assert lines(orders())[1:] == [
        "- order_id: int64, 1 to 100, median 50.5",
        '- city: str, one of "Graz", "Lyon", "Turin"; 25 missing',
        '- customer: str, 40 different, e.g. "person 0", "person 1"',
        "- amount: float64, 1.5 to 910.0, median 20.25; 25 missing",
        "- placed: datetime64[us], 2024-01-01 to 2024-04-09",
        '- size: category, one of "M", "S"',
        "- paid: bool, True or False",
        "- doors: int64, one of 2, 4, 5",
        "First rows:",
        "order_id | city | customer | amount | placed | size | paid | doors",
        '1 | "Graz" | "person 0" | 1.5 | 2024-01-01 00:00:00 | "S" | True | 2',
        '2 | "Lyon" | "person 1" | 910.0 | 2024-01-02 00:00:00 | "M" | False | 4',
        '3 | nan | "person 2" | nan | 2024-01-03 00:00:00 | "S" | True | 5',
    ]


def test_a_table_has_its_columns_as_fields():
    """The binding carries what the loop needs for hints and for the choice of examples."""
    binding = describe("x", orders())
    assert (binding.kind, binding.size, binding.type) == ("table", 100, "pandas DataFrame")
    assert binding.fields == tuple(orders().columns)
    assert binding.summary == "DataFrame 100 x 8"
    assert binding.partial
    assert not binding.sampled


def test_a_table_that_is_shown_whole_is_not_partial():
    """Two short rows are all there is; an answer read off them is no guess. A cut or rounded cell is not all."""
    assert not describe("x", pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})).partial
    assert describe("x", pd.DataFrame({"a": [1, 2], "b": ["x" * 100, "y"]})).partial
    assert describe("x", pd.DataFrame({"a": [1.23456789]})).partial
    assert describe("x", pd.DataFrame({"a": [1, 2], "ssn": [1, 2]}), withhold=["ssn"]).partial
    assert describe("x", pd.DataFrame({"a": range(4)})).partial


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([7, 7, 7], "int64, always 7"),
        ([None, None], "object, nothing but missing values"),
        ([True, True], "bool, always True"),
        ([{"id": 1, "tags": ["x"]}, {"id": 2, "tags": []}], "object: dict{id int, tags list of str}"),
        ([1, "a", None], "object: int or str; 1 missing"),
        ([Decimal("1.5"), None, Decimal(3)], "Decimal, 1.5 to 3; 1 missing"),
        ([dt.date(2024, 1, 1), dt.date(2024, 5, 1)], "date, 2024-01-01 to 2024-05-01"),
        (pd.Series([1, None], dtype="Int64"), "Int64, always 1; 1 missing"),
        (pd.Series(["a", None], dtype="string"), 'str, always "a"; 1 missing'),
        (pd.Series(["2024-01", "2024-03"], dtype="period[M]"), "period[M], 2024-01 to 2024-03"),
        (pd.to_timedelta([1, 2], unit="h").astype("timedelta64[us]"), "timedelta64[us], 0 days 01:00:00 to 0 days 02:00:00"),
        (pd.date_range("2024-01-01", periods=2, tz="Europe/Vienna"), "datetime64[us, Europe/Vienna], 2024-01-01 00:00:00+01:00 to 2024-01-02 00:00:00+01:00"),
        (pd.Series([1 + 2j, 3j]), "complex128: complex"),
        (pd.Categorical([3, 1]), "category, one of 1, 3"),
        (pd.Series(["a", "b"], dtype=pd.ArrowDtype(pa.string())), 'str, one of "a", "b"'),
        ([f"id{at}" for at in range(30)], 'str, all 30 different, e.g. "id0", "id1"'),
        ([1234567.891, 0.000012345678], "float64, 1.23457e-05 to 1234567.9"),
        ([float("inf"), 1.0], "float64, 1.0 to inf"),
        ([[1, 2], [3]], "object: list of int"),
        ([np.zeros(3), np.zeros(3)], "object: numpy.ndarray"),
    ],
)  # fmt: skip
def test_every_type_of_column_has_its_words(values, words):
    """Dates, categories, decimals, nullable and Arrow types, nested objects and constants are told apart."""
    assert lines(pd.DataFrame({"c": values}), detail=BRIEF)[1] == f"- c: {words}"


def test_an_empty_frame_is_told_as_such():
    """No rows, no columns: still a description."""
    assert lines(pd.DataFrame({"a": pd.Series(dtype="int64")})) == [
        "`x` is a pandas DataFrame, 0 rows.",
        "- a: int64, empty",
    ]
    assert lines(pd.DataFrame()) == ["`x` is a pandas DataFrame, 0 rows, no columns."]
    assert lines(pd.DataFrame(index=[1, 2]))[0] == "`x` is a pandas DataFrame, 2 rows, no columns."


def test_an_index_that_says_something_has_a_line():
    """Named indexes, dates and levels are told; a plain count is not."""
    frame = orders().set_index("placed")
    assert lines(frame, detail=BRIEF)[1] == "- index placed: datetime64[us], 2024-01-01 to 2024-04-09"
    two = orders().groupby(["city", "doors"])[["amount"]].mean()
    assert lines(two, detail=BRIEF)[1:3] == [
        '- index city: str, one of "Graz", "Lyon", "Turin"',
        "- index doors: int64, 2 to 4",
    ]
    assert not any("index" in line for line in lines(orders()[orders().amount > 5], detail=BRIEF))
    assert any(line.startswith("- index: str, ") for line in lines(pd.DataFrame({"a": [1, 2]}, index=["p", "q"])))
    assert "index placed | order_id" in "\n".join(lines(frame))


def test_labels_are_written_so_that_they_can_be_copied():
    """Labels with spaces at the ends, numbers, numbers as text, tuples and control characters are exact."""
    frame = pd.DataFrame([[1] * 6], columns=[2019, "2020", " name ", "plain name", "a\n- b: fake", 'say "x"'])
    assert [line.partition(": int64")[0] for line in lines(frame, detail=BRIEF)[1:]] == [
        "- 2019",
        '- "2020"',
        '- " name "',
        "- plain name",
        '- "a\\n- b: fake"',
        '- "say \\"x\\""',
    ]
    levels = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "min"), ("a", "max")]))
    assert '- ("a", "min"): int64, always 1' in lines(levels)


def test_labels_that_make_columns_hard_to_get_at_are_remarked_on():
    """Repeated labels and labels that are numbers are said to be so."""
    assert "Several columns have the same name: a." in lines(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert "The column labels are int, not str." in lines(pd.DataFrame([[1, 2]]))


def test_a_frame_is_not_touched():
    """Neither values nor flags nor options of the frame change."""
    frame = orders()
    before = frame.copy(deep=True)
    describe("x", frame)
    pd.testing.assert_frame_equal(frame, before)


def test_a_subclass_is_called_by_its_own_name():
    """A class derived from DataFrame is described as a table, under its own name."""

    class GeoDataFrame(pd.DataFrame):
        pass

    binding = describe("x", GeoDataFrame({"a": [1]}))
    assert binding.kind == "table"
    assert "GeoDataFrame, 1 row." in binding.text


def test_a_series_is_described_with_its_index():
    """Name, values, index, and the first values with their labels."""
    binding = describe("x", orders().groupby("city")["amount"].count())
    assert binding.kind == "sequence"
    assert binding.text.splitlines() == [
        "`x` is a pandas Series, 3 values.",
        "Name: amount.",
        "Values: int64, always 25.",
        'Index city: str, one of "Graz", "Lyon", "Turin".',
        'All: "Graz": 25, "Lyon": 25, "Turin": 25.',
    ]


def test_a_polars_frame_has_the_same_words():
    """The same columns read the same, with polars' own type names."""
    frame = pl.DataFrame(
        {"n": [1, 2, None], "f": [1.5, float("nan"), 2.5], "s": ["a", "b", None], "d": [dt.date(2024, 1, 1)] * 3, "b": [True, False, None],
         "l": [[1], [2], []], "r": [{"a": 1}] * 3, "e": pl.Series(["u", "v", "u"], dtype=pl.Enum(["u", "v"])), "t": [dt.datetime(2024, 1, 1)] * 3, "dec": [Decimal("1.50")] * 3},  # noqa: DTZ001 - without a zone, as most are
    )  # fmt: skip
    assert lines(frame, detail=BRIEF) == [
        "`x` is a polars DataFrame, 3 rows.",
        "- n: Int64, 1 to 2; 1 missing",
        "- f: Float64, 1.5 to 2.5; 1 missing",
        '- s: String, one of "a", "b"; 1 missing',
        "- d: Date, always 2024-01-01",
        "- b: Boolean, True or False; 1 missing",
        "- l: List(Int64): list of int",
        "- r: Struct: dict{a int}",
        '- e: Enum, one of "u", "v"',
        "- t: Datetime, always 2024-01-01",
        "- dec: Decimal, always 1.50",
    ]
    assert 'Rows:\nn | f | s | d | b | l | r | e | t | dec\n1 | 1.5 | "a"' in describe("x", frame).text


def test_a_lazy_frame_is_described_by_its_schema():
    """Nothing is collected: a plan that would fail is described as well."""
    lazy = pl.LazyFrame({"a": [1]}).map_batches(lambda frame: 1 / 0, schema={"a": pl.Int64})
    binding = describe("x", lazy)
    assert binding.text == "`x` is a polars LazyFrame, 1 column; its rows are computed by .collect().\n- a: Int64"
    assert binding.kind == "table"


def test_an_arrow_table_is_described_by_its_schema():
    """Types and missing counts, from the metadata."""
    assert lines(pa.table({"a": [1, None], "b": ["x", "y"]})) == [
        "`x` is a pyarrow Table, 2 rows.",
        "- a: int64, 1 missing",
        "- b: string",
    ]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.arange(1000.0).reshape(10, 100), "shape (10, 100), float64: 0.0 to 999.0, median 499.5."),
        (np.asfortranarray(np.arange(1000.0).reshape(10, 100)), "shape (10, 100), float64: 0.0 to 999.0, median 499.5."),
        (np.arange(1000).reshape(10, 100)[::2, ::2], "shape (5, 50), int64: 0 to 898, median 449."),
        (np.array([1.0, np.nan] * 50), "shape (100,), float64: always 1.0; 50 missing."),
        (np.array([1, 2, 3]), "shape (3,), int64: [1, 2, 3]"),
        (np.array(["a", "b"] * 30), 'shape (60,), <U1: str, one of "a", "b".'),
        (np.array(["2024-01-01", "NaT"] * 20, dtype="M8[D]"), "shape (40,), datetime64[D]: always 2024-01-01; 20 missing."),
        (np.array([True, False] * 20), "shape (40,), bool: True or False."),
        (np.array([{"a": 1}] * 20), "shape (20,), object: dict{a int}."),
        (np.zeros((0, 3)), "shape (0, 3), float64: []"),
        (np.array(5), "shape (), int64: 5"),
    ],
)  # fmt: skip
def test_arrays_are_described_by_shape_type_and_range(array, words):
    """Any memory order, missing values, texts, dates, objects, small and empty arrays."""
    assert describe("x", array).text == f"`x` is a numpy ndarray of {words}"


def test_a_structured_array_is_described_as_a_table():
    """Its fields are columns."""
    array = np.array([(1, "a"), (2, "b")], dtype=[("n", "i8"), ("s", "U3")])
    assert lines(array, detail=BRIEF) == [
        "`x` is a numpy structured array, 2 rows.",
        "- n: int64, 1 to 2",
        '- s: str, one of "a", "b"',
    ]
