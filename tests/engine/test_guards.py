"""Guards object to results that cannot be what was asked for, and to nothing else."""

import pandas as pd
import pytest

from rlm_kernel.engine.guards import NEVER_TRUE, REASONS, Candidate, objection
from rlm_kernel.prompts.pack import Settings, choose
from rlm_kernel.trajectory.records import Binding

TABLE = Binding(name="df", type="pandas DataFrame", text="`df`", kind="table", fields=("maker", "speed", "week"))
SMALL = choose("local")


def judged(value, question, code="FINAL(x)"):
    candidate = Candidate(value=value, question=question, code=code, contexts=(TABLE,), seen=False)
    return objection(candidate, SMALL.settings)


ROWS = pd.Series([1, 2, 3])


@pytest.mark.parametrize(
    ("value", "question", "code", "section"),
    [
        (ROWS, "How many cars have 4 doors and more than 30 miles per gallon?", "FINAL(x)", "ask_one_number"),
        (ROWS, "What is the average speed of cars from Oslo?", "FINAL(x)", "ask_one_number"),
        (ROWS, "Which city has the most orders over 100 euros?", "FINAL(x)", "ask_one_name"),
        (1054.2, "What percentage of the cars are red?", "FINAL(a / b * 100)", "ask_percent"),
        (0.4, "What percentage of the cars are red?", "FINAL(a.mean())", "ask_percent"),
        (0.0, "How much faster are the red ones?", "FINAL(m.mean() - m.mean())", "doubt_same"),
        (0, "How many are red?", "FINAL(len(x))", "doubt_table"),
        (17, "Which car is the fastest?", 'FINAL(df["speed"].idxmax())', "ask_row"),
        (310, "Which car is the fastest?", 'FINAL(df["speed"].max())', "ask_row"),
        (9.5, "Which maker has the lowest speed?", 'FINAL(df["speed"].min())', "ask_row"),
        (12.64, "On which date was it highest?", 'FINAL(df["speed"].mean())', "ask_row"),
    ],
)
def test_what_cannot_be_the_answer_is_refused(value, question, code, section):
    assert judged(value, question, code) == section
    assert SMALL.has(section)
    assert section in REASONS


@pytest.mark.parametrize(
    ("value", "question", "code"),
    [
        (ROWS, "How many cars are there for each maker?", "FINAL(x)"),
        (["a", "b", "c"], "Which three makers have the most cars?", "FINAL(x)"),
        (["a", "b"], "List the makers.", "FINAL(x)"),
        (134.0, "By what percentage is the mean of A higher than that of B?", "FINAL(x * 100)"),
        (42.3, "What percentage of the cars are red?", "FINAL(x.mean() * 100)"),
        (9, "Which week had the most cars?", 'FINAL(df["week"].max())'),
        (9, "Which gear is the most common?", 'FINAL(df["gear"].value_counts().idxmax())'),
        ("Fiat", "Which maker is the fastest?", 'FINAL(df.loc[df["speed"].idxmax(), "maker"])'),
        (310.5, "What is the highest speed?", 'FINAL(df["speed"].max())'),
        (49.5, "What percentage of the cars whose colour is known are red?", "FINAL(x.mean() * 100)"),
        (-3.5, "How much slower are the red ones?", "FINAL(a - b)"),
    ],
)
def test_what_may_be_the_answer_is_taken(value, question, code):
    assert judged(value, question, code) is None


def test_only_known_objections_are_kept_up():
    assert set(REASONS) >= NEVER_TRUE


class Hostile:
    """Raises whatever is asked of it."""

    @property
    def __class__(self):
        raise RuntimeError("no class")

    def __len__(self):
        raise SystemExit

    def __eq__(self, other):
        raise SystemExit

    __hash__ = None


def test_a_hostile_object_is_an_answer_like_any_other():
    candidate = Candidate(value=Hostile(), question="Which?", code="FINAL(x)", contexts=(), seen=True)
    assert objection(candidate, Settings()) is None
    assert objection(candidate, Settings(doubt_zero=True, ask_one=True)) is None
