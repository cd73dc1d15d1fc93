"""The passages of a text that answer to some words: what a small model is given in place of a search of its own.

A small model searches for one exact phrase and reads the first matches, which are often a table of contents. Here all
words count, rare ones more (as in BM25's inverse document frequency), and prose counts more than lists.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_AROUND = 160  # characters shown on each side of a match
_WIDE = 600  # characters on each side in which the other words may stand
_MOST_PASSAGES = 6
_MOST_TERMS = 8
_MOST_MATCHES = 3_000  # looked at for one term
_RARE = 3  # terms whose places are looked at: the rarest ones
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_STOP_WORDS = (
    "a an and are as at be been but by can did do does for from had has have he her his how i if in into",
    "is it its may no not of on one or our s she so some than that the their them then there these they",
    "this those to up us was we were what when where which who whom whose why will with would you your",
)
_STOP = frozenset(word for line in _STOP_WORDS for word in line.split())
_DEFINING = re.compile(r"\s*(?:[:(=,]|\b(?:is|are|was|were|means?|stands?|refers?|called)\b)", re.IGNORECASE)


class Passages(str):
    """Text that shows as itself where a string would show its quotes and escapes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class _Found:
    score: float
    key: object
    start: int
    end: int


def search(data: object, words: str) -> Passages:
    """The passages of `data` that fit `words` best, best first.

    Args:
        data: a str, or a dict or list of them.
        words: what to look for; every word counts, case does not.

    Returns:
        At most six passages of about 320 characters, each with its key where `data` has keys. Shows as plain text.
    """
    texts = dict(_texts(data))
    terms = list(dict.fromkeys(term for term in _terms(str(words))))[:_MOST_TERMS]
    weights = _weights(texts, terms)
    found = [place for key, text in texts.items() for place in _places(key, text, weights, str(words).strip())]
    best = _apart(sorted(found, key=lambda place: -place.score))
    if not best:
        return Passages("nothing found")
    return Passages("\n--\n".join(_shown(place, texts[place.key], keyed=not isinstance(data, str)) for place in best))


def _texts(data: object) -> Iterator[tuple[object, str]]:
    if isinstance(data, str):
        yield None, data
        return
    items = data.items() if isinstance(data, Mapping) else enumerate(data) if isinstance(data, list | tuple) else ()
    yield from ((key, text) for key, text in items if isinstance(text, str))


def _terms(words: str) -> list[str]:
    found = [re.sub(r"['\u2019]s$", "", word) for word in _WORD.findall(words)]  # whose it is: the text may not say
    return [word for word in found if word.lower() not in _STOP] or found


def _weights(texts: Mapping[object, str], terms: list[str]) -> dict[str, float]:
    size = sum(map(len, texts.values()))
    weights: dict[str, float] = {}
    for term in terms:
        count = sum(_count(text, term) for text in texts.values())
        if count:
            weights[term] = math.log(1 + size / (count * 100))
    return dict(sorted(weights.items(), key=lambda item: -item[1]))


def _count(text: str, term: str) -> int:
    # Three spellings instead of a case-folded copy: the text may have hundreds of megabytes.
    return sum(text.count(spelling) for spelling in {term, term.lower(), term.capitalize()})


def _places(key: object, text: str, weights: Mapping[str, float], phrase: str) -> Iterator[_Found]:
    for term in list(weights)[:_RARE]:
        for number, match in enumerate(re.finditer(re.escape(term), text, re.IGNORECASE)):
            if number >= _MOST_MATCHES:
                break
            start, end = max(0, match.start() - _AROUND), min(len(text), match.end() + _AROUND)
            yield _Found(_score(text, match, weights, phrase), key, start, end)


def _score(text: str, match: re.Match[str], weights: Mapping[str, float], phrase: str) -> float:
    folded = text[max(0, match.start() - _AROUND) : match.end() + _AROUND].lower()
    wide = text[max(0, match.start() - _WIDE) : match.end() + _WIDE].lower()
    score = 0.0
    for term, weight in weights.items():
        # A word nearby counts too: what a passage is about is often said once, some sentences before.
        score += weight if term.lower() in folded else weight * 0.7 if term.lower() in wide else 0.0
    score += 2.0 * (phrase.lower() in folded)
    around = (text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1])
    score += 0.5 * (not any(char.isalnum() for char in around))
    score += 1.0 * bool(_DEFINING.match(text, match.end()))
    words = folded.split()
    prose = sum(word in _STOP for word in words) / max(1, len(words))
    return score + 3.0 * min(prose, 0.3)


def _apart(places: list[_Found]) -> list[_Found]:
    chosen: list[_Found] = []
    for place in places:
        if all(place.key != other.key or place.end < other.start or place.start > other.end for other in chosen):
            chosen.append(place)
        if len(chosen) == _MOST_PASSAGES:
            break
    return chosen


def _shown(place: _Found, text: str, *, keyed: bool) -> str:
    passage = " ".join(text[place.start : place.end].split())
    return f"[{place.key}] {passage}" if keyed else passage
