"""Columns that the model must not get, taken out of whatever holds them: frames, series, records, dicts, nested too.

What holds values behind functions or attributes (objects, closures, texts) cannot be looked into.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from typing import Any

from rlm_kernel.errors import ConfigError

_DEEP = 8
_LABELS = 10_000
"""Row labels up to which each one is looked at: beyond that they are data."""
_ITEMS = 1_000
"""Items of one container in which labels are looked for."""
_LOOKED_AT = 10_000
"""Values of one variable in which labels are looked for."""

_PLAIN = frozenset({str, int, float, bool, complex, bytes, type(None)})
"""Types that hold nothing else."""

Hides = Callable[[object], bool]


class Withheld:
    """The labels to withhold: ``ssn`` anywhere, ``frame.ssn`` in one variable alone; case does not count."""

    def __init__(self, labels: frozenset[str]) -> None:
        self._labels = frozenset(label.casefold() for label in labels)

    def __bool__(self) -> bool:
        return bool(self._labels)

    def hides(self, name: str, label: object) -> bool:
        """Whether a label in the variable `name` is withheld."""
        parts = label if type(label) is tuple else (label,)
        texts = [part.casefold() for part in parts if isinstance(part, str)]
        texts += [str(part) for part in parts if type(part) in (int, float)]
        return any(not self._labels.isdisjoint({text, f"{name}.{text}".casefold()}) for text in texts)

    def without(self, name: str, value: object) -> object:
        """`value` without what is withheld; `value` itself if there is nothing of it."""
        if not self._labels:
            return value
        decided: dict[str, bool] = {}  # a million records have the same few keys

        def hides(label: object) -> bool:
            if type(label) is not str:
                return self.hides(name, label)
            known = decided.get(label)
            if known is None:
                known = decided[label] = self.hides(name, label)
            return known

        return _without(value, hides, 0)


def require_known(withhold: Collection[str], values: Mapping[str, object]) -> None:
    """Raise a ConfigError for a label that nothing in `values` has: it would be shown, only otherwise spelt."""
    known = {name: list(dict.fromkeys(filter(_is_plain, labels_in(value)))) for name, value in values.items()}
    for wanted in withhold:
        withheld = Withheld(frozenset({wanted}))
        if not any(withheld.hides(name, label) for name, labels in known.items() for label in labels):
            texts = [str(label) for labels in known.values() for label in labels]
            near = difflib.get_close_matches(wanted, dict.fromkeys(texts), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "columns, fields and keys can be withheld"
            raise ConfigError(f"no variable has a column {wanted!r} to withhold; {hint}")


def _is_plain(label: object) -> bool:
    return type(label) in (str, int, float) or (type(label) is tuple and all(map(_is_plain, label)))


def labels_in(value: object) -> Iterator[object]:
    """Labels of columns, fields and keys in a value, nested ones too; of what is large only a part is looked at."""
    waiting, looked = [value], 0
    while waiting and looked < _LOOKED_AT:
        one, looked = waiting.pop(), looked + 1
        kind = type(one)
        if issubclass(kind, dict):
            yield from islice(dict.keys(one), _LABELS)  # type: ignore[arg-type]  # a dict, as its type says
            waiting += islice(dict.values(one), _ITEMS)  # type: ignore[arg-type]  # the same
        elif kind in (list, tuple):
            waiting += islice(one, _ITEMS)  # type: ignore[call-overload]  # list or tuple
        else:
            for look, _ in (_LOOKS[family] for family in _families(kind)):
                yield from look(one)


def _without(value: Any, hides: Hides, depth: int) -> Any:
    kind = type(value)
    if kind in _PLAIN or depth > _DEEP:
        return value
    if issubclass(kind, dict):
        return _without_keys(value, hides, depth)
    if kind in (list, tuple):
        items = [_without(item, hides, depth + 1) for item in value]
        same = all(mine is theirs for mine, theirs in zip(items, value, strict=True))
        return value if same else kind(items)
    for look, take in (_LOOKS[family] for family in _families(kind)):
        if hidden := [label for label in look(value) if hides(label)]:
            return take(value, hidden)
    return value


def _without_keys(value: Any, hides: Hides, depth: int) -> Any:
    # Asked of dict itself: a subclass may answer otherwise, or not at all.
    keys = list(dict.keys(value))
    hidden = [key for key in keys if hides(key)]
    if _PLAIN.issuperset(map(type, dict.values(value))) and not hidden:
        return value
    kept = dict.copy(value)
    for key in hidden:
        del kept[key]
    nested = {key: _without(item, hides, depth + 1) for key, item in kept.items() if type(item) not in _PLAIN}
    if not hidden and all(kept[key] is item for key, item in nested.items()):
        return value
    kept.update(nested)
    return kept


def _families(kind: type) -> Iterator[tuple[str, str]]:
    """The known families that a type belongs to. Imports nothing: what is not imported has no objects."""
    for module, name in _LOOKS:
        library = sys.modules.get(module)
        known = getattr(library, name, None)
        if isinstance(known, type) and issubclass(kind, known):
            yield module, name


def _pandas_labels(value: Any) -> list[Any]:
    labels = [*getattr(value, "columns", ()), *value.index.names]
    labels += [value.name] if value.ndim == 1 else []
    if len(value.index) <= _LABELS and value.index.dtype.kind in "OST":
        labels += list(value.index)
    return labels


def _pandas_without(value: Any, hidden: list[Any]) -> Any:
    gone = set(hidden)
    if value.ndim == 1 and value.name in gone:
        return value.iloc[:0]
    if any(name in gone for name in value.index.names):
        value = value.reset_index(drop=True)
    elif len(value.index) <= _LABELS:
        value = value.loc[[label not in gone for label in value.index]]
    if value.ndim > 1:
        value = value.drop(columns=[label for label in value.columns if label in gone])
    return value


def _polars_series_without(value: Any, hidden: list[Any]) -> Any:
    del hidden
    return value.clear()


def _fields_without(value: Any, hidden: list[Any]) -> Any:
    from numpy.lib import recfunctions

    # Repacked: a view on some fields would still hold the others.
    kept = [name for name in value.dtype.names if name not in hidden]
    return recfunctions.repack_fields(value[kept]) if kept else value[:0]


_LOOKS: dict[tuple[str, str], tuple[Callable[[Any], list[Any]], Callable[[Any, list[Any]], Any]]] = {
    ("pandas", "DataFrame"): (_pandas_labels, _pandas_without),
    ("pandas", "Series"): (_pandas_labels, _pandas_without),
    ("polars", "DataFrame"): (lambda value: list(value.columns), lambda value, hidden: value.drop(hidden)),
    ("polars", "LazyFrame"): (lambda value: value.collect_schema().names(), lambda value, hidden: value.drop(hidden)),
    ("polars", "Series"): (lambda value: [value.name], _polars_series_without),
    ("pyarrow", "Table"): (lambda value: list(value.column_names), lambda value, hidden: value.drop_columns(hidden)),
    ("numpy", "ndarray"): (lambda value: list(value.dtype.names or ()), _fields_without),
}
"""By module and class: the labels of a value, and the value without some of them."""
