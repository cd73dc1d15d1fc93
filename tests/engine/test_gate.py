"""The gate in front of a server: how many calls are in flight, and what refusals do to that."""

import asyncio
import time

import pytest

from rlm_kernel.engine.gate import Gate, Gates
from rlm_kernel.testing import ScriptedModel


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 20))


async def pass_through(gate, seconds=0.0):
    await gate.enter()
    try:
        await asyncio.sleep(seconds)
    finally:
        gate.leave()


def test_never_more_than_its_width_are_in_flight():
    async def many():
        gate, peak = Gate(7), 0

        async def one():
            nonlocal peak
            await gate.enter()
            peak = max(peak, gate.open)
            await asyncio.sleep(0.001)
            gate.leave()

        await asyncio.gather(*(one() for _ in range(100)))
        return peak, gate.open

    assert run(many()) == (7, 0)


def test_it_lets_in_first_come_first_served():
    async def order():
        gate, seen = Gate(1), []

        async def one(number):
            await gate.enter()
            seen.append(number)
            gate.leave()

        await gate.enter()
        waiting = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        gate.leave()
        await asyncio.gather(*waiting)
        return seen

    assert run(order()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("moment", ["waiting", "let in"])
def test_a_cancelled_call_gives_its_place_back(moment):
    async def cancelled():
        gate = Gate(1)
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        if moment == "let in":
            gate.leave()
            waiting.cancel()
        else:
            waiting.cancel()
            await asyncio.sleep(0)
            gate.leave()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(gate.enter(), 1)
        return gate.open

    assert run(cancelled()) == 1


def test_a_refusal_halves_what_is_in_flight_once_for_calls_that_left_together():
    async def refused():
        gate = Gate(64)
        for _ in range(40):
            await gate.enter()
        for _ in range(40):
            gate.refused(None)
        return gate.width

    assert run(refused()) == 20


def test_answers_open_it_again_up_to_where_it_began():
    async def opening():
        gate = Gate(8)
        await gate.enter()
        gate.refused(None)
        narrow = gate.width
        for _ in range(200):
            gate.answered()
        return narrow, gate.width

    assert run(opening()) == (1, 8)


def test_it_stays_shut_for_as_long_as_the_server_asked_even_when_nobody_is_in_it():
    async def shut():
        gate = Gate(4)
        gate.refused(0.2)
        began = time.monotonic()
        await asyncio.gather(*(pass_through(gate) for _ in range(4)))
        return time.monotonic() - began

    assert 0.18 <= run(shut()) < 5


def test_gates_are_one_for_each_model_or_one_for_all_where_a_number_is_given():
    one, other = ScriptedModel([], name="one"), ScriptedModel([], name="other")
    other.concurrency = 1

    assert Gates().of(one) is not Gates().of(other)
    assert Gates().of(other).most == 1
    shared = Gates(5)
    assert shared.of(one) is shared.of(other)
    assert shared.of(one).most == 5
