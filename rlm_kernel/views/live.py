"""The live view of a run: events in, small messages out.

`LiveView` folds events into flat rows and hands out what has changed since the last time, so that a view far away
follows a run of ten thousand calls with a few kilobytes ten times a second. It knows no widget and no kernel.

The protocol, from here to the view. Every message that is pushed has a number one higher than that of the one before;
a view that misses one asks for a snapshot.

``{"type": "delta", "seq", "now", "state", "rows", "meters"?, "pending"?, "head"?}``
    Rows in which fields have changed, new rows whole. A key that is not there has not changed.
``{"type": "snapshot", ...}``
    The same with everything, and ``"stream"``: what the root model has written so far.
``{"type": "stream", "seq", "step", "at", "text"}``
    The next piece of the root model's reply; a reply begins anew where `at` is 0.
``{"type": "detail", "id", "part", "at", "blocks"}`` or ``{..., "text", "length", "next"}``
    What was asked for: the blocks of a row's page, or a piece of one text of it and where the next piece begins. See
    `rlm_kernel.views.live_detail`.

And from the view, each with a `nonce` that no other message has: ``{"type": "sync"}``,
``{"type": "control", "action", "code"?, "reason"?}``. All times are seconds since the run began.
"""

from __future__ import annotations

import threading
from typing import Any

from rlm_kernel.trajectory.events import (
    AnyEvent,
    CallFinished,
    CallStarted,
    Noted,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
)
from rlm_kernel.trajectory.records import Request
from rlm_kernel.trajectory.tree import Call, Step, Tree
from rlm_kernel.usage import Usage
from rlm_kernel.views.cut import one_line
from rlm_kernel.views.escape import encodable, visible
from rlm_kernel.views.live_detail import detail_of
from rlm_kernel.views.live_meters import Meters, Writing
from rlm_kernel.views.live_rows import Row, Table
from rlm_kernel.views.outline import query_name, step_state, step_title, title_of
from rlm_kernel.views.words import State

_TITLE = 72
_QUESTION = 600
Message = dict[str, Any]


class LiveView:
    """A sink that tells a view, in small messages, what it needs to draw the run. Safe to use from any thread."""

    def __init__(self) -> None:
        # Re-entrant: a signal handler in the main thread may cause an event while that thread holds the lock.
        self._lock = threading.RLock()
        self._tree = Tree()
        self._table = Table()
        self._runs: dict[str, Row] = {}
        self._steps: dict[tuple[str, int], Row] = {}
        self._batches: dict[tuple[str, int], Row] = {}
        self._open: dict[str, dict[str, Row]] = {}
        self._head: Message = {}
        self._pending: Message | None = None
        self._state: State = "running"
        self._meters = Meters()
        self._writing = Writing()
        self._seq = 0
        self._sent: Message = {**self._slow(), "state": self._state}  # a new view takes this for granted

    def __call__(self, event: AnyEvent) -> None:
        """Take one event."""
        with self._lock:
            self._tree.add(event)
            self._fold(event)

    def stream(self, step: int, text: str) -> None:
        """Take the next piece of what the root model is writing for that step."""
        with self._lock:
            self._writing.add(step, text)

    def flush(self, now: float) -> Message | None:
        """The next message for the views, or None if nothing has changed. Call it until it gives None.

        Args:
            now: the time, in seconds since the epoch.
        """
        with self._lock:
            news = self._news()
            if self._table or news:
                self._seq += 1
                return {"type": "delta", "seq": self._seq, **self._common(now), "rows": self._table.take(), **news}
            piece = self._writing.take()
            if piece is not None:
                self._seq += 1
                return {"type": "stream", "seq": self._seq, **piece}
            return None

    def snapshot(self, now: float | None = None) -> Message:
        """Everything, for a view that knows nothing yet or has missed a message. Takes nothing from `flush`.

        Its number is that of the last message of `flush`: what comes after goes on from it. Parts that flush has not
        given yet may be in it already; to be told a field twice does no harm.
        """
        with self._lock:
            last = self._tree.last.at if self._tree.last else 0.0
            everything = {"rows": self._table.whole(), **self._slow(), "stream": self._writing.whole()}
            return {"type": "snapshot", "seq": self._seq, **self._common(now or last), **everything}

    def detail(self, row: str, part: str = "", at: int = 0) -> Message:
        """The page of a row, or a piece of one of its texts.

        Args:
            row: the row's id.
            part: ``""`` for the page, ``messages`` or ``usage`` for its other tabs, else the name of a text.
            at: the character at which the piece begins.
        """
        with self._lock:
            found = self._table.rows.get(row)
            content = detail_of(self._tree, found, part, at) if found else {"blocks": []}
        return {"type": "detail", "id": row, "part": part, "at": at, **content}

    @property
    def over(self) -> bool:
        """True if the root run has ended, for now at least."""
        return bool(self._tree.runs and self._tree.root.finished)

    def _news(self) -> Message:
        """The slow parts that have changed since they were last sent."""
        parts = {**self._slow(), "state": self._state}
        news = {name: part for name, part in parts.items() if name not in self._sent or self._sent[name] != part}
        self._sent |= news
        return news

    def _slow(self) -> Message:
        return {"meters": self._meters.words(), "pending": self._pending, "head": self._head}

    def _common(self, now: float) -> Message:
        return {"now": self._rel(now) if self._tree.runs else 0.0, "state": self._state}

    def _rel(self, at: float) -> float:
        return round(at - self._tree.root.started.at, 3)

    def _fold(self, event: AnyEvent) -> None:
        self._meters.fold(event)
        match event:
            case RunStarted():
                self._run_started(event)
            case CallStarted():
                self._goes_on(event)
                self._call_started(event, self._tree.calls[event.call])
            case CallFinished():
                self._call_finished(event, self._tree.calls[event.call])
            case StepStarted() | StepFinished():
                self._code_ran(event)
            case Noted():
                # What is said of the answer stands with the run, as in the static views.
                row = self._runs[event.run] if event.kind in {"warning", "remark"} else self._step(event)
                self._table.add(row, "notes")
            case RunFinished():
                self._run_finished(event)
            case Paused() | Resumed():
                self._waits(event)

    def _code_ran(self, event: StepStarted | StepFinished) -> None:
        if isinstance(event, StepStarted):
            self._goes_on(event)
            self._table.put(self._step(event), x0=self._rel(event.at))
            if event.parent is None:
                self._writing.clear()
        else:
            row = self._step(event)
            row.ended = event.at
            self._table.put(row, x1=self._rel(event.at), **({"final": True} if event.final else {}))
        self._refresh(event.run, event.step)

    def _waits(self, event: Paused | Resumed) -> None:
        """A run waits for its user before it runs a step's code, or waits no more."""
        row = self._step(event)
        self._refresh(event.run, event.step)
        self._state, self._pending = "running", None
        if isinstance(event, Paused):
            self._state = "paused"
            what = {"step": event.step, "code": encodable(event.code), "why": visible(event.why)}
            self._pending = {"id": row.id, "at": self._rel(event.at), **what}
            self._table.put(row, title=one_line(f"waits: {title_of(event.code)}", _TITLE))
        self._table.put(self._runs[event.run], state=self._state)

    def _run_started(self, event: RunStarted) -> None:
        if event.run in self._runs:
            return
        root = event.parent is None
        question = visible(event.question[:_QUESTION])
        names = ", ".join(binding.name for binding in event.contexts)
        row = self._runs[event.run] = self._table.new(
            f"r{len(self._runs) + 1}",
            "run",
            self._home(event),
            self._tree.runs[event.run],
            title=one_line(event.model if root else "rlm_query", _TITLE),
            sub=one_line(names if root else f"{event.model} · {event.question}", 2 * _TITLE),
            state="running",
            t0=self._rel(event.at),
        )
        if row.up and row.up.kind == "batch":
            self._table.add(row.up, "n")
        self._opened(event.run, row)
        if not self._head:
            self._head = {
                "run": encodable(event.run),
                "question": question,
                "model": visible(event.model),
                "sub_model": visible(event.sub_model),
                "contexts": [f"{visible(context.name)} · {visible(context.summary)}" for context in event.contexts],
            }

    def _home(self, event: RunStarted) -> Row | None:
        """The row that a child run stands under: its batch, its step, its parent, or nothing."""
        if event.parent not in self._runs:
            return None
        steps = self._tree.runs[event.parent].steps
        number = event.step if event.step is not None else max((step.number for step in steps), default=0)
        above = self._steps.get((event.parent, number), self._runs[event.parent])
        if event.batch is None:
            return above
        return self._batch((event.parent, event.batch), above, "rlm_query_batched", event.at)

    def _batch(self, key: tuple[str, int], up: Row, title: str, at: float) -> Row:
        row = self._batches.get(key)
        if row is None:
            name = f"b{len(self._batches) + 1}"
            row = self._table.new(name, "batch", up, [], title=title, state="running", t0=self._rel(at))
            self._batches[key] = row
        return row

    def _step(self, event: Any) -> Row:
        """The row of the step that an event belongs to."""
        key = (event.run, event.step)
        row = self._steps.get(key)
        if row is None:
            run = self._runs[event.run]
            before = [number for name, number in self._open.get(event.run, {}).items() if name.startswith(f"{run.id}s")]
            step = self._tree.runs[event.run].step(event.step)
            name = f"{run.id}s{event.step}"
            row = self._table.new(name, "step", run, step, no=event.step, title="", state="running")
            self._table.put(row, t0=self._rel(event.at))
            self._steps[key] = row
            self._opened(event.run, row)
            for earlier in before:
                self._refresh(event.run, earlier.source.number)
            self._refresh(event.run, event.step)
        return row

    def _refresh(self, run: str, number: int) -> None:
        """Work out title and state of a step as the static views do."""
        row, node = self._steps[run, number], self._tree.runs[run]
        step: Step = row.source
        state = step_state(node, step, last=number == max(each.number for each in node.steps[-3:]))
        if state == "paused" and step.started and not step.finished:
            state = "running"  # a run that was left paused goes on with this code
        self._table.put(row, title=step_title(step, state), state=state)
        if state in {"running", "paused"}:
            self._opened(run, row)
            self._table.put(row, t1=None)
        else:
            self._open.get(run, {}).pop(row.id, None)
            self._table.put(row, t1=self._rel(row.ended if row.ended is not None else node.started.at))

    def _call_started(self, event: CallStarted, call: Call) -> None:
        step = self._step(event)
        name, fields = f"c{event.call}", {"state": "running", "t0": self._rel(event.at)}
        if event.purpose != "sub-call":
            row = self._table.new(name, "ask", step, call, title=one_line(event.model, 40), **fields)
            if event.parent is None:
                self._writing.begin(event.step)
            self._refresh(event.run, event.step)
        else:
            up = step
            if event.batch is not None:
                code = step.source.started.code if step.source.started else ""
                title = query_name(code, batch=True) or "sub-calls"
                up = self._batch((event.run, event.batch), step, title, event.at)
            row = self._table.new(name, "call", up, call, title=_prompt_title(event.request), **fields)
            if up.kind == "batch":
                up.source.append(call)
                self._table.put(up, state="running", t1=None)
            self._count(row, "n")
        self._opened(event.run, row)

    def _call_finished(self, event: CallFinished, call: Call) -> None:
        row = self._table.rows[f"c{event.call}"]
        failed = event.error is not None
        self._open.get(event.run, {}).pop(row.id, None)
        self._table.put(row, state="failed" if failed else "done", t1=self._rel(event.at))
        if event.error is not None:
            self._table.put(row, sub=one_line(event.error, _TITLE))
        if event.memo:
            self._table.put(row, memo=1)
        if call.retries:
            self._table.put(row, retries=call.retries)
        if call.usage != Usage():
            self._table.charge(row, call.usage)
        for above in row.above():
            above.ended = event.at
            if above.kind == "step" and above.fields.get("t1") is not None:
                self._table.put(above, t1=self._rel(event.at))  # a thread's call went on after the step's code
        if row.kind == "ask":
            self._refresh(event.run, call.started.step)
            return
        self._count(row, "failed" if failed else "done")
        if event.memo:
            self._count(row, "memo")
        if row.up and row.up.kind == "batch":
            self._settle(row.up)

    def _count(self, row: Row, name: str) -> None:
        """Count a sub-call in everything above it; a batch counts only its own items."""
        for above in row.above():
            if above.kind != "batch" or above is row.up:
                self._table.add(above, name)

    def _settle(self, batch: Row) -> None:
        """A batch is over with its last item, and failed only if all of them did."""
        total, failed = batch.fields.get("n", 0), batch.fields.get("failed", 0)
        if failed + batch.fields.get("done", 0) >= total:
            ended = self._rel(batch.ended) if batch.ended is not None else None
            self._table.put(batch, state="failed" if failed == total else "done", t1=ended)

    def _opened(self, run: str, row: Row) -> None:
        self._open.setdefault(run, {})[row.id] = row

    def _goes_on(self, event: CallStarted | StepStarted) -> None:
        """A run that had stopped or was left paused runs again."""
        row = self._runs[event.run]
        if row.id not in self._open.get(event.run, {}):
            self._table.put(row, state="running", t1=None)
            self._opened(event.run, row)
            if row.up and row.up.kind == "batch":
                self._table.add(row.up, "failed" if row.fields.pop("counted", "") == "failed" else "done", -1)
                self._table.put(row.up, state="running", t1=None)
            if row.up is None:
                self._state, self._pending = "running", None

    def _run_finished(self, event: RunFinished) -> None:
        row = self._runs[event.run]
        row.ended = event.at
        open_rows = list(self._open.pop(event.run, {}).values())
        if event.parent is None:
            for others in self._open.values():
                open_rows += others.values()
            self._open.clear()
            self._state = event.status
            self._pending = self._pending if event.status == "paused" else None
            self._writing.clear()
        for each in open_rows:
            self._close(each, event)
        self._table.put(row, state=event.status, t1=self._rel(event.at))
        if event.extracted:
            self._table.put(row, extracted=True)
        if row.up and row.up.kind == "batch":
            kind = "failed" if event.status == "failed" else "done"
            row.up.ended = event.at
            row.fields["counted"] = kind
            self._table.add(row.up, kind)
            self._settle(row.up)

    def _close(self, row: Row, event: RunFinished) -> None:
        """Give a row that its run left open its end."""
        row.ended = row.ended if row.ended is not None else event.at
        match row.source:
            case Step(number=number):
                self._refresh(row.up.source.started.run if row.up else event.run, number)
            case Call():
                self._table.put(row, state="unfinished", t1=self._rel(event.at))
                if row.up and row.up.kind == "batch" and row.up.fields["state"] == "running":
                    self._table.put(row.up, state="unfinished", t1=self._rel(event.at))
            case _:
                self._table.put(row, state="unfinished", t1=self._rel(event.at))


def _prompt_title(request: Request) -> str:
    """How the last message of a request begins."""
    return one_line(request.messages[-1].content, _TITLE) if request.messages else ""
