"""A scripted model, a sink that keeps events and a clock that stands still."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rlm_kernel.engine.ports import Refused
from rlm_kernel.errors import ModelError, ModelTimeout
from rlm_kernel.trajectory.events import AnyEvent, Event
from rlm_kernel.trajectory.records import Message, Reply, Request
from rlm_kernel.usage import Usage

E = TypeVar("E", bound=Event)

Scripted = str | Reply | BaseException | None
"""One scripted reply: its text, a whole `Reply`, an exception to raise, or None for an empty reply."""


class ScriptedModel:
    """A model that answers what a test says. Safe to use from several tasks, loops and threads."""

    def __init__(  # noqa: PLR0913 - what a test may want to say of a model
        self,
        replies: Iterable[Scripted] | Callable[[tuple[Message, ...]], Scripted],
        *,
        name: str = "scripted",
        window: int = 32_768,
        latency: float = 0.0,
        usage: Usage | None = None,
        price: tuple[float, float] | None = (0.0, 0.0),
    ) -> None:
        """Take the script.

        Args:
            replies: the replies in order, or a function of the messages. A list that runs out raises a ModelError.
            name: the model's name.
            window: what `window()` tells.
            latency: seconds that each call takes; a shorter `Request.timeout` makes it a ModelTimeout.
            usage: what each reply is said to have used; None counts the texts at four characters a token.
            price: dollars for a million tokens sent and received; None for a model whose price is not known.
        """
        self.name = name
        self.endpoint = "a script"
        self.on_this_machine = True
        self.concurrency: int | None = None
        self.call_seconds: float | None = None
        self.identity: str | None = None
        """None keeps its answers out of the memo: a script may answer otherwise the next time."""
        self.latency = latency
        self.requests: list[Request] = []
        """Every request in the order of arrival."""
        self.cancelled = 0
        """Calls that were cancelled while they waited."""
        self.peak = 0
        """The most calls that were open at once."""
        self._open = 0
        self._window = window
        self._usage = usage
        self._price = price
        self._lock = threading.Lock()
        self._answer: Callable[[tuple[Message, ...]], Scripted]
        self._answer = replies if callable(replies) else self._from_list(list(replies))

    async def window(self) -> int:
        """The window given by the test."""
        return self._window

    def count(self, text: str) -> int:
        """A token for every four characters begun."""
        return (len(text) + 3) // 4

    def cost(self, usage: Usage) -> float | None:
        """Dollars at the price given by the test."""
        if self._price is None:
            return None
        sent, received = self._price
        return (usage.input_tokens * sent + usage.output_tokens * received) / 1e6

    async def complete(self, request: Request, refused: Refused | None = None) -> Reply:  # noqa: ARG002 - it is never busy
        """Give the next reply of the script, or raise it if it is an exception."""
        with self._lock:
            self.requests.append(request)
            self._open += 1
            self.peak = max(self.peak, self._open)
        try:
            await self._wait(request.timeout)
        finally:
            with self._lock:
                self._open -= 1
        return self._reply(self._answer(request.messages), request)

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.sleep(self.latency)
        except TimeoutError:
            raise ModelTimeout(f"{self.name} gave no answer within {seconds:g} s") from None
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def _reply(self, scripted: Scripted, request: Request) -> Reply:
        match scripted:
            case BaseException():
                raise scripted
            case Reply():
                return scripted
        text = scripted or ""
        sent = sum(self.count(message.content) for message in request.messages)
        usage = self._usage or Usage(calls=1, input_tokens=sent, output_tokens=self.count(text))
        return Reply(text=text, model=self.name, usage=usage)

    def _from_list(self, replies: list[Scripted]) -> Callable[[tuple[Message, ...]], Scripted]:
        left: Iterator[Scripted] = iter(replies)

        def answer(_messages: tuple[Message, ...]) -> Scripted:
            with self._lock:
                for reply in left:
                    return reply
            raise ModelError(f"the script of the model {self.name!r} has run out after its {len(replies)} replies")

        return answer


class CapturingSink:
    """A sink that keeps every event."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def __call__(self, event: AnyEvent) -> None:
        """Keep one event."""
        self.events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]


class ManualClock:
    """A clock that stands still until `advance` moves it."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`."""
        self.now += seconds
