"""What the store of runs costs: time for each event, time for 10,000 sub-calls, bytes for 30 steps over 5 MB of text.

python benchmarks/store_cost.py
"""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from pathlib import Path

import rlm_kernel
from rlm_kernel.testing import ScriptedModel
from rlm_kernel.trajectory.store import Store

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st", "lo", "ma")]


def prose(size: int, seed: int) -> str:
    """Text that compresses about as well as a language does."""
    draw = random.Random(seed)
    return " ".join(draw.choices(WORDS, k=size // 4))[:size]


class Timed:
    """A sink around another that notes how long each event takes."""

    def __init__(self, sink):
        self.sink = sink
        self.taken: dict[str, list[float]] = {}

    def __call__(self, event):
        began = time.perf_counter()
        self.sink(event)
        self.taken.setdefault(event.tag, []).append(time.perf_counter() - began)


def sub_calls(number: int, sinks) -> float:
    """Seconds of processor time of a run with that many sub-calls, each with a prompt of 600 characters."""
    prompts = [f"{n} {prose(600, n)}" for n in range(number)]
    code = "```python\nanswers = llm_query_batched(prompts)\nFINAL(len(answers))\n```"
    model = ScriptedModel(lambda messages: code if "prompts" in messages[-1].content[:4000] else "yes, it is")
    gc.collect()
    began = time.process_time()
    run = rlm_kernel.run(
        "How many?",
        {"prompts": prompts},
        model=model,
        limits=rlm_kernel.Limits(calls=None, tokens=None, seconds=None),
        sinks=sinks,
    )
    taken = time.process_time() - began
    assert run.answer == number, (run.answer, run.error)
    return taken


def steps(number: int, store: Store) -> None:
    """A run of that many steps over 5 MB; each prints 4 kB of it and asks about 20 kB of it."""
    context = prose(5_000_000, 0)
    replies = [
        f"I look at part {n}.\n```python\npart = context[{n * 160_000}:{n * 160_000 + 20_000}]\n"
        f"print(part[:4000])\nsaid_{n} = llm_query('What is it about? ' + part)\n```"
        for n in range(number - 1)
    ]
    roots = iter([*replies, "```python\nFINAL(said_1)\n```"])
    sub = ScriptedModel(lambda messages: prose(300, len(messages[-1].content)), window=200_000)
    run = rlm_kernel.run(
        "What is it about?",
        {"context_text": context, "context": context},
        model=ScriptedModel(list(roots), window=200_000),
        sub_model=sub,
        limits=rlm_kernel.Limits(steps=None, calls=None, tokens=None, seconds=None),
        sinks=[store.sink()],
    )
    assert len(run.steps) == number, (run.steps, run.error)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as place:
        store = Store(place)
        sub_calls(500, [])  # warm
        without = min(sub_calls(10_000, []) for _ in range(2))
        timed = Timed(store.sink("many"))
        with_it = min(sub_calls(10_000, [timed]), sub_calls(10_000, [store.sink("again")]))
        for tag, taken in timed.taken.items():
            print(f"{tag:14} {len(taken):6,} events, median {1e3 * statistics.median(taken):.4f} ms in the caller")
        print(f"10,000 sub-calls: {without:.2f} s of processor time without, {with_it:.2f} s with the store")
        print(f"  that is {(with_it - without) / 20_000 * 1e3:.3f} ms for each event, all threads together")
        print(f"  on disk: {store.size / 2**20:.1f} MiB for the two runs, {len(store.load('many')):,} events read back")
    with tempfile.TemporaryDirectory() as place:
        store = Store(place)
        steps(30, store)
        size = sum(path.stat().st_size for path in Path(place).rglob("*") if path.is_file())
        print(f"30 steps over 5 MB: {size / 2**20:.2f} MiB on disk, logs included")


if __name__ == "__main__":
    main()
