"""What the root model of the mock writes: the same code for every engine, but for how it ends."""

from __future__ import annotations

from collections.abc import Callable

from speed.server import MARK

End = Callable[[str], str]
"""Code that ends a run with the value of an expression."""

REPORT = (
    "import json\n"
    "bad = [str(r) for r in results if r != 'ok']\n"
    "print(json.dumps({'ok': len(results) - len(bad), 'of': len(results), 'bad': bad[:1]}))"
)


def script(steps: list[str], end: str) -> list[str]:
    """A root's replies: the steps in turn, each with its mark, then the code that ends the run."""
    return [_fenced(f"{MARK}{number}\n{code}") for number, code in enumerate(steps)] + [_fenced(end)]


def batch(count: int) -> str:
    """One batched call of `count` prompts."""
    return f"results = llm_query_batched(['item %d: say ok' % i for i in range({count})])\n{REPORT}"


def loop(count: int) -> str:
    """`count` calls, one after the other."""
    return f"results = [llm_query('item %d: say ok' % i) for i in range({count})]\n{REPORT}"


def children(count: int, arguments: str) -> str:
    """`count` child runs at once, each with `arguments`."""
    return f"results = rlm_query_batched([({arguments}) for i in range({count})])\n{REPORT}"


def children_in_turn(count: int, arguments: str) -> str:
    """`count` child runs, one after the other."""
    return f"results = [rlm_query({arguments}) for i in range({count})]\n{REPORT}"


def trivial(count: int) -> list[str]:
    """`count` steps that do next to nothing."""
    return [f"x{number} = {number}\nprint(x{number})" for number in range(count)]


def _fenced(code: str) -> str:
    return f"The next step.\n```repl\n{code}\n```\n"
