"""What is told of each call that the listener refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from wire import Asked, Wire

from gateway.errors import Check, FaultCode, FaultError, Refused
from gateway.listening.answers import (
    BODY,
    CLIENT,
    NEW_ID,
    OPERATION,
    doubtful_response,
    fault_response,
    message_of,
    refusal,
)
from gateway.listening.refusals import telling_refusals
from gateway.observe.events import CallRefused, Events

PEER = "198.51.100.9"


@pytest.fixture
def serve(opened: Callable[..., Any]):
    """Serve what a function answers; return what is told, and by whose clock."""

    async def made(answer: Any, nobody: str = "local") -> tuple[Asked, list[CallRefused]]:
        ticks = iter(range(100))
        events = Events(lambda: float(next(ticks)))
        told: list[CallRefused] = []
        events.subscribe(CallRefused, told.append)
        application = web.Application(middlewares=[telling_refusals(events, nobody)])
        application[NEW_ID] = lambda: "01M"
        application.add_routes(
            [web.get("/{service}", answer), web.post("/{service}", answer), web.get("/", answer)]
        )
        return await opened(application, lingering_time=0), told

    return made


def refusing(check: Check, status: int, client: str | None = None) -> Any:
    async def answer(request: web.Request) -> web.Response:
        if client is not None:
            request[CLIENT] = client
        return refusal(request, Refused("no", check=check), status)

    return answer


async def test_a_refused_call_is_told_with_all_that_is_known_of_it(serve):
    async def answer(request: web.Request) -> web.Response:
        request[CLIENT], request[OPERATION] = "shop", "GetOrder"
        request[BODY] = await request.read()
        return fault_response(Refused("no", check=Check.SCHEMA), message_of(request))

    door, told = await serve(answer)
    await door.ask("POST", "/warehouse", b"<a/>", wire=Wire(PEER), Content_Type="text/xml")
    (one,) = told
    assert (one.client, one.service, one.operation) == ("shop", "warehouse", "GetOrder")
    assert (one.status, one.body, one.size) == (500, b"<a/>", 4)
    assert (one.peer, one.is_call, one.is_strangers) == (PEER, True, False)
    assert one.error is not None
    assert (one.error.check, one.message.id) == (Check.SCHEMA, "01M")
    assert one.began < one.at


async def test_what_is_refused_before_it_is_looked_at_as_a_call_is_told_as_that(serve):
    door, told = await serve(refusing(Check.HOST, 421))
    await door.ask("POST", "/warehouse", b"<a/>")
    await door.get("/warehouse")
    assert [(one.is_call, one.status) for one in told] == [(False, 421)] * 2
    assert [(one.body, one.size) for one in told] == [(None, 4), (None, None)]


@pytest.mark.parametrize("nobody", ["local", ""])
@pytest.mark.parametrize("check", [Check.HTTP, Check.HOST, Check.ORIGIN, Check.CREDENTIALS])
async def test_whoever_is_refused_before_anybody_is_known_is_a_stranger(
    serve, check: Check, nobody: str
):
    door, told = await serve(refusing(check, 401), nobody)
    await door.ask("POST", "/warehouse", b"")
    assert [(one.is_strangers, one.client) for one in told] == [(True, nobody)]


@pytest.mark.parametrize(("nobody", "is_strangers"), [("local", False), ("", True)])
async def test_whoever_is_not_recognised_is_a_stranger_where_clients_are_told_apart(
    serve, nobody: str, is_strangers: bool
):
    door, told = await serve(refusing(Check.SCHEMA, 400), nobody)
    await door.ask("POST", "/warehouse", b"")
    assert [one.is_strangers for one in told] == [is_strangers]


async def test_a_client_that_is_known_is_no_stranger_whatever_it_is_refused_for(serve):
    door, told = await serve(refusing(Check.ORIGIN, 403, client="shop"), "")
    await door.ask("POST", "/warehouse", b"")
    assert [(one.is_strangers, one.client) for one in told] == [(False, "shop")]


async def test_a_call_to_what_is_not_there_is_told_by_its_path_and_status_alone(serve):
    door, told = await serve(refusing(Check.SCHEMA, 400))
    assert (await door.ask("POST", "/a/b/c/", b"<a/>")).status == 404
    (one,) = told
    assert (one.service, one.status, one.error, one.is_call) == ("a/b/c", 404, None, False)
    assert (one.is_strangers, one.size) == (True, 4)


async def test_a_page_that_is_not_there_is_no_refused_call(serve):
    door, told = await serve(refusing(Check.SCHEMA, 400))
    assert (await door.get("/a/b/c")).status == 404
    assert told == []


async def test_what_is_answered_is_not_refused_nor_what_is_in_doubt_or_only_late(serve):
    async def answer(request: web.Request) -> web.Response:
        match request.match_info["service"]:
            case "doubt":
                return doubtful_response(message_of(request), {})
            case "late":
                late = FaultError("late", code=FaultCode.TIMEOUT)
                return fault_response(late, message_of(request), status=504)
            case "fault":
                return web.Response(status=500)
        return web.Response()

    door, told = await serve(answer)
    statuses = [
        (await door.ask("POST", f"/{name}", b"")).status
        for name in ("doubt", "late", "fault", "warehouse")
    ]
    assert statuses == [504, 504, 500, 200]
    assert told == []
