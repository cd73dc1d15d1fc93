"""``llm_map``: one judgement for each row, several small rows in a call, and no row's answer given to another.

Rows go out with ids, and an answer counts only where its id was asked and stands once. What is missing is asked again
in smaller packs, down to single rows; what came back right is kept. All packs of a round are asked at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlm_kernel.engine.found import without_thinking
from rlm_kernel.engine.returns import Misfit, Returns
from rlm_kernel.engine.rows import Rows, is_missing, row_text, rows_of, spread
from rlm_kernel.errors import ConfigError, SubcallError
from rlm_kernel.usage import Usage

_AROUND_A_ROW = 24  # characters of a row's line besides the row


@dataclass(frozen=True)
class Answer:
    """What came of one prompt."""

    value: object = None
    error: SubcallError | None = None
    """Why there is no value. If its `final` is true, asking again is of no use, and nothing more is asked."""
    usage: Usage = field(default_factory=Usage)


Ask = Callable[[Sequence[str], Returns | None], Sequence[Answer]]
"""Asks prompts at once, answers in order. Validation and one repair are inside; the prompts state the form already."""

Say = Callable[..., str]
"""Renders a section of the prompt pack."""

_Pack = list[int]  # positions of rows


class Mapped:
    """One value for each row of some data."""

    __slots__ = ("_faults", "_results", "_rows", "errors", "usage", "values")

    def __init__(self, rows: Rows, results: list[Any], faults: dict[int, SubcallError], usage: Usage) -> None:
        """Put results beside rows.

        Args:
            rows: what was judged.
            results: a value for each, None where there is none.
            faults: why, by position.
            usage: of all calls.
        """
        self._rows, self._results, self._faults = rows, results, faults
        labels = rows.labels() if faults else ()
        self.values: Any = rows.aligned(results)
        """In the shape of the data: a Series with its index, a list, a dict with its keys. Failed rows hold None."""
        self.errors: dict[Hashable, SubcallError] = {labels[at]: faults[at] for at in sorted(faults)}
        """By the row's label or key; by its position where the data has none, or where labels occur twice."""
        self.usage = usage
        """Of all calls, failed ones too."""

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._results)

    def __repr__(self) -> str:
        errors = f", {len(self._faults):,} errors" if self._faults else ""
        return f"Mapped({len(self):,} rows{errors}, {self.usage.calls:,} calls)"

    def to_frame(self) -> Any:
        """The data as a table with the values: a column for each field of a record, else ``value``; and ``error``.

        A name that the data has already gets a ``_`` at its end.
        """
        columns = spread(self._results)
        if self._faults:
            columns.append(
                ("error", [str(self._faults[at]) if at in self._faults else None for at in range(len(self))])
            )
        return self._rows.frame(columns)


def map_rows(  # noqa: PLR0913 - the arguments of llm_map, then how it is done
    data: object,
    instruction: str,
    *,
    ask: Ask,
    say: Say,
    returns: object = None,
    columns: Sequence[str] | None = None,
    per_call: int = 20,
    chars_per_call: int = 12_000,
) -> Mapped:
    """One judgement for each row of `data`.

    Args:
        data: a pandas or polars Series or DataFrame, a list, a tuple or a dict, whose values are the rows.
        instruction: what to judge.
        ask: asks prompts at once.
        say: renders the sections ``map_one`` and ``map_pack``.
        returns: the form of a value; a str by default.
        columns: which columns of a table a row is made of; all by default.
        per_call: the most rows in one call.
        chars_per_call: the most characters of rows in one call; a longer row goes alone.

    Raises:
        ConfigError: the data has no rows, or no model can write what `returns` says.
    """
    if not isinstance(instruction, str) or not instruction.strip():
        raise ConfigError(f"llm_map takes the data, then an instruction as a str, not {type(instruction).__name__}")
    form = Returns.of(str if returns is None else returns)
    if not form.writable:
        raise ConfigError(f"llm_map cannot return {form.words}: a model cannot write it as text")
    rows = rows_of(data, columns)
    work = _Work(instruction=instruction, form=form, ask=ask, say=say, texts=_texts(rows))
    work.run(_packs(work.texts, max(per_call, 1), chars_per_call))
    return Mapped(rows, [work.values.get(at) for at in range(len(rows))], work.faults, work.usage)


def _texts(rows: Rows) -> dict[int, str]:
    """The rows to judge as text, by position."""
    return {at: row_text(row) for at, row in enumerate(rows) if not is_missing(row)}


def _packs(texts: dict[int, str], per_call: int, chars: int) -> list[_Pack]:
    packs: list[_Pack] = []
    pack: _Pack = []
    room = chars
    for at, text in texts.items():
        size = len(text) + _AROUND_A_ROW
        if size > chars:
            packs.append([at])
            continue
        if pack and (len(pack) >= per_call or size > room):
            packs.append(pack)
            pack, room = [], chars
        pack.append(at)
        room -= size
    return [*packs, pack] if pack else packs


class _Work:
    """The rounds of one map. Every row ends with a value or a fault."""

    def __init__(self, *, instruction: str, form: Returns, ask: Ask, say: Say, texts: dict[int, str]) -> None:
        self.instruction = instruction
        self.form = form
        self.ask = ask
        self.say = say
        self.texts = texts
        self.values: dict[int, object] = {}
        self.faults: dict[int, SubcallError] = {}
        self.usage = Usage()

    def run(self, packs: list[_Pack]) -> None:
        """Ask until every row is settled."""
        several = self.form.rows() if any(len(pack) > 1 for pack in packs) else None
        later: list[_Pack] = []  # rows that went alone beside packs, in the form of those, and failed
        while packs:
            alone = all(len(pack) == 1 for pack in packs)
            if alone:
                packs, later = packs + later, []
            form = several if not alone else self.form if self.form.schema else None
            answers = self.ask([self._prompt(pack, alone=alone) for pack in packs], form)
            left: list[_Pack] = []
            for pack, answer in zip(packs, answers, strict=True):
                self.usage += answer.usage
                if alone:
                    self._take_one(pack[0], answer)
                elif missing := self._take_pack(pack, answer):
                    (later if len(pack) == 1 else left).extend(_halves(missing))
            packs = left or later
            later = later if left else []
            end = next((answer.error for answer in answers if _is_final(answer.error)), None)
            if end is not None:  # an error is false
                self.faults |= {at: end for pack in (*packs, *later) for at in pack}
                return

    def _prompt(self, pack: _Pack, *, alone: bool) -> str:
        if alone:
            return self.say("map_one", instruction=self.instruction, form=self.form.words, row=self.texts[pack[0]])
        lines = "\n".join(f'{{"id": "{at + 1}", "row": {self.texts[at]}}}' for at in pack)
        return self.say("map_pack", instruction=self.instruction, form=self.form.words, rows=lines)

    def _take_one(self, at: int, answer: Answer) -> None:
        if answer.error is not None:
            self.faults[at] = answer.error
            return
        text = isinstance(answer.value, str) and self.form.schema is None
        self.values[at] = without_thinking(str(answer.value)) if text else answer.value

    def _take_pack(self, pack: _Pack, answer: Answer) -> _Pack:
        """Keep what came back right; gives the rows that did not."""
        given: dict[str, list[dict[str, Any]]] = {}
        for entry in _entries(answer):
            given.setdefault(_id(entry), []).append(entry)
        for at in pack:
            entries = given.get(str(at + 1), [])
            if len(entries) == 1:
                try:
                    self.values[at] = self._value(entries[0])
                except Misfit:
                    continue
        return [at for at in pack if at not in self.values]

    def _value(self, entry: dict[str, Any]) -> object:
        if "value" in entry:
            value = entry["value"]
            text = self.form.schema is None and isinstance(value, int | float)
            return self.form.take(json.dumps(value) if text else value)
        rest = {key: value for key, value in entry.items() if key != "id"}
        if self.form.schema is None or not rest:
            raise Misfit("the row has no value")
        return self.form.take(next(iter(rest.values())) if len(rest) == 1 else rest)


def _entries(answer: Answer) -> list[dict[str, Any]]:
    match answer.value:
        case {"rows": list() as entries} | (list() as entries) if answer.error is None:
            return [entry for entry in entries if isinstance(entry, dict)]
        case _:
            return []


def _id(entry: dict[str, Any]) -> str:
    found = entry.get("id")
    return str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _halves(pack: _Pack) -> list[_Pack]:
    middle = (len(pack) + 1) // 2
    return [half for half in (pack[:middle], pack[middle:]) if half]


def _is_final(error: SubcallError | None) -> bool:
    return error is not None and bool(getattr(error, "final", False))
