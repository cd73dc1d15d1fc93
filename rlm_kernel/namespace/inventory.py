"""Which names in a namespace are the user's own variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import ModuleType

_OF_A_RUN = frozenset({"FINAL", "FINAL_VAR", "SHOW_VARS"})
_ANY = object()


def is_module(value: object) -> bool:
    """Whether a value is a module. Asks its type alone: a proxy's `__class__` may raise anything."""
    return issubclass(type(value), ModuleType)


def user_names(namespace: Mapping[str, object], hidden: Collection[str] = ()) -> tuple[str, ...]:
    """Names of the user's own variables, in the order of their making; functions and classes count, modules do not.

    Args:
        namespace: the live names.
        hidden: names that are not the user's own. In a mapping, such as a shell's ``user_ns_hidden``, they are only as
            long as they are bound to the value that it gives.
    """
    values = hidden if isinstance(hidden, Mapping) else dict.fromkeys(hidden, _ANY)
    return tuple(
        name
        for name, value in dict(namespace).items()
        if not name.startswith("_")
        and not (name in values and (values[name] is value or values[name] is _ANY))
        and name not in _OF_A_RUN
        and not is_module(value)
    )
