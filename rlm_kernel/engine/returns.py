"""The form that an answer must have: read from a model's text, checked on live values, and told to servers."""

from __future__ import annotations

import ast
import builtins
import datetime as dt
import difflib
import json
import operator
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rlm_kernel.engine import found, schemas
from rlm_kernel.engine.kinds import Kind, Misfit, is_schema, is_type, kind_of, line, shown
from rlm_kernel.engine.plain import plain
from rlm_kernel.errors import ConfigError

__all__ = ["Misfit", "Returns", "parse_type"]

_WRAPPERS = frozenset({"value", "answer", "result", "output", "response"})
_LABELS_SHOWN = 300
_LIST = {"type": "array", "items": {"type": "object"}}
_ROWS = {"anyOf": [{"type": "object", "properties": {"rows": _LIST}, "required": ["rows"]}, _LIST]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Returns:
    """A form for answers. Make one with ``Returns.of``."""

    words: str
    """The form as text for a prompt."""
    schema: dict[str, Any] | None
    """What a server can hold a model to, an object at the top; None for plain text and for classes."""
    strict: bool
    """True if OpenAI's strict mode takes the schema as it is."""
    kind: Kind
    """What validates the value itself."""

    @classmethod
    def of(cls, kind: object) -> Returns:
        """The form that a type, a ``pydantic.TypeAdapter``, a JSON schema or a Returns asks for.

        Raises:
            ConfigError: it is none of these, or pydantic can do nothing with it.
        """
        if isinstance(kind, Returns):
            return kind
        made = kind_of(kind)
        inner = made.schema
        schema = inner if inner is None or schemas.is_object(inner) else schemas.wrapped(inner)
        return cls(
            words=made.words if inner is None else schemas.words(inner),
            schema=schema,
            strict=schema is not None and schemas.is_strict(schema),
            kind=made,
        )

    @property
    def writable(self) -> bool:
        """True if a model can write such a value as text; False for classes such as ``pandas.DataFrame``."""
        return self.kind.writable

    def rows(self) -> Returns:
        """The form of a reply about several rows, each an id and a value. It leaves the values to `take`."""
        schema = schemas.rows({"type": "string"} if self.kind.schema is None else self.kind.schema)
        words = f'JSON {{"rows": [{{"id": ..., "value": ...}}, ...]}}, each value {self.words}'
        return replace(Returns.of(_ROWS), words=words, schema=schema, strict=schemas.is_strict(schema))

    def check(self, value: object) -> object:
        """A live value, validated: arrays, columns and numpy's numbers count as the lists and numbers they hold.

        Raises:
            Misfit: it is not of this form.
        """
        try:
            return self.kind.live(value)
        except Misfit as misfit:
            fitting = next(_fitting(_others(value), self.kind.live), None)
            if fitting is None:
                raise misfit from None
            return fitting[0]

    def read(self, text: str) -> object:
        """The value in a model's reply, whatever stands around it. Of two different ones it takes neither.

        Raises:
            Misfit: there is no such value, or more than one.
        """
        said = found.without_thinking(text)
        if not said:
            raise Misfit("the reply is empty")
        if self.kind.schema is None:
            return self.kind.read(said)
        candidates = found.json_values(said)
        fitting = list(_fitting(candidates, self.take)) or list(self._bare(said))
        different = _different(value for (value,) in fitting)
        if len(different) > 1:
            raise Misfit(
                f"the reply holds {len(different)} different answers, one is wanted: {line(self.words, _LABELS_SHOWN)}"
            )
        if different:
            return different[0]
        if candidates:
            self.take(candidates[0])  # says what is wrong with it
        raise self._unlike(said)

    def take(self, value: object) -> object:
        """A value that stood as JSON in a reply, with the forgiveness of `read`.

        Raises:
            Misfit: it is not of this form.
        """
        if self.kind.schema is None:
            return self.kind.read(value)
        try:
            return self._value(value)
        except Misfit as misfit:
            fitting = next(_fitting(_inside(value), self._value), None)
            if fitting is None:
                raise misfit from None
            return fitting[0]

    # -- inside

    def _bare(self, said: str) -> Iterator[tuple[object]]:
        """The values of a scalar that stands as bare text: the whole of it, else lines."""
        schema = self.kind.schema or {}
        kinds = schemas.scalar_types(schema)
        if not kinds:
            return
        prose = "string" in kinds and schemas.labels(schema) is None and "format" not in schema
        whole = next(_fitting([found.bare(said), *([said] if prose else [])], self._value), None)
        if whole is not None:
            yield whole
        elif not prose:  # else any line would do
            yield from _fitting(found.bare_values(said), self._value)

    def _value(self, value: object) -> object:
        """What the kind makes of a value, without what it would read into it."""
        schema = self.kind.schema or {}
        if (labels := schemas.labels(schema)) is not None:
            return self.kind.read(_label(value, labels))
        kinds = schemas.scalar_types(schema)
        if kinds and isinstance(value, bool) and "boolean" not in kinds:
            raise self._unlike(value)
        if str(schema.get("format", "")).startswith("date") and "-" not in str(value):
            raise self._unlike(value)  # a number would count as seconds since 1970
        read = self.kind.read(value)
        if not found.is_number(read):
            raise self._unlike(value)
        return read

    def _unlike(self, value: object) -> Misfit:
        if not schemas.scalar_types(self.kind.schema or {}):
            return Misfit(f"the reply holds no whole JSON value of the form asked for: {shown(value)}")
        return Misfit(f"wanted {line(self.words, _LABELS_SHOWN)}, not {shown(value)}")


def _fitting(values: Iterable[object], validate: Callable[[Any], object]) -> Iterator[tuple[object]]:
    """Each value that validates, alone in a tuple, since None may be one."""
    for value in values:
        try:
            made = validate(value)
        except Misfit:
            continue
        yield (made,)


def _inside(value: object) -> Iterator[object]:
    """What a value may stand for that does not fit as it is."""
    if isinstance(value, dict) and len(value) == 1 and not _WRAPPERS.isdisjoint(value):
        yield from value.values()
    if isinstance(value, str):
        yield found.bare(value)


def _others(value: object) -> Iterator[object]:
    """What else a live value may stand for: plain numbers and lists, for a column also a dict by its labels."""
    try:
        made = plain(value)
        by_label = getattr(value, "to_dict", None)
        yield made
        if isinstance(made, list) and callable(by_label):
            yield plain(by_label())
    except Exception:  # an object of any kind may fail when it is looked at: then it is what it is
        return


def _label(value: object, labels: Sequence[Any]) -> object:
    """The label that is meant, whatever its case."""
    for label in labels:
        if label == value and type(label) is type(value):
            return label
    text = found.spelling(found.bare(_spelt(value)))
    near = [label for label in labels if found.spelling(found.bare(_spelt(label))) == text]
    if len(near) != 1:
        raise Misfit(f"should be one of: {line(', '.join(map(_spelt, labels)), _LABELS_SHOWN)}, not {shown(value)}")
    return near[0]


def _spelt(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _different(values: Iterable[object]) -> list[object]:
    kept: dict[tuple[type, str], object] = {}
    for value in values:
        kept.setdefault((type(value), repr(value)), value)
    return list(kept.values())


# -- annotations as text


def parse_type(text: str, namespace: Mapping[str, object]) -> object:
    """The type that an annotation spells, such as ``list[str]`` or ``Literal["a", "b"]``.

    Only names, attributes, subscripts, constants and ``|`` are evaluated: no call is made. Names are the user's first,
    then those of builtins, typing and datetime.

    Raises:
        ConfigError: it is no annotation, or uses a name that is not there.
    """
    try:
        kind = _evaluated(ast.parse(text.strip(), mode="eval").body, namespace)
    except ConfigError:
        raise
    except Exception as exc:  # a subscript or ``|`` of a class of the user's may raise anything
        raise ConfigError(f"--returns {line(text, 80)} is no type: {line(exc, 160)}") from None
    if not (is_schema(kind) or is_type(kind) or type(kind).__name__ == "TypeAdapter"):
        raise ConfigError(f"--returns takes a type such as list[str]; {line(text, 80)} is {shown(kind)}")
    return kind


def _evaluated(node: ast.expr, namespace: Mapping[str, object]) -> Any:  # noqa: PLR0911 - one return for each node
    inside = partial(_evaluated, namespace=namespace)
    match node:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
        case ast.Name(id=name):
            return _named(name, namespace)
        case ast.Attribute(value=ast.Name(id=("datetime" | "typing") as name), attr=attribute) if name not in namespace:
            return getattr({"datetime": dt, "typing": typing}[name], attribute)
        case ast.Attribute(value=value, attr=attribute):
            return getattr(inside(value), attribute)
        case ast.Subscript(value=value, slice=index):
            return inside(value)[inside(index)]
        case ast.Tuple(elts=parts):
            return tuple(inside(part) for part in parts)
        case ast.List(elts=parts):
            return [inside(part) for part in parts]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return operator.or_(inside(left), inside(right))
    raise ConfigError(f"--returns takes a type such as list[str], not {line(ast.unparse(node), 80)}")


def _named(name: str, namespace: Mapping[str, object]) -> object:
    if name in namespace:
        return namespace[name]
    for module in (builtins, typing, dt):
        if hasattr(module, name):
            return getattr(module, name)
    known = [*(key for key, value in namespace.items() if isinstance(value, type)), *dir(builtins), *typing.__all__]
    near = difflib.get_close_matches(name, known, n=1)
    raise ConfigError(f"--returns: there is no {name}" + (f"; did you mean {near[0]}?" if near else ""))
