"""A reply that was kept comes back as it was, by a key that stands for the whole request, within a bound."""

import dataclasses
import os
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memo_parts import MIB, bulky, reply, request

from rlm_kernel.models.memo import Memo, key_of
from rlm_kernel.testing import ManualClock
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=3000)  # halves of surrogate pairs too
USAGES = st.builds(
    Usage, calls=st.just(1), **dict.fromkeys(("input_tokens", "output_tokens", "cached_tokens"), st.integers(0, 2**40))
)
REPLIES = st.builds(
    Reply,
    text=ANY_TEXT,
    model=ANY_TEXT,
    usage=USAGES,
    finish=ANY_TEXT,
    reasoning=ANY_TEXT,
    tool_calls=st.lists(ANY_TEXT).map(tuple),
    estimated=st.booleans(),
)
MESSAGES = st.lists(st.builds(Message, st.sampled_from(["system", "user", "assistant"]), ANY_TEXT), max_size=3).map(
    tuple
)
NUMBERS = st.none() | st.integers(-5, 5)
CALLS = st.fixed_dictionaries(
    {
        "request": st.builds(Request, messages=MESSAGES, temperature=NUMBERS, seed=NUMBERS, max_tokens=NUMBERS),
        "model": ANY_TEXT,
        "endpoint": ANY_TEXT,
        "sample": st.integers(0, 3),
        "extra": st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2),
    }
)


@pytest.fixture
def memo(tmp_path):
    with_file = Memo(tmp_path)
    yield with_file
    with_file.close()


def key(asked=None, **changes):
    return key_of(asked or request(), **{"model": "m", "endpoint": "https://x/v1"} | changes)


def test_what_was_put_is_found_and_the_rest_is_not(memo):
    memo.put({"a": reply("one"), "b": reply("two")})
    assert memo.get(["b", "c", "a", "a"]) == {"a": reply("one"), "b": reply("two")}
    assert memo.get([]) == {}
    memo.put({})


def test_a_later_reply_takes_the_place_of_an_earlier(memo):
    memo.put({"a": reply("one")})
    memo.put({"a": reply("two")})
    assert memo.get(["a"])["a"].text == "two"


def test_a_hit_had_no_retries(memo):
    memo.put({"a": reply(retries=3)})
    assert memo.get(["a"])["a"].retries == 0


def test_forgetting_and_clearing(memo):
    memo.put({name: reply(bulky()) for name in "abc"})
    memo.forget(["a", "never seen"])
    assert set(memo.get(["a", "b", "c"])) == {"b", "c"}
    memo.put({f"{n}": reply(bulky()) for n in range(1000)})
    full = memo.size
    assert full > MIB
    memo.clear()
    assert memo.get(["b", "c"]) == {}
    assert memo.size < 0.1 * full
    assert sum(path.stat().st_size for path in memo.path.parent.glob("*.sqlite3*")) < 0.1 * full


def test_another_memo_on_the_same_folder_finds_the_replies(memo, tmp_path):
    memo.put({"a": reply()})
    memo.close()
    assert Memo(tmp_path).get(["a"]) == {"a": reply()}
    assert memo.get(["a"]) == {"a": reply()}, "a memo that was closed opens again"


@settings(deadline=None, max_examples=60)
@given(kept=REPLIES)
def test_every_reply_comes_back_as_it_was(kept, tmp_path_factory):
    """Whatever is in its texts, long or short."""
    memo = Memo(tmp_path_factory.getbasetemp() / "round-trips")
    memo.put({"a": kept})
    assert memo.get(["a"]) == {"a": kept}
    memo.close()


@given(one=CALLS, other=CALLS)
def test_keys_are_equal_for_equal_calls_only(one, other):
    """Neither texts nor their borders can be made to look like those of another call."""
    assert key_of(**one) == key_of(**{**one, "request": dataclasses.replace(one["request"])})
    assert (key_of(**one) == key_of(**other)) == (one == other)


def test_every_field_of_a_request_but_the_timeout_changes_the_key():
    """Fields that are added later too: they must be given a value here."""
    values = {
        "messages": (Message("system", "Is this a complaint?"),),
        "temperature": 0.5,
        "seed": 1,
        "max_tokens": 5,
        "schema": {"type": "object"},
        "strict": True,
    }
    names = {field.name for field in dataclasses.fields(Request)} - {"timeout"}
    keys = {key(), *(key(dataclasses.replace(request(), **{name: values[name]})) for name in names)}
    assert len(keys) == len(names) + 1
    assert key(request(timeout=3)) == key()


def test_model_endpoint_sample_and_extra_change_the_key():
    changes = [
        {},
        {"model": "n"},
        {"endpoint": "https://y/v1"},
        {"sample": 1},
        {"extra": {"top_p": 0.5}},
        {"extra": {"top_p": 0.6}},
    ]
    assert len({key(**change) for change in changes}) == len(changes)


def test_what_a_server_cannot_tell_apart_has_one_key():
    assert key(request(temperature=1.0)) == key(request(temperature=1))
    assert key(extra={"a": 1, "b": 2}) == key(extra={"b": 2, "a": 1})


def test_the_order_of_fields_in_a_schema_counts():
    """A model fills them in in that order, so that its answer may differ."""
    assert key(extra={"schema": {"why": 1, "answer": 2}}) != key(extra={"schema": {"answer": 2, "why": 1}})


def test_a_value_that_has_no_text_of_its_own_is_refused():
    """Its name would hold an address in memory, or hide a difference."""
    with pytest.raises(TypeError, match="object cannot be part"):
        key(extra={"x": object()})


def test_halves_of_surrogate_pairs_neither_fail_nor_collide():
    assert key(request("\ud83d")) != key(request("\ud83d\ude00")) != key(request("\U0001f600"))


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_word_of_a_prompt_is_on_disk(memo, tmp_path):
    """Only the hash of it, and what the model said."""
    memo.put({key(request("Anna Schmidt is the patient")): reply("a short answer")})
    content = b"".join(path.read_bytes() for path in files(tmp_path))
    assert b"a short answer" in content
    assert b"Schmidt" not in content
    assert b"patient" not in content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_nobody_else_may_read_the_files(tmp_path):
    """The folder and the files are made so, and made so again if they were not."""
    (tmp_path / "memo").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        memo = Memo(tmp_path)
        memo.put({"a": reply()})
        assert len(files(tmp_path)) == 3, "the file, its log and its index are there while it is open"
        assert {stat.S_IMODE(path.stat().st_mode) for path in files(tmp_path)} == {0o600}
        assert stat.S_IMODE((tmp_path / "memo").stat().st_mode) == 0o700
        memo.close()
    finally:
        os.umask(before)


def test_the_folder_is_the_one_of_the_environment_else_the_cache(tmp_path, monkeypatch):
    assert Memo(tmp_path / "given").path == tmp_path / "given" / "memo"
    monkeypatch.setenv("RLM_MEMO_DIR", str(tmp_path / "named"))
    assert Memo().path == tmp_path / "named" / "memo"
    monkeypatch.delenv("RLM_MEMO_DIR")
    assert Memo().path.parts[-2:] == ("rlm-kernel", "memo")


def test_the_bound_holds_and_what_was_used_last_stays(tmp_path):
    """After many times the bound was put; the space of what was dropped is used again."""
    clock = ManualClock(1e9)
    memo = Memo(tmp_path, bound=MIB, clock=clock)
    memo.put({"first": reply("kept alive")})
    for turn in range(40):
        clock.advance(100)
        memo.put({f"{turn}-{n}": reply(bulky()) for n in range(50)})
        assert memo.get(["first"]), f"used every turn, but gone in turn {turn}"
        assert memo.size <= MIB
    assert memo.get(["39-49"])
    assert not memo.get(["0-0", "1-0"])
    memo.close()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= MIB


def test_when_over_the_bound_a_fifth_is_dropped_at_once(tmp_path):
    memo = Memo(tmp_path, bound=MIB)
    sizes = []
    while len(sizes) < 2 or sizes[-1] > sizes[-2]:
        memo.put({f"{len(sizes)}": reply(bulky(20_000))})
        sizes.append(memo.size)
    assert sizes[-2] > 0.9 * MIB
    assert 0.6 * MIB < sizes[-1] <= 0.8 * MIB


def test_a_lower_bound_makes_the_file_smaller(tmp_path):
    large = Memo(tmp_path, bound=8 * MIB)
    large.put({f"{n}": reply(bulky()) for n in range(2000)})
    large.close()
    assert large.path.stat().st_size > 3 * MIB
    small = Memo(tmp_path, bound=MIB)
    small.put({"a": reply()})
    small.close()
    assert small.path.stat().st_size <= MIB


def test_a_reply_that_is_larger_than_the_bound_is_not_kept(tmp_path):
    memo = Memo(tmp_path, bound=MIB)
    memo.put({"a": reply(bulky(4 * MIB)), "b": reply()})
    assert memo.size <= MIB
    assert not memo.off


def test_looking_up_writes_at_most_once_a_minute(tmp_path):
    """So that reading stays cheap and waits for nobody."""
    clock = ManualClock(1e9)
    memo = Memo(tmp_path, clock=clock)
    memo.put({"a": reply()})
    writes = lambda: memo._file.db.total_changes
    start = writes()
    for _ in range(10):
        clock.advance(5)
        memo.get(["a"])
    assert writes() == start
    clock.advance(10)
    memo.get(["a"])
    assert writes() == start + 1
    memo.get(["a"])
    assert writes() == start + 1
    memo.close()


def best(work, turns=7):
    """Processor time, since other processes share the machine."""
    spans = []
    for turn in range(turns):
        start = time.process_time()
        work(turn)
        spans.append(time.process_time() - start)
    return min(spans)


def test_a_thousand_replies_are_put_and_found_quickly(memo):
    entries = {key(request(str(n))): reply("The customer complains of a late parcel. " * 8) for n in range(1000)}
    assert best(lambda turn: memo.put({f"{turn}{name}": kept for name, kept in entries.items()})) < 0.060
    found = []
    assert best(lambda turn: found.append(memo.get([f"{turn}{name}" for name in entries]))) < 0.020
    assert {len(one) for one in found} == {1000}


def test_sqlite_is_imported_at_first_use():
    script = "import sys, rlm_kernel.models.memo as m; m.Memo(); assert 'sqlite3' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
