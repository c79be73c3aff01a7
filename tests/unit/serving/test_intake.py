"""What a request passes before it reaches a service."""

from __future__ import annotations

import pytest

from gateway.errors import Forbidden
from gateway.message import Message
from gateway.serving.intake import known


@pytest.mark.parametrize("sender", ["stranger", "", "Shop", "shop "])
async def test_of_a_stranger_nothing_is_read(sender):
    async def endpoint(message):
        raise AssertionError("a stranger came through")

    message = Message(body=b"<a/>", content_type="text/xml", sender=sender)
    with pytest.raises(Forbidden):
        await known(endpoint, {"shop": None})(message)


async def test_a_known_client_comes_through():
    async def endpoint(message):
        return message

    message = Message(body=b"<a/>", content_type="text/xml", sender="shop")
    assert await known(endpoint, {"shop": None})(message) is message
