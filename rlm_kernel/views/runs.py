"""The list of stored runs as text."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rlm_kernel.trajectory.store import StoredRun
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.escape import visible
from rlm_kernel.views.words import count

_QUESTION = 48
_NOTEBOOK = 24


def table(runs: Sequence[StoredRun]) -> str:
    """A line for each run: id, when, how it ended, what it took, what was asked, and in which notebook."""
    if not runs:
        return "no runs are stored yet"
    return "\n".join(visible(_line(run)) for run in runs)


def _line(run: StoredRun) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.began))
    cost = "price unknown" if run.cost is None else f"${run.cost:.2g}" if run.cost else "free"
    used = f"{count(run.steps, 'step')}, {count(run.calls, 'call')}, {cost}"
    where = one_line(run.notebook.rpartition("/")[2], _NOTEBOOK)
    return f"{run.id}  {when}  {run.status:<7}  {used:<34}  {one_line(run.question, _QUESTION)}  {where}".rstrip()
