"""What must not be shown: values under names that look like secrets, and secrets that stand in texts."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    [
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "secrets",
        "token",
        "authorization",
        "credential",
        "credentials",
        "apikey",
        "apitoken",
        "accesstoken",
        "authtoken",
        "bearer",
        "cookie",
    ],
)
_SECRET_KEYS = frozenset(["api", "access", "private", "secret", "auth", "encryption", "signing", "ssh", "account"])
# `token_count` is a number about tokens, no token.
_MEASURES = re.compile(r"counts?|types?|len(gth)?|limit|usage|cost|price|num(ber)?|total|per|rate|size")

_NAMED_SECRET = re.compile(
    r"""(?ix)
    \b ( [\w-]* (?: api[_-]?key | access[_-]?key | private[_-]?key | secret | token | passw(?:or)?d | passphrase
                  | pwd | authorization ) ["']? \s* [:=] \s* )
    (?: (?:bearer|basic|token) \s+ )?
    (?: "[^"]*"? | '[^']*'? | [^\s"',;&]+ )""",
)
_TOKEN = re.compile(
    r"""(?x)
      \b sk-[\w-]{16,} | \b gh[pousr]_\w{16,} | \b github_pat_\w{16,} | \b A[KS]IA[0-9A-Z]{12,}
    | \b xox[abeprs]-[\w-]{8,} | \b hf_\w{16,} | \b AIza[\w-]{20,}
    | \b eyJ[\w-]{8,}\.[\w-]{8,}\S* | (?i:\b bearer \s+ [\w.~+/-]{16,}=*)
    | (?<=://) [^\s/:@]+ : [^\s/@]+ (?=@) | -----BEGIN[\ A-Z]*PRIVATE\ KEY-----[\s\S]*""",
)


def looks_secret(label: object) -> bool:
    """Tell whether `label` names a secret: ``api_key``, ``accessToken``, ``DB_PASSWORD``."""
    if isinstance(label, tuple):
        return any(looks_secret(part) for part in label)
    if not isinstance(label, str):
        return False
    words = [word.lower() for word in _WORD.findall(label[:200])]
    if any(map(_MEASURES.fullmatch, words)):
        return False
    pairs = pairwise(words)
    return bool(_SECRET_WORDS.intersection(words)) or any(
        second in ("key", "keys") and first in _SECRET_KEYS for first, second in pairs
    )


def blank_secrets(text: str) -> str:
    """Replace what looks like a secret in a short text by ``***``."""
    return _TOKEN.sub("***", _NAMED_SECRET.sub(r"\1***", text))


def key_pattern(names: Collection[str]) -> re.Pattern[str] | None:
    """Build a pattern that finds any of `names` used as a key, a header or a tag inside a text."""
    if not names:
        return None
    word = "(?:" + "|".join(re.escape(name) for name in sorted(names)) + ")"
    return re.compile(
        rf"""(?im)[,;|\t<]\s*["']?{word}(?!\w)|(?<!\w){word}["'\\\s]*[:=,;|\t>]|^\s*["']?{word}["']?\s*$""",
    )
