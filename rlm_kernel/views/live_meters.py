"""What the live view shows beside its rows: how much of each limit is used, and the reply that is being written."""

from __future__ import annotations

from typing import Any

from rlm_kernel.trajectory.events import (
    AnyEvent,
    CallFinished,
    CallStarted,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    StepStarted,
)
from rlm_kernel.usage import Usage
from rlm_kernel.views.escape import visible

_KEPT = 200_000
"""Characters of a reply that are kept while it is written; the whole of it is in the trajectory afterwards."""


class Meters:
    """Sums over the whole tree, kept as the events come."""

    def __init__(self) -> None:
        self._used = Usage()
        self._memo = 0
        self._limits: dict[str, float | int | None] = {}
        self._steps = 0
        self._flight: set[int] = set()
        self._began = 0.0
        self._before = 0.0
        self._since: float | None = None

    def fold(self, event: AnyEvent) -> None:
        """Take one event."""
        root = event.parent is None
        match event:
            case RunStarted() if not self._began:
                self._limits, self._began = dict(event.limits), event.at
                self._start(event.at)
            case CallStarted():
                self._flight.add(event.call)
                self._start(event.at)
            case CallFinished():
                self._flight.discard(event.call)
                self._memo += event.memo
                if event.reply is not None:
                    self._used += event.reply.usage
            case StepStarted():
                self._steps = max(self._steps, event.step) if root else self._steps
                self._start(event.at)
            case RunFinished() if root:
                self._flight.clear()
                self._stop(event.at)
            case Paused():
                self._stop(event.at)
            case Resumed():
                self._start(event.at)

    def words(self) -> dict[str, Any]:
        """Used and limit of each kind; ``seconds`` as what had passed before, the limit, and since when it runs."""
        used, limits = self._used, self._limits
        if not self._began:
            return {}
        since = None if self._since is None else round(self._since - self._began, 3)
        return {
            "steps": [self._steps, limits.get("steps")],
            "calls": [used.calls, limits.get("calls")],
            "tokens": [used.tokens, limits.get("tokens")],
            "cost": [round(used.dollars, 7), limits.get("cost")],
            "unpriced": used.unpriced,
            "seconds": [round(self._before, 3), limits.get("seconds"), since],
            "flight": [len(self._flight), limits.get("concurrency")],
            "input": used.input_tokens,
            "cached": used.cached_tokens,
            "memo": self._memo,
        }

    def _start(self, at: float) -> None:
        if self._since is None:
            self._since = at

    def _stop(self, at: float) -> None:
        if self._since is not None:
            self._before, self._since = self._before + at - self._since, None


class Writing:
    """The reply that the root model is writing, and how much of it was sent."""

    def __init__(self) -> None:
        self._step = 0
        self._text = ""
        self._sent = 0
        self._begun = False

    def begin(self, step: int) -> None:
        """Another reply begins."""
        self._begun = self._begun or bool(self._text)
        self._step, self._text, self._sent = step, "", 0

    def clear(self) -> None:
        """The reply is there: it is shown as code from now on."""
        self.begin(self._step)

    def add(self, step: int, text: str) -> None:
        """Take the next piece."""
        if step != self._step:
            self.begin(step)
        self._text += visible(text[: max(0, _KEPT - len(self._text))])

    def take(self) -> dict[str, Any] | None:
        """What was not sent yet; None if there is nothing."""
        if self._sent == len(self._text) and not self._begun:
            return None
        at, self._sent, self._begun = self._sent, len(self._text), False
        return {"step": self._step, "at": at, "text": self._text[at:]}

    def whole(self) -> dict[str, Any]:
        """All that was sent, for a view that knows nothing yet: the next piece goes on from there."""
        return {"step": self._step, "at": 0, "text": self._text[: self._sent]}
