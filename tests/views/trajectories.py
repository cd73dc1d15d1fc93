"""Event lists for the tests of the views, written by hand through a small recorder with its own clock."""

from __future__ import annotations

import itertools
from typing import Any

from rlm_kernel.trajectory.events import (
    AnyEvent,
    CallFinished,
    CallStarted,
    Noted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from rlm_kernel.trajectory.records import Binding, Change, Failure, Message, Output, Reply, Request, Rich
from rlm_kernel.trajectory.tree import Tree
from rlm_kernel.usage import Usage

START = 1_750_000_000.0
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</details></pre></div><h1>out</h1>",
    '"><svg onload=alert(1)>',
    "' style='position:fixed",
    "javascript:alert(1)",
    "\x1b]8;;http://x\x07link\x1b]8;;\x07 \x1b[2J",
    "\u202egnp.exe \u200b\ufeff",
    "a\x00b\ud800c\udfff",
    "&lt;b&gt; &amp;amp; &#60;",
    "]]><!-- <![CDATA[",
]
"""Texts that try to leave their place: markup, terminal codes, unseen characters."""


class Recorder:
    """Collects events; every event takes a tenth of a second unless `wait` says more."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.now = START
        self._seq = itertools.count(1)
        self._calls = itertools.count(1)

    @property
    def tree(self) -> Tree:
        return Tree(self.events)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def run(
        self, question: str = "q", *, name: str = "r1", parent: str | None = None, depth: int = 0, **fields: Any
    ) -> Run:
        run = Run(self, name, parent, depth)
        given: dict[str, Any] = {
            "contexts": (Binding(name="df", type="pandas DataFrame", text="df", summary="5,860 rows x 6 columns"),),
            "model": "gpt-5",
            "sub_model": "gpt-5-mini",
            "pack": "default",
            "pack_hash": "0",
            "limits": {"steps": 30, "calls": 500, "tokens": None, "seconds": 900.0},
        }
        run.add(RunStarted, question=question, **{**given, **fields})
        return run

    def next_call(self) -> int:
        return next(self._calls)

    def next_seq(self) -> int:
        return next(self._seq)


class Run:
    """One run of a recorder."""

    def __init__(self, recorder: Recorder, name: str, parent: str | None, depth: int) -> None:
        self.recorder = recorder
        self.name = name
        self._common = {"run": name, "parent": parent, "depth": depth}
        self._messages: tuple[Message, ...] = (Message("system", "You write Python."), Message("user", "The question."))

    def add(self, kind: Any, /, **fields: Any) -> None:
        self.recorder.now += 0.1
        self.recorder.events.append(kind(seq=self.recorder.next_seq(), at=self.recorder.now, **self._common, **fields))

    def ask(self, step: int, reply: str | None = "ok", *, error: str | None = None, seconds: float = 1.0) -> None:
        """One root call; open for ever if neither a reply nor an error is given."""
        call = self.recorder.next_call()
        request = Request(messages=self._messages)
        self.add(CallStarted, call=call, step=step, purpose="root", model="gpt-5", request=request)
        self.finish(call, reply, error=error, seconds=seconds)
        if reply is not None:
            self._messages += (Message("assistant", reply), Message("user", f"Output of step {step}."))

    def open_call(self, step: int, prompt: str = "p", *, batch: int | None = None, purpose: str = "sub-call") -> int:
        call = self.recorder.next_call()
        request = Request(messages=(Message("user", prompt),))
        self.add(CallStarted, call=call, step=step, purpose=purpose, model="gpt-5-mini", request=request, batch=batch)
        return call

    def finish(self, call: int, reply: str | None = "ok", *, error: str | None = None, seconds: float = 1.0) -> None:
        if reply is None and error is None:
            return
        self.recorder.wait(seconds)
        used = Usage(calls=1, input_tokens=1200, output_tokens=150, cached_tokens=600)
        answer = None if error is not None else Reply(text=reply or "", model="gpt-5", usage=used)
        self.add(CallFinished, call=call, reply=answer, error=error, seconds=seconds)

    def sub_call(
        self, step: int, prompt: str, reply: str | None = "ok", *, error: str | None = None, batch: int | None = None
    ) -> None:
        self.finish(self.open_call(step, prompt, batch=batch), reply, error=error, seconds=0.2)

    def code(self, step: int, code: str) -> None:
        self.add(StepStarted, step=step, code=code)

    def output(self, step: int, stdout: str = "", *, final: bool = False, **fields: Any) -> None:
        self.add(StepFinished, step=step, output=Output(stdout=stdout, **fields), final=final)

    def step(self, step: int, code: str, stdout: str = "", *, final: bool = False, **fields: Any) -> None:
        """A whole step: asked for, written, run."""
        self.ask(step, f"I look.\n```repl\n{code}\n```")
        self.code(step, code)
        self.output(step, stdout, final=final, **fields)

    def note(self, step: int, kind: str, text: str) -> None:
        self.add(Noted, step=step, kind=kind, text=text)

    def end(self, status: str = "done", answer: str = "", **fields: Any) -> None:
        self.add(RunFinished, status=status, answer=answer, **fields)


def story() -> Recorder:
    """A run with a bit of everything: a batch with failures, a child run, a failing step, a picture, changes, notes."""
    recorder = Recorder()
    run = recorder.run("Which five complaint themes grew fastest this quarter?")
    run.step(1, "# look at the columns\nprint(df.dtypes)", "quarter    object\ntext       object\namount    float64\n")
    _label(run)
    trace = 'Traceback (most recent call last):\n  Cell step 3, line 2\n    growth = by_q["Q3"] / by_q["Q2"]\nKeyError: \'Q3\''
    failure = Failure(kind="KeyError", message="'Q3'", traceback=trace, line=2)
    run.step(
        3,
        'by_q = labels.groupby(["quarter", "theme"]).size().unstack(0)\ngrowth = by_q["Q3"] / by_q["Q2"] - 1',
        failure=failure,
    )
    _ask_why(recorder, run)
    run.note(5, "guard", "a constant was given although the preview was partial")
    top = Change(name="top", how="bound", summary="Series of 5")
    run.step(5, "top = growth.nlargest(5)\nFINAL(top)", final=True, changes=(top,))
    run.note(5, "warning", "2 of 30 sub-calls failed; their rows have no theme")
    run.note(5, "remark", "the figure 0.84 was printed in step 4")
    run.end("done", "billing error    0.84\nlate refund      0.61\nlogin loop       0.47")
    return recorder


def _label(run: Run) -> None:
    """Step 2: a batch of thirty, two of which fail, and names bound and rebound."""
    code = '# label every complaint\nthemes = llm_map(df["text"], "Name the theme.", returns=str)\nlabels = df.assign(theme=themes)'
    run.ask(2, f"Now the labels.\n```repl\n{code}\n```", seconds=2.0)
    run.code(2, code)
    prompt = "Name the theme of complaint {}: my card was charged twice & nobody answers"
    calls = [run.open_call(2, prompt.format(number), batch=1) for number in range(1, 31)]
    for number, call in enumerate(calls):
        error = "ModelTimeout: no answer in 120 s" if number % 13 == 12 else None
        run.finish(call, None if error else "double charge", error=error, seconds=0.3)
    changes = (
        Change(name="labels", how="bound", summary="DataFrame 5,860 x 7"),
        Change(name="themes", how="bound", summary="MapResult of 5,860, 2 failed"),
        Change(name="df", how="rebound", summary="DataFrame 5,860 x 7", kept_apart=True),
    )
    run.output(2, changes=changes, notices=("df is the user's: your version is kept apart.",), seconds=9.0)


def _ask_why(recorder: Recorder, run: Run) -> None:
    """Step 4: a child run, and rich outputs."""
    code = '# why did "billing" rise?\nwhy = rlm_query("Why did billing errors rise?", labels[labels.theme == "billing error"])\nprint(why)'
    run.ask(4, f"```repl\n{code}\n```")
    run.code(4, code)
    child = recorder.run(
        "Why did billing errors rise?", name="r2", parent="r1", depth=1, model="gpt-5-mini", contexts=()
    )
    child.step(1, "# split by week\ncontext.groupby('week').size()", echo="week\n27     3\n28    41\ndtype: int64")
    child.sub_call(1, "What changed in week 28?", "The new invoice layout.")
    child.step(2, 'FINAL("a new invoice layout in week 28")', final=True)
    child.end("done", "a new invoice layout in week 28")
    table = Rich(
        data={"text/html": "<table><tr><td>1</td></tr></table>", "text/plain": "theme    growth\nbilling    0.84"}
    )
    figure = Rich(data={"image/png": PIXEL, "text/plain": "<Figure size 640x480 with 1 Axes>"})
    run.output(4, "a new invoice layout in week 28\n", rich=(table, figure), echo="theme    growth\nbilling    0.84")


def everywhere(text: str) -> Tree:
    """A run that holds the text in every place where a model, a server or a user can put one."""
    recorder = Recorder()
    run = recorder.run(
        text, model=text, sub_model=text, contexts=(Binding(name=text, type=text, text=text, summary=text),)
    )
    run.ask(1, text)
    run.code(1, text)
    for batch in (None, 1, 1):
        run.sub_call(1, text, text, batch=batch)
        run.sub_call(1, text, error=text, batch=batch)
    child = recorder.run(text, name="r2", parent="r1", depth=1)
    child.step(1, text, text)
    child.end("failed", text, error=text)
    rich = tuple(
        Rich(data={kind: text, "text/plain": text}) for kind in ("text/html", "image/svg+xml", "image/png", text)
    )
    failure = Failure(kind=text, message=text, traceback=text, line=1)
    changes = tuple(
        Change(name=text, how=how, summary=text, kept_apart=how == "rebound")
        for how in ("bound", "rebound", "deleted", "mutated")
    )
    run.output(1, text, stderr=text, echo=text, rich=rich, failure=failure, changes=changes, notices=(text,))
    run.ask(2, error=text, reply=None)
    for kind in ("guard", "redraw", "history", "remark", "warning", "notice"):
        run.note(2, kind, text)
    run.end("limit", text, error=text, extracted=True)
    return recorder.tree


def long_run(steps: int, text: str) -> Tree:
    recorder = Recorder()
    run = recorder.run(text)
    for number in range(1, steps + 1):
        run.step(
            number,
            f"# {number}\n{text}",
            text,
            failure=Failure(kind="E", message=text, traceback=text) if number % 7 == 0 else None,
        )
    run.end("done", text)
    return recorder.tree
