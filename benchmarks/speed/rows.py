"""The rows of the report: what was measured, in which unit, and what is wanted."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Values = Mapping[str, list[float]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the report."""

    key: str
    """``measure/row``, as the measurements name it."""
    title: str
    unit: str
    most: float | None = None
    """What is wanted: no more than this."""
    least: float | None = None
    """Or no less."""
    places: int = 2


def _row(key: str, title: str, unit: str, most: float | None = None, **more: object) -> Row:
    return Row(key=key, title=title, unit=unit, most=most, **more)  # type: ignore[arg-type]


ROWS = (
    _row("load/load", "`%load_ext rlm_kernel`, in IPython that is up", "ms", 150, places=0),
    _row("load/process", "the same, as a whole process beside plain IPython", "ms", 150, places=0),
    _row("first_run/first run", "first run of a process, imports included", "ms", places=0),
    _row("fixed/fixed", "a run that ends in its first step", "ms", 20, places=1),
    _row("steps/30 steps", "engine time a step, 30 steps", "ms", 3),
    _row("steps/200 steps", "engine time a step, 200 steps", "ms", 3),
    _row("text/text", "binding 200 MB of text", "ms", 10, places=1),
    _row("text/text memory", "memory for it", "MiB", 10, places=0),
    _row("table/table", "a DataFrame of 1,000,000 rows: bound and described", "ms", 300, places=0),
    _row("batch/batch", "1,000 sub-calls of 50 ms, first request to last reply", "s", 0.9),
    _row("batch/batch run", "the whole run around them", "s"),
    _row("batch/batch processor", "processor time of one of them, in the engine's process", "ms"),
    _row("slow_batch/batch", "1,000 sub-calls of 500 ms", "s", 3),
    _row("large_batch/1,000 each", "one of 1,000 sub-calls of 50 ms", "ms"),
    _row("large_batch/10,000 each", "one of 10,000", "ms"),
    _row("large_batch/10,000 memory", "memory for one of 10,000", "KiB", places=1),
    _row("loop/loop", "`llm_query` in a loop, 50 ms: own time a call", "ms", 2),
    _row("loop/bare loop", "`llm_query` in a loop, 0 ms: own time a call", "ms", 2),
    _row("one_fails/one fails", "one of 100 prompts is always 500: kept", "of 100", least=99, places=0),
    _row("hang/hang", "one of 100 hangs, 2 s a call: kept", "of 100", least=99, places=0),
    _row("hang/hang seconds", "the run around that", "s"),
    _row("first_429/first 429", "the first 50 requests are 429: kept", "of 100", least=100, places=0),
    _row("first_429/first 429 seconds", "the run around that", "s"),
    _row("all_429/all 429 seconds", "all are 429: until the run goes on", "s"),
    _row("all_500/all 500 seconds", "all are 500: until the run goes on", "s"),
    _row("interrupt/interrupt", "Ctrl-C within 1,000 calls of 500 ms: control back", "s", 0.3),
    _row("interrupt/sent after", "requests sent in the 5 s after that", "", 0, places=0),
    _row("accounts/calls", "calls reported for each that the server counted", "", least=1),
    _row("accounts/tokens", "tokens reported for each that the server counted", "", least=1),
    _row("accounts/calls with children", "the same for calls, with child runs", "", least=1),
    _row("child/child", "one child run that answers at once", "ms", 20, places=1),
    _row("children/children", "8 children at once, 20 prints each: through", "of 8", least=8, places=0),
)
MEASURES = tuple(dict.fromkeys(row.key.partition("/")[0] for row in ROWS))

FLOORS = {
    "batch/batch": "batch",
    "batch/batch processor": "batch processor",
    "slow_batch/batch": "slow batch",
    "large_batch/10,000 each": "large batch",
    "loop/loop": "loop",
    "loop/bare loop": "bare loop",
}
"""Rows for which there is a floor, and its name."""

_HEAD = "| | unit | wanted | ours | in IPython | reference | times | client alone | bare aiohttp |\n|---|---|---|---|---|---|---|---|---|"


def table(found: Mapping[str, Values], measured: Iterable[str]) -> str:
    """The markdown table of medians; floors are the best of their repeats."""
    chosen = frozenset(measured)
    rows = [row for row in ROWS if row.key.partition("/")[0] in chosen]
    return "\n".join([_HEAD, *(_line(row, found) for row in rows)])


def median(values: Values, key: str) -> float | None:
    """The median of a row; None if it was not measured."""
    return statistics.median(values[key]) if values.get(key) else None


def _line(row: Row, found: Mapping[str, Values]) -> str:
    ours, shell, reference = (median(found.get(name, {}), row.key) for name in ("ours", "shell", "reference"))
    floor = FLOORS.get(row.key, "")
    floors = [min(found.get(name, {}).get(floor, []) or [0]) or None for name in ("client", "bare")]
    times = f"{reference / ours:.1f}" if ours and reference and ours > 0 and row.most is not None else ""
    cells = [row.title, row.unit, _wanted(row), _marked(row, ours)]
    cells += [_number(row, shell), _number(row, reference), times, *(_number(row, value) for value in floors)]
    return f"| {' | '.join(cells)} |"


def _wanted(row: Row) -> str:
    if row.most is not None:
        return f"≤ {row.most:g}"
    return f"≥ {row.least:g}" if row.least is not None else ""


def _marked(row: Row, value: float | None) -> str:
    """The number, in bold where it is not what is wanted."""
    text = _number(row, value)
    return text if value is None or met(row, value) else f"**{text}**"


def met(row: Row, value: float) -> bool:
    """Whether a value is what is wanted of its row."""
    return (row.most is None or value <= row.most) and (row.least is None or value >= row.least)


def _number(row: Row, value: float | None) -> str:
    return "" if value is None else f"{value:,.{row.places}f}"
