"""A run from the store, or from a file, drives the real loop again and comes to the same end."""

import itertools

import pytest

import rlm_kernel
from rlm_kernel.models.replay import Recording
from rlm_kernel.testing import CapturingSink, ScriptedModel
from rlm_kernel.trajectory.diff import diff
from rlm_kernel.trajectory.interchange import lossless
from rlm_kernel.trajectory.store import Store
from rlm_kernel.views.saved import save

STEPS = [
    "```python\nprint(text[:2500])\nlabels = llm_query_batched([f'label {n}' for n in range(8)])\n```",
    "Let me see.",
    "```python\nby = {}\nfor n, label in enumerate(labels):\n    by.setdefault(label, []).append(n)\nprint(by)\nnope\n```",
    "```python\npart = rlm_query('Sum up', text[:100])\nFINAL({'by': len(by), 'part': part})\n```",
]


def models():
    numbers = itertools.count()
    child = "```python\nFINAL('short')\n```"
    sub = ScriptedModel(lambda ms: f"L{next(numbers) % 3}" if len(ms) == 1 else child, name="sub")
    return ScriptedModel(STEPS, name="root"), sub


@pytest.mark.parametrize("kept", ["store", ".rlm", ".jsonl"])
def test_a_kept_run_is_replayed_to_the_same_end(kept, tmp_path):
    store = Store(tmp_path)
    root, sub = models()
    text = "many words " * 900
    run = rlm_kernel.run("q", {"text": text}, model=root, sub_model=sub, max_depth=2, sinks=[store.sink()])
    assert run.status == "done", run.error
    loaded = {"store": lambda: Store(tmp_path).load(run.id)}
    events = loaded.get(kept, lambda: lossless.load(save(run.events, tmp_path / f"a{kept}")))()
    recording, seen = Recording(events), CapturingSink()
    again = rlm_kernel.run(
        "q", {"text": text}, model=recording.root(), sub_model=recording.sub(), max_depth=2, sinks=[seen]
    )
    assert again.answer == run.answer == {"by": 3, "part": "short"}
    found = diff(events, seen.events)
    assert found.parts_at is None, found.parts_at
    assert recording.diverged is None
    assert recording.replayed == len(run.calls)
    store.close()
