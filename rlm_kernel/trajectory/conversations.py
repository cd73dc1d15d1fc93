"""Growing conversations, written once: a call names an earlier one and how many of its messages it begins with."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace

from rlm_kernel.trajectory.codec import CodecError, Json
from rlm_kernel.trajectory.events import AnyEvent, CallStarted
from rlm_kernel.trajectory.records import Message

LIKE = "like"
"""The key in a record of a call, beside its fields."""

Place = tuple[str, int]
"""Which conversations are alike: those of one purpose at one depth."""


def shortened(event: AnyEvent, last: MutableMapping[Place, CallStarted]) -> tuple[AnyEvent, dict[str, Json]]:
    """A call without the messages that the last one like it began with, and what its record says instead.

    Args:
        event: any event; all but calls stay as they are.
        last: the last call of each kind so far; it is brought up to date.
    """
    if not isinstance(event, CallStarted):
        return event, {}
    place = (event.purpose, event.depth)
    before = last.get(place)
    last[place] = event
    same = _same(before.request.messages, event.request.messages) if before else 0
    if before is None or same == 0:
        return event, {}
    rest = replace(event.request, messages=event.request.messages[same:])
    return replace(event, request=rest), {LIKE: [before.call, same]}


def whole(event: AnyEvent | None, like: object, calls: dict[int, tuple[Message, ...]]) -> AnyEvent | None:
    """The call with all its messages again.

    Args:
        event: as it was read.
        like: what its record says instead of its first messages.
        calls: the messages of the calls so far; it is brought up to date.

    Raises:
        CodecError: the call that it begins like is not there.
    """
    if not isinstance(event, CallStarted):
        return event
    match like:
        case None:
            pass
        case [int(call), int(number)] if call in calls:
            messages = calls[call][:number] + event.request.messages
            event = replace(event, request=replace(event.request, messages=messages))
        case _:
            raise CodecError(f"call {event.call} begins like one that is not there")
    calls[event.call] = event.request.messages
    return event


def _same(ones: Sequence[Message], others: Sequence[Message]) -> int:
    number = 0
    for one, other in zip(ones, others, strict=False):
        if one is not other and one != other:
            break
        number += 1
    return number
