"""Typed results: the form told to servers, values read from replies, live values checked."""

import contextlib
import dataclasses
import datetime as dt
import enum
import json
import subprocess
import sys
import time
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlm_kernel.engine.returns import Misfit, Returns, parse_type
from rlm_kernel.errors import ConfigError


class Theme(pydantic.BaseModel):
    theme: Literal["price", "delay"]
    count: int


class Loose(pydantic.BaseModel):
    name: str
    note: str | None = None


class Node(pydantic.BaseModel):
    value: int
    children: list["Node"]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Row(TypedDict):
    name: str
    size: NotRequired[Annotated[int, pydantic.Field(ge=0)]]


Label = Literal["spam", "ham"]
KINDS = [str, int, float, bool, list[str], dict[str, int], Label, Color, Color | None, int | None, int | str, Point]
KINDS += [Theme, Loose, Node, list[Node], list[Row], dt.date, dt.datetime, tuple[int, str], Any, Literal[1, 2]]
KINDS += [
    {"type": "array", "items": {"type": "integer"}},
    {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"enum": ["x", "y"]}}},
    {"anyOf": [{"type": "integer"}, {"$ref": "#"}]},
]


def objects(schema):
    """Every schema of an object in a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


# -- schemas


@pytest.mark.parametrize("kind", KINDS[1:], ids=str)
def test_what_servers_are_told_is_a_json_schema_of_an_object(kind):
    import jsonschema

    schema = Returns.of(kind).schema

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_strict_is_promised_only_of_closed_objects_with_all_properties_required(kind):
    returns = Returns.of(kind)
    if returns.strict:
        for part in objects(returns.schema):
            assert part["additionalProperties"] is False
            assert sorted(part["required"]) == sorted(part["properties"])
        assert not {"allOf", "oneOf", "prefixItems", "default", "uniqueItems"} & set(
            json.dumps(returns.schema).split('"')
        )


@pytest.mark.parametrize(
    "kind", [int, bool, list[str], Label, Color, int | None, Point, Theme, Node, list[Node]], ids=str
)
def test_common_types_are_taken_by_strict_mode(kind):
    assert Returns.of(kind).strict


@pytest.mark.parametrize("kind", [str, dict[str, int], Loose, tuple[int, str], set[int], Any, list[Row]], ids=str)
def test_strict_mode_would_refuse_free_keys_optional_fields_and_tuples(kind):
    assert not Returns.of(kind).strict


def test_what_is_no_object_is_wrapped_and_its_definitions_move_to_the_top():
    schema = Returns.of(list[Node]).schema

    assert schema["properties"]["value"]["items"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["additionalProperties"] is False


def test_a_reference_to_the_whole_schema_still_leads_to_it_inside_the_wrapper():
    schema = Returns.of({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}).schema

    assert schema["properties"]["value"]["anyOf"][1]["items"] == {"$ref": "#/properties/value"}


def test_parts_of_one_object_are_not_closed_against_each_other():
    """Closing both would leave no object that fits."""
    halves = [{"type": "object", "properties": {name: {"type": "integer"}}, "required": [name]} for name in "ab"]

    returns = Returns.of({"type": "object", "allOf": halves})

    assert "additionalProperties" not in json.dumps(returns.schema["properties"]["value"])
    assert returns.read('{"a": 1, "b": 2}') == {"a": 1, "b": 2}


def test_the_schema_of_the_user_is_not_changed():
    given_schema = {"title": "T", "type": "object", "properties": {"title": {"type": "string", "title": "t"}}}
    before = json.dumps(given_schema)

    schema = Returns.of(given_schema).schema

    assert json.dumps(given_schema) == before
    assert schema["properties"] == {"title": {"type": "string"}}


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (str, "plain text"),
        (Label, "one of: spam, ham"),
        (Color, "one of: red, blue"),
        (Color | None, "one of: red, blue, null"),
        (Literal["a, b", "c"], 'one of: "a, b", "c"'),
        (Literal[1, 2], "one of: 1, 2"),
        (bool, "true or false"),
        (int, "a whole number"),
        (float | None, "a number or null"),
        (dt.date, "a date as YYYY-MM-DD"),
        (list[str], 'JSON of the schema {"items":{"type":"string"},"type":"array"}'),
        (pd.DataFrame, "a pandas.DataFrame"),
    ],
    ids=str,
)
def test_the_form_is_said_in_words(kind, words):
    assert Returns.of(kind).words == words


def test_a_returns_is_itself_and_an_adapter_is_taken():
    returns = Returns.of(int)

    assert Returns.of(returns) is returns
    assert Returns.of(pydantic.TypeAdapter(list[int])).read("[1]") == [1]


@pytest.mark.parametrize(
    "kind",
    [5, "int", None, [1], lambda: 1, pd, {}, {"type": "objekt"}, {"a": 1}, list["Nowhere"], Optional],  # noqa: F821
    ids=repr,
)
def test_anything_else_is_refused_in_one_line(kind):
    with pytest.raises(ConfigError) as caught:
        Returns.of(kind)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("ref", ["http://example.org/x.json", "#/$defs/none", "other.json"])
def test_a_schema_that_refers_out_of_itself_is_refused_and_nothing_is_fetched(ref, tried_to_leave):
    with pytest.raises(ConfigError, match="refers to"):
        Returns.of({"type": "object", "properties": {"a": {"$ref": ref}}})
    assert not tried_to_leave


def test_neither_pydantic_nor_jsonschema_is_imported_with_the_module():
    script = (
        "import sys, rlm_kernel.engine.mapping\nprint({'pydantic', 'jsonschema', 'pandas', 'numpy'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


# -- reading replies


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (str, "<think>hm</think>\n the text ", "the text"),
        (Label, "spam", "spam"),
        (Label, "Spam.", "spam"),
        (Label, '"ham"', "ham"),
        (Label, "**Ham**", "ham"),
        (Label, "Answer: spam", "spam"),
        (Label, "The final answer is **ham**.", "ham"),
        (Label, "<think>spam? no</think>ham", "ham"),
        (Label, "is it spam?</think>ham", "ham"),
        (Label, "spam\n\nIt promises a prize.", "spam"),
        (Label, "```\nspam\n```", "spam"),
        (Label, '{"value": "HAM"}', "ham"),
        (Label, 'Sure: {"answer": "ham"}', "ham"),
        (Literal["not_spam", "spam"], "Not spam", "not_spam"),
        (Literal[1, 2], '"2"', 2),
        (Literal["1", "2"], "2", "2"),
        (Color, "Red", Color.RED),
        (Color | None, "null", None),
        (int, "Answer: 1,234.", 1234),
        (int, "42\n\nSeven of them are red.", 42),
        (int, '{"value": 7}', 7),
        (float, "2.5", 2.5),
        (bool, "Yes.", True),
        (bool, "False", False),
        (int | None, "null", None),
        (dt.date, "2024-05-01", dt.date(2024, 5, 1)),
        (list[str], '["a", "b"]', ["a", "b"]),
        (list[str], 'As [1] says: ["a"]', ["a"]),
        (list[str], "['a', \"it's\"]", ["a", "it's"]),
        (tuple[int, str], "[1, 'a']", (1, "a")),
        (dict[str, int], '{"value": {"a": 1}}', {"a": 1}),
        (dict[str, int], '{"value": 1}', {"value": 1}),
        (Point, 'The point:\n```json\n{"x": 1, "y": 2}\n```\nDone.', Point(1, 2.0)),
        (
            Theme,
            '{"theme": "price", "count": 3} and again {"theme": "price", "count": 3}',
            Theme(theme="price", count=3),
        ),
        (list[Row], '[{"name": "a"}]', [{"name": "a"}]),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
    ],
)
def test_the_value_is_found_whatever_stands_around_it(kind, text, value):
    read = Returns.of(kind).read(text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        (str, "<think>and then", "empty"),
        (Label, "not spam", "one of: spam, ham"),
        (Label, "eggs", "eggs"),
        (Label, "spam\nham", "2 different answers"),
        (Label, '{"value": "spam"} or {"value": "ham"}', "2 different answers"),
        (Label, '{"value": "spam", "value": "ham"}', "one of"),
        (Label, "This could be spam or ham", "one of"),
        (int, "12 apples", "a whole number"),
        (int, "true", "a whole number"),
        (int, "3.5", "3.5"),
        (int, "1\n2\n3", "3 different answers"),
        (float, "nan", "a number"),
        (float, '{"value": Infinity}', "a number"),
        (dt.date, "2024", "YYYY-MM-DD"),
        (Theme, '{"theme": "cost", "count": 1}', "theme: Input should be 'price' or 'delay', not 'cost'"),
        (Theme, '{"theme": "price"}', "count: Field required"),
        (Theme, '{"theme": "price", "count":', "no whole JSON"),
        (Theme, '{"theme": "price", "count": 1} {"theme": "delay", "count": 1}', "2 different answers"),
        (dict[str, int], '{"b": {"c": 1}, "a":', "no whole JSON"),
        (dict[str, int], '{"a": 1, "a": 2, "b": {"c": 1}}', "no whole JSON"),
        (list[str], "- a\n- b", "no whole JSON"),
        (pd.DataFrame, "a b\n1 2", "cannot write a pandas.DataFrame"),
    ],
)
def test_what_does_not_fit_or_is_not_sure_is_a_misfit_that_says_why(kind, text, why):
    with pytest.raises(Misfit) as caught:
        Returns.of(kind).read(text)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


FORMS = [Returns.of(kind) for kind in KINDS]
PIECES = st.sampled_from(
    ["{", "}", "[", "]", '"', ":", ",", "value", "spam", "1", "```\n", "<think>", "</think>", "null"]
)
REPLIES = st.one_of(
    st.text(),
    st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ).map(json.dumps),
)


@given(st.sampled_from(FORMS), REPLIES)
@example(FORMS[4], "[" * 100_000)
@example(FORMS[4], '{"a":' * 100_000)
@example(FORMS[1], "9" * 5_000)
@example(FORMS[1], "```" * 20_000)
@example(FORMS[12], "[" + "(" * 10_000)
@example(FORMS[0], "\ud800")
def test_reading_gives_a_value_or_a_misfit_whatever_the_text(returns, text):
    said = ""
    try:
        returns.read(text)
    except Misfit as misfit:
        said = str(misfit)
    assert len(said) <= 600
    assert "\n" not in said


@given(
    st.lists(
        st.sampled_from(["spam", "ham", "Spam.", "eggs", "Answer: ham", '{"value": "spam"}', "it is spam"]), max_size=5
    )
)
def test_a_label_that_is_read_was_the_only_one_marked_as_the_answer(lines):
    """Of two labels neither is taken, wherever they stand alone."""
    text = "\n".join(lines)
    try:
        value = Returns.of(Label).read(text)
    except Misfit:
        return
    assert value in text.lower()
    alone = {line.lower().strip(".") for line in lines} & {"spam", "ham"}
    assert len(alone) < 2 or "Answer: ham" in lines or '{"value": "spam"}' in lines


@given(st.lists(st.text()), st.text(max_size=20).filter(lambda text: not set("[]{}<\"'`~") & set(text)))
def test_a_list_inside_prose_is_read_as_it_is(values, prose):
    value = json.dumps(values)

    assert Returns.of(list[str]).read(f"{prose}\n{value}\n{prose}") == values


NONSENSE = ["[{" * 50_000, "{a " * 100_000, "```\n" * 80_000, "~~~a\n" * 80_000, "[1]," * 90_000, '"' * 400_000]
NONSENSE += [
    "Answer: " * 50_000,
    "1\n" * 200_000,
    "<think>" * 60_000,
    "`" * 400_000,
    " " * 400_000 + "x",
    "\\" * 400_000,
]


@pytest.mark.parametrize("text", NONSENSE, ids=lambda text: repr(text[:8]))
@pytest.mark.parametrize("kind", [int, Label, list[str], dt.date], ids=str)
@pytest.mark.timeout(20)
def test_a_long_reply_of_nonsense_is_read_in_no_time(kind, text):
    began = time.process_time()
    with contextlib.suppress(Misfit):
        Returns.of(kind).read(text)
    assert time.process_time() - began < 2


# -- live values


@pytest.mark.parametrize(
    ("kind", "given_value", "value"),
    [
        (float, 3, 3.0),
        (float, np.int64(3), 3.0),
        (float, np.float32(2.5), 2.5),
        (int, np.int64(3), 3),
        (bool, np.bool_(True), True),
        (list[str], pd.Series(["a"]), ["a"]),
        (list[str], pd.Index(["a"]), ["a"]),
        (list[str], pl.Series(["a"]), ["a"]),
        (list[int], np.array([1, 2]), [1, 2]),
        (list[str], {"a": 1}.keys(), ["a"]),
        (dict[str, int], pd.Series({"a": 1}), {"a": 1}),
        (dict[str, int], {"a": np.int64(2)}, {"a": 2}),
        (list[Theme], pd.DataFrame({"theme": ["price"], "count": [1]}), [Theme(theme="price", count=1)]),
        (Theme, {"theme": "price", "count": 1}, Theme(theme="price", count=1)),
        (dt.date, pd.Timestamp("2024-01-01"), dt.date(2024, 1, 1)),
        (Color, "red", Color.RED),
        (Row, {"name": "a", "size": 1}, {"name": "a", "size": 1}),
        ({"type": "array", "items": {"type": "integer"}}, np.array([1]), [1]),
        (int | None, None, None),
    ],
    ids=repr,
)
def test_a_live_value_that_means_the_same_is_taken(kind, given_value, value):
    checked = Returns.of(kind).check(given_value)

    assert checked == value
    assert type(checked) is type(value)


def test_a_class_that_pydantic_does_not_know_is_checked_by_isinstance():
    frame = pd.DataFrame({"a": [1]})
    returns = Returns.of(pd.DataFrame)

    assert returns.schema is None
    assert not returns.writable
    assert returns.check(frame) is frame
    with pytest.raises(Misfit, match=r"should be a pandas\.DataFrame, not 'a'"):
        returns.check("a")
    assert Returns.of(list[pd.DataFrame]).check([frame])[0] is frame


def test_a_value_that_fits_a_json_schema_is_given_back_itself():
    value = {"a": [1]}
    assert Returns.of({"type": "object", "properties": {"a": {"type": "array"}}}).check(value) is value


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (int, 3.5, "3.5"),
        (str, 5, "should be a str, not 5"),
        (list[str], ["a", 1], "1: Input should be a valid string, not 1"),
        (Theme, {"theme": "cost", "count": 1}, "theme: Input should be 'price' or 'delay', not 'cost'"),
        (Row, {"name": "a", "size": -1}, "size: "),
        ({"type": "array", "items": {"type": "integer"}}, [0] * 90 + ["x"], "90: 'x' is not of type 'integer'"),
        ({"$ref": "#"}, 1, "recursion"),
    ],
    ids=repr,
)
def test_a_live_value_that_does_not_fit_is_a_misfit_in_one_short_line(kind, value, why):
    with pytest.raises(Misfit) as caught:
        Returns.of(kind).check(value)
    assert why in str(caught.value)
    assert len(str(caught.value)) <= 600
    assert "\n" not in str(caught.value)


def test_an_object_that_fails_when_it_is_looked_at_is_a_misfit():
    class Broken:
        def __repr__(self):
            raise RuntimeError("no")

        def __getattr__(self, name):
            raise RuntimeError("no")

    for kind in (int, list[str], Theme, str, {"type": "integer"}):
        with pytest.raises(Misfit):
            Returns.of(kind).check(Broken())


def test_a_validator_of_the_user_may_raise_anything():
    def fail(value):
        raise KeyError("gone")

    with pytest.raises(Misfit, match="KeyError"):
        Returns.of(Annotated[int, pydantic.AfterValidator(fail)]).read("1")


# -- annotations as text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("int", int),
        ("list[str]", list[str]),
        (' Literal["a", "b"] ', Literal["a", "b"]),
        ("Literal[-1, 1]", Literal[-1, 1]),
        ("dict[str, float]", dict[str, float]),
        ("Theme", Theme),
        ("list[Theme] | None", list[Theme] | None),
        ("date", dt.date),
        ("datetime", dt.datetime),
        ("datetime.date", dt.date),
        ("typing.Optional[int]", int | None),
        ("pd.DataFrame", pd.DataFrame),
        ("tuple[int, ...]", tuple[int, ...]),
        ("schema", {"type": "integer"}),
    ],
)
def test_an_annotation_is_evaluated_in_the_users_namespace(text, kind):
    assert parse_type(text, {"Theme": Theme, "pd": pd, "schema": {"type": "integer"}}) == kind


def test_the_users_own_name_goes_before_a_builtin():
    assert parse_type("list", {"list": Theme}) is Theme


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Them", "did you mean Theme"),
        ("5", "is 5"),
        ("frame", "is a DataFrame"),
        ("list[", "is no type"),
        ("", "is no type"),
        ("None", "is None"),
        ("open('x', 'w')", "not open"),
        ("[int for x in y]", "not "),
        ("pd.Frame", "no attribute"),
        ("int[str]", "is no type"),
        ("lambda: 1", "not lambda"),
    ],
)
def test_what_is_no_annotation_is_one_line_and_no_call_is_made(text, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        parse_type(text, {"Theme": Theme, "pd": pd, "frame": pd.DataFrame()})
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
