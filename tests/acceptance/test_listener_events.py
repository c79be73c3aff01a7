"""What the listener tells of each call, with the audit log and without it."""

from __future__ import annotations

from pathlib import Path

import pytest
from front import GET_ORDER, Front, fronted

from gateway.observe.events import (
    CallAccepted,
    CallCollected,
    CallRefused,
    ConnectionEnded,
    Trouble,
)

SHOP = {"shop": {"allow": ["*"]}}


def heard_of(front: Front) -> list[object]:
    heard: list[object] = []
    for kind in (CallAccepted, CallCollected, CallRefused, ConnectionEnded):
        front.events.subscribe(kind, heard.append)
    return heard


def names(heard: list[object]) -> list[str]:
    return [type(one).__name__ for one in heard]


async def test_a_call_is_accepted_and_then_collected(tmp_path: Path):
    async with fronted(tmp_path) as front:
        heard = heard_of(front)
        assert (await front.post()).status == 200
    assert names(heard) == ["CallAccepted", "CallCollected"]
    accepted, collected = heard
    assert (accepted.operation, accepted.one_way) == ("GetOrder", False)
    assert accepted.message.body == GET_ORDER
    assert accepted.message.id == collected.message.id == front.taken[0].id
    assert collected.status == 200
    assert collected.began <= accepted.began <= accepted.at <= collected.at


async def test_a_call_whose_reply_does_not_come_in_time_is_collected_with_where_it_will_be(
    tmp_path: Path,
):
    async with fronted(tmp_path, answering=False, wait=0.2) as front:
        heard = heard_of(front)
        assert (await front.post()).status == 504
    assert names(heard) == ["CallAccepted", "CallCollected"]


async def test_a_call_that_the_gate_refuses_is_refused_with_its_operation(tmp_path: Path, caplog):
    async with fronted(tmp_path) as front:
        heard = heard_of(front)
        answer = await front.post(GET_ORDER.replace(b"WH-100001", b"W 1"))
    assert answer.status == 500
    (refused,) = heard
    assert isinstance(refused, CallRefused)
    assert (refused.service, refused.operation, refused.status) == ("warehouse", "GetOrder", 500)
    assert refused.error is not None
    assert (refused.error.reason_code, refused.is_call) == ("Client.schema", True)
    assert (refused.client, refused.is_strangers) == ("local", False)
    assert refused.body is not None
    assert refused.size == len(refused.body)
    assert refused.began <= refused.at
    assert f"{refused.message.id} refused: Client.schema: " in caplog.text


@pytest.mark.parametrize("is_audited", [True, False])
async def test_a_stranger_is_refused_at_the_door_with_the_audit_log_and_without_it(
    tmp_path: Path, caplog, is_audited
):
    lines: list[dict[str, object]] = []
    audit = {"audit": lines.append} if is_audited else {}
    async with fronted(tmp_path, SHOP, **audit) as front:
        heard = heard_of(front)
        assert (await front.post(Authorization="Bearer wrong")).status == 401
        assert (await front.post(Host="evil.example")).status == 421
    assert names(heard) == ["CallRefused"] * 2
    unknown, misdirected = heard
    assert (unknown.error.reason_code, misdirected.error.reason_code) == (
        "Client.credentials",
        "Client.host",
    )
    for refused in heard:
        assert (refused.is_strangers, refused.is_call, refused.client) == (True, False, "")
        assert (refused.peer, refused.body, refused.size) == ("127.0.0.1", None, len(GET_ORDER))
    assert f"{unknown.message.id} not let in: unknown secret" in caplog.text
    assert [one["id"] for one in lines] == [one.message.id for one in heard if is_audited]


async def test_what_has_no_error_but_a_status_is_refused_with_that(tmp_path: Path):
    async with fronted(tmp_path) as front:
        heard = heard_of(front)
        assert (await front.ask("POST", "/no/such/place", GET_ORDER)).status == 404
    (refused,) = heard
    assert (refused.error, refused.status, refused.service) == (None, 404, "no/such/place")


async def test_a_connection_that_speaks_no_http_is_told_of(tmp_path: Path):
    async with fronted(tmp_path) as front:
        heard = heard_of(front)
        await front.exchange(b"\x16\x03\x01\x00\xa5\r\n\r\n")
    assert heard == [ConnectionEnded(Trouble.MALFORMED, "127.0.0.1")]
