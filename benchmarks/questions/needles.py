"""One sentence hidden in a long text: real prose of three sizes, the sentence at a random but fixed depth.

The prose is made of the paragraphs of documentation that lies on the machine anyway. There are some two million
characters of it; the longer texts draw from it, shuffled, again and again. Only the needle stands there once.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial

from . import contexts
from .question import Half, Question
from .scoring import Gold, Name

SIZES = {"10k": 40_000, "1m": 4_000_000, "10m": 40_000_000}
"""Characters of each text; a token is about four of them."""
PARAGRAPH = range(120, 2_000)


def standard_prose() -> tuple[str, ...]:
    """Paragraphs of the standard library's documentation and the language reference."""
    return _standard()


def scientific_prose() -> tuple[str, ...]:
    """Paragraphs of the documentation of numpy and pandas."""
    return _scientific()


@cache
def _standard() -> tuple[str, ...]:
    return _paragraphs([*_docstrings(contexts.library().values()), *contexts.topics().values()])


@cache
def _scientific() -> tuple[str, ...]:
    return _paragraphs(_docstrings([*contexts.numpy_sources().values(), *contexts.pandas_sources().values()]))


def _docstrings(sources: Iterable[str]) -> Iterator[str]:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue  # a file for another Python, or one that is broken on purpose
        for node in ast.walk(tree):
            if isinstance(node, documented) and (text := ast.get_docstring(node)):
                yield text


def _paragraphs(texts: Iterable[str]) -> tuple[str, ...]:
    """The paragraphs that are prose: sentences, not tables, code or examples. Each once."""
    found: dict[str, None] = {}
    for text in texts:
        for part in text.split("\n\n"):
            paragraph = " ".join(part.split())
            letters = sum(character.isalpha() or character == " " for character in paragraph)
            if (
                len(paragraph) in PARAGRAPH
                and paragraph.endswith(".")
                and ">>>" not in paragraph
                and letters > 0.9 * len(paragraph)
            ):
                found[paragraph] = None
    return tuple(found)


def hide(needle: str, prose: tuple[str, ...], size: int, seed: str) -> str:
    """A text of `size` characters of `prose` with `needle` as a paragraph of its own somewhere in it."""
    draw = random.Random(seed)
    parts: list[str] = []
    length = 0
    while length < size:
        for paragraph in draw.sample(prose, len(prose)):
            parts.append(paragraph)
            length += len(paragraph) + 2
            if length >= size:
                break
    parts.insert(draw.randrange(len(parts) // 10, len(parts)), needle)
    return "\n\n".join(parts)


def add_needles(
    half: Half, prose: Callable[[], tuple[str, ...]], sentences: Iterable[tuple[str, str, str, Gold]]
) -> None:
    """Add one question for each ``(size, needle, question, answer)``."""
    for number, (size, needle, text, gold) in enumerate(sentences, 1):
        question_id = f"needle_{size}_{number}"
        half.add(
            Question(
                id=question_id,
                kind="needle",
                name="document",
                text=text,
                load=lambda needle=needle, size=size, seed=f"{half.name} {question_id}": hide(  # type: ignore[misc]
                    needle, prose(), SIZES[size], seed
                ),
                solve=partial(_planted, needle=needle, gold=gold),
            )
        )


def _planted(document: str, *, needle: str, gold: Gold) -> Gold:
    """The answer, once it is seen that the needle stands there exactly once and the answer nowhere else."""
    said = gold.forms[0] if isinstance(gold, Name) else str(gold)
    if document.count(needle) != 1 or document.count(said) != 1:
        raise LookupError(f"the needle {needle!r} does not stand alone in its text")
    return gold
