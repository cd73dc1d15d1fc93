"""Where a server is: one base URL, taken apart so that no secret in it is ever shown."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from rlm_kernel.errors import ConfigError

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A base URL. Only `shown` is fit for the eye of a person or a log."""

    url: str = field(repr=False)
    """Without credentials and query, without a slash at its end."""
    shown: str
    """The whole of it, credentials and the values of the query masked."""
    host: str
    port: int
    on_this_machine: bool
    authorization: str | None = field(default=None, repr=False)
    """The header's value, if the URL held a user and a password."""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def root(self) -> str:
        """The URL without its ``/v1``, where servers keep what is their own and not OpenAI's."""
        return self.url.removesuffix("/v1")


def parse(base_url: str | None) -> Address:
    """Read a base URL; None is OpenAI's own. Raises ConfigError if it is none."""
    text = (base_url or OPENAI).strip()
    try:
        parts = urlsplit(text)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise ConfigError("the base URL cannot be read; write it like http://127.0.0.1:8080/v1") from None
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError("the base URL has no http:// or https:// and host; write it like http://127.0.0.1:8080/v1")
    place = f"[{host}]" if ":" in host else host
    netloc = place if parts.port is None else f"{place}:{parts.port}"
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}" if "@" in parts.netloc else ""
    masked = urlencode([(name, "***") for name, _ in query], safe="*")
    return Address(
        url=urlunsplit((parts.scheme, netloc, path, "", "")),
        shown=urlunsplit((parts.scheme, f"***@{netloc}" if credentials else netloc, path, masked, "")),
        host=host,
        port=port,
        on_this_machine=_is_loopback(host),
        authorization=f"Basic {base64.b64encode(credentials.encode()).decode()}" if credentials else None,
        query=query,
        secrets=tuple(value for value in (unquote(parts.password or ""), *(value for _, value in query)) if value),
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified
