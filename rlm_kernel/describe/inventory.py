"""All of a user's variables, one line each, for a question that names none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rlm_kernel.describe.binding import describe
from rlm_kernel.describe.look import Detail
from rlm_kernel.describe.words import listed
from rlm_kernel.trajectory.records import Binding

_LINES = 40
_SECONDS = 0.2
_RANK = {"table": 0, "texts": 1, "text": 2, "sequence": 3}
_SMALL_TEXT = 200
_LINE = 200


def inventory(namespace: Mapping[str, object], names: Sequence[str], *, withhold: Collection[str] = ()) -> str:
    """List variables, the likeliest data and the largest first; the rest is counted and named.

    Args:
        namespace: where the variables live.
        names: which of them to list; one that is gone is left out.
        withhold: columns and keys never shown, as in `describe`.
    """
    known = [name for name in names if name in namespace]
    share = _SECONDS / max(1, len(known))
    found = [describe(name, namespace[name], withhold=withhold, detail=Detail.LINE, seconds=share) for name in known]
    found.sort(key=_order)
    lines = [_line(binding) for binding in found[:_LINES]]
    if rest := [binding.name for binding in found[_LINES:]]:
        lines.append(f"- and {len(rest):,} more: {listed(rest, 40, 500)}")
    return "\n".join(lines) if lines else "There are no variables."


def _order(binding: Binding) -> tuple[int, int, str]:
    small = binding.kind == "text" and (binding.size or 0) <= _SMALL_TEXT
    last = {"function": 8, "class": 8, "module": 9}.get(binding.type, 6 if binding.size is None else 4)
    return (5 if small else _RANK.get(binding.kind, last), -(binding.size or 0), binding.name)


def _line(binding: Binding) -> str:
    text = binding.text.split("\n", 1)[0].removeprefix(f"`{binding.name}` is ").rstrip(".")
    columns = f": {listed(binding.fields, 30, _LINE)}" if binding.kind == "table" and binding.fields else ""
    return f"- {binding.name}: {text[: 2 * _LINE]}{columns}"
