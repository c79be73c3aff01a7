"""What a request passes before it reaches a service."""

from __future__ import annotations

import time

import pytest
from answering import Answering

from gateway.endpoint import Call, Refusal
from gateway.errors import Forbidden
from gateway.limits import Limits
from gateway.message import Message
from gateway.serving.intake import Intake


async def answer(message: Message) -> Message:
    return message


def intake() -> Intake:
    services = {"orders": Answering(answer)}
    limits = Limits(request=100)
    return Intake(services, lambda _: "orders", clock=time.time, limits=limits, clients={"shop"})


@pytest.mark.parametrize("sender", ["stranger", "", "Shop", "shop "])
async def test_of_a_stranger_nothing_is_read(sender):
    message = Message(body=b"x" * 200, content_type="text/xml", sender=sender)
    refusal = await intake().admit(message)
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, Forbidden)
    assert (refusal.service, refusal.operation, refusal.is_repeatable) == ("", "", False)


async def test_a_known_client_comes_through():
    message = Message(body=b"<a/>", content_type="text/xml", sender="shop")
    call = await intake().admit(message)
    assert isinstance(call, Call)
    reply = await intake().answer(call)
    assert (reply.body, reply.target_service) == (b"<a/>", "orders")


async def test_a_service_that_is_not_served_is_refused_by_its_name():
    message = Message(body=b"<a/>", content_type="text/xml", sender="shop", target_service="else")
    refusal = await intake().admit(message)
    assert isinstance(refusal, Refusal)
    assert (refusal.error.reason_code, refusal.service) == ("Client.service", "else")
