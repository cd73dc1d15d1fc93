"""Counting tokens never leaves the machine, never fails, and errs on the high side."""

import base64
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.models import tokens
from rlm_kernel.models.openai_compatible import OpenAIModel


@pytest.fixture
def cached_encoding(tmp_path, monkeypatch):
    """A small byte-level vocabulary in place of o200k_base, where tiktoken would keep the real one."""
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    lines.append(f"{base64.b64encode(b'ab').decode()} 256")
    content = "\n".join(lines).encode()
    url = tokens._FILES["o200k_base"].url
    (tmp_path / hashlib.sha1(url.encode()).hexdigest()).write_bytes(content)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    return hashlib.sha256(content).hexdigest()


def test_encoding_that_is_not_here_is_not_fetched(tmp_path, monkeypatch):
    """A model of OpenAI whose encoding is not on this machine is estimated, without a network."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert tokens.counter_for("gpt-4o") == tokens.Counter(count=tokens.estimate, name="estimate", exact=False)
    assert OpenAIModel("gpt-4o", api_key="none").count("one two three") > 0


def test_corrupt_encoding_is_not_fetched_anew(cached_encoding, tmp_path):
    """A cached file with the wrong hash is left alone: tiktoken would delete and fetch it."""
    assert not tokens.counter_for("gpt-4o").exact
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("folder", ["", "/nowhere/at/all"])
def test_odd_cache_folders(folder, monkeypatch):
    """A cache that is switched off or not there means the estimate."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", folder)
    assert not tokens.counter_for("gpt-4o").exact


@pytest.mark.parametrize("model", ["qwen2.5-coder-1.5b", "meta-llama/Llama-3-8B", "", "/", "gpt", "claude-x"])
def test_models_that_tiktoken_does_not_know(model):
    """Models of others are estimated."""
    assert tokens.counter_for(model).name == "estimate"


def test_special_tokens_in_a_text_are_text():
    """The words of special tokens are counted as the text that they are."""
    import tiktoken

    ranks = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding(
        "bytes", pat_str=r"\w+|\W", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 256}
    )
    assert tokens._encoded(encoding, "<|endoftext|>") == 13
    assert tokens._encoded(encoding, "") == 0
    assert tokens._encoded(encoding, "ab " * 1_000_000) == pytest.approx(3_000_000, rel=0.01)


# Texts and the tokens that the vocabulary of Qwen 2.5 makes of them.
SAMPLES = {
    "prose": (
        "The committee met on Tuesday to discuss the annual report and the plans for the coming year. " * 20,
        361,
    ),
    "code": (
        "def total(rows):\n    return sum(row['price'] * row['amount'] for row in rows if row is not None)\n\n" * 20,
        520,
    ),
    "numbers": ("2024-01-17,83.5,1204,0.00231,99817263\n" * 50, 1900),
    "json": ('{"id": 17, "name": "Ann", "tags": ["a", "b"], "ok": true}\n' * 50, 1350),
    "log": ("2024-01-17T08:31:02.123Z INFO  [worker-7] GET /api/v1/users/8812 200 13ms\n" * 50, 2550),
    "chinese": ("我们昨天在北京开会讨论了今年的计划。" * 50, 500),
    "russian": ("Вчера мы обсудили планы на этот год и отчёт за прошлый. " * 50, 1051),
    "hindi": ("हमने कल बैठक में योजनाओं पर चर्चा की। " * 40, 1361),
    "emoji": ("😀🎉🚀" * 100, 300),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_estimate_is_near_and_rather_high(kind):
    """The estimate is hardly below what a real vocabulary makes of the text, and not beyond bounds above it."""
    text, tokens_of_qwen = SAMPLES[kind]
    assert 0.95 * tokens_of_qwen <= tokens.estimate(text) <= 2.6 * tokens_of_qwen


def test_estimate_of_digits_is_high():
    """Digits may be a token each, so they are counted so."""
    assert tokens.estimate("1234567890" * 100) >= 1000


@given(st.text())
def test_estimate_never_fails(text):
    """Any text, lone surrogates included, has a count, and only the empty text has none."""
    assert (tokens.estimate(text) == 0) == (text == "")


@given(st.text(), st.text())
def test_estimate_grows(text, more):
    """More text is never fewer tokens."""
    assert tokens.estimate(text + more) >= tokens.estimate(text)


def test_huge_texts_are_cheap():
    """A hundred million characters are counted in no time worth speaking of, near enough."""
    prose, _ = SAMPLES["prose"]
    text = prose * 60_000
    begin = time.monotonic()
    counted = tokens.estimate(text)
    assert time.monotonic() - begin < 5
    assert counted == pytest.approx(tokens.estimate(prose) * 60_000, rel=0.05)


def test_surrogates_are_counted():
    """A text that UTF-8 cannot hold is counted all the same."""
    assert tokens.estimate("\ud800" * 10) > 0
