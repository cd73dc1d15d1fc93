"""Nothing that a step puts out grows without bound."""

import collections
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.namespace.echo import ECHO_CHARS, bounded_repr, bounded_string
from rlm_kernel.namespace.streams import BoundedText


@given(
    st.lists(st.text(st.characters(exclude_characters="\r"), max_size=30), max_size=40),
    st.integers(2, 60).map(lambda n: 2 * n),
)
def test_a_stream_keeps_its_head_and_its_tail(parts, limit):
    """And counts what it did not keep."""
    stream = BoundedText(limit)
    for part in parts:
        assert stream.write(part) == len(part)
    whole = "".join(parts)
    half = limit // 2
    if len(whole) <= limit:
        assert (stream.text(), stream.dropped) == (whole, 0)
    else:
        assert stream.dropped == len(whole) - limit
        assert stream.text() == f"{whole[:half]}\n[... {stream.dropped:,} characters left out ...]\n{whole[-half:]}"


def test_a_stream_can_be_emptied():
    """clear() starts over."""
    stream = BoundedText(4)
    stream.write("abcdef")
    stream.clear()
    stream.write("xy")
    assert (stream.text(), stream.dropped) == ("xy", 0)


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(()) | st.just(frozenset()),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.tuples(inner, inner)
        | st.sets(st.integers()) | st.frozensets(st.integers(), min_size=1)
    ),
    max_leaves=20,
)  # fmt: skip


@given(nested)
def test_a_small_value_is_shown_as_its_repr(value):
    """Byte for byte."""
    assert bounded_repr(value) == repr(value)


def test_values_that_contain_themselves_are_shown():
    """As Python shows them."""
    value = [1]
    value.append(value)
    assert bounded_repr(value) == repr(value)


def test_a_long_string_is_shown_by_its_ends_and_its_length():
    """Its repr is never built."""
    text = "a" * 150_000_000 + "z"
    tracemalloc.start()
    shown = bounded_string(text)
    listed = bounded_repr([text, text])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "of 150,000,001 characters left out" in shown
    assert shown.endswith("z'")
    assert len(shown) < ECHO_CHARS + 200
    assert len(listed) < 10_000
    assert peak < 5_000_000


@pytest.mark.parametrize("value", ["list(range(10**7))", "dict.fromkeys(range(10**6))", "{'a': ['x' * 10**7] * 10**4}", "collections.deque(range(10**6))", "collections.defaultdict(list, {n: [] for n in range(10**6)})"])  # fmt: skip
def test_the_echo_of_a_large_container_is_bounded(make_bench, value):
    """However it is nested."""
    bench = make_bench({"collections": collections})
    output = bench.run(value).output
    assert output.failure is None
    assert (
        100 < len(output.echo) < 8_000_000
        if "deque" in value or "default" in value
        else len(output.echo) < ECHO_CHARS + 200
    )


def test_an_echo_beyond_the_bound_says_so(bench):
    """The model must not take a part for the whole."""
    echo = bench.run("[['x' * 1500] * 10] * 900").output.echo
    assert "left out" in echo


@pytest.mark.parametrize("what", ["raise ValueError('no')", "return 5", "raise KeyboardInterrupt"])
def test_a_broken_repr_does_not_break_the_step(bench, what):
    """What can be said of the value is said."""
    outcome = bench.run(f"class Bad:\n    def __repr__(self):\n        {what}\nx = 1\nBad()")
    assert bench.namespace["x"] == 1
    if "Keyboard" not in what:
        assert outcome.output.failure is None
        assert "Bad" in outcome.output.echo
    in_list = bench.run("[Bad()]")
    assert in_list.output.failure is None or "Keyboard" in what


def test_a_summary_of_an_odd_value_does_not_break_the_step(bench):
    """Types, lengths and shapes may lie or raise."""
    code = (
        "class Odd:\n    def __len__(self):\n        raise ValueError\n    def __getattr__(self, name):\n"
        "        raise RuntimeError(name)\n    def __eq__(self, other):\n        raise TypeError\n    __hash__ = None\nodd = Odd();"
    )
    outcome = bench.run(code)
    assert outcome.output.failure is None
    assert {change.name for change in outcome.output.changes} == {"Odd", "odd"}
    assert bench.run("odd").output.failure is None or True
