"""What a call costs in dollars, by the price list of the package ``genai-prices``.

The list ships with the package and is read from there: its updating over the network is never started. Its own
calculation takes about 0.1 ms a call, so a price that grows in proportion to the tokens is reduced to one factor for
each kind of token, taken from that calculation; prices in tiers go through it every time.

What is not known is None, never 0: an unknown provider or model, and a model for which the list has no price of
tokens both in and out. Behind an address that belongs to no known provider, such as a proxy, a name tells the price
only if the model can be had from its maker alone. Open weights cost what their host asks, often nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from rlm_kernel.errors import ConfigError
from rlm_kernel.models import address
from rlm_kernel.usage import Usage

if TYPE_CHECKING:
    from genai_prices import types
    from genai_prices.data_snapshot import DataSnapshot

_SOLD_BY_THE_MAKER = frozenset({"anthropic", "google", "openai", "x-ai"})
"""Providers whose models, by name alone, have one price."""
_OPEN_WEIGHTS = ("gemma", "gpt-oss")
"""Models of theirs that anybody may host."""
_MANY = 1_000_000
"""Tokens at which the factors are taken; prices are given for as many."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """Dollars of one call, of one token of each kind."""

    call: float
    input: float
    cached: float
    output: float


@dataclass(kw_only=True, slots=True)
class Price:
    """The price of one model at one provider, at any time."""

    provider: str
    """Its id in the list."""
    model: str
    """Its id in the list, which may be shorter than the name asked for."""
    _info: types.ModelInfo = field(repr=False)
    _provider: types.Provider = field(repr=False)
    _rates: tuple[types.ModelPrice, _Rates | None] | None = field(default=None, init=False, repr=False)
    """The prices last in force, and what they come to for a token; None in it if they are in tiers."""

    def of(self, usage: Usage) -> float:
        """Dollars that one call costs, at the prices in force now."""
        cached = min(usage.cached_tokens, usage.input_tokens)  # some servers count the cache apart
        now = datetime.now(UTC)
        rates = self._rates_at(now)
        if rates is None:
            return self._asked(usage.input_tokens, cached, usage.output_tokens, now)
        fresh = usage.input_tokens - cached
        return rates.call + fresh * rates.input + cached * rates.cached + usage.output_tokens * rates.output

    def _rates_at(self, now: datetime) -> _Rates | None:
        prices = self._info.get_prices(now)
        known = self._rates
        if known is None or known[0] is not prices:
            known = self._rates = (prices, None if _tiered(prices) else self._taken(now))
        return known[1]

    def _taken(self, now: datetime) -> _Rates:
        call = self._asked(0, 0, 0, now)
        one = (self._asked(*kinds, now) - call for kinds in ((_MANY, 0, 0), (_MANY, _MANY, 0), (0, 0, _MANY)))
        return _Rates(call, *(dollars / _MANY for dollars in one))

    def _asked(self, sent: int, cached: int, received: int, now: datetime) -> float:
        from genai_prices import Usage as Counted

        counted = Counted(input_tokens=sent, cache_read_tokens=cached, output_tokens=received)
        return float(self._info.calc_price(counted, self._provider, genai_request_timestamp=now).total_price)


@lru_cache(maxsize=256)
def price_of(model: str, base_url: str | None) -> Price | None:
    """The price of a model behind a base URL (None is OpenAI's own); None if it is not known."""
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()
    host = _host(base_url, snapshot)
    try:
        # by the name alone, "litellm" is what reads a leading "openai/" as the maker
        provider, info = snapshot.find_provider_model(model, host, None if host else "litellm", None)
    except LookupError:
        return None
    if host is None and not _sold_by_its_maker(provider, info):
        return None
    if not _has_price(info.get_prices(datetime.now(UTC))):
        return None
    return Price(provider=provider.id, model=info.id, _info=info, _provider=provider)


def _host(base_url: str | None, snapshot: DataSnapshot) -> types.Provider | None:
    """The known provider at an address."""
    try:
        return snapshot.find_provider(None, None, address.parse(base_url).url)
    except (ConfigError, LookupError):
        return None


def _sold_by_its_maker(provider: types.Provider, info: types.ModelInfo) -> bool:
    return provider.id in _SOLD_BY_THE_MAKER and not info.id.startswith(_OPEN_WEIGHTS)


def _has_price(prices: types.ModelPrice) -> bool:
    return prices.input_mtok is not None and prices.output_mtok is not None


def _tiered(prices: types.ModelPrice) -> bool:
    from genai_prices.types import TieredPrices

    return any(isinstance(price, TieredPrices) for price in vars(prices).values())
