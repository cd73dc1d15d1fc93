"""The openai package's client, with the part of a request that never changes built once.

Building a request is a large part of what that package costs a call: it merges headers and parses the same
address several times. Here the first request to an address is built by the package, and those after it are its copies
with another body. Authentication, errors and retries stay the package's own.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import openai

_ELSE = ("headers", "params", "files", "content", "extra_json")
"""Options that would make a request differ from the first one in more than its body."""


@cache
def client_type() -> type[openai.AsyncOpenAI]:
    """The class of the clients. Their key and headers do not change, so that requests differ only in their body."""
    import openai

    class PreparedClient(openai.AsyncOpenAI):
        """Overrides `_build_request`, which is not public.

        A release of the package that has none by this name builds every request itself: slower, and as right.
        """

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._prepared: dict[tuple[str, int], Any] = {}

        @property
        def user_agent(self) -> str:
            """The package's own name, which it takes from that of the class."""
            return f"AsyncOpenAI/Python {openai.__version__}"

        def _build_request(self, options: Any, *, retries_taken: int = 0, **more: Any) -> Any:
            if more or self._idempotency_header is not None or not _has_only_a_body(options):
                return super()._build_request(options, retries_taken=retries_taken, **more)
            key = (options.url, retries_taken)  # the number of the try stands in a header
            first = self._prepared.get(key)
            if first is None:
                first = self._prepared[key] = super()._build_request(options, retries_taken=retries_taken)
                return first
            return _copied(first, options.json_data)

    return PreparedClient


def _copied(first: Any, body: object) -> Any:
    """The request `first` with another body."""
    headers = first.headers.copy()
    del headers["Content-Length"]  # set anew from the body
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return type(first)(first.method, first.url, headers=headers, content=content, extensions=dict(first.extensions))


def _has_only_a_body(options: Any) -> bool:
    import openai

    given = (getattr(options, name, None) for name in _ELSE)
    return (
        options.method.lower() == "post"
        and isinstance(options.json_data, dict)
        and isinstance(options.timeout, openai.NotGiven)
        and not any(value for value in given if not isinstance(value, openai.NotGiven))
    )
