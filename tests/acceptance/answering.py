"""Endpoints of tests: what answers every message, without a contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import cast

from gateway.contract.operations import Operation
from gateway.endpoint import Begin, Call, unmarked
from gateway.message import Message
from gateway.observe.events import Events
from gateway.observe.lines import logged
from gateway.soap.envelope import Envelope, SoapVersion


def call_of(message: Message, begin: Begin = unmarked, operation: str = "PlaceOrder") -> Call:
    """Return the call that a message is, whatever is in it."""
    declared = Operation(
        name=operation,
        service="",
        port="",
        version=SoapVersion.V11,
        soap_action="",
        body=None,
        one_way=False,
        encoded=False,
        address="",
    )
    nothing = cast(Envelope, None)
    return Call(message=message, envelope=nothing, operation=declared, begin=begin)


def logging_events() -> Events:
    """Return a stream of events that the log tells of, as in programs."""
    events = Events()
    logged(events)
    return events


class Answering:
    """An endpoint that admits every message, and has a function answer it.

    ``service`` is who it is for, where it names none.
    """

    def __init__(
        self, answer: Callable[[Message], Awaitable[Message | None]], service: str = ""
    ) -> None:
        self._answer = answer
        self._service = service

    async def admit(self, message: Message, begin: Begin = unmarked) -> Call:
        named = message.target_service or self._service
        return call_of(replace(message, target_service=named), begin)

    async def answer(self, call: Call) -> Message | None:
        return await self._answer(call.message)
