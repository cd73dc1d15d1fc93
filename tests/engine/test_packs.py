"""The pack for small models brings the worked question that is closest to the user's."""

import pytest

from rlm_kernel.prompts.pack import choose
from rlm_kernel.trajectory.records import Binding

TABLE = Binding(name="trees", type="pandas DataFrame", text="`trees` is a pandas DataFrame", kind="table")
TEXT = Binding(name="story", type="str", text="`story` is a str", kind="text")
SMALL = choose("local")


def asked(question, context=TABLE):
    return SMALL.opening(question, (context,))


@pytest.mark.parametrize(
    ("question", "idiom"),
    [
        ("What percentage of the oaks are older than 90 years?", ".mean() * 100)"),
        ("How many distinct species grow there?", ".nunique()"),
        ("How many trees have no known height?", ".isna().sum()"),
        ("Which species has the lowest average height?", ".mean().idxmin()"),
        ("Which tree is the tallest?", ".idxmax(), "),
        ("How strongly are age and height correlated?", ".corr("),
        ("By how many metres are oaks taller than birches on average?", " - mean["),
        ("Which four species are the most common? Give the most common first.", ".index.tolist()"),
    ],
)
def test_the_closest_worked_question_shows_the_idiom_with_the_users_variable(question, idiom):
    last = asked(question)[-1].content
    similar = last[last.index("A similar question") :]

    assert idiom in similar
    assert "trees" in similar
    assert "@" not in similar
    assert similar.endswith(f"Question about `trees`: {question}")


def test_all_before_the_last_message_is_the_same_for_every_question():
    """Servers answer the beginning from their cache: only the last message may differ, and only at its end."""
    one, other = asked("How many oaks are there?"), asked("Which oak is the oldest?")

    assert one[:-1] == other[:-1]
    assert one[-1].content.startswith(TABLE.text)


def test_a_kind_without_a_collection_has_no_similar_question():
    assert "similar question" not in asked("Who built it?", TEXT)[-1].content
    assert "similar question" not in asked("zzz")[-1].content


def test_every_worked_answer_of_the_pack_is_code_that_ends_in_an_answer_or_a_search():
    import ast
    import re

    for title, section in SMALL.sections.items():
        if title.startswith(("examples", "patterns")):
            for code in re.findall(r"(?ms)^### code\n(.*?)(?=^### |\Z)", section):
                last = ast.parse(code.replace("@", "data")).body[-1]
                assert ast.unparse(last).startswith(("FINAL(", "print(search(")), code
