"""llm_map: rows in packs, each answer to its own row, whatever the model does."""
# ruff: noqa: PD011 - `.values` is a field of a Mapped

import dataclasses
import enum
import json
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.engine.mapping import Answer, Mapped, map_rows
from rlm_kernel.engine.returns import Misfit
from rlm_kernel.errors import ConfigError, SubcallError
from rlm_kernel.usage import Usage

ONE = Usage(calls=1, input_tokens=10, output_tokens=2)


def say(section, **values):
    """Sections as a pack would render them, with their data at the end."""
    data = values.pop("rows", None) or values.pop("row")
    return f"{section}\n{values['instruction']}\n{values['form']}\n----\n{data}"


class Model:
    """Answers prompts: with `judge` of each row, or as a test has it misbehave."""

    def __init__(self, judge=str.upper, behave=None):
        self.judge = judge
        self.behave = behave or (lambda reply, section: reply)
        self.rounds = []
        self.forms = []

    @property
    def prompts(self):
        return [prompt for prompts in self.rounds for prompt in prompts]

    @property
    def asked(self):
        """Every row that was asked, as often as it was."""
        return [row for prompt in self.prompts for _, row in self.rows(prompt)]

    def rows(self, prompt):
        head, _, data = prompt.partition("\n----\n")
        if head.startswith("map_one\n"):
            return [(None, json.loads(data))]
        return [(line["id"], line["row"]) for line in map(json.loads, data.split("\n"))]

    def __call__(self, prompts, form):
        self.rounds.append(list(prompts))
        self.forms.append(form)
        return [self.answer(prompt, form) for prompt in prompts]

    def answer(self, prompt, form):
        rows = self.rows(prompt)
        if prompt.startswith("map_one\n"):
            value = self.judge(rows[0][1])
            reply = value if form is None else json.dumps({"value": value})
        else:
            reply = {"rows": [{"id": number, "value": self.judge(row)} for number, row in rows]}
        reply = self.behave(reply, prompt.partition("\n")[0])
        if isinstance(reply, SubcallError):
            return Answer(error=reply, usage=ONE)
        text = reply if isinstance(reply, str) else json.dumps(reply)
        try:
            return Answer(value=text if form is None else form.read(text), usage=ONE)
        except Misfit as misfit:
            return Answer(error=SubcallError(f"no answer of the form asked for: {misfit}"), usage=ONE)


def mapped(data, model=None, **options):
    model = model or Model()
    return map_rows(data, "Judge it.", ask=model, say=say, **options)


class Theme(pydantic.BaseModel):
    theme: str
    size: int


# -- packing


def test_small_rows_share_calls_and_all_calls_go_out_at_once():
    model = Model()
    result = mapped([f"row {at}" for at in range(50)], model)

    assert result.values == [f"ROW {at}" for at in range(50)]
    assert [len(prompts) for prompts in model.rounds] == [3]
    assert result.errors == {}
    assert result.usage == Usage(calls=3, input_tokens=30, output_tokens=6)


def test_one_row_a_call_has_the_plain_form():
    model = Model(judge=lambda row: "spam" if "prize" in row else "ham")
    result = mapped(["a prize", "hello"], model, returns=Literal["spam", "ham"], per_call=1)

    assert result.values == ["spam", "ham"]
    assert len(model.prompts) == 2
    assert model.prompts[0] == 'map_one\nJudge it.\none of: spam, ham\n----\n"a prize"'
    assert [form.words for form in model.forms] == ["one of: spam, ham"]


def test_a_pack_is_full_at_so_many_characters_and_a_long_row_goes_alone():
    model = Model()
    texts = ["a" * 400, "b" * 400, "c" * 5_000, "d" * 400, "e" * 400]
    result = mapped(texts, model, chars_per_call=1_000)

    assert result.values == [text.upper() for text in texts]
    assert sorted(len(model.rows(prompt)) for prompt in model.prompts) == [1, 2, 2]
    assert len(model.rounds) == 1


def test_the_schema_of_a_pack_holds_the_servers_to_ids_and_values():
    model = Model(judge=lambda row: {"theme": row, "size": len(row)})
    result = mapped(["aa", "b"], model, returns=Theme)

    row = model.forms[0].schema["properties"]["rows"]["items"]
    assert row["required"] == ["id", "value"]
    assert row["properties"]["value"]["required"] == ["theme", "size"]
    assert model.forms[0].strict
    assert model.forms[0].words.startswith(
        'JSON {"rows": [{"id": ..., "value": ...}, ...]}, each value JSON of the schema'
    )
    assert result.values == [Theme(theme="aa", size=2), Theme(theme="b", size=1)]


def test_definitions_of_a_form_are_at_the_top_of_a_packs_schema():
    class Tree(pydantic.BaseModel):
        kids: list["Tree"]

    Tree.model_rebuild(_types_namespace={"Tree": Tree})
    model = Model(judge=lambda row: {"kids": [{"kids": []}]})

    assert mapped(["a", "b"], model, returns=Tree).values[0] == Tree(kids=[Tree(kids=[])])
    assert "Tree" in model.forms[0].schema["$defs"]


def test_nothing_is_asked_of_no_rows_and_of_missing_ones():
    model = Model()
    result = mapped(pd.Series(["a", None, float("nan"), "", "  ", pd.NaT, pd.NA]), model)

    assert model.asked == ["a"]
    assert result.values.tolist() == ["A", None, None, None, None, None, None]
    assert result.errors == {}
    assert mapped([], model).values == []
    assert mapped([None, ""], model).values == [None, None]
    assert len(model.rounds) == 1


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5), st.sampled_from([1, 20]))
def test_no_text_of_a_row_can_end_its_line_or_its_string(texts, per_call):
    """Also the line ends of Unicode, quotes, and halves of surrogate pairs."""
    model = Model(judge=len)
    result = mapped([*texts, '", "id": "2"}\n{"id": "1\u2028\x85\ud800'], model, returns=int, per_call=per_call)

    for prompt in model.prompts:
        prompt.encode("utf-8")
        assert len(prompt.partition("----\n")[2].splitlines()) == len(model.rows(prompt))
    assert model.asked == [*texts, '", "id": "2"}\n{"id": "1\u2028\x85\ud800']
    assert result.values == [len(text) for text in model.asked]


def test_an_instruction_with_dollars_and_braces_stays_as_it_is():
    model = Model()
    map_rows(["a"], "Is it $5 or {x}?", ask=model, say=say)
    assert "Is it $5 or {x}?" in model.prompts[0]


# -- a model that misbehaves


def test_answers_in_another_order_go_to_their_own_rows():
    model = Model(behave=lambda reply, _: {"rows": reply["rows"][::-1]})
    assert mapped(["a", "b", "c"], model).values == ["A", "B", "C"]
    assert len(model.prompts) == 1


def test_only_the_rows_left_out_are_asked_again():
    def drop(reply, section):
        return {"rows": [row for row in reply["rows"] if row["value"] != "C"]} if section == "map_pack" else reply

    model = Model(behave=drop)
    result = mapped(list("abcde"), model)

    assert result.values == list("ABCDE")
    assert model.asked == [*"abcde", "c"]
    assert model.prompts[1].startswith("map_one")


def test_a_row_answered_twice_or_under_a_foreign_id_is_asked_again():
    def muddle(reply, section):
        if section == "map_one":
            return reply
        rows = reply["rows"]
        return {"rows": [*rows, {**rows[0], "value": "OTHER"}, {"id": "77", "value": "X"}, {"id": True, "value": "Y"}]}

    model = Model(behave=muddle)
    assert mapped(list("abc"), model).values == list("ABC")
    assert model.asked == [*"abc", "a"]


def test_a_value_that_does_not_fit_costs_its_own_row_only():
    model = Model(judge=lambda row: "eggs" if row == "b" else "spam")
    result = mapped(list("abc"), model, returns=Literal["spam", "ham"])

    assert result.values == ["spam", None, "spam"]
    assert list(result.errors) == [1]
    assert isinstance(result.errors[1], SubcallError)
    assert model.asked == [*"abc", "b"]


def test_a_pack_that_fails_is_halved_down_to_the_row_that_spoils_it():
    """One row of 16 makes every call fail that it is in."""

    def fail(reply, section):
        return SubcallError("timed out") if "POISON" in json.dumps(reply) else reply

    model = Model(behave=fail)
    texts = [f"row {at}" for at in range(15)] + ["poison"]
    result = mapped(texts, model)

    assert result.values == [f"ROW {at}" for at in range(15)] + [None]
    assert {at: str(error) for at, error in result.errors.items()} == {15: "timed out"}
    assert [len(model.rows(prompt)) for prompt in model.prompts] == [16, 8, 8, 4, 4, 2, 2, 1, 1]


def test_prose_in_place_of_rows_ends_with_single_rows():
    model = Model(behave=lambda reply, section: "I cannot do that." if section == "map_pack" else reply)
    result = mapped(list("abcd"), model)

    assert result.values == list("ABCD")
    assert [len(prompts) for prompts in model.rounds] == [1, 2, 4]


def test_a_row_that_went_alone_beside_packs_has_a_try_in_the_plain_form():
    """It was asked in the form of the packs at first, so that all went out at once."""

    def fail(reply, section):
        return "No." if section == "map_pack" and len(reply["rows"]) == 1 else reply

    model = Model(behave=fail)
    result = mapped(["a", "b", "long " * 500], model, chars_per_call=1_000)

    assert result.values[2] == "LONG " * 499 + "LONG"
    assert result.errors == {}
    assert [len(prompts) for prompts in model.rounds] == [2, 1]


def test_after_a_limit_nothing_more_is_asked_and_what_came_back_is_kept():
    done = []

    def limit(reply, _):
        if done:
            error = SubcallError("not asked: the limit of 1 calls is reached")
            error.final = True
            return error
        done.append(reply)
        return {"rows": reply["rows"][:-1]}

    model = Model(behave=limit)
    result = mapped(list("abcdef"), model, per_call=3)

    assert result.values == ["A", "B", None, None, None, None]
    assert len(model.rounds) == 1
    assert {str(error) for error in result.errors.values()} == {"not asked: the limit of 1 calls is reached"}
    assert list(result.errors) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "entry", "value"),
    [
        (Literal["spam", "ham"], {"id": 1, "value": "Spam."}, "spam"),
        (Literal["spam", "ham"], {"id": " 1 ", "label": "ham"}, "ham"),
        (Theme, {"id": "1", "theme": "a", "size": 2}, Theme(theme="a", size=2)),
        (int, {"id": "1", "value": "7"}, 7),
        (str, {"id": "1", "value": 7}, "7"),
        (int | None, {"id": "1", "value": None}, None),
    ],
)
def test_small_faults_of_form_are_forgiven(kind, entry, value):
    reply = {"rows": [entry, {"id": "2", "value": None}]}
    result = mapped(["a", "b"], Model(judge=str, behave=lambda *_: reply), returns=kind)

    assert result.values[0] == value
    assert 0 not in result.errors


@st.composite
def behaviours(draw):
    """What a model does with each of its replies in turn."""
    kinds = ["right", "shuffle", "drop", "double", "clash", "foreign", "shift", "prose", "bare", "junk", "fail", "cut"]
    return draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=12)), draw(st.randoms(use_true_random=False))


def misbehave(kind, reply, random):
    if kind == "right":
        return reply
    if kind == "fail":
        return SubcallError("timed out")
    if kind == "prose":
        return "Here is what I think."
    if isinstance(reply, str) or "rows" not in reply:
        return reply
    rows = list(reply["rows"])
    match kind:
        case "shuffle":
            random.shuffle(rows)
        case "drop":
            rows = [row for row in rows if random.random() < 0.5]
        case "double":
            rows.append(random.choice(rows))
        case "clash":
            rows.append({**random.choice(rows), "value": -1})
        case "foreign":
            rows.append({"id": str(random.randint(500, 900)), "value": -1})
        case "shift":
            rows[random.randrange(len(rows))]["id"] = "x"
        case "bare":
            return json.dumps(rows)
        case "junk":
            rows[random.randrange(len(rows))] = random.choice([None, [], "a", {}, {"id": None}, {"value": 3}])
        case "cut":
            return json.dumps({"rows": rows})[: random.randint(0, 40)]
    return {"rows": rows}


@given(
    st.lists(st.text(max_size=30) | st.none(), max_size=60),
    st.integers(1, 25),
    st.sampled_from([30, 200, 12_000]),
    behaviours(),
)
def test_whatever_the_model_does_each_row_has_its_own_value_or_an_error(texts, per_call, chars, behaviour):
    """And the calls are bounded: what is right is never asked again, what is wrong in ever smaller packs."""
    kinds, random = behaviour
    turn = iter(range(10**6))

    def behave(reply, _):
        return misbehave(kinds[next(turn) % len(kinds)], reply, random)

    model = Model(judge=len, behave=behave)
    result = mapped(texts, model, returns=int, per_call=per_call, chars_per_call=chars)

    assert len(result.values) == len(result) == len(texts)
    present = [at for at, text in enumerate(texts) if text and text.strip()]
    for at, text in enumerate(texts):
        if at not in present:
            assert result.values[at] is None
            assert at not in result.errors
        elif at in result.errors:
            assert result.values[at] is None
        else:
            assert result.values[at] == len(text)
    packs = len(model.rounds[0]) if model.rounds else 0
    assert len(model.prompts) <= 3 * len(present) + packs
    assert result.usage.calls == len(model.prompts)


# -- shapes of data


def test_a_series_gives_a_series_with_its_index_even_with_labels_that_occur_twice():
    data = pd.Series(["a", "b", "bad"], index=["x", "x", "y"], name="text")
    model = Model(behave=lambda reply, _: SubcallError("no") if "BAD" in json.dumps(reply) else reply)
    result = mapped(data, model, per_call=1)

    pd.testing.assert_series_equal(result.values, pd.Series(["A", "B", None], index=["x", "x", "y"], dtype=object))
    assert list(result.errors) == [2]
    frame = result.to_frame()
    assert list(frame.columns) == ["text", "value", "error"]
    assert frame["error"].tolist() == [None, None, "no"]
    assert list(frame.index) == ["x", "x", "y"]


def test_errors_are_named_by_labels_where_these_tell_rows_apart():
    fail = Model(behave=lambda *_: SubcallError("no"))

    assert list(mapped(pd.Series(["a"], index=["x"]), fail).errors) == ["x"]
    assert list(mapped({"k": "a"}, fail).errors) == ["k"]
    assert list(mapped(pl.Series(["a"]), fail).errors) == [0]


def test_values_of_one_type_make_a_column_of_it():
    result = mapped(pd.Series(["a", "bb"]), Model(judge=len), returns=int)

    assert result.values.dtype == np.dtype("int64")
    assert result.values.sum() == 3


def test_a_result_can_be_put_into_the_table_as_a_column():
    frame = pd.DataFrame({"text": ["a", "b"]}, index=[7, 3])
    result = mapped(frame["text"])

    frame["one"] = result.values
    frame["two"] = result
    assert frame["one"].tolist() == frame["two"].tolist() == ["A", "B"]


def test_rows_of_a_table_are_objects_of_the_columns_chosen():
    frame = pd.DataFrame({"text": ["a", None], "n": [1, 2], "when": pd.to_datetime(["2024-01-01", None])})
    model = Model(judge=str)
    mapped(frame, model)
    mapped(frame, model, columns=["text", "when"])
    mapped(pl.from_pandas(frame), model, columns="n")

    whole = [{"text": "a", "n": 1, "when": "2024-01-01T00:00:00"}, {"text": None, "n": 2, "when": None}]
    assert model.asked[:2] == whole
    assert {"text": "a", "when": "2024-01-01T00:00:00"} in model.asked
    assert {"text": None, "when": None} not in model.asked
    assert model.asked[-2:] == [{"n": 1}, {"n": 2}]


def test_columns_of_one_name_are_told_apart():
    frame = pd.DataFrame([["a", "b"]], columns=["x", "x"])
    model = Model(judge=lambda row: row["x"])
    result = mapped(frame, model, per_call=1)

    assert model.asked == [{"x": "a", "x_": "b"}]
    assert result.to_frame().shape == (1, 3)


def test_records_become_columns_that_never_take_the_place_of_the_datas():
    frame = pd.DataFrame({"theme": ["a", "b"], "error": [1, 2]})
    judge = lambda row: {"theme": row["theme"].upper(), "size": 1 if row["theme"] == "a" else None}
    result = mapped(frame, Model(judge=judge), returns=Theme)
    out = result.to_frame()

    assert list(out.columns) == ["theme", "error", "theme_", "size", "error_"]
    assert out["theme"].tolist() == ["a", "b"]
    assert out["theme_"].tolist() == ["A", None]
    assert out["size"].tolist() == [1, None]
    assert "size" in out["error_"][1]
    assert list(frame.columns) == ["theme", "error"]


def test_a_field_called_error_and_the_error_column_do_not_meet():
    fail = lambda reply, _: SubcallError("no") if "BAD" in json.dumps(reply) else reply
    model = Model(judge=lambda row: {"error": row.upper()}, behave=fail)
    out = mapped(["a", "bad"], model, returns=dict[str, str]).to_frame()

    assert list(out.columns) == ["row", "error", "error_"]
    assert out["error"].tolist() == ["A", None]
    assert out["error_"].tolist() == [None, "no"]


def test_polars_data_gives_polars_results():
    series = pl.Series("text", ["a", "bb"])
    result = mapped(series, Model(judge=len), returns=int)

    assert result.values.to_list() == [1, 2]
    assert result.to_frame().to_dict(as_series=False) == {"text": ["a", "bb"], "value": [1, 2]}
    table = pl.DataFrame({"value": ["a"]})
    assert mapped(table, Model(judge=lambda row: row["value"])).to_frame().columns == ["value", "value_"]
    themes = mapped(series, Model(judge=lambda row: {"theme": row, "size": 1}), returns=Theme)
    assert themes.values[0] == Theme(theme="a", size=1)
    assert themes.to_frame().columns == ["text", "theme", "size"]


def test_a_dict_gives_a_dict_and_a_table_by_its_keys():
    result = mapped({("a", 1): "x", "b": "y"})

    assert result.values == {("a", 1): "X", "b": "Y"}
    assert list(result) == ["X", "Y"]
    assert list(result.to_frame().index) == [("a", 1), "b"]


def test_rows_of_any_kind_are_shown_as_json():
    class Color(enum.Enum):
        RED = "red"

    @dataclasses.dataclass
    class Point:
        x: int

    model = Model(judge=str)
    rows = [
        1,
        2.5,
        True,
        Color.RED,
        Point(1),
        {"a": np.int64(3), 4: (1, {2})},
        np.array([1, 2]),
        Theme(theme="a", size=1),
        b"x",
    ]
    mapped(tuple(rows), model)

    assert model.asked == [
        1,
        2.5,
        True,
        "red",
        {"x": 1},
        {"a": 3, "4": [1, [2]]},
        [1, 2],
        {"theme": "a", "size": 1},
        "b'x'",
    ]


def test_a_result_says_in_one_line_what_it_is():
    result = mapped([str(at) for at in range(1000)], Model(behave=lambda *_: SubcallError("no")), per_call=1)

    assert repr(result) == "Mapped(1,000 rows, 1,000 errors, 1,000 calls)"
    assert not hasattr(result, "_repr_html_")
    assert isinstance(result, Mapped)


@pytest.mark.parametrize(
    ("data", "options", "why"),
    [
        ("one text", {}, "use llm_query for a single text"),
        (5, {}, "not a int"),
        (pl.DataFrame({"a": [1]}).lazy(), {}, "not a LazyFrame"),
        (["a"], {"columns": ["a"]}, "columns= chooses the columns of a table"),
        (pd.DataFrame({"text": ["a"]}), {"columns": ["tex"]}, "did you mean 'text'"),
        (pl.DataFrame({"text": ["a"]}), {"columns": []}, "no column"),
        (["a"], {"returns": pd.DataFrame}, "cannot return a pandas.DataFrame"),
        (["a"], {"returns": 5}, "returns takes"),
    ],
)
def test_what_cannot_be_mapped_is_refused_before_anything_is_asked(data, options, why):
    model = Model()
    with pytest.raises(ConfigError, match=why):
        mapped(data, model, **options)
    assert not model.rounds


def test_the_instruction_is_a_text():
    with pytest.raises(ConfigError, match="instruction"):
        map_rows(["a"], ["b"], ask=Model(), say=say)


def test_values_that_are_anything_at_all_are_kept():
    result = mapped(["a", "b"], Model(judge=lambda row: [row, {"x": None}]), returns=Any)
    assert result.values == [["a", {"x": None}], ["b", {"x": None}]]
