"""Describers for single values, paths, functions, modules, and for any object at all.

Of a foreign object nothing is called: no ``repr``, no ``len``, no property. Its class and what lies in its ``__dict__``
tell enough, and cost nothing however lazy or hostile it is.
"""

from __future__ import annotations

import inspect
import os
from contextlib import suppress
from itertools import islice
from pathlib import PurePath
from types import FunctionType, MemberDescriptorType, MethodDescriptorType
from typing import Any

from rlm_kernel.describe.facts import Facts
from rlm_kernel.describe.forms import bytes_form, text_in
from rlm_kernel.describe.look import Look
from rlm_kernel.describe.plain import dict_items, literal
from rlm_kernel.describe.secrecy import blank_secrets
from rlm_kernel.describe.summary import summarize
from rlm_kernel.describe.words import (
    a_or_an,
    count,
    escaped,
    exact_text,
    label_text,
    listed,
    scalar_text,
    type_name,
    visible,
)

_ENTRIES = 10_000
_ATTRIBUTES = 24
_METHODS = 24
_SEARCHED = 500
_HEAD_BYTES = 512


def describe_scalar(value: Any, look: Look) -> Facts:
    """Describe a number, a truth value, a date."""
    del look
    word = type_name(type(value))
    text = exact_text(value)
    return Facts(type=word, head=f"{a_or_an(word)}: {text or scalar_text(value)}", partial=text is None)


def describe_range(value: Any, look: Look) -> Facts:
    """Describe a range."""
    del look
    text = f"range({scalar_text(value.start)}, {scalar_text(value.stop)}, {scalar_text(value.step)})"
    size = max(0, (value.stop - value.start + value.step - (1 if value.step > 0 else -1)) // value.step)
    return Facts(type="range", head=f"a {text}, {count(size, 'number')}.", kind="sequence", size=size, partial=False)


def describe_enum(value: Any, look: Look) -> Facts:
    """Describe a member of an enumeration."""
    del look
    word = type_name(type(value))
    return Facts(type=word, head=f"{word}.{escaped(str(value._name_))[:80]}.", partial=False)


def describe_none(value: Any, look: Look) -> Facts:
    """Describe None."""
    del value, look
    return Facts(type="NoneType", head="None.", partial=False)


def describe_path(value: Any, look: Look) -> Facts:
    """Describe a path and what lies there."""
    shown, path = look.quote(str(value), 200), os.fspath(value)
    if not hasattr(value, "exists"):  # a pure path: of another system perhaps
        return Facts(type="path", head=f"a path, {shown}.")
    try:
        status = os.stat(path)  # noqa: PTH116 - a subclass of Path may do anything in its own methods
    except OSError as exc:
        missing = "nothing there" if isinstance(exc, FileNotFoundError) else "it cannot be read"
        return Facts(type="path", head=f"a path, {shown}; {missing}.")
    if os.path.isdir(path):  # noqa: PTH112 - likewise
        return _directory(path, shown)
    if not os.path.isfile(path):  # noqa: PTH113 - reading a pipe or a device would wait or take from it
        return Facts(type="path", head=f"a path, {shown}; neither a file nor a directory.")
    return Facts(
        type="path",
        head=f"a path, {shown}: a file of {count(status.st_size, 'byte')}{_content(path)}.",
        size=status.st_size,
    )


def _directory(path: str, shown: str) -> Facts:
    with os.scandir(path) as entries:
        known = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in islice(entries, _ENTRIES)]
    folders = sum(folder for _, folder in known)
    more = "at least " if len(known) == _ENTRIES else ""
    inside = f"{more}{count(len(known) - folders, 'file')} and {count(folders, 'directory', 'directories')}"
    head = f"a path, {shown}: a directory with {inside}."
    endings: dict[str, int] = {}
    for name, folder in known:
        if not folder:
            ending = PurePath(name).suffix[:12] or "no ending"
            endings[ending] = endings.get(ending, 0) + 1
    common = sorted(endings.items(), key=lambda pair: (-pair[1], pair[0]))
    lines = (
        (f"Files by ending: {listed([f'{escaped(ending)} {number:,}' for ending, number in common], 8, 200)}.",)
        if endings
        else ()
    )
    return Facts(type="path", head=head, lines=lines, size=len(known))


def _content(path: str) -> str:
    """Say whether a file is text; its words are not shown before the model opens it."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - likewise
            head = file.read(_HEAD_BYTES)
    except OSError:
        return ", not readable"
    if form := bytes_form(head):
        return f", probably {form}"
    return ", empty" if not head else ", text" if text_in(head) is not None else ", binary"


def describe_callable(value: Any, look: Look) -> Facts:
    """Describe a function by its signature and the first line of its docstring."""
    word = "coroutine function" if inspect.iscoroutinefunction(value) else "function"
    name = escaped(str(getattr(value, "__name__", "function")))[:80]
    return Facts(type=word, head=f"a {word}: {name}{signature_of(value)}.", lines=_purpose(value, name, look))


def _purpose(value: Any, name: str, look: Look) -> tuple[str, ...]:
    """Give the first line of a docstring a person wrote; the one that a dataclass makes holds default values."""
    doc = vars(value).get("__doc__") if isinstance(value, type) else getattr(value, "__doc__", None)
    if type(doc) is not str or not doc.strip() or doc.startswith(f"{name}(") or not look.may_quote(doc[:1000]):
        return ()
    return (blank_secrets(visible(doc.strip().split("\n", 1)[0][:200])),)


def signature_of(value: Any) -> str:
    """Write a function's parameters, without their defaults: these may be any value."""
    try:
        signature = inspect.signature(value, follow_wrapped=False)
    except (TypeError, ValueError):
        return "(...)"
    parts = []
    for parameter in signature.parameters.values():
        star = "*" * ((parameter.kind is parameter.VAR_POSITIONAL) + 2 * (parameter.kind is parameter.VAR_KEYWORD))
        parts.append(f"{star}{parameter.name}{'=...' if parameter.default is not parameter.empty else ''}")
    return f"({listed(parts, 20, 300)})"


def describe_class(value: Any, look: Look) -> Facts:
    """Describe a class by what it is for and its methods."""
    lines = () if look.brief else (*_purpose(value, value.__name__, look), *_methods(value))
    return Facts(type="class", head=f"the class {type_name(value)}.", lines=lines)


def describe_module(value: Any, look: Look) -> Facts:
    """Describe a module by its name."""
    del look
    return Facts(type="module", head=f"the module {escaped(str(value.__name__))[:100]}.")


def describe_iterator(value: Any, look: Look) -> Facts:
    """Describe what gives its items once. None is taken."""
    del look
    word = type_name(type(value))
    return Facts(type=word, head=f"{a_or_an(word)}: its items can be taken only once, none was taken.")


def describe_shaped(value: Any, look: Look) -> Facts:
    """Describe an array of a library whose ``shape`` is known to be at hand."""
    word, shape = type_name(type(value)), tuple(value.shape)
    dtype = f", {escaped(str(value.dtype))[:40]}" if hasattr(value, "dtype") else ""
    del look
    return Facts(
        type=word,
        head=f"{a_or_an(word)} of shape {shape}{dtype}.",
        kind="sequence",
        size=int(shape[0]) if shape else None,
    )


def describe_object(value: object, look: Look) -> Facts:
    """Describe any object by its class and its own attributes."""
    cls = type(value)
    word = type_name(cls)
    if any("__next__" in vars(base) or "__anext__" in vars(base) for base in cls.__mro__):
        return describe_iterator(value, look)
    lines: list[str] = []
    if not look.brief:
        lines += _purpose(cls, cls.__name__, look)
    if attributes := _attributes(value, look):
        lines.append(f"Attributes: {listed(attributes, _ATTRIBUTES, 1000)}.")
    if not look.brief:
        lines += _methods(cls)
    return Facts(type=word, head=f"{a_or_an(word)}.", lines=tuple(lines))


def _attributes(value: object, look: Look) -> list[str]:
    found = []
    for name, item in _own(value):
        if isinstance(name, str) and not name.startswith("_"):
            whole = None if look.brief else literal(item, look, 40)
            found.append(f"{label_text(name)} {look.hides(name) or whole or summarize(item)}")
    return found


def _own(value: object) -> list[tuple[Any, Any]]:
    """Give what lies in an object's ``__dict__`` and slots. Properties are not asked: they may do anything."""
    found: list[tuple[Any, Any]] = []
    with suppress(AttributeError):
        found = dict_items(object.__getattribute__(value, "__dict__"), _SEARCHED)
    for base in type(value).__mro__:
        slots = [name for name, member in _members(base) if isinstance(member, MemberDescriptorType)]
        for name in slots:
            with suppress(AttributeError):  # a slot may be empty
                found.append((name, object.__getattribute__(value, name)))
    return found


def _members(cls: type) -> list[tuple[str, object]]:
    return list(islice(vars(cls).items(), _SEARCHED))


def _methods(cls: type) -> list[str]:
    """Name the methods of a class, its bases' after its own."""
    names: dict[str, None] = {}
    for base in cls.__mro__[:-1]:
        for name, member in _members(base):
            if isinstance(member, (FunctionType, MethodDescriptorType, classmethod, staticmethod)):
                names.setdefault(name, None)
    public = [visible(name) for name in names if not name.startswith("_")]
    return [f"Methods: {listed(public, _METHODS, 400)}."] if public else []
