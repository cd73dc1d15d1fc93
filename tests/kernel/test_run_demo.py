"""``notebooks/run_demo.py``, on small notebooks and a scripted model."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rlm_kernel.testing import ScriptedModel, serve

SCRIPT = Path(__file__).parents[2] / "notebooks" / "run_demo.py"
ASK = "%%rlm speeds -o total\nWhat do they\nadd up to?"


@pytest.fixture
def demo(kernelspec, tmp_path):
    """Run a notebook of these cells; gives the finished process and the executed notebook."""

    def run(*sources):
        notebook = new_notebook(cells=[new_markdown_cell("# Demo"), *map(new_code_cell, sources)])
        path, out = tmp_path / "asked.ipynb", tmp_path / "out" / "done.ipynb"
        nbformat.write(notebook, path)
        replies = ["```python\nprint(len(speeds))\n```", "```python\nFINAL(sum(speeds))\n```"]
        with serve(ScriptedModel(replies)) as server:
            env = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.api_key, "RLM_MODEL": "scripted"}
            done = subprocess.run(
                [sys.executable, SCRIPT, path, "--out", out],
                env=os.environ | env,
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
        return done, nbformat.read(out, as_version=4)

    return run


def test_it_prints_each_question_and_its_answer(demo):
    done, notebook = demo("%load_ext rlm_kernel", "speeds = [10, 20]\nlen(speeds)", ASK, "assert total == 30")

    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert "[ 2/4] speeds = [10, 20] ..." in lines
    at = lines.index("[ 3/4] What do they add up to?")
    assert lines[at + 1].startswith("answer: 30   (2 steps, ")
    assert any(line.startswith("1 question answered in ") for line in lines)
    assert "done.ipynb" in lines[-1]
    assert notebook.cells[3].outputs[-1].data["text/plain"] == "30"


def test_a_cell_that_fails_fails_the_demo(demo):
    """What ran until then is kept in the executed notebook."""
    done, notebook = demo("6 * 7", "1 / 0", "never")

    assert done.returncode == 1
    assert "A cell failed. ZeroDivisionError: division by zero" in done.stdout
    assert notebook.cells[1].outputs[0].data["text/plain"] == "42"
    assert not notebook.cells[3].outputs
