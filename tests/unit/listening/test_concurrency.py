"""What a client may have at a time, and what is over that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from wire import Asked

from gateway.listening.answers import CLIENT, NEW_ID
from gateway.listening.concurrency import in_share
from gateway.serving.quotas import Allowance, Shares


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def released() -> asyncio.Event:
    """Calls under way end when it is set."""
    return asyncio.Event()


@pytest.fixture
def serve(clock: Clock, released: asyncio.Event, opened: Callable[..., Any]):
    """Serve calls within shares; the header Client says whose one is."""

    @web.middleware
    async def known(request: web.Request, handler: Any) -> web.StreamResponse:
        request[CLIENT] = request.headers["Client"]
        return await handler(request)

    async def answer(request: web.Request) -> web.Response:
        if request.method == "POST" and "slow" in request.headers:
            await released.wait()
        if "failing" in request.headers:
            raise web.HTTPNotFound
        return web.Response()

    async def made(shares: Mapping[str, Allowance]) -> Asked:
        application = web.Application(middlewares=[known, in_share(Shares(shares, clock))])
        application[NEW_ID] = lambda: "01M"
        application.router.add_route("*", "/{service}", answer)
        application.router.add_route("GET", "/{service}/replies/{id}", answer)
        return await opened(application)

    return made


async def under_way(door: Asked, client: str = "shop") -> asyncio.Task[Any]:
    calling = asyncio.create_task(door.ask("POST", "/warehouse", Client=client, slow="yes"))
    for _ in range(5):
        await asyncio.sleep(0)
    return calling


async def test_a_client_has_as_many_calls_at_a_time_as_its_share_says(
    serve, released: asyncio.Event
):
    door = await serve({"shop": Allowance(in_flight=2)})
    calls = [await under_way(door), await under_way(door)]
    answer = await door.ask("POST", "/warehouse", Client="shop")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    assert b"soap:Server.Busy" in answer.body
    released.set()
    assert [one.status for one in await asyncio.gather(*calls)] == [200, 200]
    assert (await door.ask("POST", "/warehouse", Client="shop")).status == 200


async def test_another_client_has_its_own_share(serve, released: asyncio.Event):
    door = await serve({"shop": Allowance(in_flight=1), "billing": Allowance(in_flight=1)})
    calling = await under_way(door)
    for client in ("billing", "nobody-in-particular"):
        assert (await door.ask("POST", "/warehouse", Client=client)).status == 200
    released.set()
    assert (await calling).status == 200


async def test_a_call_that_fails_gives_its_place_back(serve):
    door = await serve({"shop": Allowance(in_flight=1)})
    for _ in range(3):
        answer = await door.ask("POST", "/warehouse", Client="shop", failing="yes")
        assert answer.status == 404


async def test_pages_are_of_no_share(serve, released: asyncio.Event):
    door = await serve({"shop": Allowance(in_flight=1, rate=0.1, burst=1)})
    calling = await under_way(door)
    for _ in range(3):
        assert (await door.get("/warehouse", Client="shop")).status == 200
    released.set()
    assert (await calling).status == 200


async def test_over_its_rate_a_client_is_told_when_there_is_more(serve, clock: Clock):
    door = await serve({"shop": Allowance(rate=0.1, burst=2)})
    asked = [await door.ask("POST", "/warehouse", Client="shop") for _ in range(3)]
    assert [one.status for one in asked] == [200, 200, 429]
    assert asked[-1].headers["retry-after"] == "10"
    clock.now += 9.5
    answer = await door.ask("POST", "/warehouse", Client="shop")
    assert (answer.status, answer.headers["retry-after"]) == (429, "1")
    clock.now += 0.5
    assert (await door.ask("POST", "/warehouse", Client="shop")).status == 200


async def test_a_look_for_a_reply_counts_for_the_rate_and_takes_no_place(
    serve, released: asyncio.Event
):
    door = await serve({"shop": Allowance(in_flight=1, rate=0.1, burst=3)})
    calling = await under_way(door)
    looks = [await door.get("/warehouse/replies/01M", Client="shop") for _ in range(3)]
    assert [one.status for one in looks] == [200, 200, 429]
    assert looks[-1].headers["retry-after"] == "10"
    assert b"faultcode" not in looks[-1].body
    released.set()
    assert (await calling).status == 200
