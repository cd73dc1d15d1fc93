"""Withheld columns do not reach the model's code, whatever holds them."""

import time

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from rlm_kernel.errors import ConfigError

SECRET = "078-05-1120"


def frame():
    return pd.DataFrame({"name": ["a", "b"], "ssn": [SECRET, SECRET]})


HOLDERS = {
    "frame": frame,
    "series": lambda: frame()["ssn"],
    "row": lambda: frame().iloc[0],
    "turned": lambda: frame().T,
    "index": lambda: frame().set_index("ssn"),
    "levels": lambda: frame().set_index(["name", "ssn"]),
    "columns of two levels": lambda: pd.concat({"x": frame()}, axis=1),
    "dict of frames": lambda: {"t": frame()},
    "list of frames": lambda: [frame()],
    "tuple of frames": lambda: (frame(), 1),
    "records": lambda: frame().to_dict("records"),
    "columns": lambda: frame().to_dict("list"),
    "structured array": lambda: frame().to_records(index=False),
    "polars frame": lambda: pl.DataFrame({"name": ["a"], "SSN": [SECRET]}),
    "polars series": lambda: pl.Series("ssn", [SECRET]),
    "lazy frame": lambda: pl.DataFrame({"name": ["a"], "ssn": [SECRET]}).lazy(),
    "arrow table": lambda: pa.table({"name": ["a"], "ssn": [SECRET]}),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_no_holder_lets_it_out(make_bench, holder):
    bench = make_bench({"data": HOLDERS[holder](), "other": HOLDERS[holder]()}, contexts=["data"], withhold=["ssn"])

    looks = ["print(data)", "print(context)", "print(repr(other))", "print(globals()['other'])"]
    looks += ["print(data.collect() if hasattr(data, 'collect') else data)"]
    if holder != "lazy frame":  # a plan leads back to its source: only its result is without the column
        looks += ["import pickle; print(pickle.dumps(data))"]
    outcomes = [bench.run(look) for look in looks]

    assert all(outcome.output.failure is None for outcome in outcomes)
    assert SECRET not in "".join(outcome.output.text for outcome in outcomes)
    assert type(bench.namespace["data"]) is type(HOLDERS[holder]())


def test_what_holds_nothing_withheld_is_the_users_own_object(make_bench):
    rows = [{"name": "a"}, {"name": "b"}]
    bench = make_bench({"rows": rows, "df": frame()}, contexts=["rows", "df"], withhold=["ssn"])

    assert bench.run("rows").value is rows


def test_outputs_of_earlier_cells_do_not_let_it_out(make_bench):
    bench = make_bench({"df": frame()}, contexts=["df"], withhold=["ssn"])
    if bench.kind == "plain":
        pytest.skip("a script has no outputs of cells")
    bench.namespace["Out"][7] = bench.namespace["_7"] = bench.namespace["df"]

    assert SECRET not in bench.run("print(Out, _7, _oh)").output.text
    assert "ssn" in bench.namespace["Out"][7]


@pytest.mark.parametrize(
    ("withhold", "words"),
    [("snn", "no variable has a column 'snn' to withhold; did you mean 'ssn'"), ("other.ssn", "no variable has")],
)
def test_a_column_that_nothing_has_is_refused(make_bench, withhold, words):
    """Withheld under a wrong spelling it would be shown."""
    with pytest.raises(ConfigError, match=words):
        make_bench({"df": frame(), "other": [1]}, contexts=["df"], withhold=[withhold])


@pytest.mark.parametrize("writable", [frozenset({"df"}), "all"])
def test_a_frame_with_withheld_columns_is_not_handed_over(make_bench, writable):
    """The code has a copy without them: changing it could not change the user's frame, and nobody would say so."""
    with pytest.raises(ConfigError, match="df holds withheld columns"):
        make_bench({"df": frame()}, contexts=["df"], withhold=["ssn"], writable=writable)


def test_looking_for_a_column_costs_little_whatever_the_size(make_bench):
    nested = [[[0] * 1000] * 1000] * 1000
    began = time.monotonic()
    make_bench({"df": frame(), "nested": nested, "big": np.zeros(10**7)}, contexts=["df"], withhold=["ssn"])

    assert time.monotonic() - began < 1
