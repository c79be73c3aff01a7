"""Which request in a bucket a gateway tries next."""

from __future__ import annotations

import pytest

from gateway.queues.bucket.backlog import (
    FRESH,
    KNOWN,
    LAST_PLACE,
    PATIENCE,
    Backlog,
)
from gateway.queues.bucket.store import Listed
from gateway.queues.claims.records import Claimable

LEASE = 30.0


class Place:
    """A backlog, a clock that stands still until it is moved, and a bucket's listing."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.backlog = Backlog(lambda: self.now)
        self.waiting: dict[str, int] = {}

    def list(self) -> None:
        """List what waits: keys, and this gateway's place in the line for each."""
        found = [Listed(key, "etag") for key in sorted(self.waiting)]
        places = [self.waiting[one.key] for one in found]
        self.backlog.note(found, places, self.now, is_whole=True)

    def chosen(self, limit: int = 10) -> list[str]:
        return [one.key for one in self.backlog.choose(limit)]


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_listing_of_a_part_forgets_nothing_of_the_others(place):
    place.waiting = dict.fromkeys(("a.web", "b.web", "c.web", "d.web"), 0)
    place.list()
    found = [Listed("c.web", "etag")]
    place.backlog.note(found, [0], place.now, after="a.web", is_whole=False)
    assert place.chosen() == ["a.web", "c.web", "d.web"]
    place.backlog.note(found, [0], place.now, after="b.web", is_whole=True)
    assert place.chosen() == ["a.web", "c.web"]


def test_parts_of_a_bucket_are_remembered_together_no_more_than_the_whole(place):
    for part in range(4):
        found = [Listed(f"{part}{n:04}.web", "etag") for n in range(KNOWN)]
        after = f"{part - 1}~" if part else ""
        place.backlog.note(found, [0] * KNOWN, place.now, after=after, is_whole=False)
    assert len(place.backlog.candidates) == KNOWN


def test_who_is_first_in_line_takes_a_request_at_once_and_the_others_later(place):
    place.waiting = {"a.web": 0, "b.web": 1, "c.web": 2}
    place.list()
    assert place.chosen() == ["a.web"]
    place.backlog.hold("a.web")
    seen = {}
    for tenths in range(1, 20):
        place.now = 1000 + tenths / 10
        place.list()
        for key in place.chosen():
            seen.setdefault(key, tenths / 10)
    assert seen == {"b.web": PATIENCE, "c.web": 2 * PATIENCE}


def test_nobody_waits_for_a_long_line(place):
    place.waiting = {"a.web": 40}
    place.list()
    place.now += PATIENCE * LAST_PLACE
    place.list()
    assert place.chosen() == ["a.web"]


def test_what_others_are_to_take_is_tried_from_a_fresh_listing_only(place):
    place.waiting = {"a.web": 1}
    place.list()
    place.now += PATIENCE
    assert place.chosen() == []  # the listing is from before they had their time
    place.list()
    assert place.chosen() == ["a.web"]
    place.now += 1.5 * FRESH
    assert place.chosen() == []


def test_what_others_are_to_take_is_tried_from_the_other_end_and_after_the_own(place):
    place.waiting = {"a.web": 1, "b.web": 2, "c.web": 1, "d.web": 0}
    place.list()
    place.now += PATIENCE * LAST_PLACE
    place.list()
    assert place.chosen() == ["d.web"]
    place.backlog.hold("d.web")
    assert place.chosen() == ["c.web", "a.web", "b.web"]


def test_the_claim_of_a_gateway_that_is_gone_comes_before_new_work_of_others(place):
    place.waiting = {"a.web": 1, "b.web": 1}
    place.list()
    place.now += PATIENCE
    place.list()
    (first, _) = place.backlog.choose(2)
    place.backlog.watch(first, Claimable("claim", 1, interrupted=True, delay=LEASE))
    assert first.key not in place.chosen()
    place.now += LEASE
    place.waiting["c.web"] = 1
    place.list()
    assert place.chosen() == [first.key]


def test_what_lies_beyond_the_end_of_a_listing_is_not_forgotten(place):
    place.waiting = {"a.web": 0, "b.web": 0, "c.bank": 0}
    place.list()
    first = [Listed("a.web", "etag")]
    place.backlog.note(first, [0], place.now, is_whole=False)
    assert set(place.chosen()) == {"a.web", "b.web", "c.bank"}
    place.backlog.note(first, [0], place.now, is_whole=True)
    assert place.chosen() == ["a.web"]


def test_no_more_of_a_client_is_remembered_than_there_is_work_for(place):
    place.waiting = {f"{n:05}.web": n % 2 for n in range(5 * KNOWN)} | {"99999.bank": 0}
    place.list()
    assert len(place.backlog.candidates) == 2 * KNOWN + 1
    assert set(place.chosen(2)) == {"00000.web", "99999.bank"}


def test_the_time_until_something_is_due_is_told(place):
    place.waiting = {"a.web": 2}
    place.list()
    assert place.backlog.next_due() == pytest.approx(2 * PATIENCE)
    place.waiting = {}
    place.list()
    assert place.backlog.next_due() == float("inf")
