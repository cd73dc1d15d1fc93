"""The rows of the live view: a flat table that knows which of its fields have changed since they were last sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from rlm_kernel.usage import Usage

Kind = Literal["run", "step", "batch", "call", "ask"]
"""ask: a request to a root model. It belongs to its step and has a bar in the timeline, but no row in the tree."""


@dataclass(slots=True, eq=False)
class Row:
    """One row, and the part of it that nobody was told yet."""

    id: str
    kind: Kind
    up: Row | None
    source: Any
    """What it shows: a `Node`, a `Step`, a `Call`, or the list of the calls of a batch."""
    fields: dict[str, Any] = field(default_factory=dict)
    fresh: dict[str, Any] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    ended: float | None = None
    """When something of it last came to an end."""

    def above(self) -> Iterator[Row]:
        """The rows that it stands under, nearest first."""
        row = self.up
        while row is not None:
            yield row
            row = row.up

    @property
    def whole(self) -> dict[str, Any]:
        """All fields, as a view that knows nothing yet needs them."""
        return {"id": self.id, "kind": self.kind, "up": self.up.id if self.up else None, **self.fields}


class Table:
    """All rows in the order in which they came. Every change costs the same, however many there are."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._fresh: dict[str, Row] = {}
        self._new: set[str] = set()

    def __bool__(self) -> bool:
        """True if there is anything that was not sent."""
        return bool(self._fresh)

    def new(self, name: str, kind: Kind, up: Row | None, source: object, **fields: object) -> Row:
        """Add a row. Rows above it must be there already."""
        row = self.rows[name] = Row(name, kind, up, source)
        self._new.add(name)
        self._fresh[name] = row
        self.put(row, **fields)
        return row

    def put(self, row: Row, **fields: object) -> None:
        """Set fields; those that do not change are not sent."""
        for name, value in fields.items():
            if name not in row.fields or row.fields[name] != value:
                row.fields[name] = row.fresh[name] = value
                self._fresh[row.id] = row

    def add(self, row: Row, name: str, by: int = 1) -> None:
        """Count."""
        self.put(row, **{name: row.fields.get(name, 0) + by})

    def charge(self, row: Row, usage: Usage) -> None:
        """Add what a call used to its row and to all above it."""
        for each in (row, *row.above()):
            each.usage += usage
            sums: dict[str, object] = {"in": each.usage.input_tokens, "out": each.usage.output_tokens}
            if each.usage.calls:
                sums["cost"] = None if each.usage.cost is None else round(each.usage.cost, 7)
            self.put(each, **sums)

    def take(self) -> list[dict[str, Any]]:
        """What has changed since the last time, as patches: new rows whole, of others the changed fields."""
        fresh, self._fresh = self._fresh, {}
        new, self._new = self._new, set()
        patches = []
        for name, row in fresh.items():
            changed, row.fresh = row.fresh, {}
            patches.append(row.whole if name in new else {"id": name, **changed})
        return patches

    def whole(self) -> list[dict[str, Any]]:
        """All rows, those not sent yet included."""
        return [row.whole for row in self.rows.values()]
