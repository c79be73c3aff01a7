"""Shares, which let wait, and quotas, which refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    LeaseLost,
    OverQuota,
    QueueUnavailable,
    Unreached,
)
from gateway.serving.quotas import (
    DAY,
    Allowance,
    Quotas,
    Shares,
)


class Clock:
    def __init__(self, now: float = 1000 * DAY + 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_so_many_are_at_work_at_a_time_and_no_more(clock):
    shares = Shares({"shop": Allowance(in_flight=2)}, clock)
    shares.begin("shop")
    assert shares.left() == {"shop": 1}
    assert shares.begin("shop")
    assert not shares.begin("shop")
    assert not shares.freed.is_set()
    shares.end("shop")
    assert shares.freed.is_set()
    assert shares.begin("shop")


def test_a_client_without_a_share_has_as_much_as_there_is(clock):
    shares = Shares({"shop": Allowance(in_flight=1)}, clock)
    assert all(shares.begin("other") for _ in range(100))
    assert shares.left() == {"shop": 1}


def test_a_rate_lets_a_burst_through_and_then_one_at_a_time(clock):
    shares = Shares({"shop": Allowance(rate=2.0, burst=3)}, clock)
    for _ in range(3):
        assert shares.begin("shop")
        shares.end("shop")
    assert not shares.begin("shop")
    assert shares.wait("shop") == pytest.approx(0.5)
    assert shares.soonest() == pytest.approx(0.5)
    clock.now += 0.5
    assert shares.left() == {"shop": 1}
    clock.now += 1000
    assert shares.left() == {"shop": 3}


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60), st.integers(1, 5))
def test_no_more_begin_than_the_burst_and_what_the_time_brought(pauses, burst):
    clock = Clock()
    shares, began, start = Shares({"shop": Allowance(rate=1.5, burst=burst)}, clock), 0, clock.now
    for pause in pauses:
        clock.now += pause
        while shares.begin("shop"):
            began += 1
        assert began <= burst + 1.5 * (clock.now - start) + 1e-6


def test_a_quota_of_requests_is_refused_until_the_day_is_over(clock):
    quotas = Quotas({"shop": Allowance(daily=2)}, clock)
    quotas.spend("shop", 10)
    quotas.spend("shop", 10)
    with pytest.raises(OverQuota) as caught:
        quotas.spend("shop", 10)
    assert caught.value.retry_after == DAY - 100.0
    quotas.spend("other", 10)
    clock.now += caught.value.retry_after
    quotas.spend("shop", 10)


def test_a_quota_of_bytes_counts_what_was_taken_and_not_what_was_refused(clock):
    quotas = Quotas({"shop": Allowance(daily_bytes=100)}, clock)
    quotas.spend("shop", 60)
    with pytest.raises(OverQuota):
        quotas.spend("shop", 41)
    quotas.spend("shop", 40)


@pytest.mark.parametrize("error", [Unreached("away"), QueueUnavailable("away"), LeaseLost("gone")])
def test_what_comes_back_to_be_tried_again_is_not_used_up(clock, error):
    quotas = Quotas({"shop": Allowance(daily=1, daily_bytes=100)}, clock)
    for _ in range(3):
        with pytest.raises(type(error)), quotas.spent("shop", 100):
            raise error
    with quotas.spent("shop", 100):
        pass
    with pytest.raises(OverQuota), quotas.spent("shop", 1):
        pass
