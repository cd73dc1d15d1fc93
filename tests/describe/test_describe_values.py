"""The words for texts, containers, numbers, paths, functions and any other object."""

import collections
import dataclasses
import datetime as dt
import enum
import functools
import pathlib
import sqlite3
import types

import numpy as np
import pandas as pd
import pytest

from rlm_kernel.describe import BRIEF, describe, inventory, summarize
from rlm_kernel.describe.forms import form_of


def told(value, **options):
    return describe("x", value, **options).text


LONG = "Chapter 1.\nThe weather was mild. " * 3000


def test_a_long_text_is_told_by_length_beginning_and_end():
    """Characters, lines, tokens, and both ends; for a small model the beginning alone, on one line."""
    assert told(LONG).splitlines()[0] == "`x` is a str of 99,000 characters, 3,001 lines, about 25 thousand tokens."
    assert '\nIt begins: "Chapter 1.\\nThe weather was mild. Chapter' in told(LONG)
    assert told(LONG).splitlines()[-1].startswith('It ends: "')
    assert told(LONG, detail=BRIEF).startswith(
        '`x` is a str of 99,000 characters. It begins: "Chapter 1. The weather was mild. '
    )
    assert describe("x", LONG).kind == "text"
    assert len(told(LONG, detail=BRIEF)) < 220


def test_a_short_text_is_shown_whole():
    """A text of some words is its own description."""
    binding = describe("x", 'say "hi"\n')
    assert binding.text == '`x` is a str of 9 characters: "say \\"hi\\"\\n"'
    assert not binding.partial
    assert told("") == '`x` is a str of 0 characters: ""'


def test_text_in_other_scripts_counts_more_tokens():
    """Chinese has about one token for one and a half characters, not four."""
    assert "about 27 thousand tokens" in told("漢字" * 20_000)


@pytest.mark.parametrize("sign", ["\x1b", "\u202e", "\u200b", "\x00", "\ud800", "\u2028", "\U000e0041"])
def test_signs_that_cannot_be_seen_are_written_as_escapes(sign):
    """Terminal codes, bidi marks, invisible letters and lone surrogates of other people's texts cannot act."""
    for value in (
        f"a{sign}b",
        f"a{sign}b" * 1000,
        {f"k{sign}": 1},
        pd.DataFrame([[f"v{sign}"]], columns=pd.Index([f"c{sign}"], dtype=object), dtype=object),
        [f"{sign}"] * 1000,
        {f"k{sign}{at}": sign for at in range(50)},
    ):
        text = told(value) + told(value, detail=BRIEF) + inventory({"x": value}, ["x"]) + summarize(value)
        assert sign not in text
        text.encode()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"a": 1}', "JSON"),
        ('[{"a": 1}, ', "JSON"),
        ('{"a": 1}\n{"a": 2}\n{"a": 3}\n', "JSON Lines"),
        ("a,b,c\n1,2,3\n4,5,6\n7,8,9\n", "CSV, 3 columns"),
        ("a\tb\n1\t2\n4\t5\n7\t8\n", "tab-separated values, 2 columns"),
        ("<?xml version='1.0'?><a/>", "XML"),
        ("<!DOCTYPE html><html>", "HTML"),
        ("2024-01-01 10:00:00 INFO a\n2024-01-01 10:00:01 WARN b\nx\n", "a log, one event a line"),
        ("import os\nimport sys\n\ndef f(x):\n    pass\n", "source code"),
        ("Once upon a time, there was\na king, who lived\nin a castle, far away\n\n", None),
        ("[1] A footnote, and more of it.\nNext line\n", None),
        ("", None),
    ],
)
def test_forms_of_text_are_recognised_with_care(text, form):
    """What a text begins like is told; prose is not mistaken for a table or code."""
    assert form_of(text) == form


def test_a_guessed_form_is_said_to_be_one():
    """The model is told that the form was guessed from the beginning."""
    assert "By its beginning it is probably CSV, 3 columns." in told("a,b,c\n" * 500)


def test_bytes_are_told_by_what_they_are():
    """Text is shown, known formats are named, the rest is counted."""
    assert told(b"hello") == '`x` is a bytes object of 5 bytes.\nIt is probably text in UTF-8 and begins: "hello"'
    assert told(b"%PDF-1.7 \x00").endswith("By its first bytes it is probably a PDF document.")
    assert told(b"\xff\xfe\x00") == "`x` is a bytes object of 3 bytes."
    assert told(bytearray(3)) == "`x` is a bytearray object of 3 bytes."


def test_a_dict_of_texts_is_told_by_count_types_and_sizes():
    """Sample keys mislead a small model; a strong one is told some."""
    docs = {f"1871/letter{at}.txt": "Dear Sir, " * 40 for at in range(210)}
    assert told(docs, detail=BRIEF) == "`x` is a dict, 210 entries, str to str, 84,000 characters in all."
    assert 'Keys such as: "1871/letter0.txt", "1871/letter1.txt", "1871/letter2.txt".' in told(docs)
    assert describe("x", docs).kind == "texts"
    few = dict(list(docs.items())[:4])
    assert "letter" not in told(few, detail=BRIEF)
    assert describe("x", few, detail=BRIEF).kind == "texts"


def test_a_record_is_told_key_by_key():
    """JSON-like values show keys, types and shapes."""
    payload = {
        "meta": {"page": 1, "total": 300},
        "items": [{"id": at, "user": {"name": "a", "tags": ["x"]}} for at in range(50)],
        "next": "https://example.org/" * 20,
        "frame": pd.DataFrame({"a": [1], "b": [2]}),
    }
    assert told(payload, detail=BRIEF).splitlines() == [
        "`x` is a dict of 4 entries.",
        "- meta: dict{page int, total int}",
        "- items: list of 50 dict{id int, user dict}",
        "- next: str of 400 characters",
        "- frame: DataFrame 1 x 2: a, b",
    ]
    assert '- meta: dict, {"page": 1, "total": 300}' in told(payload)


def test_a_list_of_records_is_told_like_a_table():
    """One line a key: type, range or values, None and absent counted, nested ones by their shape."""
    rows = [
        {
            "id": at,
            "city": "Graz" if at % 2 else "Lyon",
            "user": {"name": "a", "age": 3},
            "tags": ["x"],
            "mail": None if at % 4 else "m",
        }
        for at in range(400)
    ]
    for row in rows[:100]:
        del row["tags"]
    binding = describe("x", rows, detail=BRIEF)
    assert binding.text.splitlines() == [
        "`x` is a list of 400 dict.",
        "- id: int, 0 to 399",
        '- city: str, one of "Graz", "Lyon"',
        "- user: dict{name str, age int}",
        '- mail: str, always "m"; None in 300',
        "- tags: list of str; absent in 100",
    ]
    assert binding.fields == ("id", "city", "user", "mail", "tags")
    assert (binding.kind, binding.size) == ("sequence", 400)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "a list of 0 items: []"),
        ({}, "a dict of 0 entries: {}"),
        (set(), "a set of 0 items: set()"),
        ((1,), "a tuple of 1 item: (1,)"),
        ({"a": [1, None, 2.5], "b": ("x", True)}, 'a dict of 2 entries: {"a": [1, None, 2.5], "b": ("x", True)}'),
        (list(range(0, 5000, 5)), "a list of 1,000 items. Items: int, 0 to 4995, median 2497.5."),
        (["red", "green"] * 100, 'a list of 200 items. Items: str, one of "green", "red".'),
        ([1, "a", None] * 200, "a list of 600: int or str or None."),
        ([[1, 2]] * 200, "a list of 200: list of int."),
        ([dt.date(2024, 1, 1)] * 100, "a list of 100 items. Items: date, always 2024-01-01."),
        (collections.deque(range(500)), "a collections.deque of 500 items. Items: int, 0 to 499, median 249.5."),
        (collections.Counter({at: at for at in range(500)}), "a collections.Counter, 500 entries, int to int, 0 to 499, median 249.5.\nKeys such as: 0, 1, 2.\nFor example 0: 0."),
        ({at: [1] for at in range(500)}, "a dict, 500 entries, int to list of int.\nKeys such as: 0, 1, 2.\nFor example 0: [1]."),
        (range(10), "a range(0, 10, 1), 10 numbers."),
        (range(10**30), "a range(0, 1000000000000000000000000000000, 1), 1,000,000,000,000,000,000,000,000,000,000 numbers."),
    ],
)  # fmt: skip
def test_containers_have_their_words(value, words):
    """Small ones are shown whole; large ones by what their items have in common."""
    assert told(value) == f"`x` is {words}"


def test_what_is_shown_whole_is_not_partial():
    """Only where the text shows all of a value may an answer be read off it."""
    for whole in (5, 2.5, True, None, "short", [1, 2], {"a": 1}, dt.date(2024, 1, 1), range(3)):
        assert not describe("x", whole).partial
    for part in ("long " * 100, list(range(1000)), {"a": "x" * 400}, 10**400, object(), [1, object()]):
        assert describe("x", part).partial


def test_a_list_of_documents_is_told_by_its_lengths():
    """Long texts are something to read: their kind is texts."""
    binding = describe("x", ["Dear Sir, " * 40, None, "Dear Madam, " * 50])
    assert binding.kind == "texts"
    assert binding.text.startswith(
        "`x` is a list of 3 str, 1,000 characters in all, 0 to 600 each.\nThe first begins: "
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (5, "an int: 5"),
        (1e300, "a float: 1e+300"),
        (0.1 + 0.2, "a float: 0.30000000000000004"),
        (True, "a bool: True"),
        (None, "None."),
        (np.float64(2.5), "a numpy float64: 2.5"),
        (dt.datetime(2024, 1, 2, 3, 4), "a datetime.datetime: 2024-01-02 03:04:00"),  # noqa: DTZ001 - without a zone, as most are
        (types, "the module types."),
    ],
)
def test_single_values_are_shown(value, words):
    """Numbers, dates and None are their own description."""
    assert told(value) == f"`x` is {words}"


def test_a_number_too_long_to_write_is_told_by_its_length():
    """Python itself refuses to write it."""
    assert told(10**5000) == "`x` is an int: a number of about 5,001 digits"
    assert told([10**5000]).startswith("`x` is a list of 1 item")
    assert summarize(10**5000) == "int a number of about 5,001 digits"


def test_paths_are_told_by_what_lies_there(tmp_path):
    """Files by size and kind, directories by count; the words in a file are left to the model's code."""
    (tmp_path / "a.txt").write_text("private words")
    (tmp_path / "b.bin").write_bytes(b"\x00\x01\xff")
    (tmp_path / "sub").mkdir()
    assert told(tmp_path / "a.txt").endswith('a.txt": a file of 13 bytes, text.')
    assert told(tmp_path / "b.bin").endswith('b.bin": a file of 3 bytes, binary.')
    assert told(tmp_path).endswith(": a directory with 2 files and 1 directory.\nFiles by ending: .bin 1, .txt 1.")
    assert told(tmp_path / "gone").endswith("; nothing there.")
    assert told(pathlib.PureWindowsPath("C:/x")).startswith("`x` is a path, ")
    assert "private" not in told(tmp_path / "a.txt")


def test_a_pipe_is_not_opened(tmp_path):
    """Opening a pipe would wait for its other end."""
    import os

    os.mkfifo(tmp_path / "pipe")
    assert told(tmp_path / "pipe").endswith("; neither a file nor a directory.")


def distance(a: float, b: float, *rest, unit="password123", **more):
    """Measure from a to b.

    More words.
    """


def test_functions_are_told_by_signature_and_purpose():
    """Names of parameters and the first line of the docstring; defaults may be any value and are left out."""
    assert told(distance) == "`x` is a function: distance(a, b, *rest, unit=..., **more).\nMeasure from a to b."
    assert told(len).startswith("`x` is a function: len(obj).")
    assert told([].append).startswith("`x` is a function: append(")


@dataclasses.dataclass
class Order:
    number: int
    lines: list
    _private: str = "hidden"

    def total(self):
        return 0

    @property
    def costly(self):
        raise AssertionError("a property was asked")


@dataclasses.dataclass(slots=True)
class Slotted:
    number: int
    name: str = "x"


class Color(enum.Enum):
    RED = 1


Point = collections.namedtuple("Point", "left right")  # noqa: PYI024 - such values come without types


def test_any_object_is_told_by_its_class_and_attributes():
    """Own attributes and methods; nothing is called, no property asked."""
    assert told(Order(1, [1, 2])).splitlines() == [
        f"`x` is a {__name__}.Order.",
        "Attributes: number 1, lines [1, 2].",
        "Methods: total.",
    ]
    assert told(Slotted(5)).splitlines()[1] == 'Attributes: name "x", number 5.'
    assert told(Color.RED) == f"`x` is {__name__}.Color.RED."
    assert told(Order).splitlines()[0] == f"`x` is the class {__name__}.Order."
    assert told(Point("a" * 400, 1)).splitlines()[1:] == ["- left: str of 400 characters", "- right: int, 1"]
    assert "execute" in told(sqlite3.connect(":memory:"))
    assert told([Order(1, [])] * 200) == f"`x` is a list of 200: {__name__}.Order."


def test_iterators_are_not_read():
    """A generator described is a generator still full."""
    numbers = (at for at in range(3))
    assert told(numbers) == "`x` is a generator: its items can be taken only once, none was taken."
    assert list(numbers) == [0, 1, 2]
    for one in (iter([1]), map(str, [1]), zip([1], [2], strict=True)):
        describe("x", one)
        assert len(list(one)) == 1


def test_partial_functions_and_instances_with_call_are_objects():
    """Whatever else can be called is described like any object."""
    assert told(functools.partial(distance, 1)).startswith("`x` is a functools.partial.")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (pd.DataFrame({"a": range(1234), "b": 1}), "DataFrame 1,234 x 2"),
        (pd.Series(range(10)), "Series 10"),
        (np.zeros((3, 4)), "ndarray 3 x 4"),
        ("x" * 1681817, "str of 1,681,817 characters"),
        (b"x", "bytes of 1 byte"),
        (list(range(12)), "list of 12"),
        ({"a": 1}, "dict of 1"),
        (5, "int 5"),
        (None, "None"),
        (Order(1, []), "Order"),
        (Order, "class Order"),
        (distance, "function distance"),
        (types, "module types"),
    ],
)
def test_summaries_are_a_few_words(value, words):
    """What a view shows of a value."""
    assert summarize(value) == words


def test_an_inventory_has_one_line_a_variable_data_first():
    """Tables first, then texts, then containers, numbers, functions and modules."""
    namespace = {
        "n": 5,
        "f": distance,
        "docs": {"a": "x" * 500, "b": "y" * 500},
        "df": pd.DataFrame({"a": [1], "b": [2]}),
        "types": types,
        "text": "x" * 5000,
        "ids": list(range(1000)),
        "name": "Graz",
    }
    assert inventory(namespace, [*namespace, "gone"]).splitlines() == [
        "- df: a pandas DataFrame, 1 row: a, b",
        "- docs: a dict, 2 entries, str to str, 1,000 characters in all",
        '- text: a str of 5,000 characters. It begins: "' + "x" * 120 + '..."',
        "- ids: a list of 1,000 items. Items: int, 0 to 999",
        '- name: a str of 4 characters: "Graz"',
        "- n: an int: 5",
        "- f: a function: distance(a, b, *rest, unit=..., **more)",
        "- types: the module types",
    ]
    assert inventory({}, []) == "There are no variables."
