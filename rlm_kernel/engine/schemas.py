"""JSON schemas as servers take them: an object at the top, closed, and whether OpenAI's strict mode takes it.

What strict mode takes is a subset: every object closed and all its properties required, no ``allOf``, ``oneOf``,
``not``, ``prefixItems``, no ``default``, nothing beside a ``$ref``, no ``anyOf`` at the top. llama.cpp, vLLM and Ollama
turn the schema into a grammar and pass over what they do not know, so every reply is validated all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]

KEYWORDS = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const", "properties", "items"})
"""A mapping that holds one of these is taken for a JSON schema."""

_DEFINITIONS = ("$defs", "definitions")
_COMPOSED = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "$ref", "unevaluatedProperties"})
_STRICT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf"}
)
_STRICT_KEYWORDS |= {"$ref", "$defs", "definitions", "description", "pattern", "format", "minItems", "maxItems"}
_STRICT_KEYWORDS |= {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_STRICT_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_JSON = "JSON of the schema "
_MOST_PROPERTIES, _MOST_ENUMS, _MOST_CHARS, _MOST_LEVELS = 5_000, 1_000, 100_000, 10
_SCALARS = frozenset({"string", "integer", "number", "boolean", "null"})


def sent(schema: Mapping[str, Any]) -> Schema:
    """The schema as it is sent: a copy with objects closed, a reference at the top followed, titles left out."""
    top: Schema = json.loads(json.dumps(schema))
    top.pop("$schema", None)
    if set(top) - {*_DEFINITIONS, "title", "description"} == {"$ref"}:
        target = _resolve(top, str(top["$ref"]))
        if isinstance(target, dict) and "$ref" not in target:
            del top["$ref"]
            top = {**json.loads(json.dumps(target)), **top}
    _inline(top)
    _close(top)
    return top


def dangling(schema: Mapping[str, Any]) -> str | None:
    """The first reference that leads nowhere within the schema."""
    refs = (str(node["$ref"]) for node in _nodes(schema) if "$ref" in node)
    return next((ref for ref in refs if _resolve(schema, ref) is None), None)


def is_object(schema: Schema) -> bool:
    """True if every value of the schema is plainly an object, so that it may stand at the top of a reply."""
    return schema.get("type") == "object" and _COMPOSED.isdisjoint(schema)


def wrapped(schema: Schema) -> Schema:
    """An object whose one property ``value`` is of the schema."""
    inner, definitions = _placed(schema, "#/properties/value")
    return {**_record(value=inner), **definitions}


def rows(schema: Schema) -> Schema:
    """An object with a list of ``rows``, each an ``id`` and a ``value`` of the schema."""
    inner, definitions = _placed(schema, "#/properties/rows/items/properties/value")
    row = _record(id={"type": "string"}, value=inner)
    return {**_record(rows={"type": "array", "items": row}), **definitions}


def is_strict(schema: Schema) -> bool:
    """True if OpenAI's strict mode takes the schema as it is."""
    nodes = list(_nodes(schema))
    properties = sum(len(node.get("properties", {})) for node in nodes)
    choices = sum(len(node.get("enum", ())) for node in nodes)
    return (
        is_object(schema)
        and all(_strict_node(node) for node in nodes)
        and properties <= _MOST_PROPERTIES
        and choices <= _MOST_ENUMS
        and len(json.dumps(schema)) <= _MOST_CHARS
        and _levels(schema) <= _MOST_LEVELS
    )


def labels(schema: Schema) -> list[Any] | None:
    """The values of an enumeration of scalars; None for any other schema."""
    if "const" in schema:
        found = [schema["const"]]
    elif isinstance(schema.get("enum"), list):
        found = list(schema["enum"])
    elif len(branches := schema.get("anyOf", [])) == 2 and {"type": "null"} in branches:  # noqa: PLR2004 - X or null
        inner = labels(next((branch for branch in branches if branch != {"type": "null"}), {}))
        found = [*inner, None] if inner else []
    else:
        return None
    return found if found and not any(isinstance(value, list | dict) for value in found) else None


def scalar_types(schema: Schema, top: Schema | None = None) -> frozenset[str]:
    """The types of a schema that allows only scalars; empty for one that allows more."""
    top = schema if top is None else top
    if "anyOf" in schema:
        kinds = [scalar_types(branch, top) for branch in schema["anyOf"] if isinstance(branch, dict)]
        return frozenset().union(*kinds) if kinds and all(kinds) else frozenset()
    if "$ref" in schema:
        target = _resolve(top, str(schema["$ref"]))
        plain = isinstance(target, dict) and not {"$ref", "anyOf"} & target.keys()
        return scalar_types(target, top) if plain and isinstance(target, dict) else frozenset()
    if values := labels(schema):
        return frozenset(_type_of(value) for value in values)
    kind = schema.get("type")
    kinds_here = frozenset(kind if isinstance(kind, list) else [kind])
    return frozenset(str(kind) for kind in kinds_here) if kinds_here <= _SCALARS else frozenset()


def words(schema: Schema) -> str:  # noqa: PLR0911 - one return for each form
    """The form in words where it has some, else the compact schema."""
    if values := labels(schema):
        texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
        quoted = any("," in text or text != text.strip() or not text for text in texts)
        return "one of: " + ", ".join(json.dumps(text, ensure_ascii=False) if quoted else text for text in texts)
    match schema:
        case {"anyOf": [dict() as some, {"type": "null"}]} if not (said := words(some)).startswith(_JSON):
            return f"{said} or null"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "integer"} if len(schema) == 1:
            return "a whole number"
        case {"type": "number"} if len(schema) == 1:
            return "a number"
        case {"type": "string", "format": "date"}:
            return "a date as YYYY-MM-DD"
    return _JSON + json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


# -- inside


def _record(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _placed(schema: Schema, pointer: str) -> tuple[Schema, Schema]:
    """The schema to stand at `pointer` of another, and its definitions, which move to the other's top."""
    inner: Schema = json.loads(json.dumps(schema))
    definitions = {key: inner.pop(key) for key in _DEFINITIONS if key in inner}
    for part in (inner, *(found for group in definitions.values() for found in group.values())):
        for node in _nodes(part):
            ref = node.get("$ref")
            if isinstance(ref, str) and not ref.startswith(tuple(f"#/{key}/" for key in _DEFINITIONS)):
                node["$ref"] = pointer + ref.removeprefix("#")
    return inner, definitions


def _children(node: Mapping[str, Any]) -> Iterator[Any]:
    """The schemas directly inside a schema; what stands in ``enum``, ``const`` or ``default`` is none."""
    for key in ("properties", "patternProperties", *_DEFINITIONS, "dependentSchemas"):
        if isinstance(node.get(key), Mapping):
            yield from node[key].values()
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if isinstance(node.get(key), list):
            yield from node[key]
    for key in ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"):
        if key in node:
            yield node[key]


def _nodes(schema: object) -> Iterator[Schema]:
    """The schema and every schema in it."""
    if isinstance(schema, dict):
        yield schema
        for child in _children(schema):
            yield from _nodes(child)


def _inline(top: Schema) -> None:
    """Put enumerations where they are referred to: strict mode allows nothing beside a reference."""
    for node in list(_nodes(top)):
        target = _resolve(top, str(node["$ref"])) if "$ref" in node else None
        if isinstance(target, dict) and "$ref" not in target and labels(target):
            del node["$ref"]
            node.update({**json.loads(json.dumps(target)), **node})
    used = {str(node["$ref"]) for node in _nodes(top) if "$ref" in node}
    for key in _DEFINITIONS:
        for name in [name for name, part in top.get(key, {}).items() if isinstance(part, dict) and labels(part)]:
            if f"#/{key}/{name}" not in used:
                del top[key][name]
        if not top.get(key, True):
            del top[key]


def _close(node: Schema) -> None:
    """Leave out titles, and forbid further properties where the schema only did not say."""
    for found in list(_nodes(node)):
        if isinstance(found.get("title"), str):
            del found["title"]
    composed = {id(part) for found in _nodes(node) for part in _composed_parts(found)}
    for found in _nodes(node):
        open_object = "properties" in found and "additionalProperties" not in found
        if open_object and _COMPOSED.isdisjoint(found) and id(found) not in composed:
            found["additionalProperties"] = False


def _composed_parts(node: Schema) -> Iterator[Schema]:
    """Schemas that describe the same object as another one does: closing one would forbid what the other wants."""
    keys = ("allOf", "anyOf", "oneOf") if "properties" in node else ("allOf",)
    for key in keys:
        for part in node.get(key, []):
            yield from _nodes(part)


def _resolve(schema: Mapping[str, Any], ref: str) -> object:
    """What a reference leads to; None where it leads nowhere, or out of the schema."""
    if not ref.startswith("#"):
        return None
    found: object = schema
    for step in filter(None, ref.removeprefix("#").split("/")):
        key = step.replace("~1", "/").replace("~0", "~")
        match found:
            case Mapping() if key in found:
                found = found[key]
            case list() if key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            case _:
                return None
    return found


def _strict_node(node: Schema) -> bool:
    if "$ref" in node:
        return set(node) <= {"$ref"}
    if not node.keys() <= _STRICT_KEYWORDS or node.get("format", "date") not in _STRICT_FORMATS:
        return False
    if not {"type", "enum", "const", "anyOf"} & node.keys():
        return False
    kind = node.get("type")
    if kind == "array" or (isinstance(kind, list) and "array" in kind):
        return "items" in node
    if kind == "object" or "properties" in node:
        every = set(node.get("properties", {})) == set(node.get("required", []))
        return node.get("additionalProperties") is False and every
    return True


def _levels(schema: object) -> int:
    if not isinstance(schema, dict):
        return 0
    deepest = max((_levels(child) for child in _children(schema)), default=0)
    return deepest + ("properties" in schema)


def _type_of(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case _:
            return "string"
