"""Parameters that a server refuses: left out or renamed from then on, and said."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from rlm_kernel.models import faults, wire

if TYPE_CHECKING:
    import openai

_ADAPTABLE = {"temperature", "seed", "max_tokens", "max_completion_tokens", "response_format"}
_INSTEAD = {"max_tokens": "max_completion_tokens"}
"""What a parameter becomes when it is refused; all others are left out."""

_REFUSED = re.compile(
    r"unsupported|not support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|extra (?:inputs|fields)"
    r"|invalid (?:argument|parameter|field)|deprecated|only the default",
    re.IGNORECASE,
)


class Adaptations:
    """What one model's server has refused so far."""

    def __init__(self) -> None:
        self._refused: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is sent otherwise than asked, a sentence each."""
        asked = [name for name in self._refused if name not in _INSTEAD.values()]
        return tuple(map(self._sentence, asked))

    def applied(self, body: Mapping[str, object]) -> dict[str, object]:
        """A request's body as this server takes it."""
        adapted = dict(body)
        for name in self._refused:
            if name in adapted:
                value = adapted.pop(name)
                if name in _INSTEAD:
                    adapted[_INSTEAD[name]] = value
        return adapted

    def learn(self, error: openai.APIError, sent: Mapping[str, object]) -> bool:
        """Remember the parameter that an error refuses. True if the call is worth another try without it."""
        import openai

        if not isinstance(error, openai.APIStatusError):
            return False
        name = _refused_parameter(error, _ADAPTABLE & sent.keys())
        if name is None:
            return False
        if name not in self._refused:
            self._refused = (*self._refused, name)
        return True

    def _sentence(self, name: str) -> str:
        instead = _INSTEAD.get(name)
        return f"{name} is left out" if instead in {None, *self._refused} else f"{name} is sent as {instead}"


def _refused_parameter(error: openai.APIStatusError, sent: Collection[str]) -> str | None:
    """The optional parameter among `sent` that the server says it does not take, if that is what it says."""
    body = faults.error_body(error)
    text = f"{wire.server_text(body)} {faults.error_field(body, 'code')}"
    if error.status_code not in {400, 422} or faults.is_overflow(text) or not _REFUSED.search(text):
        return None
    named = faults.error_field(body, "param")
    if named in sent:
        return named
    places = {name: place.start() for name in sent if (place := re.search(rf"\b{name}\b", text))}
    return min(places, key=places.__getitem__, default=None)
