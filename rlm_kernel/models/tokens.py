"""Counting tokens without a network: exactly where this machine has the model's encoding, else a stated estimate."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

SAMPLED_FROM = 2_000_000
"""Characters from which on a text is sampled rather than read whole by the estimate."""
ENCODED_AT_MOST = 200_000
"""Characters that are really encoded; of a longer text so many, spread over it."""
_SLICES = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Counter:
    """A way to count tokens."""

    count: Callable[[str], int]
    name: str
    """The encoding's name, or ``estimate``."""
    exact: bool
    """True if it is the model's own encoding. Texts of more than 200,000 characters are sampled even so."""


@dataclass(frozen=True, slots=True)
class _EncodingFile:
    """Where tiktoken fetches an encoding, and the hash without which it would fetch it again."""

    url: str
    sha256: str


_FILES = {
    "cl100k_base": _EncodingFile(
        "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": _EncodingFile(
        "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
_FILES["o200k_harmony"] = _FILES["o200k_base"]


def counter_for(model: str) -> Counter:
    """The best counter for a model that needs no network."""
    encoding = _encoding(model.rpartition("/")[2])
    if encoding is None:
        return Counter(count=estimate, name="estimate", exact=False)
    return Counter(count=lambda text: _encoded(encoding, text), name=encoding.name, exact=True)


def estimate(text: str) -> int:
    """Tokens that most vocabularies would make of `text`, rather too many than too few.

    Counts kinds of bytes. Digits weigh one token each as in vocabularies that never join them; letters weigh by word
    and by length; scripts other than Latin weigh by the bytes that their letters take.
    """
    return _spread(text, SAMPLED_FROM, _estimate_whole)


def _estimate_whole(text: str) -> int:
    kinds = text.encode("utf-8", "replace").translate(_KINDS)
    weight = 0.55 * len(kinds.translate(_LETTERS_ONLY).split())  # words
    weight += sum(weight_of * kinds.count(pattern) for pattern, weight_of in _WEIGHTS.items())
    return int(weight) + 1 if text else 0


_WEIGHTS = {
    b"a": 0.17,
    b"A": 0.17,
    b"aA": 1.0,  # a word within a word, and the stuff of base64
    b"0": 1.0,
    b" 0": 1.0,  # a space joins the word after it, but no number
    b".": 0.75,
    b"0.": 0.3,
    b"\n": 0.5,
    b"  ": 0.3,
    b"2": 0.7,
    b"3": 1.1,
    b"4": 2.5,
}
"""Tokens for each occurrence of a kind of character, or of two in a row: lower and upper letters, digits, other ASCII,
line ends, blanks, and characters of two, three and four bytes. Measured against the vocabulary of Qwen 2.5, where they
come to 0.9 to 1.3 times the truth for prose, code, logs and tables, and to more for scripts other than Latin."""


def _kind(character: str) -> str:
    """The kind of an ASCII character."""
    if character in "\r\n":
        return "\n"
    if character.isspace() or not character.isprintable():
        return " "
    if character.isalpha():
        return "a" if character.islower() else "A"
    return "0" if character.isdigit() else "."


# Of a character beyond ASCII its first byte tells the kind; the bytes that go on with it are of none.
_KINDS = "".join(_kind(chr(code)) for code in range(128)).encode() + b"-" * 64 + b"2" * 32 + b"3" * 16 + b"4" * 16
_LETTERS_ONLY = bytes(byte if byte in b"aA" else ord(" ") for byte in range(256))


def _encoding(model: str) -> tiktoken.Encoding | None:
    """The encoding that tiktoken has for a model, if it knows the model and need not fetch it."""
    try:
        import tiktoken
    except ImportError:
        return None
    try:
        name = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    path = _cached_file(name)
    if path is None or not _is_intact(path, _FILES[name].sha256):
        return None
    try:
        return tiktoken.get_encoding(name)
    except (ValueError, OSError):  # an encoding of that name is gone from this tiktoken, or its file just now
        return None


def _cached_file(encoding: str) -> Path | None:
    """The file in which tiktoken keeps an encoding, by tiktoken's own rules; None if there cannot be one."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder == "" or encoding not in _FILES:  # an empty name switches the cache off
        return None
    place = Path(folder) if folder else Path(tempfile.gettempdir()) / "data-gym-cache"
    return place / hashlib.sha1(_FILES[encoding].url.encode(), usedforsecurity=False).hexdigest()


@cache
def _is_intact(path: Path, sha256: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except OSError:
        return False


def _encoded(encoding: tiktoken.Encoding, text: str) -> int:
    return _spread(text, ENCODED_AT_MOST, lambda part: len(encoding.encode(part, disallowed_special=())))


def _spread(text: str, most: int, count: Callable[[str], int]) -> int:
    """Count a text whole, or from slices spread evenly over it if it is longer than `most`."""
    if len(text) <= most:
        return count(text)
    width = most // _SLICES
    step = (len(text) - width) / (_SLICES - 1)
    sample = sum(count(text[int(number * step) : int(number * step) + width]) for number in range(_SLICES))
    return round(sample * len(text) / (width * _SLICES))
