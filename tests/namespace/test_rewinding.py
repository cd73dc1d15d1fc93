"""Going back: names as they were after the first steps of a run."""

import pytest

from rlm_kernel.namespace.journal import Entry, Journal
from rlm_kernel.namespace.marks import MISSING, Mark


def test_names_are_as_they_were_after_the_first_steps(make_bench):
    """New names, names of the layer, deleted names."""
    bench = make_bench({"mine": 1, "gone": 2})
    bench.run("a = [1]\nmine = 10")
    bench.run("a = [2]\nb = [3]\nmine = 20\ndel gone")
    bench.run("del a\nmine = 30")
    assert bench.executor.rewind(2) == ()
    assert dict(bench.executor.vars) == {"a": [2], "b": [3], "mine": 20}
    assert bench.executor.rewind(1) == ()
    assert dict(bench.executor.vars) == {"a": [1], "mine": 10}
    assert bench.run("(a, mine, gone)").value == ([1], 10, 2)
    assert bench.executor.rewind(0) == ()
    assert dict(bench.executor.vars) == {}
    assert "a" not in bench.namespace
    assert bench.namespace["mine"] == 1


def test_names_that_the_user_has_changed_since_are_left_and_listed(make_bench):
    """They no longer hold the run's object."""
    bench = make_bench({})
    bench.run("a = [1]\nb = [2]")
    bench.namespace["a"] = "the user's now"
    assert bench.executor.rewind(0) == ("a",)
    assert bench.namespace["a"] == "the user's now"
    assert "b" not in bench.namespace


def test_what_was_handed_over_is_taken_back_also_after_the_end(make_bench):
    """%rlm undo, with --write: the old values are kept, within the bound."""
    old = [1]
    bench = make_bench({"mine": old, "other": 1}, writable=frozenset({"mine"}))
    bench.run("mine = [2]\nother = 2\nnew = 3")
    bench.executor.close()
    assert bench.namespace["mine"] == [2]
    assert bench.executor.rewind(0) == ()
    assert bench.namespace["mine"] is old
    assert "new" not in bench.namespace


def test_old_values_beyond_the_bound_are_dropped_and_that_is_said(make_bench):
    """Memory is the user's."""
    bench = make_bench({}, kept_bytes=1_000_000)
    bench.run("big = bytearray(900_000)")
    bench.run("big = bytearray(900_001)")
    bench.run("big = bytearray(900_002)")
    assert bench.executor.rewind(2) == ()
    assert len(bench.namespace["big"]) == 900_001
    assert bench.executor.rewind(1) == ("big",)


def test_a_frame_changed_in_place_is_the_users_again(make_bench):
    """The copy goes, the next step gets a fresh one."""
    pandas = pytest.importorskip("pandas")
    bench = make_bench({"df": pandas.DataFrame({"a": [1]})}, contexts=["df"])
    bench.run("n = len(df)")
    bench.run("df['x'] = 1")
    bench.executor.rewind(1)
    assert bench.run("list(df)").value == ["a"]
    assert "df" not in bench.executor.vars


def test_a_journal_counts_what_it_keeps():
    """And never drops what is no value."""
    journal = Journal(100)
    for step in (1, 2, 3):
        journal.note(Entry(step=step, name="x", place="namespace", old=MISSING, new=Mark(step)))
    assert [entry.step for entry in journal.take_after(1)] == [3, 2]
    assert [entry.old for entry in journal.take_after(0)] == [MISSING]


def test_a_mark_recognises_its_object_and_lets_it_go():
    """Weakly, by keeping it where it is small, or by its address."""
    import gc
    import weakref

    class Thing:
        pass

    thing = Thing()
    mark, seen = Mark(thing), weakref.ref(thing)
    assert mark.is_of(thing)
    assert not mark.is_of(Thing())
    del thing
    gc.collect()
    assert seen() is None
    assert not mark.is_of(None)
    small, equal = [1], [1]
    assert Mark(small).is_of(small)
    assert not Mark(small).is_of(equal)
    big = [0] * 1_000_000
    mark = Mark(big)
    assert mark.is_of(big)
    assert not mark.is_of([0] * 1_000_000)
