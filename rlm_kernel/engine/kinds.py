"""What validates a value: pydantic for types, jsonschema for schemas, ``isinstance`` for other classes."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import GenericAlias, UnionType
from typing import TYPE_CHECKING, Any

from rlm_kernel.engine import schemas
from rlm_kernel.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

TAKES = "a type such as list[str], a pydantic model or a JSON schema"
_LONGEST = 600  # characters of a Misfit
_SHOWN = 60  # characters of a value in it


class Misfit(ValueError):
    """A value is not of the form asked for; the message says in one line what is wrong with it."""

    def __init__(self, message: str) -> None:
        super().__init__(line(message, _LONGEST))


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """One kind of value."""

    live: Callable[[object], object]
    """Validates a Python value. Raises Misfit."""
    read: Callable[[object], object]
    """Validates what JSON can hold. Raises Misfit."""
    schema: dict[str, Any] | None = None
    """As it is sent; None for plain text, and where no model can write such a value."""
    words: str = "plain text"
    """What to call it where there is no schema."""
    writable: bool = True
    """True if a model can write such a value as text."""


def kind_of(kind: object) -> Kind:
    """What validates a type, a TypeAdapter or a JSON schema.

    Raises:
        ConfigError: it is none of these, or pydantic can do nothing with it.
    """
    if kind is str:
        return Kind(live=_text, read=_text)
    if is_schema(kind):
        return _of_schema(kind)
    if is_type(kind):
        return _of_type(kind)
    from pydantic import TypeAdapter

    if isinstance(kind, TypeAdapter):
        return _of_adapter(kind)
    raise ConfigError(f"returns takes {TAKES}, not {shown(kind)}")


def is_schema(kind: object) -> typing.TypeGuard[Mapping[str, Any]]:
    """True for a mapping that is meant as a JSON schema."""
    return isinstance(kind, Mapping) and not schemas.KEYWORDS.isdisjoint(kind)


def is_type(kind: object) -> bool:
    """True for a class or an annotation."""
    special = (typing.NewType, getattr(typing, "TypeAliasType", typing.NewType))
    return (
        isinstance(kind, (type, GenericAlias, UnionType, *special))
        or kind is Any
        or typing.get_origin(kind) is not None
    )


def shown(value: object) -> str:
    """A value in a message: short, and whatever its own repr may do."""
    try:
        if isinstance(value, type):
            return value.__name__
        text = repr(value) if isinstance(value, str | int | float | list | dict | tuple | None) else ""
    except Exception:
        text = ""
    return line(text, _SHOWN) if text else f"a {type(value).__name__}"


def line(value: object, most: int) -> str:
    """A text in one line of at most so many characters."""
    text = " ".join(str(value)[: 4 * most].split())
    return text if len(text) <= most else text[: most - 1] + "…"


# -- the kinds


def _of_type(kind: Any) -> Kind:
    from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter

    try:
        kind = _portable(kind)
        try:
            return _of_adapter(TypeAdapter(kind))
        except PydanticSchemaGenerationError:
            if isinstance(kind, type) and typing.get_origin(kind) is None:
                return _of_class(kind)
            return _of_adapter(TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True)))
    except Exception as exc:
        why = line(str(exc).partition("For further information")[0], 200)
        raise ConfigError(f"returns takes {TAKES}; {line(kind, _SHOWN)} does not work: {why}") from None


def _portable(kind: Any) -> Any:  # noqa: PLR0911 - one return for each sort of alias
    """The type with every ``typing.TypedDict`` as one of typing_extensions: pydantic takes no other before 3.12."""
    if sys.version_info >= (3, 12):
        return kind
    if typing.is_typeddict(kind) and type(kind).__module__ == "typing":
        from typing_extensions import TypedDict

        fields = {}
        for name, hint in typing.get_type_hints(kind, include_extras=True).items():
            marked = typing.get_origin(hint) in {typing.Required, typing.NotRequired}
            field = _portable(typing.get_args(hint)[0] if marked else hint)
            fields[name] = field if name in kind.__required_keys__ else typing.NotRequired[field]
        return TypedDict(kind.__name__, fields)  # type: ignore[operator]
    arguments = typing.get_args(kind)
    made = tuple(_portable(argument) for argument in arguments)
    if all(new is old for new, old in zip(made, arguments, strict=True)):
        return kind
    if isinstance(kind, UnionType):
        return typing.Union[made]  # noqa: UP007 - of a tuple that is only known here
    if typing.get_origin(kind) is typing.Annotated:
        return typing.Annotated[made]
    if isinstance(kind, GenericAlias):
        return GenericAlias(typing.cast("type", kind.__origin__), made)
    return kind.copy_with(made)


def _of_class(kind: type) -> Kind:
    name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}".removeprefix("builtins.")

    def live(value: object) -> object:
        if not isinstance(value, kind):
            raise Misfit(f"should be a {name}, not {shown(value)}")
        return value

    return _unwritable(live, f"a {name}")


def _unwritable(live: Callable[[object], object], words: str) -> Kind:
    def read(_: object) -> object:
        raise Misfit(f"a model cannot write {words} as text")

    return Kind(live=live, read=read, words=words, writable=False)


def _of_adapter(adapter: TypeAdapter[Any]) -> Kind:
    from pydantic.errors import PydanticInvalidForJsonSchema

    def live(value: object) -> object:
        return _validated(adapter.validate_python, value)

    def read(value: object) -> object:
        return _validated(adapter.validate_json, json.dumps(value))

    try:
        schema = schemas.sent(adapter.json_schema())
    except PydanticInvalidForJsonSchema:
        return _unwritable(live, f"a {line(adapter._type, _SHOWN)}")
    return Kind(live=live, read=read, schema=schema)


def _of_schema(kind: Mapping[str, Any]) -> Kind:
    import jsonschema  # type: ignore[import-untyped]
    from referencing import Registry

    try:
        given: dict[str, Any] = json.loads(json.dumps(dict(kind)))
        validator_class = jsonschema.validators.validator_for(given, default=jsonschema.Draft202012Validator)
        validator_class.check_schema(given)
    except (TypeError, ValueError, RecursionError, jsonschema.SchemaError) as exc:
        raise ConfigError(f"that is no JSON schema: {line(getattr(exc, 'message', exc), 200)}") from None
    if ref := schemas.dangling(given):
        raise ConfigError(f"the JSON schema refers to {ref}, which it does not hold; put it under $defs")
    validator = validator_class(given, registry=Registry())  # an empty one: nothing is ever fetched

    def validate(value: object) -> object:
        try:
            error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        except Exception as exc:  # a schema may refer to itself without end
            raise Misfit(f"{type(exc).__name__}: {exc}") from None
        if error is not None:
            raise Misfit(_at(error.absolute_path, _short_of(error)))
        return value

    return Kind(live=validate, read=validate, schema=schemas.sent(given))


def _short_of(error: Any) -> str:
    """The message of jsonschema, in which the whole value stands, with the value shortened."""
    return str(error.message).replace(repr(error.instance), shown(error.instance))


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise Misfit(f"should be a str, not {shown(value)}")
    return value


def _validated(validate: Callable[[Any], object], value: object) -> object:
    from pydantic import ValidationError

    try:
        return validate(value)
    except ValidationError as exc:
        raise Misfit(_faults(exc)) from None
    except Exception as exc:  # a validator of the user's may raise anything
        raise Misfit(f"{type(exc).__name__}: {exc}") from None


def _faults(exc: ValidationError) -> str:
    told = []
    for error in exc.errors(include_url=False, include_context=False)[:3]:
        given = "" if error["type"] == "missing" else f", not {shown(error['input'])}"
        told.append(_at(error["loc"], f"{line(error['msg'], 160)}{given}"))
    return "; ".join(told)


def _at(path: typing.Iterable[int | str], what: str) -> str:
    where = line(".".join(map(str, path)), 80)
    return f"{where}: {what}" if where else what
