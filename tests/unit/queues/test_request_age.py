"""Until when a request may be carried out."""

from __future__ import annotations

import itertools

import pytest

from gateway.errors import FaultError, OutcomeUnknown, Refused
from gateway.message import REPLY_RETENTION, Message, new_id
from gateway.queues.request_age import (
    LONGEST_LIFE,
    check_age,
    check_known,
    check_once,
    forgotten,
)

HOUR = 3600.0
DAY = 1_700_000_000.0


def copy(id: str, arrived: float | None) -> Message:
    known = forgotten(id, arrived)
    return Message(body=b"", content_type="", id=id, arrived=arrived, forgotten=known)


def may_run(message: Message, now: float) -> bool:
    try:
        check_age(message, now)
        check_known(message, now)
    except FaultError:
        return False
    return True


def test_whenever_a_request_may_run_the_record_of_an_earlier_copy_is_still_there():
    """Whatever the time in the id, and whenever its copies arrive and are taken: the property."""
    id = new_id(lambda: DAY)
    hours = range(-30, 80)
    runs = [
        now
        for arrived, now in itertools.combinations_with_replacement(hours, 2)
        for came in (DAY + arrived * HOUR, None)
        if may_run(copy(id, came), DAY + now * HOUR)
    ]
    assert min(runs) == -12
    assert max(runs) == 34
    assert (max(runs) - min(runs)) * HOUR < REPLY_RETENTION


def test_a_request_under_an_id_of_the_queue_is_carried_out_for_as_long_as_its_claim_is_kept():
    """It cannot be sent again: but what was claimed at its arrival may be swept."""
    id = "7f3c9a52-1111-4222-8333-123456789abc"
    message = copy(id, DAY)
    assert may_run(message, DAY + LONGEST_LIFE - 1)
    assert not may_run(message, DAY + LONGEST_LIFE)


def test_what_may_have_been_carried_out_is_not_said_to_be_refused():
    old = copy(new_id(lambda: DAY), DAY + 30 * HOUR)
    with pytest.raises(Refused, match="24 hours old"):
        check_age(old, DAY + 30 * HOUR)
    with pytest.raises(OutcomeUnknown):
        check_age(old, DAY + 36 * HOUR)


def test_an_id_that_its_sender_can_use_again_for_ever_is_good_for_no_operation_done_once():
    id = "7f3c9a52-1111-4222-8333-123456789abc"
    with pytest.raises(Refused, match="ULID"):
        check_once(Message(body=b"", content_type="", id=id))
    check_once(Message(body=b"", content_type="", id=id, is_named_by_queue=True))
    check_once(Message(body=b"", content_type=""))
