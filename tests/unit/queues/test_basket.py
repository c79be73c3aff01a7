"""What was taken for a gateway that has stopped asking: it is given back, or let go."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from gateway.errors import LeaseLost, QueueUnavailable
from gateway.message import Message
from gateway.queues.claims.basket import Basket


class Taken(SimpleNamespace):
    """A delivery that nobody was handed."""

    async def give_back(self) -> None:
        self.said.append("given back")
        if self.refusal is not None:
            raise self.refusal

    def let_go(self) -> None:
        self.said.append("let go")


@pytest.mark.parametrize(
    "refusal", [None, QueueUnavailable("not now"), LeaseLost("gone"), ValueError("unforeseen")]
)
async def test_what_was_taken_for_nobody_is_let_go_even_if_it_cannot_be_given_back(refusal):
    said: list[str] = []
    basket: Basket[str] = Basket()

    async def take() -> None:
        message = Message(body=b"", content_type="text/xml")
        basket.ready.append(Taken(message=message, refusal=refusal, said=said))

    basket.begin("a.web", take())
    await asyncio.gather(*basket.taking)
    assert basket.is_left()
    await basket.return_ready()
    assert said == ["given back", "let go"]
    assert basket.reap() is None
    assert not basket.is_left()
