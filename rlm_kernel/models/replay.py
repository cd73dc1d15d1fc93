"""Models that answer from the record of a run: the real loop goes through it again, with no network and at no cost.

The root's calls must come in their recorded order with their recorded messages. All other calls, sub-calls and those
of child runs, are found by what they ask of whom; equal ones are answered in the order in which they were recorded.
What was not recorded is a `ReplayDiverged` that names the difference, or goes to another model if one is given.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rlm_kernel.errors import ConfigError, ContextOverflow, ModelError, ModelTimeout, ReplayDiverged
from rlm_kernel.models import tokens
from rlm_kernel.models.clients import Refused
from rlm_kernel.models.faults import is_overflow
from rlm_kernel.models.windows import DEFAULT
from rlm_kernel.trajectory.events import AnyEvent, CallFinished, RunStarted
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.trajectory.tree import Call, Tree
from rlm_kernel.usage import Usage

_SHOWN = 60
"""Characters of either text at the place where they differ."""
_BEFORE = 20
"""Of them before that place."""
_TIMED_OUT = ("gave no answer within", "kept silent", "no answer in")

_Key = tuple[str, tuple[Message, ...], str]


class Asked(Protocol):
    """What is needed of a model that is asked for what was not recorded."""

    @property
    def endpoint(self) -> str:
        """Where requests go, without secrets."""

    @property
    def on_this_machine(self) -> bool:
        """True if requests stay on this machine."""

    @property
    def concurrency(self) -> int | None:
        """How many calls it serves well at once."""

    @property
    def call_seconds(self) -> float | None:
        """How long one call may take."""

    def cost(self, usage: Usage) -> float | None:
        """Dollars for a call's tokens."""

    def count(self, text: str) -> int:
        """Tokens in a text."""

    async def window(self) -> int:
        """Tokens of prompt and reply together."""

    async def complete(self, request: Request, refused: Refused | None = None) -> Reply:
        """Answer one request."""


class Recording:
    """The calls of a recorded run, each handed out once. Shared by the models of a replay; safe in several threads."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        """Take the trajectory, from its first event on. Raises ConfigError if it does not begin with a run."""
        if not events or not isinstance(events[0], RunStarted):
            raise ConfigError("there is nothing to replay: the record does not begin with the start of a run")
        self.started = events[0]
        self.diverged: str | None = None
        """The first difference, in words; None as long as everything that was asked had been recorded."""
        self.replayed = 0
        """Calls that were answered from the record."""
        self.asked_anew = 0
        """Calls that were not."""
        self._lock = threading.Lock()
        self._root: deque[Call] = deque()
        self._others: dict[_Key, deque[CallFinished]] = {}
        for call in Tree(events).calls.values():
            self._sort_in(call)

    def _sort_in(self, call: Call) -> None:
        if call.finished is None or call.error == "cancelled":
            return  # it was asked again, or is asked anew now
        if call.run == self.started.run and call.started.purpose != "sub-call":
            self._root.append(call)
        else:
            self._others.setdefault(_key(call.model, call.started.request), deque()).append(call.finished)

    def root(
        self, *, fallback: Asked | None = None, window: int | None = None, in_order: bool = False
    ) -> ReplayedModel:
        """The root model; see `ReplayedModel`.

        Args:
            fallback: asked for what was not recorded.
            window: of the recorded run.
            in_order: give its replies in their order even where it is told something else now; `diverged` says so.
        """
        return ReplayedModel(self, self.started.model, fallback=fallback, window=window, in_order=in_order)

    def sub(self, *, fallback: Asked | None = None, window: int | None = None) -> ReplayedModel:
        """The sub-model; see `ReplayedModel`."""
        return ReplayedModel(self, self.started.sub_model, fallback=fallback, window=window)

    def take(self, name: str, request: Request, *, in_order: bool = False) -> CallFinished | None:
        """The recorded end of a call; None if it was not recorded, or not so often."""
        with self._lock:
            found = self._found(name, request)
            if found is None and in_order and self._root:
                self.diverged = self.diverged or self._difference(request)
                found = self._root.popleft().finished
            if found is not None:
                self.replayed += 1
                return found
            self.asked_anew += 1
            if self.diverged is None:
                self.diverged = self._difference(request)
            return None

    def _found(self, name: str, request: Request) -> CallFinished | None:
        if self._root and name == self.started.model and self._root[0].started.request.messages == request.messages:
            return self._root.popleft().finished
        left = self._others.get(_key(name, request))
        return left.popleft() if left else None

    def _difference(self, request: Request) -> str:
        """In what a request is other than recorded, in one line."""
        run, asked = self.started.run, request.messages
        expected = self._root[0] if self._root else None
        if expected is not None and _is_like(expected.started.request.messages, asked):
            place = f"the replay parts from run {run} at step {expected.started.step}"
            return f"{place}: {_first_difference(expected.started.request.messages, asked)}"
        if expected is None and len(asked) > 1 and not any(asked[0] == messages[0] for _, messages, _ in self._others):
            return f"the record of run {run} is at its end, and its root model is asked once more"
        return f"run {run} did not ask this, or not so often: {_short(asked[-1].content if asked else '', 0)}"


class ReplayedModel:
    """A model of a recorded run. Matches `rlm_kernel.engine.ports.Model`."""

    def __init__(
        self,
        recording: Recording,
        name: str,
        *,
        fallback: Asked | None = None,
        window: int | None = None,
        in_order: bool = False,
    ) -> None:
        """Take the record.

        Args:
            recording: what was asked and answered.
            name: the model's name, as it stands in the record.
            fallback: asked for what was not recorded; without one that is a `ReplayDiverged`.
            window: what `window()` tells; that of the fallback, else 32,768, if left out. It has to be that of the
                recorded run, since prompts name it and histories are cut to it.
            in_order: for the root model: see `Recording.root`.
        """
        self.recording = recording
        self.name = name
        self._fallback = fallback
        self._in_order = in_order
        self._window = window
        self._count = fallback.count if fallback is not None else tokens.counter_for(name).count
        self._free: dict[int, Usage] = {}
        """Usage of replies from the record, by identity: they cost nothing now."""

    @property
    def endpoint(self) -> str:
        """Where answers come from."""
        record = f"the record of run {self.recording.started.run}"
        return record if self._fallback is None else f"{record}, else {self._fallback.endpoint}"

    @property
    def on_this_machine(self) -> bool:
        """True unless the fallback is elsewhere."""
        return self._fallback is None or self._fallback.on_this_machine

    @property
    def concurrency(self) -> int | None:
        """The fallback's."""
        return None if self._fallback is None else self._fallback.concurrency

    @property
    def call_seconds(self) -> float | None:
        """The fallback's."""
        return None if self._fallback is None else self._fallback.call_seconds

    @property
    def identity(self) -> str | None:
        """None: the memo keeps nothing of a replay, and answers nothing in it."""
        return None

    def cost(self, usage: Usage) -> float | None:
        """Nothing for what was recorded, the fallback's price for the rest."""
        if self._free.get(id(usage)) is usage or self._fallback is None:
            return 0.0
        return self._fallback.cost(usage)

    def count(self, text: str) -> int:
        """Tokens in `text`, counted as for the recorded model."""
        return self._count(text)

    async def window(self) -> int:
        """The window that the recorded run had."""
        if self._window is not None:
            return self._window
        return DEFAULT if self._fallback is None else await self._fallback.window()

    async def complete(self, request: Request, refused: Refused | None = None) -> Reply:
        """The recorded answer.

        Raises:
            ReplayDiverged: it was not recorded, and there is no fallback. Names the first difference of the replay.
            ModelError: the recorded call failed, or the fallback does.
        """
        finished = self.recording.take(self.name, request, in_order=self._in_order)
        if finished is not None:
            return self._again(finished)
        if self._fallback is None:
            raise ReplayDiverged(self.recording.diverged)
        return await self._fallback.complete(request, refused)

    def _again(self, finished: CallFinished) -> Reply:
        if finished.reply is None:
            raise _error(finished.error or "the recorded call failed")
        usage = replace(finished.reply.usage, dollars=0.0, unpriced=0)
        self._free[id(usage)] = usage
        return replace(finished.reply, usage=usage)


def _key(name: str, request: Request) -> _Key:
    """What tells calls apart: who is asked, the messages, and the form that is asked for."""
    form = json.dumps(request.schema, default=str) if request.schema is not None else ""
    return name, request.messages, form


def _is_like(recorded: Sequence[Message], asked: Sequence[Message]) -> bool:
    """True if a request looks like the root's: its first message is the same, or it has several and as many."""
    return asked[:1] == recorded[:1] or len(asked) == len(recorded) > 1


def _first_difference(recorded: Sequence[Message], now: Sequence[Message]) -> str:
    for number, (one, other) in enumerate(zip(recorded, now, strict=False), 1):
        if one.role != other.role:
            return f"message {number} is of the {other.role}, in the record of the {one.role}"
        if one.content != other.content:
            at = _where_they_part(one.content, other.content)
            begin = max(at - _BEFORE, 0)
            recorded_text, new_text = _short(one.content, begin), _short(other.content, begin)
            place = f"message {number} ({one.role}) differs from character {at + 1:,} on"
            return f"{place}: recorded {recorded_text}, now {new_text}"
    return f"there are {len(now)} messages, in the record {len(recorded)}"


def _where_they_part(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _short(text: str, at: int) -> str:
    part = text[at : at + _SHOWN]
    return repr(f"{part}…" if len(text) > at + _SHOWN else part)


def _error(text: str) -> ModelError:
    """The error of a recorded call: the record holds its words, and the loop heeds its kind."""
    if is_overflow(text):
        return ContextOverflow(text)
    return ModelTimeout(text) if any(words in text for words in _TIMED_OUT) else ModelError(text)
