"""Which describer fits a value, by the qualified names of its classes: no library is imported to find out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from inspect import getattr_static
from typing import TYPE_CHECKING, Any

from rlm_kernel.describe.facts import Describer, Facts
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.secrecy import blank_secrets
from rlm_kernel.describe.words import a_or_an, type_name, visible

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "rlm_kernel.describers"
"""Entry points: the name is a type's, as in `register`, the object a describer."""
_OWN_WORDS = 10_000
_registered: dict[str, Describer] = {}

# Where each describer stands, so that only what is met is loaded.
_HOME = "rlm_kernel.describe"
_BUILT_IN = {
    "builtins.str": "texts:describe_str",
    "builtins.bytes": "texts:describe_bytes",
    "builtins.bytearray": "texts:describe_bytes",
    "builtins.dict": "dicts:describe_dict",
    "builtins.list": "sequences:describe_sequence",
    "builtins.tuple": "sequences:describe_sequence",
    "builtins.set": "sequences:describe_sequence",
    "builtins.frozenset": "sequences:describe_sequence",
    "collections.deque": "sequences:describe_sequence",
    "builtins.NoneType": "objects:describe_none",
    "builtins.bool": "objects:describe_scalar",
    "builtins.int": "objects:describe_scalar",
    "builtins.float": "objects:describe_scalar",
    "builtins.complex": "objects:describe_scalar",
    "builtins.range": "objects:describe_range",
    "enum.Enum": "objects:describe_enum",
    "decimal.Decimal": "objects:describe_scalar",
    "fractions.Fraction": "objects:describe_scalar",
    "datetime.date": "objects:describe_scalar",
    "datetime.time": "objects:describe_scalar",
    "datetime.timedelta": "objects:describe_scalar",
    "uuid.UUID": "objects:describe_scalar",
    "pathlib.PurePath": "objects:describe_path",
    "builtins.function": "objects:describe_callable",
    "builtins.method": "objects:describe_callable",
    "builtins.builtin_function_or_method": "objects:describe_callable",
    "functools.partial": "objects:describe_object",
    "builtins.module": "objects:describe_module",
    "builtins.type": "objects:describe_class",
    "numpy.ndarray": "numpy_arrays:describe_array",
    "numpy.generic": "numpy_arrays:describe_scalar",
    "pandas.DataFrame": "pandas_tables:describe_frame",
    "pandas.Series": "pandas_tables:describe_series",
    "pandas.Index": "pandas_tables:describe_index",
    "polars.DataFrame": "polars_tables:describe_frame",
    "polars.LazyFrame": "polars_tables:describe_lazy",
    "polars.Series": "polars_tables:describe_series",
    "pyarrow.Table": "arrow_tables:describe_table",
    "torch.Tensor": "objects:describe_shaped",
}


def register(type_name: str, describer: Describer) -> None:
    """Describe values of a type in one's own way.

    Args:
        type_name: the qualified name of the class, or its package and name: ``polars.DataFrame`` names
            ``polars.dataframe.frame.DataFrame`` too. Subclasses are described the same way.
        describer: called with the value and the `Look`; gives the text, or `Facts`. It should ask
            ``look.hides(label)`` before it shows what stands under a label.
    """
    _registered[type_name if "." in type_name else f"builtins.{type_name}"] = describer


def facts_of(value: object, look: Look) -> Facts:
    """Describe `value` by the best describer there is. May raise whatever a describer raises."""
    describer = _describer(value, look)
    told = describer(value, look)
    return told if isinstance(told, Facts) else _own_words(value, told)


def _describer(value: object, look: Look) -> Describer:
    names = list(_names(type(value)))
    for name in names:
        if name in _registered:
            return _registered[name]
    # What an object says of itself cannot know what the user withholds.
    if not look.withheld and _speaks(value):
        return _ask
    for name in names:
        if name in _from_packages():
            return _load(name)
        if name in _BUILT_IN:
            return _built_in(name)
    return _built_in_object()


def _names(cls: type) -> Iterator[str]:
    """Give the names under which the classes of a value may be known, the nearest first."""
    for base in cls.__mro__:
        module, name = str(base.__module__), str(base.__qualname__)
        yield f"{module}.{name}"
        yield f"{module.partition('.')[0]}.{name}"


def _speaks(value: object) -> bool:
    # Looked up on the class and statically: proxies and mocks answer to any name.
    return callable(getattr_static(type(value), "__rlm_describe__", None))


def _ask(value: Any, look: Look) -> str:
    del look
    return str(value.__rlm_describe__())


def _own_words(value: object, text: str) -> Facts:
    word = type_name(type(value))
    lines = blank_secrets(str(text)[:_OWN_WORDS]).splitlines()
    return Facts(type=word, head=f"{a_or_an(word)}.", lines=tuple(visible(line) for line in lines))


@cache
def _from_packages() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


@cache
def _load(name: str) -> Describer:
    describer: Describer = _from_packages()[name].load()
    return describer


@cache
def _built_in(name: str) -> Describer:
    module, _, function = _BUILT_IN[name].partition(":")
    describer: Describer = getattr(import_module(f"{_HOME}.{module}"), function)
    return describer


def _built_in_object() -> Describer:
    from rlm_kernel.describe.objects import describe_object

    return describe_object
