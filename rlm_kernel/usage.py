"""What a call to a model used. Every sum in the package is a sum of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Calls, tokens and dollars of one call or of many; add them with ``+`` or ``sum(..., Usage())``."""

    calls: int = 0
    """Answered calls. A retry is no call of its own, its tokens count; an answer from the memo is none."""
    input_tokens: int = 0
    """Tokens sent, cached ones included."""
    output_tokens: int = 0
    """Tokens received, reasoning included where the server counts it."""
    cached_tokens: int = 0
    """The part of ``input_tokens`` that the server took from its prompt cache."""
    dollars: float = 0.0
    """What the calls of a known price cost."""
    unpriced: int = 0
    """Answered calls whose price is not known."""

    @property
    def tokens(self) -> int:
        """Tokens sent and received."""
        return self.input_tokens + self.output_tokens

    @property
    def cost(self) -> float | None:
        """Dollars; None if the price of any call is not known: an unknown price is never taken for 0."""
        return None if self.unpriced else self.dollars

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            dollars=self.dollars + other.dollars,
            unpriced=self.unpriced + other.unpriced,
        )
