"""The bundled model at work: a real kernel, a real table, a real sub-call.

What holds every time is asserted: status, kind of answer, steps, accounts. The answer itself only for questions that
this model answers right at temperature 0 by a wide margin.
"""

import importlib.util
import os
from pathlib import Path

import pandas as pd
import pytest
from jupyter_client.manager import KernelManager

import rlm_kernel
from rlm_kernel.models import local
from rlm_kernel.testing import ScriptedModel

pytestmark = pytest.mark.local_model

ROOT = Path(__file__).resolve().parents[2]
PENGUINS = Path(importlib.util.find_spec("palmerpenguins").origin).parent / "data" / "penguins.csv"


@pytest.fixture(scope="module")
def served(real_place):
    """One server for the tests of this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLM_LOCAL_DIR", str(real_place))
        local.ensure()
        yield
        local.stop()


@pytest.fixture
def run_cell(served):
    """Runs cells in a real kernel; gives what one shows: its status, its error, its result as text."""
    manager = KernelManager(kernel_name="python3")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    manager.start_kernel(env={**os.environ, "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)

    def run(code):
        results = []

        def keep(message):
            if message["msg_type"] == "execute_result":
                results.append(message["content"]["data"]["text/plain"])

        reply = client.execute_interactive(code, timeout=180, output_hook=keep, allow_stdin=False)["content"]
        return reply["status"], reply.get("evalue", ""), results[0] if results else ""

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_cell_is_answered_by_the_bundled_model_from_a_real_table(run_cell):
    """``%%rlm -m local`` counts rows of a real table, binds the answer, and leaves steps and accounts behind."""
    setup = f"%load_ext rlm_kernel\nimport pandas as pd\npenguins = pd.read_csv({str(PENGUINS)!r})"
    assert run_cell(setup) == ("ok", "", "")

    status, error, result = run_cell("%%rlm penguins -m local -o found --seed 1\nHow many penguins live on Dream?")

    assert (status, error) == ("ok", "")
    assert result == "124"
    assert run_cell("bool(found == (penguins['island'] == 'Dream').sum())")[2] == "True"
    run_cell("run = %rlm last")
    assert run_cell("run.status, run.steps[-1].number == len(run.steps) >= 1, 'penguins' in run.steps[0].code")[2] == (
        "('done', True, True)"
    )
    used = run_cell("run.usage.calls >= len(run.steps), run.usage.input_tokens > 500, run.usage.output_tokens > 5")[2]
    assert used == "(True, True, True)"
    assert run_cell("from rlm_kernel.models import local; local.status().clients")[2] == "2"


def test_a_fact_in_a_text_is_searched_and_read(served):
    """A question over prose is answered in two calls or more: one searches, one reads what was found."""
    filler = "The wind turned in the night and the boats stayed in. Nobody came down to the shore that day. "
    text = filler * 900 + "The lamp of the pier was paid for by Odile Marchand. " + filler * 900

    run = rlm_kernel.run("Who paid for the lamp of the pier?", {"story": text}, model="local")

    assert run.status == "done"
    assert "Odile Marchand" in str(run.answer)
    assert run.usage.calls >= 2
    assert "Odile Marchand" in run.steps[-1].output


def test_code_of_a_step_asks_the_bundled_model(served):
    """A sub-call and a batch of them reach the model, are recorded with their words, and are in the accounts."""
    code = (
        "one = llm_query('Reply with the one word: yes')\n"
        "many = llm_query_batched(['Reply with the word: cat', 'Reply with the word: dog'])\n"
        "FINAL([one, *many])"
    )
    root = ScriptedModel([f"```python\n{code}\n```"])

    run = rlm_kernel.run("Ask thrice.", {"data": pd.DataFrame({"a": [1]})}, model=root, sub_model="local")

    assert run.status == "done"
    assert len(run.answer) == 3
    assert all(isinstance(said, str) and said.strip() for said in run.answer)
    subcalls = [call for call in run.calls if call.started.purpose == "sub-call"]
    assert len(subcalls) == 3
    assert all(call.finished.reply.text.strip() for call in subcalls)
    assert run.usage.calls == 4
    assert run.usage.output_tokens >= 3
