"""What a call costs is what the price list says, is unknown where the list says nothing, and is quick to tell."""

import subprocess
import sys
import time

import genai_prices
import pytest
from genai_prices import data_snapshot, types
from hypothesis import given, settings
from hypothesis import strategies as st

from rlm_kernel.models.prices import price_of
from rlm_kernel.usage import Usage

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com/v1"
GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai/"
OPENROUTER = "https://openrouter.ai/api/v1"
PROXY = "http://127.0.0.1:4000/v1"

FLAT = [("gpt-5", OPENAI), ("gpt-4o-mini", OPENAI), ("claude-opus-4-1", ANTHROPIC), ("openai/gpt-5", OPENROUTER)]
FLAT += [("deepseek-chat", "https://api.deepseek.com"), ("mistral-large-latest", "https://api.mistral.ai/v1")]
TIERED = [("gemini-2.5-pro", GOOGLE), ("claude-sonnet-4-5", ANTHROPIC), ("gemini-2.5-pro", PROXY)]


def usage(sent, cached, received):
    return Usage(calls=1, input_tokens=sent, cached_tokens=cached, output_tokens=received)


def by_the_list(model, sent, cached, received, **where):
    counted = genai_prices.Usage(input_tokens=sent, cache_read_tokens=cached, output_tokens=received)
    return float(genai_prices.calc_price(counted, model, **where).total_price)


def is_tiered(model, url):
    prices = genai_prices.calc_price(genai_prices.Usage(), model, provider_api_url=url).model_price
    return any(isinstance(price, types.TieredPrices) for price in vars(prices).values())


@settings(deadline=None)
@given(
    which=st.sampled_from([*FLAT, *TIERED]),
    sent=st.integers(0, 2_000_000),
    share=st.floats(0, 1),
    received=st.integers(0, 200_000),
)
def test_dollars_are_those_of_the_price_list(which, sent, share, received):
    """With and without cached tokens, below and above the bounds of tiers."""
    model, url = which
    cached = int(sent * share)
    where = {"provider_api_url": url} if url != PROXY else {}
    expected = by_the_list(model, sent, cached, received, **where)
    assert price_of(model, url).of(usage(sent, cached, received)) == pytest.approx(expected, rel=1e-9)


def test_the_models_above_cover_both_kinds_of_price():
    """A list that changes must not turn the test above into one of flat prices only."""
    assert not any(is_tiered(model, url) for model, url in FLAT)
    assert any(is_tiered(model, url) for model, url in TIERED if url != PROXY)


def test_cached_tokens_cost_less():
    price = price_of("gpt-5", OPENAI)
    assert 0 < price.of(usage(1000, 1000, 0)) < price.of(usage(1000, 0, 0))


def test_a_server_that_counts_the_cache_apart_is_no_error():
    """More cached tokens than tokens sent: all of them were cached."""
    price = price_of("gpt-5", OPENAI)
    assert price.of(usage(100, 900, 0)) == price.of(usage(100, 100, 0))


def test_no_address_is_that_of_openai():
    assert price_of("gpt-5", None).of(usage(10, 0, 10)) == price_of("gpt-5", OPENAI).of(usage(10, 0, 10))


@pytest.mark.parametrize("model", ["gpt-5-mini", "claude-sonnet-4-5", "openai/gpt-5", "anthropic/claude-sonnet-4.5"])
def test_behind_a_proxy_the_maker_is_told_by_the_name(model):
    price = price_of(model, PROXY)
    assert price.provider in {"openai", "anthropic"}
    assert price.of(usage(1000, 0, 1000)) > 0


@pytest.mark.parametrize(
    "model", ["deepseek-r1", "deepseek-r1:7b", "gpt-oss-20b", "gemma-3-4b-it", "kimi-k2", "command-r"]
)
def test_open_weights_at_an_address_of_ones_own_have_no_price(model):
    """Their makers sell them too, but a server of one's own is not paid by the token."""
    assert price_of(model, PROXY) is None
    assert price_of(model, "http://192.168.1.5:11434/v1") is None


@pytest.mark.parametrize(
    "model", ["", " ", "no-such-model", "qwen2.5-coder-1.5b-instruct", "gpt-5/../x", "\ud800", "a" * 9999]
)
@pytest.mark.parametrize("url", [None, OPENAI, OPENROUTER, PROXY])
def test_an_unknown_model_has_no_price(model, url):
    assert price_of(model, url) is None


def test_a_model_that_a_known_provider_does_not_offer_has_no_price():
    """Its maker's price is not what this provider would ask."""
    assert price_of("gpt-5", "https://api.deepseek.com") is None


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "ftp://x", "http://[::1", "http://x:99999/v1", "\x00", "//", "[]"]
)
def test_an_address_that_cannot_be_read_leaves_the_name(url):
    assert price_of("no-such-model", url) is None
    assert price_of("claude-sonnet-4-5", url).provider == "anthropic"


def test_a_password_in_the_address_does_not_hide_the_provider():
    assert price_of("openai/gpt-5", "https://me:secret@OpenRouter.ai/api/v1/?key=x").provider == "openrouter"


def test_no_price_of_tokens_both_ways_is_unknown_and_not_nothing():
    """Embeddings are sold by what goes in alone; a free offer has an empty price, as has one nobody looked up."""
    assert price_of("text-embedding-3-small", OPENAI) is None
    empty = next(
        m for p in data_snapshot.get_snapshot().providers if p.id == "google" for m in p.models if m.id == "gemma-3"
    )
    assert price_of(empty.id, GOOGLE) is None


def test_every_model_of_the_list_has_a_price_or_none():
    """None fails, and a price is a finite number of dollars."""
    urls = {"openai": OPENAI, "anthropic": ANTHROPIC, "google": GOOGLE, "openrouter": OPENROUTER}
    priced = 0
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models if provider.id in urls else []:
            price = price_of(model.id, urls[provider.id])
            if price is not None:
                priced += 1
                assert 0 <= price.of(usage(1000, 100, 1000)) < 100
    assert priced > 100


def test_a_price_that_changes_with_time_is_that_of_now(monkeypatch):
    """One object tells yesterday's price yesterday and today's today."""
    price = price_of("gpt-5", OPENAI)
    dear, cheap = (types.ModelPrice(input_mtok=types.Decimal(n), output_mtok=types.Decimal(n)) for n in (9, 1))
    start = types.StartDateConstraint(start_date=types.date(2020, 1, 1))
    later = types.StartDateConstraint(start_date=types.date(9000, 1, 1))
    prices = [types.ConditionalPrice(prices=cheap), types.ConditionalPrice(start, prices=dear)]
    monkeypatch.setattr(price._info, "prices", prices)
    assert price.of(usage(1_000_000, 0, 0)) == pytest.approx(9)
    prices[1] = types.ConditionalPrice(later, prices=dear)
    assert price.of(usage(1_000_000, 0, 0)) == pytest.approx(1)


def test_telling_a_price_is_quick():
    """A call of a model with a flat price costs well under 20 microseconds; best of five on a busy machine."""
    price, used = price_of("gpt-5", OPENAI), usage(1000, 100, 100)
    price.of(used)
    spans = []
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(1000):
            price.of(used)
        spans.append(time.perf_counter() - start)
    assert min(spans) / 1000 < 20e-6


def test_the_list_is_read_late_and_never_fetched():
    """The module imports nothing heavy, and a price starts no thread that would update the list."""
    script = """
import sys, threading
from rlm_kernel.models import prices
assert not {"genai_prices", "pydantic"} & sys.modules.keys()
assert prices.price_of("gpt-5", None) is not None
assert threading.active_count() == 1
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
