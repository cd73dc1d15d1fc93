"""A longer story for the live view: a table, a figure, a batch with memo and failures, a child run, prices."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "views"))
from trajectories import HOSTILE, Recorder

from rlm_kernel.trajectory.events import CallFinished, Paused
from rlm_kernel.trajectory.records import Binding, Change, Failure, Reply, Rich
from rlm_kernel.usage import Usage

LIMITS = {"steps": 30, "depth": 2, "calls": 5000, "tokens": None, "cost": 0.5, "seconds": 900.0, "call_seconds": 120.0}
TABLE = (
    "<div><style scoped>.x{color:red}</style><table border='1' class='dataframe'><thead><tr><th></th><th>theme</th><th>growth</th></tr>"
    "</thead><tbody><tr><th>0</th><td>billing error</td><td>0.84</td></tr><tr><th>1</th><td>late refund</td><td>0.61</td></tr>"
    "<tr><th>2</th><td>login loop</td><td>0.47</td></tr></tbody></table></div>"
)
PLAIN = "           theme  growth\n0  billing error    0.84\n1    late refund    0.61\n2     login loop    0.47"
COMPARE = """# compare this quarter with the last, by theme
labels = complaints.assign(theme=themes.values)
by_q = labels.groupby(["quarter", "theme"]).size().unstack(0, fill_value=0)
growth = (by_q["Q3"] / by_q["Q2"] - 1).sort_values(ascending=False)
growth.head().plot.barh()
growth.reset_index().head(3)"""
WAITS = '# keep the labels for the team\nout = labels[["text", "theme"]]\nout.to_csv("themes.csv")\nprint(len(out), "rows written")'


def until_now(recorder: Recorder) -> list[Any]:
    """Its events, moved in time so that the last one is now."""
    shift = time.time() - recorder.now
    return [replace(event, at=event.at + shift) for event in recorder.events]


def figure() -> str:
    """A real figure, as a notebook would have it."""
    import base64
    import io

    from matplotlib.figure import Figure

    drawn = Figure(figsize=(5, 2.2), layout="constrained")
    drawn.subplots().barh(["login loop", "late refund", "billing error"], [0.47, 0.61, 0.84], color="#4c78a8")
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=90)
    return base64.b64encode(buffer.getvalue()).decode()


def finish(
    run: Any, call: int, reply: str | None, *, seconds: float, error: str | None = None, memo: bool = False
) -> None:
    """The end of a call, with a price."""
    run.recorder.now += seconds
    used = Usage() if memo else Usage(calls=1, input_tokens=1450, output_tokens=60, cached_tokens=900, dollars=0.00042)
    answer = None if error else Reply(text=reply or "", model="gpt-5-mini", usage=used)
    run.add(CallFinished, call=call, reply=answer, error=error, seconds=seconds, memo=memo)


def story(mode: str = "done", items: int = 240) -> Recorder:
    """The story up to where `mode` wants it: ``done``, ``running``, ``writing`` or ``waiting``."""
    recorder = Recorder()
    context = Binding(name="complaints", type="pandas DataFrame", text="complaints", summary="5,860 rows x 6 columns")
    run = recorder.run(
        "Which five complaint themes grew fastest this quarter, and why did the first one?",
        contexts=(context,),
        limits=LIMITS,
    )
    run.step(
        1,
        "# look at the columns\ncomplaints.dtypes",
        echo="quarter    object\ntext       object\namount    float64\ndtype: object",
    )
    _label(run, items)
    rich = (
        Rich(data={"text/html": TABLE, "text/plain": PLAIN}),
        Rich(data={"image/png": figure(), "text/plain": "<Figure size 500x220 with 1 Axes>"}),
    )
    changes = (
        Change(name="labels", how="bound", summary="DataFrame 5,860 x 7"),
        Change(name="growth", how="bound", summary="Series of 12"),
    )
    run.ask(3, f"Now I compare.\n```python\n{COMPARE}\n```", seconds=2.5)
    run.code(3, COMPARE)
    recorder.wait(0.9)
    run.output(
        3,
        echo=PLAIN,
        rich=rich,
        changes=(*changes, Change(name="complaints", how="mutated", summary="one column more")),
    )
    _why(recorder, run, over=mode != "running")
    if mode == "running":
        return recorder
    if mode == "writing":
        run.ask(5, None)
        return recorder
    if mode == "waiting":
        run.ask(5, f"```python\n{WAITS}\n```", seconds=2.0)
        run.add(Paused, step=5, code=WAITS, why='It writes a file (line 3: out.to_csv("themes.csv")).')
        return recorder
    trace = (
        "Traceback (most recent call last):\n  Cell step 5, line 1\n    growth.nlargest(5)['first']\nKeyError: 'first'"
    )
    run.step(
        5,
        "# name them\ntop = growth.nlargest(5)['first']",
        failure=Failure(kind="KeyError", message="'first'", traceback=trace, line=2),
    )
    run.note(6, "guard", "a constant was given although the preview was partial")
    run.step(
        6,
        "top = growth.nlargest(5)\nFINAL(top)",
        final=True,
        changes=(Change(name="top", how="bound", summary="Series of 5"),),
    )
    run.note(6, "warning", f"2 of {items} sub-calls failed; their rows have no theme")
    run.end("done", "billing error    0.84\nlate refund      0.61\nlogin loop       0.47")
    return recorder


def _label(run: Any, items: int) -> None:
    code = '# label every complaint\nthemes = llm_map(complaints["text"], "Name the theme.", returns=str)'
    run.ask(2, f"Now the labels.\n```python\n{code}\n```", seconds=2.0)
    run.code(2, code)
    prompt = "Name the theme of complaint {}: my card was charged twice & nobody answers the phone"
    open_calls: list[tuple[int, int]] = []
    for number in range(items):
        open_calls.append((number, run.open_call(2, prompt.format(number), batch=1)))
        if len(open_calls) == 16 or number > items - 6:
            for at, call in open_calls[:1] if len(open_calls) < 17 else open_calls:
                _end(run, at, call)
            open_calls = open_calls[1:]
    for at, call in open_calls:
        _end(run, at, call)
    run.output(
        2,
        changes=(Change(name="themes", how="bound", summary="MapResult of 5,860, 2 failed"),),
        notices=("2 items have no theme.",),
        seconds=9.0,
    )


def _end(run: Any, at: int, call: int) -> None:
    error = "ModelTimeout: no answer in 120 s" if at % 113 == 112 else None
    run.recorder.now -= 0.1
    finish(run, call, "double charge", seconds=0.9 if at == 77 else 0.04, error=error, memo=at % 6 == 5)


def _why(recorder: Recorder, run: Any, *, over: bool) -> None:
    code = '# why did "billing error" rise?\nwhy = rlm_query("Why did billing errors rise?", labels[labels.theme == "billing error"])\nprint(why)'
    run.ask(4, f"```python\n{code}\n```", seconds=1.5)
    run.code(4, code)
    child = recorder.run(
        "Why did billing errors rise?",
        name="r2",
        parent="r1",
        depth=1,
        model="gpt-5-mini",
        contexts=(),
        step=4,
        limits=LIMITS,
    )
    child.step(1, "# split by week\ncontext.groupby('week').size()", echo="week\n27     3\n28    41\ndtype: int64")
    for number in range(3):
        finish(
            child, child.open_call(2, f"What changed in week {28 + number}?"), "The new invoice layout.", seconds=1.2
        )
    if not over:
        child.open_call(2, "What changed in week 31?")
        return
    child.step(2, 'FINAL("a new invoice layout in week 28")', final=True)
    child.end("done", "a new invoice layout in week 28")
    run.output(4, "a new invoice layout in week 28\n")


def many(items: int, prompt: str = "item {}: what is it about?") -> list[Any]:
    """A batch of so many sub-calls, some of which failed."""
    recorder = Recorder()
    run = recorder.run("What are they about?", limits=LIMITS)
    code = "answers = llm_query_batched(prompts)"
    run.ask(1, f"```python\n{code}\n```")
    run.code(1, code)
    for number in range(items):
        call = run.open_call(1, prompt.replace("{}", str(number)), batch=1)
        recorder.now -= 0.098
        finish(run, call, "a theme", seconds=0.001, error="ModelTimeout: no answer" if number % 997 == 5 else None)
        recorder.now -= 0.099
    return until_now(recorder)


def hostile() -> list[Any]:
    """Texts that try to get out of their place, in every place that a view shows."""
    recorder = Recorder()
    text = "\n".join((*HOSTILE, "<script>window.fired=2</script>", "w" * 20_000))
    run = recorder.run(
        text,
        model=text,
        sub_model=text,
        contexts=(Binding(name=text, type=text, text=text, summary=text),),
        limits=LIMITS,
    )
    run.ask(1, text)
    run.code(1, text)
    for batch in (None, 1, 1):
        run.sub_call(1, text, text, batch=batch)
        run.sub_call(1, text, error=text, batch=batch)
    table = f"<table onclick='window.fired=3'><tr><td>{text}</td></tr></table><img src=x onerror='window.fired=4'><a href='javascript:1'>a</a>"
    svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="window.fired=5"><script>parent.fired=6</script></svg>'
    rich = [{"text/html": table, "text/plain": text}, {"image/svg+xml": svg}, {"image/png": text}, {text: text}]
    failure = Failure(kind=text, message=text, traceback=text, line=1)
    changes = (
        Change(name=text, how="bound", summary=text),
        Change(name=text, how="rebound", summary=text, kept_apart=True),
    )
    run.output(
        1,
        text,
        stderr=text,
        failure=failure,
        changes=changes,
        notices=(text,),
        rich=tuple(Rich(data=data) for data in rich),
    )
    run.note(2, "guard", text)
    run.ask(2, None)
    run.add(Paused, step=2, code=text, why=text)
    return until_now(recorder)
