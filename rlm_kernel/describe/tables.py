"""Tables in words, of whatever library: one line a column, then a few rows where there is room."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rlm_kernel.describe.column_words import ColumnFacts, all_column_facts
from rlm_kernel.describe.columns import Column, sample_size
from rlm_kernel.describe.facts import Facts, field_names
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import base_of, literal
from rlm_kernel.describe.shapes import shape_of
from rlm_kernel.describe.summary import summarize
from rlm_kernel.describe.words import count, exact_text, is_foreign_scalar, is_scalar, label_text, listed, scalar_text

_log = logging.getLogger(__name__)
_COLUMNS = 60
_COLUMNS_BRIEF = 40
_NAMES = 60
_FIRST_ROWS = 3
_CELL = 40
_ROW = 300


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table as its library's describer lays it out."""

    type: str
    """``pandas DataFrame``."""
    rows: int
    labels: Sequence[object]
    """All column labels, in order."""
    column: Callable[[int], Column]
    """Gives the column at a position; asked for the described columns only."""
    cell: Callable[[int, int], object]
    """Gives one value by row and column position."""
    index: Sequence[Column] = field(default=())
    """Row labels worth a line."""
    labels_hidden: bool = False
    """True if the labels themselves are values that may not be shown."""
    hidden_rows: int = 0
    """Rows beside `rows` that may not be shown: in a table turned on its side, a row is a column."""


def table_facts(table: Table, look: Look) -> Facts:
    """Describe a table."""
    fields = () if table.labels_hidden else field_names(table.labels)
    size = table.rows + table.hidden_rows
    head = f"a {table.type}, {count(size, 'row')}{'' if table.labels else ', no columns'}."
    if look.only_head:
        return Facts(type=table.type, head=head, kind="table", size=size, fields=fields)
    shown = 0 if table.labels_hidden else min(len(table.labels), _COLUMNS_BRIEF if look.brief else _COLUMNS)
    told = _column_lines(table, look, shown)
    lines = [*(line for line, _ in told), *_remarks(table, shown=len(told) - len(table.index))]
    sampled = any(facts.sampled for _, facts in told)
    if sampled:
        lines.append(f'("About" and "at least": from a sample of {sample_size(table.rows):,} rows.)')
    rows, whole = _first_rows(table, look, shown) if not look.brief else ([], False)
    return Facts(
        type=table.type,
        head=head,
        lines=(*lines, *rows),
        kind="table",
        size=size,
        partial=not whole or bool(table.hidden_rows),
        fields=fields,
        sampled=sampled,
    )


def _column_lines(table: Table, look: Look, shown: int) -> list[tuple[str, ColumnFacts]]:
    """Describe the index and the first columns, as many as fit the room."""
    columns = [*table.index, *(table.column(at) for at in range(shown))]
    told = list(zip(columns, all_column_facts(columns, look), strict=True))
    room = look.room * 0.7
    lines: list[tuple[str, ColumnFacts]] = []
    for at, (column, facts) in enumerate(told):
        line = f"- {column_name(column, of_index=at < len(table.index))}: {facts.text}"
        room -= len(line) + 1
        if room < 0:
            break
        lines.append((line, facts))
    return lines


def column_name(column: Column, *, of_index: bool) -> str:
    """Write a column's name; the index may have none."""
    if not of_index:
        return label_text(column.label)
    return "index" if column.label is None else f"index {label_text(column.label)}"


def _remarks(table: Table, *, shown: int) -> list[str]:
    """Say what of the columns was left out, and what makes their labels hard to write."""
    if table.labels_hidden:
        return [f"Its {count(len(table.labels), 'column label')} are withheld."]
    lines = [f"{count(table.hidden_rows, 'row')} withheld."] if table.hidden_rows else []
    if rest := table.labels[max(0, shown) :]:
        names = [label_text(label) for label in rest[:_NAMES]]
        lines.append(f"- and {count(len(rest), 'more column')}: {listed(names, _NAMES, 700, total=len(rest))}")
    if twice := [label_text(label) for label, times in Counter(table.labels).items() if times > 1]:
        lines.append(f"Several columns have the same name: {listed(twice, 5, 200)}.")
    if table.labels and all(type(label) is int for label in table.labels):
        lines.append("The column labels are int, not str.")
    return lines


def _first_rows(table: Table, look: Look, shown: int) -> tuple[list[str], bool]:
    try:
        return _rows(table, look, shown)
    except Exception:  # one cell that cannot be read takes the rows, not the columns
        _log.debug("no rows of %s are shown", look.name, exc_info=True)
        return [], False


def _rows(table: Table, look: Look, shown: int) -> tuple[list[str], bool]:
    """Write the first rows, one a line. Tells also whether this is all of the table."""
    at = [place for place in range(shown) if look.hides(table.labels[place]) is None]
    index = [column for column in table.index if look.hides(column.label) is None]
    names = [column_name(column, of_index=True) for column in index] + [label_text(table.labels[place]) for place in at]
    fitting = _fitting(names)
    at = at[: max(0, fitting - len(index))]
    if not at or not table.rows or not look.seconds_left:
        return [], False
    lines = [" | ".join(names[:fitting])]
    whole = len(at) == len(table.labels) and len(index) == len(table.index) and table.rows <= _FIRST_ROWS
    for row in range(min(_FIRST_ROWS, table.rows)):
        labels = [next(iter(column.part(row, row + 1).first(1)), None) for column in index]
        cells = [_cell(value, look) for value in [*labels, *(table.cell(row, place) for place in at)]]
        lines.append(" | ".join(text for text, _ in cells))
        whole = whole and all(full for _, full in cells)
    return ["Rows:" if table.rows <= _FIRST_ROWS else "First rows:", *lines], whole


def _fitting(names: Sequence[str]) -> int:
    """Count the columns of which rows of a bearable length can be made."""
    room = _ROW
    for number, name in enumerate(names):
        room -= max(len(name), 8) + 3
        if room < 0:
            return number
    return len(names)


def cell_text(value: object, look: Look) -> str:
    """Write one value in few characters."""
    return _cell(value, look)[0]


def _cell(value: object, look: Look) -> tuple[str, bool]:
    """Write one cell in few characters, and tell whether that is all of it."""
    if isinstance(value, str):
        return look.quote(value, _CELL), look.whole(value, _CELL) is not None
    if is_scalar(value) or is_foreign_scalar(value):
        short = scalar_text(value)
        return short, exact_text(value) == short
    if (text := literal(value, look, _CELL)) is not None:
        return text, True
    return (shape_of([value], look, 1) if base_of(value) else summarize(value))[:_CELL], False
