"""The state of a shell that a step must leave as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_ABSENT = object()

_KEPT = ("last_execution_result", "last_execution_succeeded", "exit_now", "keepkernel_on_exit", "_last_input_line")


@contextmanager
def kept_state(shell: Any, stand_ins: Sequence[tuple[object, str, object]]) -> Iterator[None]:
    """Put stand-ins in place, and put everything back at the end.

    Code may run cells of its own (``%%capture``): they would fire the user's events and empty the result of the outer
    cell, so those are kept too.
    """
    kept = [(shell, name, shell.__dict__.get(name, getattr(shell, name))) for name in _KEPT if hasattr(shell, name)]
    result = getattr(shell.displayhook, "exec_result", None)
    payloads = _payloads(shell)
    number_of_payloads = len(payloads)
    callbacks = _suspend(shell.events.callbacks)
    replaced = [(owner, name, _replace(owner, name, value)) for owner, name, value in stand_ins]
    try:
        yield
    finally:
        for owner, name, own in reversed(replaced):
            _put_back(owner, name, own)
        _resume(shell.events.callbacks, callbacks)
        del payloads[number_of_payloads:]
        shell.displayhook.exec_result = result
        for owner, name, value in kept:
            if getattr(owner, name) is not value:
                setattr(owner, name, value)


def _replace(owner: Any, name: str, value: object) -> object:
    """Set an attribute; return what the object itself had under that name."""
    if isinstance(owner, dict):  # IPython's hooks: a dict whose items are its attributes
        own: object = owner.get(name, _ABSENT)
        owner[name] = value
        return own
    own = vars(owner).get(name, _ABSENT)
    if own is _ABSENT and name in getattr(owner, "_trait_values", ()):
        own = getattr(owner, name)
    setattr(owner, name, value)
    return own


def _put_back(owner: Any, name: str, own: object) -> None:
    if isinstance(owner, dict) and own is not _ABSENT:
        owner[name] = own
    elif own is not _ABSENT:
        setattr(owner, name, own)
    elif isinstance(owner, dict):
        owner.pop(name, None)
    else:
        delattr(owner, name)


def _payloads(shell: Any) -> list[Any]:
    """What a kernel sends to the front end after a cell: exit, a pager, the next input."""
    found = getattr(getattr(shell, "payload_manager", None), "_payload", None)
    return found if isinstance(found, list) else []


def _suspend(callbacks: dict[str, list[Any]]) -> dict[str, list[Any]]:
    kept = {event: list(registered) for event, registered in callbacks.items()}
    for registered in callbacks.values():
        registered.clear()
    return kept


def _resume(callbacks: dict[str, list[Any]], kept: dict[str, list[Any]]) -> None:
    """Put the callbacks back, and behind them what the step registered: a plotting backend does so on import."""
    for event, registered in callbacks.items():
        before = kept.get(event, [])
        registered[:] = [*before, *(one for one in registered if one not in before)]
