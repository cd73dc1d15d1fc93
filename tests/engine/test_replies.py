"""Reading replies: what in a model's text is code."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.engine import replies
from rlm_kernel.engine.replies import Code, CutOff, Empty, Foreign, Prose, TextFinal, ToolCall, constant_final
from rlm_kernel.trajectory.records import Reply
from rlm_kernel.usage import Usage


def read(text, **fields):
    return replies.read(Reply(text=text, model="m", usage=Usage(), **fields))


@pytest.mark.parametrize("tag", ["python", "repl", "py", "Python", "ipython", ""])
def test_a_fenced_block_is_code_whatever_python_tag_it_bears(tag):
    """The reference's `repl` fences count too."""
    assert read(f"Plan.\n```{tag}\nx = 1\n```\nDone.") == Code("x = 1")


def test_several_blocks_are_joined_and_repeated_ones_count_once():
    """A block said twice runs once."""
    text = "```python\nx = 1\n```\nthen\n```python\nprint(x)\n```\nagain\n```python\nx = 1\n```"

    assert read(text) == Code("x = 1\n\nprint(x)")


def test_a_fence_inside_a_string_does_not_end_the_block():
    """The closing fence is the first that makes the block parse."""
    source = "s = '''\n```\ninside\n```\n'''\nprint(s)"

    assert read(f"```python\n{source}\n```") == Code(source)


def test_a_longer_fence_holds_a_shorter_one():
    assert read("````python\ns = '''\n```\n'''\n````") == Code("s = '''\n```\n'''")


def test_a_comment_on_the_tag_line_belongs_to_the_code():
    assert read("```python# look\nx = 1\n```") == Code("# look\nx = 1")


def test_an_unclosed_fence_is_code_if_it_parses():
    assert read("```python\nx = 1") == Code("x = 1")


def test_an_unclosed_fence_that_does_not_parse_is_cut_off():
    """A truncated program is never run in part."""
    assert read("```python\nx = [1,\n", finish="length") == CutOff()
    assert read("```python\nx = [1,\n") == CutOff()


def test_prompts_of_a_quoted_session_are_taken_away():
    assert read("```pycon\n>>> x = 1\n>>> print(x)\n1\n```") == Code("x = 1\nprint(x)")


def test_an_indented_block_loses_its_margin():
    assert read("1. do\n   ```python\n   x = 1\n   y = 2\n   ```") == Code("x = 1\ny = 2")


def test_a_closed_block_that_does_not_parse_is_run_so_that_the_model_sees_its_error():
    assert read("```python\nx = = 1\n```") == Code("x = = 1")


def test_ipython_syntax_is_code():
    assert read("```python\n!ls\nfiles = !ls\n%time x = 1\n```") == Code("!ls\nfiles = !ls\n%time x = 1")


def test_another_language_is_foreign():
    assert read("```sql\nselect 1\n```") == Foreign("sql")


def test_somebodys_output_in_an_untagged_fence_is_no_code():
    assert isinstance(read("The output was\n```\n42\n```"), Prose)


def test_bare_python_without_a_fence_is_code():
    assert read("x = df.sum()\nprint(x)") == Code("x = df.sum()\nprint(x)")


@pytest.mark.parametrize("text", ["Paris", "42", "The answer is 42.", "I will call FINAL(x) later on.", "well-known"])
def test_words_are_prose(text):
    assert read(text) == Prose(text)


def test_final_written_as_text_keeps_its_words():
    """`FINAL(Lyon)` may mean the variable or the word: the words are kept beside the code."""
    assert read("FINAL(Lyon)") == Code("FINAL(Lyon)", text="Lyon")
    assert read("FINAL(the city of Lyon)") == TextFinal("the city of Lyon")
    assert read('So:\nFINAL("Lyon")') == Code('FINAL("Lyon")', text='"Lyon"')


def test_thinking_is_never_read():
    """Neither code nor an answer is scraped out of thinking."""
    assert read("<think>```python\nx = 1\n```</think>") == Empty()
    assert read("<think>unclosed ```python\nx = 1\n```") == Empty()
    assert read("", reasoning="FINAL(1)") == Empty()


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "python", "arguments": {"code": "print(1)"}}</tool_call>',
        '<tool_call>{"name": "python", "arguments": "{\\"code\\": \\"print(1)\\"}"}</tool_call>',
        "<|python_tag|>print(1)",
    ],
)
def test_code_is_read_from_tool_call_markup(text):
    assert read(text) == Code("print(1)")


def test_a_native_tool_call_with_code_is_code_and_without_it_is_said_to_be_one():
    assert read("", tool_calls=('{"code": "print(1)"}',)) == Code("print(1)")
    assert read("", tool_calls=('{"query": "weather"}',)) == ToolCall()
    assert read("<tool_call>weather</tool_call>") == ToolCall()


@given(st.text())
def test_no_text_raises(text):
    """Whatever the text, reading it gives a reading."""
    read(text)
    read(text, finish="length", tool_calls=(text,))


_PIECES = st.sampled_from(
    [
        "```",
        "```python\n",
        "~~~",
        "````",
        "\n",
        "FINAL(",
        ")",
        "'''",
        "x = 1",
        "<think>",
        "</think>",
        "<tool_call>",
        "{",
        "}",
        '"code":',
        "\x00",
        "\ud800",
        "answer",
        "!ls",
        "%x",
        ">>> ",
        "\r\n",
        "#",
        "(" * 300,
        "def f(:",
        "\\",
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_no_mixture_of_marks_raises(text):
    read(text)
    constant_final(text)


@given(st.text(alphabet="abc =+()\n'\"", max_size=60))
def test_code_that_is_fenced_is_read_back_whole(source):
    """What parses and is fenced comes back, save for blank lines around it."""
    from rlm_kernel.prompts.pack import fenced

    if source.strip() and replies.parses(source.strip("\n")) and source == source.strip():
        assert read(fenced(source, "python")) == Code(source)


@pytest.mark.parametrize(
    ("source", "constant"),
    [
        ("FINAL(1)", True),
        ("FINAL('x')", True),
        ("FINAL([1, -2, {'a': 'b'}])", True),
        ("x = 1\nFINAL(x)", False),
        ("FINAL(df.sum())", False),
        ("FINAL(f'{x}')", False),
        ("if found:\n    FINAL(found)\nelse:\n    FINAL('none')", False),
        ("print(1)", False),
    ],
)
def test_a_constant_answer_is_told_from_a_computed_one(source, constant):
    assert constant_final(source) is constant


@pytest.mark.parametrize(
    "text",
    [
        "x ``` " + " " * 300_000 + "`",
        "```\n" * 90_000,
        "FINAL(\n" * 50_000,
        "FINAL(x)" + " " * 300_000 + "z",
        "```python\nif 1:\n" + " " * 300_000 + "x y\n```",
    ],
)
def test_a_reply_that_repeats_itself_without_end_is_read_in_seconds(text):
    """A small model falls into such loops; reading must not take longer than writing did."""
    began = time.monotonic()
    read(text)

    assert time.monotonic() - began < 5


def test_a_byte_order_mark_and_nulls_are_no_part_of_a_reply():
    assert read("\ufeff```python\nx = '\x00'\n```") == Code("x = ''")
