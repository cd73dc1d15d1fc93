"""Describer for pyarrow tables, by their schema. Loaded with the first one that is met."""

from __future__ import annotations

from typing import Any

from rlm_kernel.describe.facts import Facts, field_names
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.words import count, escaped, label_text

_COLUMNS = 60


def describe_table(value: Any, look: Look) -> Facts:
    """Describe a table."""
    fields = list(value.schema)
    lines: list[str] = []
    for at, field in enumerate(fields[: 0 if look.only_head else _COLUMNS]):
        nulls = value.column(at).null_count
        told = look.hides(field.name) or (f"{nulls:,} missing" if nulls else "")
        lines.append(f"- {label_text(field.name)}: {escaped(str(field.type))[:80]}{f', {told}' if told else ''}")
    if rest := len(fields) - len(lines):
        lines.append(f"- and {count(rest, 'more column')}")
    return Facts(
        type="pyarrow Table",
        head=f"a pyarrow Table, {count(value.num_rows, 'row')}.",
        lines=tuple(lines),
        kind="table",
        size=int(value.num_rows),
        fields=field_names(field.name for field in fields),
    )
