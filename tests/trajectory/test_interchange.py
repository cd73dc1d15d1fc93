"""A run is saved in forms that other programs read, and comes back; reading never executes anything."""

import ast
import dataclasses
import json
import os
import re

import nbformat
import pytest
from generated import EVENTS
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from runs import LONG, Story, real_run, story

from rlm_kernel.errors import StoreError
from rlm_kernel.trajectory.interchange import lossless, reference
from rlm_kernel.trajectory.interchange.cell import cell
from rlm_kernel.trajectory.interchange.notebook import notebook
from rlm_kernel.trajectory.records import Change, Rich
from rlm_kernel.views.saved import WRITERS, save

HOSTILE = [
    "</script><script>alert(1)</script>",
    "![x](http://example.org/x.png)",
    "```\n<b>x</b>",
    "\ud83d",
    "\x00\x1b[2J",
]


def numbered(events):
    return [dataclasses.replace(event, seq=seq) for seq, event in enumerate(events, 1)]


@pytest.fixture(scope="module")
def real():
    """A real run with sub-calls and a child run."""
    return real_run()


# -- there and back


@pytest.mark.parametrize("ending", [".jsonl", ".rlm"])
def test_a_run_comes_back_from_a_file_as_it_was(ending, tmp_path, real):
    for number, events in enumerate((story().events, real[1])):
        path = save(events, tmp_path / f"{number}{ending}")
        assert lossless.load(path) == events


@settings(deadline=None, max_examples=40)
@given(events=st.lists(EVENTS, max_size=5).map(numbered))
def test_any_events_come_back(events):
    lines = list(lossless.lines(events))
    assert all(line.encode() for line in lines), "valid UTF-8, whatever is in the texts"
    assert all("\n" not in line for line in lines)
    assert repr(lossless.read(lines)) == repr(events)


def test_what_a_later_version_added_is_left_out_and_said(caplog):
    events = story().events
    head, *records = [json.loads(line) for line in lossless.lines(events)]
    head |= {"schema": 99, "mood": "good"}
    records[3]["speed"] = 3
    records.insert(2, {"tag": "dreamt", "seq": 1})
    assert lossless.read(map(json.dumps, [head, *records])) == events
    assert (
        "newer version of rlm-kernel than this one; left out: CallFinished.speed" in caplog.text
        or "speed" in caplog.text
    )
    assert "dreamt" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("no json", "line 1: it is no JSON"),
        ("[1]", "line 1: it is no JSON object"),
        ("[" * 100_000, "line 1: it is no JSON"),
        ('{"type": "metadata"}', "no run saved by rlm-kernel"),
        ('{"format": "rlm-kernel", "version": 99, "schema": 1}', "newer version 99; upgrade"),
        ('{"format": "rlm-kernel", "version": 1, "schema": 1}\n\n{"tag": "noted"}', "line 3: Noted has no 'at'"),
        ('{"format": "rlm-kernel", "version": 1, "schema": 1}\n{"tag": 1}', "line 2: "),
    ],
)
def test_a_file_that_is_no_run_is_told_with_its_line(content, reason, tmp_path):
    (tmp_path / "a.rlm").write_text(content)
    with pytest.raises(StoreError) as caught:
        lossless.load(tmp_path / "a.rlm")
    assert reason in str(caught.value)
    assert str(tmp_path / "a.rlm") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path):
    with pytest.raises(StoreError, match="cannot be read: No such file"):
        lossless.load(tmp_path / "none.rlm")
    (tmp_path / "b.rlm").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreError, match="no text in UTF-8"):
        lossless.load(tmp_path / "b.rlm")


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        (lambda events: events[1:], "is of a run that has not begun"),
        (lambda events: [events[0], *events], "run r1 has no place in it"),
        (lambda events: [dataclasses.replace(events[0], parent="r1"), *events[1:]], "run r1 has no place in it"),
        (lambda events: [events[0], *(e for e in events if e.tag == "call_finished")], "ends without having begun"),
        (lambda events: [], "it has not begun"),
    ],
)
def test_events_that_make_no_tree_are_refused(drop, reason, tmp_path):
    """Nobody's file makes a fold over it fail, or go on for ever."""
    (tmp_path / "a.rlm").write_text("\n".join(lossless.lines(drop(story().events))))
    with pytest.raises(StoreError, match=reason):
        lossless.load(tmp_path / "a.rlm")


@pytest.mark.parametrize("ending", list(WRITERS))
def test_no_secret_of_the_environment_is_saved(ending, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-planted-1234")
    told = Story("r1", "Is sk-planted-1234 right?")
    told.step(1, "FINAL('sk-planted-1234')", "sk-planted-1234", final=True)
    text = save(told.end(answer="sk-planted-1234").events, tmp_path / f"a{ending}").read_text()
    assert "sk-planted" not in text
    assert "[secret]" in text


def test_a_failed_saving_leaves_the_older_file(tmp_path, monkeypatch):
    path = save(story().events, tmp_path / "a.jsonl")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"saved as \.jsonl, \.rlm, \.html, \.ipynb, \.py; 'a\.txt'"):
        save(story().events, tmp_path / "a.txt")
    with pytest.raises(StoreError, match="nothing to save"):
        save([], path)
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(StoreError, match="No space left"):
        save(story("r2").events, path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.jsonl"]
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        save(story().events, tmp_path / "none" / "a.jsonl")


@pytest.mark.parametrize("ending", list(WRITERS))
def test_any_text_can_be_saved(ending, tmp_path):
    """Halves of surrogate pairs, control characters, markup: the file is valid UTF-8."""
    for text in HOSTILE:
        told = Story("r1", text)
        told.step(1, f"print({text!r})", text, rich=(Rich(data={"text/html": text, "x/json": {"a": text}}),))
        told.step(2, text, text, failure=text)
        told.note(2, "remark", text)
        path = save(told.end(answer=text, error=text).events, tmp_path / f"a{ending}")
        assert path.read_text(encoding="utf-8")


# -- the reference project's format


def is_call(entry):
    """The fields of a call as the reference project documents and its visualizer reads them."""
    assert isinstance(entry["root_model"], str)
    assert isinstance(entry["prompt"], str | dict)
    assert isinstance(entry["response"], str)
    assert isinstance(entry["execution_time"], int | float)
    assert isinstance(entry["prompt_tokens"], int)
    assert isinstance(entry["completion_tokens"], int)
    for summary in entry["usage_summary"]["model_usage_summaries"].values():
        names = {"total_calls", "total_input_tokens", "total_output_tokens"}
        assert names <= summary.keys() <= names | {"total_cost"}
        assert all(isinstance(summary[name], int) for name in names)
    optional = {"metadata", "error", "usage_summary", "prompt_tokens", "completion_tokens"}
    assert entry.keys() <= {"root_model", "prompt", "response", "execution_time"} | optional
    if "metadata" in entry:
        is_metadata(entry["metadata"]["run_metadata"])
        for iteration in entry["metadata"]["iterations"]:
            is_iteration(iteration)
    return True


def is_iteration(entry):
    assert entry["type"] == "iteration"
    assert isinstance(entry["iteration"], int)
    assert re.match(r"\d{4}-\d\d-\d\dT", entry["timestamp"])
    assert all(message.keys() == {"role", "content"} for message in entry["prompt"])
    assert isinstance(entry["response"], str)
    assert entry["final_answer"] is None or isinstance(entry["final_answer"], str)
    assert isinstance(entry["iteration_time"], int | float)
    for block in entry["code_blocks"]:
        assert block.keys() == {"code", "result"}
        result = block["result"]
        assert isinstance(result["stdout"], str)
        assert isinstance(result["stderr"], str)
        assert isinstance(result["locals"], dict)
        assert isinstance(result["execution_time"], int | float)
        assert all(is_call(call) for call in result["rlm_calls"])
    return True


def is_metadata(entry):
    assert entry["type"] == "metadata"
    for name in ("root_model", "backend", "environment_type", "timestamp"):
        assert isinstance(entry[name], str)
    for name in ("max_depth", "max_iterations"):
        assert entry[name] is None or isinstance(entry[name], int)
    for name in ("backend_kwargs", "environment_kwargs"):
        assert isinstance(entry[name], dict)
    others = entry["other_backends"]
    assert others is None or all(isinstance(one, str) for one in others)
    return True


def test_the_reference_projects_types_are_held(real):
    run, events = real
    for trajectory in (events, story().events):
        first, *rest = [json.loads(line) for line in reference.lines(trajectory)]
        assert is_metadata(first)
        assert all(is_iteration(entry) for entry in rest)
    first, *rest = [json.loads(line) for line in reference.lines(events)]
    calls = [call for entry in rest for block in entry["code_blocks"] for call in block["result"]["rlm_calls"]]
    assert len(calls) == 42, "one, forty in a batch, and a child run"
    [child] = [call for call in calls if "metadata" in call]
    assert (child["prompt"], child["response"]) == ("Sum up", "in short")
    assert [entry["iteration"] for entry in rest] == [1, 2, 3, 4]
    assert rest[-1]["final_answer"] == run.answer


def test_failures_and_errors_stand_where_the_visualizer_looks_for_them():
    told = Story()
    told.step(1, "oops", failure="NameError", bound=("x",))
    told.call(1, "p", error="refused")
    told.end()
    entries = [json.loads(line) for line in reference.lines(told.events)]
    result = entries[1]["code_blocks"][0]["result"]
    assert "NameError: it failed" in result["stderr"]
    assert result["locals"] == {"x": ""}
    assert result["rlm_calls"][0]["error"] == "refused"


def test_values_of_variables_are_not_written_out(real):
    """Not the context at every turn, as the reference does: 200,000 characters here, four turns."""
    assert sum(len(line) for line in reference.lines(real[1])) < 250_000


# -- notebooks


def test_a_notebook_is_valid_and_holds_code_and_outputs(real):
    for events in (story().events, real[1]):
        made = nbformat.reads(notebook(events), as_version=nbformat.NO_CONVERT)
        nbformat.validate(made)
        code = [one.source for one in made.cells if one.cell_type == "code" and one.id != "setup"]
        steps = [event for event in events if event.tag == "step_started" and event.depth == 0]
        assert code == [event.code for event in steps]
    kinds = [
        out.output_type for one in nbformat.reads(notebook(story().events), 4).cells for out in one.get("outputs", [])
    ]
    assert kinds == ["stream", "error"]


def test_rich_outputs_stay_in_a_notebook():
    told = Story()
    data = {"image/png": "aGVsbG8=", "text/plain": "<Figure>", "application/json": {"a": [1]}, "x/y": b"raw"}
    told.step(1, "plot()", "", echo="3", rich=(Rich(data=data), Rich(data={"x": object()})))
    made = nbformat.reads(notebook(told.events), 4)
    nbformat.validate(made)
    echo, figure = made.cells[-1].outputs
    assert echo.data == {"text/plain": "3"}
    assert figure.data.keys() == {"image/png", "text/plain", "application/json"}


def test_no_text_of_a_run_is_rendered_in_a_notebook():
    for text in HOSTILE:
        told = Story("r1", text)
        told.step(1, "1")
        told.note(1, "remark", text)
        made = json.loads(notebook(told.end(answer=text).events))
        for one in made["cells"]:
            if one["cell_type"] == "markdown":
                outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", one["source"], flags=re.DOTALL | re.MULTILINE)
                assert not re.search(r"[<>!\[\]]", outside), outside


def test_a_notebook_runs_by_hand():
    """In a real kernel, once the context is assigned."""
    told = Story("r1", "How many?")
    told.step(1, "n = len(context)\nprint(n, pd.Series([1]).sum())", "3 1")
    told.step(2, "FINAL(n * 2)", final=True)
    made = nbformat.reads(notebook(told.end().events), as_version=4)
    made.cells.insert(1, nbformat.v4.new_code_cell("df = [1, 2, 3]"))
    NotebookClient(made, timeout=120, kernel_name="python3").execute()
    outputs = [out for one in made.cells for out in one.get("outputs", [])]
    assert [out.get("text") or out.data["text/plain"] for out in outputs] == ["3 1\n", "6"]


# -- one clean cell


def told_by(*steps):
    """A run of steps: code, or code and the kind of its failure with its line."""
    told = Story()
    for number, step in enumerate(steps, 1):
        code, failure, line = step if isinstance(step, tuple) else (step, None, 1)
        told.step(number, code, failure=failure, final=number == len(steps))
        if failure:
            last = told.events[-1]
            failed = dataclasses.replace(last.output.failure, line=line)
            told.events[-1] = dataclasses.replace(last, output=dataclasses.replace(last.output, failure=failed))
    return told.end()


def ran(told, **names):
    """What the cell's last line gives when it is run by itself."""
    source = cell(told.events)
    tree = ast.parse(source)
    last = tree.body.pop()
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_cell_gives_the_answer_without_dead_ends():
    told = told_by(
        "print(df)\ndf",
        "a = sum(df)\nprint(a)",
        "lost = 1 / 0",
        ("b = 5\nc = b / 0\nd = 7", "ZeroDivisionError", 2),
        "unread = [1]\nunread.append(2)",
        "e = a + b; print(e)",
        "print('so'); FINAL(e * 2)  # done",
    )
    source = cell(told.events)
    assert ran(told, df=[1, 2, 3]) == 22
    for word in ("print", "lost", "unread", "/ 0", "d = 7", "FINAL"):
        assert word not in source.replace("steps", ""), word
    assert "# From run r1, steps 2, 4, 6, 7" in source


def test_a_later_binding_makes_an_earlier_one_a_dead_end():
    told = told_by("a = 1", "a = 2", "a = 3\nb = a", "FINAL(b)")
    assert ran(told) == 3
    assert "a = 1" not in cell(told.events)
    assert "a = 2" not in cell(told.events)


def test_a_binding_that_may_not_happen_keeps_the_one_before():
    told = told_by("a = 1", "if len('x') > 1:\n    a = 2", "for a in []:\n    pass", "FINAL(a)")
    assert ran(told) == 1


@pytest.mark.parametrize(
    "change",
    [
        "x.append(1)",
        "x[0:0] = [1]",
        "x += [1]",
        "for i in range(1):\n    x.append(i + 1)",
        "def f(y):\n    y.append(1)\nf(x)",
        "last = x.append(1)",
        "import bisect\nbisect.insort(x, 1)",
    ],
)
def test_a_change_in_place_of_what_is_read_later_is_kept(change):
    assert ran(told_by("x = []", change, "FINAL(x)")) == [1]


def test_a_change_that_only_the_journal_saw_is_kept():
    told = told_by("x = [3]\ng = lambda: x", "y = g().__iadd__([4])", "FINAL(x)")
    at = next(n for n, event in enumerate(told.events) if event.tag == "step_finished" and event.step == 2)
    output = dataclasses.replace(told.events[at].output, changes=(Change(name="x", how="mutated"),))
    told.events[at] = dataclasses.replace(told.events[at], output=output)
    assert ran(told) == [3, 4]


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        (["x = 4", "FINAL_VAR('x')"], 4),
        (["x = 4", "if x:\n    FINAL(x)\nelse:\n    FINAL_VAR('x')"], 4),
        (["answer = 4", "FINAL(answer)"], 4),
        (
            ["def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)", "FINAL([f(k) for k in range(4)])"],
            [0, 1, 1, 2],
        ),
        (["s = re.sub('a', 'b', 'aa')", "FINAL(s)"], "bb"),
        (["é = 'ü'; print(é); z = é", "FINAL(z)"], "ü"),
        (["class A:\n    n = 3", "with open('/dev/null') as f, open('/dev/null'):\n    t = A.n", "FINAL(t)"], 3),
        (["try:\n    t = 1\nexcept OSError:\n    t = 2", "FINAL(\n    t +\n    1\n)"], 2),
        (["k = max(context)", "FINAL(k)"], 9),
    ],
)
def test_cells_of_every_shape_run(steps, answer):
    if "/dev/null" in str(steps) and os.name == "nt":
        pytest.skip("needs /dev/null")
    assert ran(told_by(*steps), df=[1, 9]) == answer


def test_code_that_is_not_plain_python_is_kept_where_its_words_are_read():
    source = cell(told_by("%pip install x", "files = !ls", "n = len(files)", "FINAL(n)").events)
    assert "files = !ls" in source
    assert "pip" not in source


def test_an_answer_in_words_is_said():
    told = Story()
    told.step(1, "a = 1\nprint(a)", "1")
    told.step(2, "b = a + 1\nprint(b)", "2")
    source = cell(told.end().events)
    assert "given in words" in source
    assert "b = a + 1" in source


def test_a_comment_holds_whatever_was_asked():
    """No text can get out of the comment and become code."""
    told = Story("r1", "what\nimport os\r\x0bos.abort()\u2028x\x0cy")
    told.step(1, "FINAL(1)", final=True)
    source = cell(told.end().events)
    assert [type(one).__name__ for one in ast.parse(source).body] == ["Assign", "Expr"]
    assert LONG not in source
