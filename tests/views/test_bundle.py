"""What a cell keeps of a run."""

from __future__ import annotations

import json

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trajectories import HOSTILE, Recorder, everywhere, long_run, story

from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.views import html, text
from rlm_kernel.views.bundle import MIME, bundle


def test_a_bundle_holds_html_text_and_json_and_no_widget():
    """With the widget's type in it, a saved notebook would show nothing but an error."""
    kept = bundle(story().tree)
    assert set(kept) == {"text/html", "text/plain", "application/vnd.rlm.run+json"}
    assert kept["text/html"] == html.render(story().tree)
    assert kept["text/plain"] == text.render(story().tree)


def test_the_json_says_what_the_run_did():
    """Programs find status, answer, usage, and each step with its code, state and children."""
    run = bundle(story().tree)[MIME]
    assert run["version"] == 1
    assert run["status"] == "done"
    assert run["answer"].startswith("billing error")
    assert run["usage"]["calls"] == 36
    assert [step["state"] for step in run["steps"]] == ["done", "done", "failed", "done", "done"]
    assert run["steps"][1]["failed_calls"] == 2
    assert run["steps"][1]["changed"][2] == ["df", "rebound"]
    assert run["steps"][3]["children"][0]["answer"] == "a new invoice layout in week 28"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_notebook_with_the_bundle_is_valid(hostile, tmp_path):
    """Whatever the run holds, the notebook can be written as UTF-8, read and validated."""
    notebook = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("%%rlm df")
    cell.outputs = [nbformat.v4.new_output("display_data", data=bundle(everywhere(hostile)))]
    notebook.cells = [cell]
    nbformat.write(notebook, tmp_path / "n.ipynb")
    nbformat.validate(nbformat.read(tmp_path / "n.ipynb", as_version=4))


@given(st.text(st.characters(exclude_categories=()), max_size=60))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_leaves_as_strict_json(anything):
    """No lone surrogate and no NaN is left, either of which a front end refuses."""
    json.dumps(bundle(everywhere(anything)), ensure_ascii=False, allow_nan=False).encode()


def test_the_json_is_bounded():
    """1,000 long steps leave a JSON of some hundred thousand characters that says which steps it leaves out."""
    run = bundle(long_run(1000, "x = 1\n" * 2000))[MIME]
    assert len(json.dumps(run)) < 250_000
    assert any("left_out" in step for step in run["steps"])


def test_every_prefix_of_a_run_leaves_a_bundle():
    """A kernel that dies at any moment leaves what there was."""
    events = story().events
    for length in range(0, len(events) + 1, 7):
        json.dumps(bundle(Tree(events[:length])))


def test_an_empty_trajectory_leaves_a_bundle():
    """Before the first event there is a version and nothing else."""
    assert bundle(Recorder().tree)[MIME] == {"version": 1}
