"""What the store costs stays within what was promised; `benchmarks/store_cost.py` prints the figures."""

import statistics
import time

from store_cost import Timed, steps, sub_calls

from rlm_kernel.trajectory.events import StepStarted
from rlm_kernel.trajectory.store import Store


def test_thirty_steps_over_five_megabytes_take_less_than_one(tmp_path):
    """With the log, and with the kernel still alive."""
    store = Store(tmp_path)
    steps(30, store)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 2**20
    store.close()


def test_the_event_of_a_sub_call_costs_the_caller_next_to_nothing(tmp_path):
    """And a step's two writings a few milliseconds at most, on a machine that is not standing still."""
    store = Store(tmp_path)
    timed = Timed(store.sink())
    sub_calls(500, [timed])
    assert statistics.median(timed.taken["call_started"]) < 0.00015
    assert statistics.median(timed.taken["call_finished"]) < 0.00015
    sink = store.sink("steps")
    taken = []
    for number in range(1, 200):
        began = time.perf_counter()
        sink(StepStarted(seq=number, run="steps", at=0.0, step=number, code="x = 1"))
        taken.append(time.perf_counter() - began)
    assert statistics.median(taken) < 0.005
    store.close()
