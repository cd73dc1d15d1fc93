"""Results: kept in a JSON file that a later run goes on from, and shown as a markdown table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """One question, asked by one method."""

    id: str
    half: str
    kind: str
    method: str
    right: bool
    answer: str
    status: str
    steps: int
    calls: int
    input_tokens: int
    output_tokens: int
    seconds: float
    sent: float | None
    error: str


class Results:
    """The results of one file. Every addition is on the disk before the next question is asked."""

    def __init__(self, path: Path | None, setup: dict[str, Any]) -> None:
        """Read what is there.

        Args:
            path: the file; None keeps nothing.
            setup: model, temperature and so on. A file with another setup is refused.

        Raises:
            ValueError: the file holds results of another setup.
        """
        self._path = path
        self._setup = setup
        self._kept: dict[tuple[str, str, str], Result] = {}
        if path and path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["setup"] != setup:
                raise ValueError(f"{path} holds results of {stored['setup']}, not of {setup}; give another --out")
            for item in stored["results"]:
                self._keep(Result(**item))

    def __iter__(self) -> Iterator[Result]:
        return iter(self._kept.values())

    def has(self, half: str, method: str, question: str) -> bool:
        """Whether this was asked already."""
        return (half, method, question) in self._kept

    def add(self, result: Result) -> None:
        """Keep a result."""
        self._keep(result)
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            stored = {"setup": self._setup, "results": [asdict(kept) for kept in self]}
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(stored, indent=1), encoding="utf-8")
            fresh.replace(self._path)

    def _keep(self, result: Result) -> None:
        self._kept[result.half, result.method, result.id] = result


HEAD = (
    "| half | method | kind | right | share | steps median/mean | calls median/mean | seconds median/mean | data seen |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def table(results: Iterable[Result]) -> str:
    """The markdown table: a row for each half, method and kind, needles by their size, and one for all together."""
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.half, result.method, _kind(result)), []).append(result)
        groups.setdefault((result.half, result.method, "zz"), []).append(result)
    return "\n".join([HEAD, *(_row(*key, groups[key]) for key in sorted(groups))])


def _kind(result: Result) -> str:
    """The kind; of a needle also the tokens of its text, which its id bears: ``needle_10k_1``."""
    return f"needle in {result.id.split('_')[1]} tokens" if result.kind == "needle" else result.kind


def _row(half: str, method: str, kind: str, group: list[Result]) -> str:
    right = sum(result.right for result in group)
    seen = [result.sent for result in group if result.sent is not None]
    cells = [
        half,
        method,
        "all" if kind == "zz" else kind,
        f"{right}/{len(group)}",
        f"{right / len(group):.0%}",
        _two([result.steps for result in group]),
        _two([result.calls for result in group]),
        _two([result.seconds for result in group]),
        f"{statistics.median(seen):.1%} median" if seen else "-",
    ]
    return f"| {' | '.join(cells)} |"


def _two(values: list[float] | list[int]) -> str:
    return f"{statistics.median(values):.3g} / {statistics.mean(values):.3g}"
