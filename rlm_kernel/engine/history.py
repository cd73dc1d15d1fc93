"""The root's conversation, held inside its window.

It grows only at its end, so that servers can answer its beginning from their prompt cache. Only when it no longer
fits are older outputs shrunk to a line each, many at once, so that this happens seldom; the full text stays in the
trajectory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import chain

from rlm_kernel.trajectory.records import Message

Count = Callable[[str], int]

_ROOM_AFTER = 0.6  # of the room, after shrinking: leaves space for several more steps before the next time
_SHORTEST_REPLY = 200  # tokens that are left of a reply at least
_PER_MESSAGE = 8  # tokens of a chat template around each message, on the high side


class HistoryOverflow(Exception):
    """Even the shortest form of the conversation does not fit."""

    def __init__(self, needed: int, room: int) -> None:
        self.needed = needed
        self.room = room
        super().__init__(f"the question and the description need about {needed} tokens, there is room for {room}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """A reply of the root and what it was told."""

    reply: str
    feedback: str
    short: str
    """What stands for the feedback once there is no room for it."""
    fault: bool = False
    """True if nothing came of it: an error, a doubted or refused result."""
    turns: tuple[Message, Message] = field(init=False, repr=False)
    """The two messages; made once, for every later request repeats them and every event of one refers to them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", (Message("assistant", self.reply), Message("user", self.feedback)))


class History:
    """The messages of one run of the loop."""

    def __init__(self, opening: tuple[Message, ...], count: Count, *, newest_fault_only: bool = False) -> None:
        """Begin with an opening: system prompt, worked examples, and last the question.

        Args:
            opening: at least two messages.
            count: tokens of a text.
            newest_fault_only: drop a faulty exchange when the next one comes.
        """
        self._opening = opening
        self._exchanges: list[Exchange] = []
        self._count = count
        self._newest_fault_only = newest_fault_only
        self._sizes: dict[str, int] = {}

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation as it is sent."""
        return (*self._opening, *chain.from_iterable(exchange.turns for exchange in self._exchanges))

    @property
    def tokens(self) -> int:
        """Tokens of the conversation, estimated if the model's own count is not to be had."""
        return self._tokens(self.messages)

    def add(self, exchange: Exchange) -> None:
        """Append an exchange."""
        if self._newest_fault_only:
            self.forget_faults()
        self._exchanges.append(exchange)

    def tell(self, text: str) -> None:
        """Add words to the newest message to the model."""
        if self._exchanges:
            newest = self._exchanges[-1]
            self._exchanges[-1] = replace(newest, feedback=f"{newest.feedback}\n\n{text}")
        else:
            last = self._opening[-1]
            self._opening = (*self._opening[:-1], Message(last.role, f"{last.content}\n\n{text}"))

    def forget_faults(self) -> None:
        """Drop the newest exchanges of which nothing came."""
        while self._exchanges and self._exchanges[-1].fault:
            self._exchanges.pop()

    def fit(self, room: int) -> str | None:
        """Shrink the conversation to `room` tokens if it is larger. Says what was done, or None.

        Raises:
            HistoryOverflow: it cannot be made small enough.
        """
        before = self.tokens
        if before <= room:
            return None
        target = int(room * _ROOM_AFTER)
        shortened = self._shorten(target)
        dropped = self._drop_examples() if self.tokens > room else 0
        left_out = self._drop_oldest(room) if self.tokens > room else 0
        cut = self._cut_replies(room) if self.tokens > room else 0
        if self.tokens > room:
            raise HistoryOverflow(self.tokens, room)
        done = [f"{shortened} older outputs to a line each"] if shortened else []
        done += [f"{dropped} worked examples left out"] if dropped else []
        done += [f"{left_out} oldest steps left out"] if left_out else []
        done += [f"{cut} long replies to their beginning"] if cut else []
        return f"the conversation was shortened from about {before:,} to {self.tokens:,} tokens: {', '.join(done)}"

    def _shorten(self, target: int) -> int:
        done = 0
        excess = self.tokens - target
        newest = len(self._exchanges) - 1
        for index, exchange in enumerate(self._exchanges):
            if excess <= 0 or index == newest:  # the newest output is what the next reply rests on
                break
            saved = self._size(exchange.feedback) - self._size(exchange.short)
            if saved > 0:
                self._exchanges[index] = replace(exchange, feedback=exchange.short)
                excess -= saved
                done += 1
        return done

    def _drop_examples(self) -> int:
        examples = self._opening[1:-1]
        self._opening = (self._opening[0], self._opening[-1])
        return sum(message.role == "user" for message in examples)

    def _drop_oldest(self, room: int) -> int:
        done = 0
        while len(self._exchanges) > 1 and self.tokens > room:
            self._exchanges.pop(0)
            done += 1
        if self._exchanges and self.tokens > room:
            newest = self._exchanges[-1]
            self._exchanges[-1] = replace(newest, feedback=newest.short)
        return done

    def _cut_replies(self, room: int) -> int:
        """Cut what the model wrote without end to its beginning: it is what fills the window now."""
        done = 0
        for index, exchange in enumerate(self._exchanges):
            size = self._size(exchange.reply)
            excess = self.tokens - room
            if excess > 0 and size > _SHORTEST_REPLY:
                share = max(size - excess, _SHORTEST_REPLY) / size
                cut = f"{exchange.reply[: int(len(exchange.reply) * share * _ROOM_AFTER)]}\n..."
                self._exchanges[index] = replace(exchange, reply=cut)
                done += 1
        return done

    def _tokens(self, messages: tuple[Message, ...]) -> int:
        return sum(self._size(message.content) + _PER_MESSAGE for message in messages)

    def _size(self, text: str) -> int:
        size = self._sizes.get(text)
        if size is None:
            size = self._sizes[text] = self._count(text)
        return size
