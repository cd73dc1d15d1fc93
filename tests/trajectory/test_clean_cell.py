"""Whatever a run did, its clean cell gives the same answer when it is run by itself."""

import ast
import copy
import dataclasses
import traceback

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from runs import Story

from rlm_kernel.trajectory.interchange.cell import cell
from rlm_kernel.trajectory.records import Change

NAMES = st.sampled_from("abcde")
ATOMS = NAMES | st.integers(0, 3).map(str)
LISTS = st.lists(ATOMS, max_size=2).map(lambda items: f"[{', '.join(items)}]")
VALUES = ATOMS | LISTS | st.tuples(NAMES, ATOMS).map(lambda p: f"[{p[0]}, {p[1]}]") | NAMES.map(lambda n: f"list({n})")
SIMPLE = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda p: f"{p[0]} = {p[1]}"),
    st.tuples(NAMES, ATOMS).map(lambda p: f"{p[0]}.append({p[1]})"),
    st.tuples(NAMES, VALUES).map(lambda p: f"{p[0]} += {p[1]}"),
    st.tuples(NAMES, ATOMS).map(lambda p: f"{p[0]}[0] = {p[1]}"),
    st.tuples(NAMES, NAMES).map(lambda p: f"{p[0]} = {p[1]}.pop()"),
    st.tuples(NAMES, NAMES).map(lambda p: f"{p[0]}, {p[1]} = {p[1]}, {p[0]}"),
    st.tuples(NAMES, NAMES).map(lambda p: f"{p[0]} = [x for x in {p[1]}]"),
    st.tuples(NAMES, NAMES, ATOMS).map(lambda p: f"def {p[0]}(x=0):\n    {p[1]}.append({p[2]})\n    return x"),
    st.tuples(NAMES, ATOMS).map(lambda p: f"{p[0]}({p[1]})"),
    NAMES.map(lambda n: f"del {n}"),
    NAMES.map(lambda n: f"print({n}); {n}"),
    NAMES.map(lambda n: f"{n} = 1 / 0"),
)


def indented(code):
    return "\n".join(f"    {line}" for line in code.split("\n"))


STATEMENTS = st.one_of(
    SIMPLE,
    st.tuples(ATOMS, SIMPLE).map(lambda p: f"if {p[0]}:\n{indented(p[1])}"),
    st.tuples(ATOMS, SIMPLE, SIMPLE).map(lambda p: f"if {p[0]}:\n{indented(p[1])}\nelse:\n{indented(p[2])}"),
    st.tuples(NAMES, SIMPLE).map(lambda p: f"for {p[0]} in range(2):\n{indented(p[1])}"),
    st.tuples(SIMPLE, SIMPLE).map(lambda p: f"try:\n{indented(p[0])}\nexcept Exception:\n{indented(p[1])}"),
)
STEPS = st.lists(st.lists(STATEMENTS, min_size=1, max_size=3).map("\n".join), min_size=1, max_size=6)


def seen(namespace):
    """The values that can be looked at, as the namespace's journal does."""
    return {name: repr(value) for name, value in namespace.items() if name in set("abcde") and not callable(value)}


def run(code, namespace):
    """Run a step as a run does: its failure with its line, and the names whose values changed in place."""
    before, held = seen(namespace), dict(namespace)
    failure = None
    try:
        exec(compile(code, "step", "exec"), namespace)
    except Exception as exc:
        frames = [frame for frame in traceback.extract_tb(exc.__traceback__) if frame.filename == "step"]
        failure = (type(exc).__name__, frames[0].lineno)
    after = seen(namespace)
    same = {name for name in before if name in after and namespace[name] is held[name]}
    return failure, tuple(Change(name=name, how="mutated") for name in sorted(same) if before[name] != after[name])


def told_by(steps, namespace):
    """The run of these steps and a FINAL, and its answer."""
    told = Story()
    for number, code in enumerate(steps, 1):
        failure, changes = run(code, namespace)
        told.step(number, code, failure=failure[0] if failure else None)
        output = dataclasses.replace(told.events[-1].output, changes=changes)
        if failure:
            output = dataclasses.replace(output, failure=dataclasses.replace(output.failure, line=failure[1]))
        told.events[-1] = dataclasses.replace(told.events[-1], output=output)
    return told


@settings(deadline=None, max_examples=400)
@given(steps=STEPS, wanted=NAMES)
def test_the_clean_cell_gives_the_answer_of_the_run(steps, wanted):
    """Through failures half way, branches, loops, aliases, swaps, deletions and functions that change what they see."""
    start = {"a": 1, "b": [2], "c": [], "d": 0, "e": [5, 6]}
    namespace = copy.deepcopy(start)
    told = told_by(steps, namespace)
    assume(wanted in namespace and not callable(namespace[wanted]))
    answer = repr(namespace[wanted])
    assume(" at 0x" not in answer)
    told.step(len(steps) + 1, f"FINAL({wanted})", final=True)
    source = cell(told.end().events)
    tree = ast.parse(source)
    last = tree.body.pop()
    alone = copy.deepcopy(start)
    exec(compile(tree, "cell", "exec"), alone)
    assert repr(eval(compile(ast.Expression(last.value), "cell", "eval"), alone)) == answer, source
