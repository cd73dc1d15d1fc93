"""Budgets: reserve before, settle after, charge every ancestor."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_kernel.budget import Budget, Limits, Reservation
from rlm_kernel.errors import LimitReached
from rlm_kernel.testing import ManualClock
from rlm_kernel.usage import Usage

OFF = {"steps": None, "calls": None, "tokens": None, "cost": None, "seconds": None}


def budget(**limits):
    return Budget(Limits(**{**OFF, **limits}))


@pytest.mark.parametrize(
    ("limits", "wanted", "said"),
    [
        ({"calls": 2}, Reservation(calls=3), "2 calls"),
        ({"tokens": 10}, Reservation(tokens=11), "10 tokens"),
        ({"cost": 0.5}, Reservation(dollars=0.51), "$0.5"),
    ],
)
def test_what_would_overdraw_is_refused_by_name_and_holds_nothing(limits, wanted, said):
    account = budget(**limits)
    with pytest.raises(LimitReached, match=said.replace("$", r"\$")) as caught:
        account.reserve(wanted)
    assert f"--max-{caught.value.kind}" in str(caught.value)
    account.reserve(Reservation(calls=2, tokens=10, dollars=0.5))  # all of it is still there


def test_reservations_count_until_they_are_settled():
    account = budget(calls=2)
    held = account.reserve(Reservation(calls=2))
    with pytest.raises(LimitReached):
        account.reserve(Reservation(calls=1))
    account.settle(held, Usage(calls=1))
    account.reserve(Reservation(calls=1))


def test_a_child_has_steps_of_its_own_and_charges_everything_else_upwards():
    top = budget(calls=3, cost=1.0, steps=7)
    child = top.child()
    grandchild = child.child()

    assert grandchild.limits.steps == 7
    held = grandchild.reserve(Reservation(calls=3))
    with pytest.raises(LimitReached):
        top.reserve(Reservation(calls=1))
    grandchild.settle(held, Usage(calls=2, dollars=0.25))
    assert (top.used, child.used, grandchild.used) == (Usage(calls=2, dollars=0.25),) * 3


def test_calls_that_must_stay_free_are_not_given_away():
    account = budget(calls=3)
    account.reserve(Reservation(calls=1), keep_calls=2)
    with pytest.raises(LimitReached):
        account.reserve(Reservation(calls=1), keep_calls=2)


def test_a_price_that_is_not_known_never_trips_the_cost():
    account = budget(cost=0.01)
    for _ in range(50):
        account.settle(account.reserve(Reservation(calls=1)), Usage(calls=1, unpriced=1))
    assert account.used.cost is None


def test_the_clock_stands_still_while_the_run_waits_for_its_user():
    clock = ManualClock()
    account = Budget(Limits(seconds=10), clock=clock)
    clock.advance(4)
    account.pause()
    clock.advance(100)
    account.go_on()
    clock.advance(5)

    assert account.seconds == 9
    assert account.seconds_left == 1
    clock.advance(1)
    with pytest.raises(LimitReached, match="10 seconds"):
        account.check_time()


def test_a_raised_limit_lets_calls_through_again():
    account = budget(calls=1)
    account.settle(account.reserve(Reservation(calls=1)), Usage(calls=1))
    with pytest.raises(LimitReached):
        account.reserve(Reservation(calls=1))
    account.change(calls=2)
    account.reserve(Reservation(calls=1))


def test_what_is_left_is_that_of_the_nearest_limit():
    top = budget(calls=10, cost=1.0)
    child = Budget(Limits(**{**OFF, "calls": 4}), parent=top)
    child.settle(child.reserve(Reservation(calls=1, dollars=0.5)), Usage(calls=1, dollars=0.25))
    left = {one.kind: one.left for one in child.left()}

    assert left == {"calls": 3, "tokens": None, "cost": 0.75, "seconds": None}


def test_the_next_reply_is_taken_to_be_as_long_as_those_before():
    account = budget()
    account.settle(account.reserve(Reservation(calls=2)), Usage(calls=2, output_tokens=100))
    assert account.child().reply_tokens == 50


@given(st.lists(st.tuples(st.integers(1, 5), st.floats(0, 0.3), st.floats(0, 0.3)), max_size=30))
def test_no_more_is_spent_than_the_limit_and_what_replies_exceeded_their_reservations_by(calls):
    account, excess = budget(calls=20, cost=1.0), 0.0
    for count, reserved, used in calls:
        try:
            held = account.reserve(Reservation(calls=count, dollars=reserved))
        except LimitReached:
            continue
        excess += max(used - reserved, 0)
        account.settle(held, Usage(calls=count, dollars=used))

    assert account.used.calls <= 20
    assert account.used.dollars <= 1.0 + excess + 1e-9


def test_threads_cannot_overdraw_together():
    account, granted = budget(calls=100), []

    def take():
        for _ in range(50):
            try:
                granted.append(account.child().reserve(Reservation(calls=1)))
            except LimitReached:
                return

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100
