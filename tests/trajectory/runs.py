"""What the tests of stored runs share: event lists written by hand, real runs, and a process that is killed."""

import itertools
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import rlm_kernel
from rlm_kernel.testing import CapturingSink, ScriptedModel
from rlm_kernel.trajectory.events import (
    CallFinished,
    CallStarted,
    Noted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from rlm_kernel.trajectory.records import Binding, Change, Failure, Message, Output, Reply, Request
from rlm_kernel.usage import Usage

START = 1_750_000_000.0
LONG = "a long text, " * 500


class Story:
    """Events by hand: every event is a tenth of a second after the one before."""

    def __init__(self, run="r1", question="What is it?", **fields):
        self.events = []
        self._calls = itertools.count(1)
        self.open(run, question, **fields)

    def open(self, run, question, *, parent=None, depth=0, **fields):
        self._common = {"run": run, "parent": parent, "depth": depth}
        given = {
            "contexts": (Binding(name="df", type="pandas DataFrame", text="df: 3 columns"),),
            "model": "root-model",
            "sub_model": "sub-model",
            "pack": "general",
            "pack_hash": "0",
            "limits": {"steps": 30, "calls": 500, "cost": None, "seconds": 900.0},
        }
        self.add(RunStarted, question=question, **{**given, **fields})
        self.messages = (Message("system", "You write Python."), Message("user", question))

    def add(self, kind, /, **fields):
        seq = len(self.events) + 1
        self.events.append(kind(seq=seq, at=START + seq / 10, **self._common, **fields))
        return self.events[-1]

    def call(self, step, prompt=None, reply="yes", *, purpose="sub-call", error=None, batch=None, **fields):
        number = next(self._calls)
        messages = self.messages if prompt is None else (Message("user", prompt),)
        model = "root-model" if purpose == "root" else "sub-model"
        request = Request(messages=messages)
        self.add(CallStarted, call=number, step=step, purpose=purpose, model=model, request=request, batch=batch)
        usage = Usage(calls=1, input_tokens=100, output_tokens=10, cached_tokens=40, dollars=0.25)
        answer = None if error else Reply(text=reply, model=model, usage=usage, retries=fields.pop("retries", 0))
        self.add(CallFinished, call=number, reply=answer, error=error, seconds=0.5, **fields)

    def step(self, number, code, stdout="", *, bound=(), sub_calls=(), final=False, failure=None, **output):
        said = f"I look.\n```python\n{code}\n```"
        self.call(number, reply=said, purpose="root")
        self.add(StepStarted, step=number, code=code)
        for prompt in sub_calls:
            self.call(number, prompt)
        changes = tuple(Change(name=name, how="bound") for name in bound)
        failed = (
            Failure(kind=failure, message="it failed", traceback=f"Step {number}\n{failure}: it failed", line=1)
            if failure
            else None
        )
        kept = Output(stdout=stdout, changes=changes, failure=failed, seconds=0.2, **output)
        self.add(StepFinished, step=number, output=kept, final=final)
        self.messages += (Message("assistant", said), Message("user", f"Output:\n{stdout}"))

    def note(self, step, kind, text):
        self.add(Noted, step=step, kind=kind, text=text)

    def end(self, status="done", answer="42", **fields):
        self.add(RunFinished, status=status, answer=answer, **fields)
        return self


def story(run="r1"):
    """Three steps, one of which fails, a few sub-calls and long texts."""
    told = Story(run)
    told.step(1, f"# look\nprint({LONG!r})", LONG)
    told.step(2, "oops", failure="NameError")
    told.step(3, "a = llm_query(p)\nFINAL(a)", bound=("a",), sub_calls=("p", LONG), final=True)
    return told.end()


CODE = [
    "```python\nprint(text[:3000])\nfirst = llm_query('one ' + text[:2500])\n```",
    "```python\nmany = llm_query_batched([f'item {n} ' + text[n:n + 700] for n in range(40)])\nprint(len(many))\n```",
    "```python\nchild = rlm_query('Sum up', text[:5000])\nprint(child)\n```",
    "```python\nFINAL(str(len(many)) + first)\n```",
]


def scripted(latency=0.001):
    """A model that plays the root, its child and the sub-calls, told apart by what they are asked."""
    steps = itertools.count()

    def answer(messages):
        last = messages[-1].content
        if last.startswith(("one ", "item ")):
            return f"an answer to {last[:12]}"
        if any("Sum up" in message.content for message in messages) and len(messages) <= 12:
            return "```python\nFINAL('in short')\n```"
        return CODE[next(steps) % len(CODE)]

    return ScriptedModel(answer, latency=latency)


def real_run(sinks=(), **options):
    """A real run with sub-calls and a child run, and everything that it recorded."""
    seen = CapturingSink()
    text = "".join(random.Random(1).choices("abcdefghij ", k=200_000))
    run = rlm_kernel.run(
        "What does it say?", {"text": text}, model=scripted(), max_depth=2, sinks=[*sinks, seen], **options
    )
    return run, seen.events


def run_until_killed(place, number, witness):
    """Run after run, and beside the store a note of every event that the store has taken."""
    from rlm_kernel.trajectory.store import Store

    store = Store(place)
    open_calls = set()
    for turn in itertools.count():
        name = f"{number}-{turn}"

        def note(event, name=name):
            soon = event.tag == "call_started" and (event.purpose == "sub-call" or event.depth > 0)
            open_calls.update({(name, event.call)} if soon else ())
            soon = soon or (event.tag == "call_finished" and (name, event.call) in open_calls)
            os.write(witness, (json.dumps([name, event.seq, soon, time.monotonic()]) + "\n").encode())

        real_run([store.sink(name), note])


def kill_many(place, times):
    """Start a run, kill its process at a random moment, and again; what each had noted by then, one JSON a line."""
    draw = random.Random(times)
    for number in range(times):
        notes = Path(place) / f"notes-{number}"
        child = os.fork()
        if child == 0:
            run_until_killed(place, number, os.open(notes, os.O_WRONLY | os.O_CREAT))
        time.sleep(draw.uniform(0.1, 0.7))
        killed = time.monotonic()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(json.dumps([number, killed]), flush=True)


if __name__ == "__main__":
    kill_many(sys.argv[1], int(sys.argv[2]))
