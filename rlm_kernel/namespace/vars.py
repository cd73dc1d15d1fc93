"""``run.vars``: the run's versions of variables, as a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType

from rlm_kernel.namespace.layer import Layer
from rlm_kernel.namespace.marks import MISSING
from rlm_kernel.namespace.summaries import summary_of

_ROWS = 40


class RunVars(Mapping[str, object]):
    """What the run's code sees under each name that it made or changed.

    Names that the run made live in the namespace itself; one that the user has taken over since is no longer here.
    """

    def __init__(self, layer: Layer, namespace: dict[str, object], guests: frozenset[str]) -> None:
        """Look into a layer.

        Args:
            layer: the run's layer.
            namespace: the live names.
            guests: names that the model's code has and the user has not, such as ``context``.
        """
        self._layer = layer
        self._namespace = namespace
        self._guests = guests

    def __getitem__(self, name: str) -> object:
        apart = self._layer.apart.get(name, MISSING)
        if not name.strip("_"):
            raise KeyError(name)  # `for _ in ...` is no result
        if apart is not MISSING:
            return apart
        mark = self._layer.made.get(name)
        value = self._namespace.get(name, MISSING)
        if mark is None or value is MISSING or not mark.is_of(value):
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        for name in (*self._layer.apart, *(name for name in self._layer.made if name not in self._layer.apart)):
            if name in self:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def apart(self) -> tuple[str, ...]:
        """The names that differ: the user's binding is another one, or the run has deleted its own."""
        return tuple(self._layer.apart)

    @property
    def functions(self) -> dict[str, tuple[str, ...]]:
        """Functions that the model wrote against names which mean something else to the user now."""
        apart = self._guests | frozenset(self._layer.apart)
        found = {}
        for name, value in self.items():
            used = globals_used(value, self._namespace)
            if used & apart:
                found[name] = tuple(sorted(used & apart))
        return found

    def __repr__(self) -> str:
        rows = [f"{name}: {summary_of(value)}{self._remark(name)}" for name, value in list(self.items())[:_ROWS]]
        if len(self) > _ROWS:
            rows.append(f"... and {len(self) - _ROWS} more")
        rows += [f"{name}() uses the run's {', '.join(used)}" for name, used in self.functions.items()]
        return "\n".join(rows) or "no variables of the run"

    def _remark(self, name: str) -> str:
        return " (kept apart from yours)" if name in self._layer.apart else ""


def globals_used(value: object, namespace: dict[str, object]) -> frozenset[str]:
    """Names that a function, or the methods of a class, look up in `namespace` as their globals."""
    if issubclass(type(value), FunctionType):  # the type alone: a proxy's `__class__` may raise anything
        assert isinstance(value, FunctionType)
        return frozenset(_names(value.__code__)) if value.__globals__ is namespace else frozenset()
    if issubclass(type(value), type):
        assert isinstance(value, type)
        methods = [one for one in vars(value).values() if isinstance(one, FunctionType)]
        return frozenset().union(*(globals_used(one, namespace) for one in methods))
    return frozenset()


def _names(code: CodeType) -> set[str]:
    """Global names, and attribute names with them: the code does not tell them apart."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _names(constant)
    return found
