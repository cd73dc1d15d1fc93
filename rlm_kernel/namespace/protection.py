"""How many ``try`` and ``with`` blocks protect an instruction, read from its code's exception table."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

_PUSH_EXC_INFO = dis.opmap.get("PUSH_EXC_INFO")


def protecting_blocks(code: CodeType, offset: int) -> int:
    """The number of blocks around the instruction at `offset` (in bytes) that would see its exception."""
    return sum(start <= offset < end for start, end in _blocks(code))


@lru_cache(maxsize=256)
def _blocks(code: CodeType) -> tuple[tuple[int, int], ...]:
    """Start and end of what each written block protects; the nested ones apart."""
    found: list[tuple[int, int]] = []
    by_target: dict[int, list[tuple[int, int]]] = {}
    for start, end, target in _entries(code.co_exceptiontable):
        if _is_written(code, target):
            by_target.setdefault(target, []).append((start, end))
    spans = {target: (min(s for s, _ in parts), max(e for _, e in parts)) for target, parts in by_target.items()}
    # The table names only the innermost target of an instruction: a block's parts leave out the blocks within it.
    # Its span from first to last holds them.
    found.extend(spans.values())
    return tuple(found)


def _is_written(code: CodeType, target: int) -> bool:
    """False for the clean-up code that the compiler adds to each ``except`` body: it only raises again."""
    return _PUSH_EXC_INFO is None or code.co_code[target] == _PUSH_EXC_INFO


def _entries(table: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and target of each entry, in bytes of code.

    The format: four numbers per entry (start, length, target, depth and a flag) counted in code units of two bytes,
    each number in groups of six bits, bit 6 set where another group follows, bit 7 set at an entry's first byte.
    """
    position = 0

    def number() -> int:
        nonlocal position
        byte = table[position]
        position += 1
        value = byte & 63
        while byte & 64:
            byte = table[position]
            position += 1
            value = value << 6 | byte & 63
        return value

    while position < len(table):
        start, length, target = number() * 2, number() * 2, number() * 2
        number()
        yield start, start + length, target
