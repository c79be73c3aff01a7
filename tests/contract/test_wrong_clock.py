"""A machine whose clock is days off calls through a queue of others, by every way there is."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import deployment
import kinds
import pytest
import typer
import zeep
from answering import Answering
from stub_trip import imported

from gateway.assembly.contracts import Loaded
from gateway.assembly.parts import listener
from gateway.cli.call.command import call
from gateway.client import AsyncQueueTransport, QueueTransport
from gateway.contract import load
from gateway.generate.contract.reading import read
from gateway.generate.python.client import ClientOptions, render
from gateway.message import Message, id_time, new_id
from gateway.observe.events import Events
from gateway.queues.aws.clock import ServerClock
from gateway.queues.registry import open_queue
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings
from gateway.settings import from_values

WSDL = deployment.ROOT / "wsdl" / "warehouse.wsdl"
ENVELOPE = deployment.ROOT / "tests" / "golden" / "envelopes" / "list_orders_11.xml"
REPLY = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    b'<ListOrdersResponse xmlns="urn:example:warehouse:types"/></s:Body></s:Envelope>'
)
DAYS = 3
SOON = 60.0
now = time.time
"""The right time, whatever is put in its place."""


@dataclass
class Place:
    """A queue that a gateway serves and a listener leads to."""

    address: str
    folder: Path
    port: int
    taken: list[Message] = field(default_factory=list)

    async def answer(self, message: Message) -> Message:
        self.taken.append(message)
        return Message(body=REPLY, content_type="text/xml")

    async def serve(self, ready: threading.Event, stop: threading.Event) -> None:
        values = {
            "queue": self.address,
            "services": {"warehouse": {"wsdl": str(WSDL)}},
            "listener": {"bind": f"127.0.0.1:{self.port}"},
        }
        settings = from_values(values, self.folder, "gateway.toml")
        loaded = {"warehouse": Loaded(load("warehouse.wsdl", folder=WSDL.parent), None)}
        queue, stopping = await open_queue(self.address, self.folder), asyncio.Event()
        door = listener(settings, loaded, queue, Events())
        gateway = Gateway(queue, Answering(self.answer), GatewaySettings(grace=0.2))
        running = [asyncio.create_task(one.run(stopping)) for one in (door, gateway)]
        ready.set()
        await asyncio.to_thread(stop.wait)
        stopping.set()
        await asyncio.gather(*running)
        await queue.aclose()


@pytest.fixture(params=[DAYS, -DAYS], ids=["ahead", "behind"])
def wrong(request, monkeypatch) -> Callable[[], float]:
    """Set the clock of this machine, for all in this process that looks at it."""

    def clock() -> float:
        return now() + request.param * 24 * 3600

    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(new_id, "__defaults__", (clock,))
    defaults = {"clock": clock, "monotonic": time.monotonic}
    monkeypatch.setattr(ServerClock.__init__, "__kwdefaults__", defaults)
    return clock


@pytest.fixture(params=["s3 of ministack", "doorbell of ministack", "sqs of ministack"])
def place(request, monkeypatch, tmp_path, wrong) -> Iterator[Place]:
    address = kinds.address(request.param, request, monkeypatch)
    place = Place(address, tmp_path, deployment.free_port())
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(place.serve(ready, stop)))
    thread.start()
    try:
        assert ready.wait(SOON)
        yield place
    finally:
        stop.set()
        thread.join()


def by_zeep(place: Place) -> None:
    with zeep.Client(str(WSDL), transport=QueueTransport(place.address, "warehouse")) as client:
        client.service.ListOrders(limit=10)


def by_zeep_async(place: Place) -> None:
    async def whole() -> None:
        transport = AsyncQueueTransport(place.address, "warehouse")
        async with zeep.AsyncClient(str(WSDL), transport=transport) as client:
            await client.service.ListOrders(limit=10)

    asyncio.run(whole())


def by_stub(place: Place) -> None:
    model = read(load("warehouse.wsdl", folder=WSDL.parent), "WarehouseSoap11")
    source = render(model, ClientOptions(source="warehouse.wsdl", service="warehouse"))
    module = imported(place.folder, "clock_client", source)
    with module.WarehouseClient(place.address) as client:
        client.list_orders(limit=10)


def by_listener(place: Place) -> None:
    headers = {"Content-Type": "text/xml"}
    until = time.monotonic() + SOON
    while True:
        with contextlib.suppress(ConnectionRefusedError):  # it has only begun to listen
            asked = http.client.HTTPConnection("127.0.0.1", place.port, timeout=SOON)
            asked.request("POST", "/warehouse", ENVELOPE.read_bytes(), headers)
            break
        assert time.monotonic() < until
        time.sleep(0.05)
    answer = asked.getresponse()
    assert (answer.status, answer.read()) == (200, REPLY)
    asked.close()


def by_command(place: Place, *, as_file: bool) -> None:
    settings = place.folder / "gateway.toml"
    settings.write_text(f'queue = "{place.address}"\n[services.warehouse]\nwsdl = "{WSDL}"\n')
    given = {"envelope": ENVELOPE} if as_file else {"operation": "ListOrders"}
    with pytest.raises(typer.Exit) as ended:
        call("warehouse", config=settings, arguments=[] if as_file else ["limit=10"], **given)
    assert not ended.value.exit_code


WAYS = {
    "zeep": by_zeep,
    "zeep, async": by_zeep_async,
    "stub": by_stub,
    "listener": by_listener,
    "command": lambda place: by_command(place, as_file=False),
    "command with a file": lambda place: by_command(place, as_file=True),
}


def test_a_call_is_made_at_the_time_that_the_queue_has(place, wrong, caplog):
    caplog.set_level(logging.WARNING)
    assert abs(wrong() - now()) > 12 * 3600
    for count, way in enumerate(WAYS.values(), 1):
        way(place)
        assert len(place.taken) == count
    times = [id_time(message.id) for message in place.taken]
    assert all(abs(made - now()) < 600 for made in times)
    assert "this machine's clock is 72.0 h" in caplog.text
