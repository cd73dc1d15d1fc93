"""Which cells are questions: the strict rule, and that no Python is ever taken for one."""

import ast
import sysconfig
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.kernel import question_in

QUESTIONS = [
    ("@flights which month had most delays?", ("flights",), "which month had most delays?\n"),
    ("@ how many tables are there?", (), "how many tables are there?\n"),
    ("@ why?", (), "why?\n"),
    ("@df is it sorted by date", ("df",), "is it sorted by date\n"),
    ("@df if prices doubled, what then?", ("df",), "if prices doubled, what then?\n"),
    ("@df 5 largest values", ("df",), "5 largest values\n"),
    ("@df what's the mean?", ("df",), "what's the mean?\n"),
    ("@df compare with @regions (by name)", ("df",), "compare with @regions (by name)\n"),
    ("@df @regions which region is missing?", ("df", "regions"), "which region is missing?\n"),
    ("@df   which one\nof the two?\n", ("df",), "which one\nof the two?\n"),
    ("\n  \n@df which one?", ("df",), "which one?\n"),
    ("@df which one?\r\nand why?", ("df",), "which one?\nand why?\n"),
    ("@größe welche ist am größten?", ("größe",), "welche ist am größten?\n"),
    ("@df 哪个月份的延误最多", ("df",), "哪个月份的延误最多\n"),
    ("@df why does this fail?\nx = 1\ndef f(): ...", ("df",), "why does this fail?\nx = 1\ndef f(): ...\n"),
]

PYTHON = [
    "",
    "x = 1",
    "@property",
    "@property\ndef f(self): ...",
    "@ property\ndef f(self): ...",
    "@a.b(c)\ndef f(): ...",
    "@x @ y\ndef f(): ...",
    "@x @ y",
    "@cached if fast else plain\ndef f(): ...",
    "@cached or plain",
    "@df is sorted",
    "@dec (\n    which,\n    month\n)\ndef f(): ...",
    "@dec (",
    "@dec if fast else (",
    "@dec  # which month had most delays?",
    "@dec \\\n  .other\ndef f(): ...",
    "a = b\n@df which month?",
    "# about @df\n@df which month?",
    "  @df which month?",
    "x @ y",
    "%%rlm df\nwhich month?",
    "%timeit f()",
    "!ls",
    "df?",
    "@df?",
    "how many rows are in df?",
    "what is x",
]

MISTAKES = [
    "@dec (times = 3))\ndef f(): ...",
    "@retry times=3\ndef f(): ...",
    '@ app.route("/x"))\ndef f(): ...',
    "@lru_cache maxsize\ndef f(): ...",
    "@lru_cache please\n\n@other\nasync def f(): ...",
    "@register the thing\nclass Thing:\n    pass",
    "@if this then that",
    "@None of these",
    "@df [which month",
    "@df -o x which month?",
    "@df ?",
    "@df, which month?",
    "@df: which month?",
    "@" + "(" * 500,
    "@df a" + "(" * 100_000,
]


@pytest.mark.parametrize(("cell", "names", "text"), QUESTIONS)
def test_a_question_is_taken_apart(cell, names, text):
    """Names at the beginning are the context, all else is the question as it was written."""
    question = question_in(cell)

    assert question is not None
    assert (question.names, question.text) == (names, text)
    assert question.cell == " ".join(("%%rlm", *names)) + "\n" + text


@pytest.mark.parametrize("cell", PYTHON)
def test_python_is_left_alone(cell):
    """Decorators of every form, magics, help, and prose without the mark."""
    assert question_in(cell) is None


@pytest.mark.parametrize("cell", MISTAKES)
def test_python_with_a_mistake_in_it_is_left_alone(cell):
    """It gets Python's error; sent to a model it would cost money and answer nothing."""
    assert question_in(cell) is None


def is_python(cell):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(cell)
        except (SyntaxError, ValueError):
            return False
    return True


def name():
    return st.sampled_from(["df", "x", "is_it", "größe", "match", "type", "_"])


def expression():
    """Whatever can stand behind the ``@`` of a decorator, spaced as nobody would."""
    leaf = st.one_of(name(), st.sampled_from(["1", "'why not?'", "None", "...", 'f"{x} @ {y}"']))
    gap = st.sampled_from([" ", "  ", "\t"])
    binary = st.sampled_from(["@", "+", "or", "and", "is", "is not", "in", "not in", "==", "if x else"])

    def grown(inner):
        return st.one_of(
            st.builds("{}{}{}{}{}".format, inner, gap, binary, gap, inner),
            st.builds("{}{}({}, k={})".format, inner, gap, inner, inner),
            st.builds("{}[{}]".format, inner, inner),
            st.builds("({}\n  {} {})".format, inner, binary, inner),
            st.builds("{}{}.attr".format, name(), gap),
            st.builds("not {}".format, inner),
            st.builds("lambda {}: {}".format, name(), inner),
            st.builds("({} := {})".format, name(), inner),
        )

    return st.recursive(leaf, grown, max_leaves=6)


@given(
    blank=st.sampled_from(["", "\n", " \n\n"]),
    decorators=st.lists(st.tuples(st.sampled_from(["", " ", "  "]), expression()), min_size=1, max_size=3),
    comment=st.sampled_from(["", "  # which month?"]),
    body=st.sampled_from(["def f(x): return x", "class A: pass", "async def g():\n    await x"]),
)
def test_no_decorated_program_is_a_question(blank, decorators, comment, body):
    """Whatever Python can read stays Python."""
    cell = blank + "".join(f"@{gap}{text}{comment}\n" for gap, text in decorators) + body
    if is_python(cell):
        assert question_in(cell) is None


@given(st.text(alphabet="@ \n\r\t\\#()[]{}'\"=.,:ab1ifnotsr", max_size=30))
def test_no_text_that_parses_is_a_question(tail):
    """The same from the other side: text at random, of the signs that matter."""
    cell = "@" + tail
    if is_python(cell):
        assert question_in(cell) is None


@given(st.text(max_size=200))
def test_any_text_is_judged(cell):
    """The rule gives its verdict on whatever is in a cell, and keeps every word of a question."""
    question = question_in(cell)

    if question is not None:
        assert "".join(("@".join(("", *question.names)) + question.text).split()) == "".join(cell.split())


def test_the_standard_library_asks_nothing():
    """Real files, and each of their tails that begins with a decorator."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))[::4]
    for file in files:
        source = file.read_text(encoding="utf-8")
        assert question_in(source) is None
        for tail in source.split("\n@")[1:]:
            assert question_in("@" + tail) is None
