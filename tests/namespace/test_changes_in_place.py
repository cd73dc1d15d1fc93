"""Frames are copied on write, other mutable objects are watched: what a step changes in place."""

import copy
import gc
import weakref

import numpy as np
import pandas as pd
import polars as pl
import pytest

from rlm_kernel.namespace.fingerprint import fingerprint
from rlm_kernel.trajectory.records import Change


def table():
    return pd.DataFrame({"n": range(10), "word": list("abcdefghij"), "cell": [[0] for _ in range(10)]})


FRAME_WRITES = [
    "df['x'] = 1",
    "df.loc[0, 'n'] = 99",
    "df.iloc[3, 0] = 99",
    "df.at[0, 'n'] = 99",
    "df.drop(columns='n', inplace=True)",
    "df.rename(columns={'n': 'm'}, inplace=True)",
    "df.columns = ['a', 'b', 'c']",
    "df.index = range(10, 20)",
    "df.index.name = 'key'",
    "df.sort_values('n', ascending=False, inplace=True)",
    "df.pop('n')",
    "df.insert(0, 'x', 1)",
    "del df['n']",
    "d = df\nd['x'] = 1",
    "context['x'] = 1",
    "import pandas as pd\npd.DataFrame.insert(df, 0, 'x', 1)",
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", FRAME_WRITES)
def test_writing_into_a_frame_changes_the_runs_copy_alone(make_bench, code):
    """It is the run's version from then on, reported as kept apart."""
    frame = table()
    kept = frame.copy(deep=True)
    bench = make_bench({"df": frame}, contexts=["df"])
    output = bench.run(code).output
    assert output.failure is None
    pd.testing.assert_frame_equal(bench.namespace["df"], kept)
    assert bench.namespace["df"] is frame
    changes = [change for change in output.changes if change.name == "df"]
    assert [(one.how, one.kept_apart) for one in changes] == [("mutated", True)]
    assert bench.run("df").value is bench.executor.vars["df"]
    assert not bench.executor.vars["df"].equals(kept) or bench.executor.vars["df"].index.name == "key"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "code",
    ["df.describe()", "df.groupby('word').n.sum()", "df.values", "df.n.to_numpy()", "df.copy()", "df.assign(x=1)", "df.mean(numeric_only=True)", "df.query('n > 3')", "len(df); df.memory_usage(deep=True)", "df.sort_values('n')", "list(df.iterrows())"],
)  # fmt: skip
def test_reading_a_frame_claims_nothing(make_bench, code):
    """Though pandas may rearrange its blocks."""
    frame = table()
    frame["late"] = 1.5
    bench = make_bench({"df": frame}, contexts=["df"])
    output = bench.run(code).output
    assert output.failure is None
    assert output.changes == ()
    assert "df" not in bench.executor.vars


def test_a_series_is_copied_too(make_bench):
    """Its name and its values."""
    series = pd.Series([1, 2, 3], name="n")
    bench = make_bench({"s": series}, contexts=["s"])
    assert bench.changes("s.name = 'm'\ns[0] = 9") == {("s", "mutated", True)}
    assert (series.name, list(series)) == ("n", [1, 2, 3])


def test_frames_that_are_no_context_are_copied_where_the_code_reaches_them(make_bench):
    """By name, by a function of the user's, by globals()."""
    for code in ("other['x'] = 1", "change()", "globals()['other']['x'] = 1"):
        frame = table()
        bench = make_bench({"other": frame})
        exec("def change():\n    other['x'] = 1", bench.namespace)
        assert ("other", "mutated", True) in bench.changes(code), code
        assert "x" not in frame


POLARS_WRITES = [
    "df[0, 'n'] = 99",
    "df.insert_column(0, pl.Series('x', [1, 2, 3]))",
    "df.extend(df.clone())",
    "df.drop_in_place('n')",
    "df.columns = ['m', 'w']",
    "df.replace_column(0, pl.Series('n', [7, 8, 9]))",
]


@pytest.mark.parametrize("code", POLARS_WRITES)
def test_writing_into_a_polars_frame_changes_the_runs_copy_alone(make_bench, code):
    frame = pl.DataFrame({"n": [1, 2, 3], "word": ["a", "b", "c"]})
    kept = frame.clone()
    bench = make_bench({"df": frame, "pl": pl}, contexts=["df"])
    output = bench.run(code).output
    assert output.failure is None
    assert bench.namespace["df"] is frame
    assert frame.equals(kept)
    assert [(one.name, one.how, one.kept_apart) for one in output.changes] == [("df", "mutated", True)]
    assert not bench.executor.vars["df"].equals(kept) or bench.executor.vars["df"].columns != kept.columns


def test_the_copy_is_one_for_all_steps_and_renewed_when_the_user_changes_theirs(make_bench):
    """So that names the model gave it stay true."""
    frame = table()
    bench = make_bench({"df": frame}, contexts=["df"])
    bench.run("alias = df")
    assert bench.run("alias is df").value is True
    frame["fresh"] = 1
    assert bench.run("'fresh' in df").value is True
    bench.namespace["df"] = pd.DataFrame({"z": [1]})
    assert bench.run("list(df)").value == ["z"]


def test_the_runs_version_stays_when_the_user_rebinds_theirs(make_bench):
    """It is the run's own by then."""
    bench = make_bench({"df": table()}, contexts=["df"])
    bench.run("df['x'] = 1")
    bench.namespace["df"] = pd.DataFrame({"z": [1]})
    assert bench.run("'x' in df").value is True
    assert list(bench.namespace["df"]) == ["z"]


def test_a_frame_handed_over_is_changed_for_real(make_bench):
    """As in "add a theme column to df"."""
    frame = table()
    bench = make_bench({"df": frame}, contexts=["df"], writable=frozenset({"df"}))
    assert bench.changes("df['x'] = 1") == {("df", "mutated", False)}
    assert "x" in frame


def test_writing_around_copy_on_write_is_seen_and_named(make_bench):
    """Through arrays and objects inside cells the user's own frame changes: no silence about it."""
    for code in ("df['n'].array[0] = 99", "df['cell'].iloc[0].append(1)"):
        frame = table()
        bench = make_bench({"df": frame}, contexts=["df"])
        assert bench.changes(code) == {("df", "mutated", False)}, code


def test_a_frame_given_as_a_value_is_copied(make_bench):
    """rlm.run("...", {"df": df})"""
    frame = table()
    bench = make_bench(contexts=["df"], values={"df": frame})
    assert ("df", "mutated", True) in bench.changes("df['x'] = 1")
    assert "x" not in frame
    assert bench.run("'x' in df").value is True
    assert "df" not in bench.namespace


def test_withheld_columns_do_not_reach_the_code(make_bench):
    """Anywhere, or in one variable alone; in contexts and in other frames."""
    frame = pd.DataFrame({"SSN": [1], "n": [2]})
    other = pd.DataFrame({"ssn": [1], "n": [2]}).set_index("ssn")
    polars = pl.DataFrame({"ssn": [1], "n": [2]})
    names = {"df": frame, "other": other, "polars": polars}
    bench = make_bench(names, contexts=["df"], withhold=["ssn"])
    assert bench.run(
        "[list(df), list(context), list(other.reset_index(drop=True)), other.index.name, polars.columns]"
    ).value == [["n"], ["n"], ["n"], None, ["n"]]
    assert bench.run("df['SSN']").output.failure.kind == "KeyError"
    assert list(frame) == ["SSN", "n"]
    assert list(make_bench({"df": frame, "b": frame}, withhold=["b.ssn"]).run("df, b").value[1]) == ["n"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([1, 2], "mine.append(3)"),
        ([1, 2], "mine[0] = 9"),
        ([1, 2], "mine += [3]"),
        ([{"a": 1}], "mine[0]['b'] = 2"),
        ([{"a": 1}], "mine[0]['a'] = 2"),
        ([{"a": 1} for _ in range(5000)], "for r in mine: r['a'] = 5"),
        ({"a": 1}, "mine['a'] = 2"),
        ({"a": 1}, "del mine['a']"),
        ({"a": [1]}, "mine['a'].append(2)"),
        ({"a": {"b": {"c": [1]}}}, "mine['a']['b']['c'].append(2)"),
        ({"t": pd.DataFrame({"x": [1, 2]})}, "mine['t']['y'] = 5"),
        ([np.zeros(9)], "mine[0][4] = 5"),
        ({1, 2}, "mine.add(3)"),
        (bytearray(b"abc"), "mine[0] = 0"),
        (list(range(1000)), "mine[503] = 0"),
        (dict.fromkeys(range(1000)), "mine[503] = 0"),
        (np.arange(10), "mine[3] = 99"),
        (np.zeros((200, 200)), "mine += 1"),
        (np.zeros((1000, 3)), "mine[:, 1] = 5"),
        (np.zeros((100_000, 4)), "mine[:, 1] = 5"),
        (np.zeros((3, 100_000)), "mine[1] = 5"),
        (np.zeros((100_000, 4)).T, "mine[3] = 5"),
        (np.zeros((4, 50_000, 2))[:, ::2], "mine += 5"),
        (np.array([[1], None], dtype=object), "mine[0].append(1)"),
        ([1, 2], "x = [mine]\nx[0].clear()"),
        ([1, 2], "change()"),
    ],
)
def test_changes_in_place_of_the_users_objects_are_named(make_bench, value, code):
    """They are real: the object is the user's own."""
    value = copy.deepcopy(value)
    bench = make_bench({"mine": value})
    exec("def change():\n    mine.append(1)", bench.namespace)
    changes = [change for change in bench.run(code).output.changes if change.name == "mine"]
    assert [(one.how, one.kept_apart) for one in changes] == [("mutated", False)]
    assert bench.namespace["mine"] is value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([3, 1], "sorted(mine)"),
        ([3, 1], "mine.sort(key=lambda n: -n)"),
        ({"a": 1}, "mine['a'] = 1"),
        (np.arange(10), "mine.sum(); mine.copy().sort()"),
        ([float("nan")], "list(mine)"),
        (np.array([np.nan]), "mine.mean()"),
    ],
)
def test_what_did_not_change_is_not_claimed(make_bench, value, code):
    """Reading is no change, and neither is writing the same."""
    value = copy.deepcopy(value)
    bench = make_bench({"mine": value})
    assert bench.changes(code) <= {("x", "bound", False)}


def test_objects_that_the_code_cannot_reach_are_not_looked_at(make_bench):
    """A change by the user's own thread to something else is none of the model's."""
    bench = make_bench({"mine": [1], "poke": None})
    bench.namespace["poke"] = lambda: bench.namespace["mine"].append(2)
    assert bench.changes("poke()") == set()


@pytest.mark.parametrize("value", [1, "text", (1, 2), None, object(), frozenset({1}), len])
def test_what_cannot_change_has_no_fingerprint(value):
    """Or is not known to."""
    assert fingerprint(value) is None


def test_a_fingerprint_takes_no_longer_for_large_objects():
    """A list of ten million, an array of a hundred megabytes."""
    import time

    objects = [list(range(3_000_000)), np.zeros(20_000_000), dict.fromkeys(range(1_000_000))]
    objects += [[[[[0] * 1000] * 1000] * 1000] * 1000, [{"a": [n]} for n in range(4000)], [np.zeros(10**6)] * 1000]
    started = time.perf_counter()
    for value in objects:
        fingerprint(value)
    assert time.perf_counter() - started < 0.1


def test_nothing_of_the_users_is_kept_alive_after_the_end(make_bench):
    """``del df`` frees the frame, though the last step failed inside a function that held it."""
    frame = table()
    bench = make_bench({"df": frame, "other": table()}, contexts=["df"])
    bench.run("alias = df\ndel alias\ndf.n.sum()")
    bench.run("other['x'] = 1\nnumber = 5")
    bench.run("number = len(df)\n1 / 0")
    bench.executor.close()
    watched = weakref.ref(frame)
    column = weakref.ref(frame._mgr.arrays[0])
    del frame, bench.namespace["df"]
    gc.collect()
    assert watched() is None
    assert column() is None


def test_a_change_of_a_frame_says_what_it_became(make_bench):
    """Type and size, in a few words."""
    bench = make_bench({"df": table()}, contexts=["df"])
    assert bench.run("df['x'] = 1").output.changes == (
        Change(name="df", how="mutated", summary="DataFrame 10 x 4", kept_apart=True),
    )
