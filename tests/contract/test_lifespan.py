"""On every queue: nothing whose reply may have been swept is carried out, and it is told why."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import kinds
import pytest

from gateway.admission import Gate, Limits
from gateway.contract import Contract, load
from gateway.errors import Unanswered
from gateway.message import Clock, Message, new_id
from gateway.queue import AdministeredQueue, Collected, State
from gateway.queues.aws.address import parse_bucket, parse_sqs
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.store import S3Store
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue
from gateway.serving.intake import Intake
from gateway.serving.loop import Gateway
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.settings import GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
ENVELOPES = ROOT / "tests" / "golden" / "envelopes"
SOON = 60.0
HOUR = 3600.0
UUID = "7f3c9a52-1111-4222-8333-123456789abc"
LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}
REPEATABLE = Policy(repeatable=None)
ONCE = Policy()


@dataclass
class Backend:
    """Counts what reaches it, and does what it was made for."""

    outcome: Message | Exception = field(
        default_factory=lambda: Message(body=b"<reply/>", content_type="text/xml")
    )
    calls: int = 0

    async def invoke(self, call: object) -> Message:
        self.calls += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    async def aclose(self) -> None:
        """Nothing is held open."""


@dataclass(frozen=True)
class Place:
    """One queue, and what is at its address."""

    queue: AdministeredQueue
    address: str
    contract: Contract

    @contextlib.asynccontextmanager
    async def served(
        self, backend: Backend, policy: Policy = ONCE, later: float = 0.0
    ) -> AsyncIterator[None]:
        """Run a gateway as programs build it; its clock is ``later`` than the queue's."""

        def clock() -> float:
            return self.queue.clock() + later

        service = ServiceEndpoint(Gate(self.contract, Limits()), backend, policy, clock)
        services = {"warehouse": service}
        endpoint = Intake(services, lambda _: "warehouse", clock=clock)
        stop = asyncio.Event()
        gateway = Gateway(self.queue, endpoint, GatewaySettings(grace=2.0))
        work = asyncio.create_task(gateway.run(stop))
        try:
            yield
        finally:
            stop.set()
            await work

    async def ended(self, message: Message) -> Collected:
        """Send a request, and return how it ended for who looks under its id."""
        await self.queue.send(message)
        found = await self.queue.collect(message.sender, message.id, SOON)
        assert found.state in (State.REPLY, State.DONE)
        return found

    async def sweep(self, message: Message) -> None:
        """Remove what a bucket knows of a request, as its lifecycle rule does two days later."""
        place = parse_bucket(self.address) if self.address.startswith("s3") else None
        place = place or parse_sqs(self.address).replies
        store = await S3Store.open(place, 1)
        await store.delete(Keys(place).reply((message.sender, message.id)))
        await store.aclose()


@pytest.fixture(scope="module")
def warehouse() -> Contract:
    return load("warehouse.wsdl", folder=ROOT / "wsdl")


@pytest.fixture
async def opened(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[AdministeredQueue, str]]:
    kind = request.param
    address = LOCAL[kind] if kind in LOCAL else kinds.address(kind, request, monkeypatch)
    queue = await open_queue(address, tmp_path, QueueOptions())
    yield queue, address
    await queue.aclose()


@pytest.fixture
def place(opened: tuple[AdministeredQueue, str], warehouse: Contract) -> Place:
    return Place(*opened, warehouse)


every_kind = pytest.mark.parametrize("opened", [*LOCAL, *kinds.KINDS], indirect=True)
others_write = pytest.mark.parametrize("opened", kinds.KINDS, indirect=True)


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send as programs do that are not of this package: whatever they like."""
    for client in ("bucket.client", "sqs.queue"):
        monkeypatch.setattr(f"gateway.queues.{client}.check_identity", lambda message, now: None)


def request(name: str = "place_order_11", **fields: object) -> Message:
    values = {
        "body": (ENVELOPES / f"{name}.xml").read_bytes(),
        "content_type": "text/xml; charset=utf-8",
        "target_service": "warehouse",
        "sender": "alice",
    }
    return Message(**(values | fields))  # type: ignore[arg-type]


def made(hours: float) -> Clock:
    return lambda: time.time() + hours * HOUR


@others_write
@pytest.mark.parametrize("hours", [-20_000, -24.1, 12.1, 3_300_000])
async def test_under_an_id_of_another_day_nothing_is_carried_out_ever(place, strangers, hours):
    backend, sent = Backend(), request(id=new_id(made(hours)))
    async with place.served(backend, REPEATABLE):
        for _ in range(2):
            assert (await fresh(place, sent)).reply.is_fault
            await place.sweep(sent)
    assert backend.calls == 0


@others_write
@pytest.mark.parametrize("policy", [ONCE, REPEATABLE])
async def test_what_was_carried_out_and_swept_is_not_carried_out_when_it_comes_again(
    place, strangers, policy
):
    backend, sent = Backend(), request()
    async with place.served(backend, policy):
        assert not (await place.ended(sent)).reply.is_fault
    await place.sweep(sent)
    async with place.served(backend, policy, later=48 * HOUR):
        for sender in ("alice", "bob"):
            again = replace(sent, sender=sender, expires=time.time() + 1000 * HOUR)
            fault = (await fresh(place, again)).reply
            assert b"OutcomeUnknown" in fault.body
            assert b"swept" in fault.body
    assert backend.calls == 1


async def fresh(place: Place, message: Message) -> Collected:
    """Send as a process does that has sent nothing yet."""
    other = await open_queue(place.address, Path.cwd(), QueueOptions())
    try:
        return await Place(other, place.address, place.contract).ended(message)
    finally:
        await other.aclose()


@others_write
async def test_what_is_as_old_as_it_may_become_is_still_carried_out(place):
    backend = Backend()
    sent = request(expires=time.time() + 1000 * HOUR)
    async with place.served(backend, later=34.9 * HOUR):
        assert not (await place.ended(sent)).reply.is_fault
    assert backend.calls == 1


@every_kind
async def test_under_an_id_without_a_time_nothing_is_carried_out_at_most_once(place):
    backend, sent = Backend(), request(id=UUID)
    async with place.served(backend):
        fault = (await place.ended(sent)).reply
    assert b"Client" in fault.body
    assert b"ULID" in fault.body
    assert backend.calls == 0


@every_kind
async def test_under_an_id_without_a_time_what_is_repeatable_is_carried_out(place):
    backend, sent = Backend(), request(id=UUID)
    async with place.served(backend, REPEATABLE):
        assert not (await place.ended(sent)).reply.is_fault
    assert backend.calls == 1


@every_kind
@pytest.mark.parametrize("policy", [ONCE, REPEATABLE])
async def test_what_names_no_deadline_has_that_of_the_gateway_from_its_arrival_on(place, policy):
    backend, sent = Backend(), request()
    assert sent.expires is None
    async with place.served(backend, policy, later=24 * HOUR + 60):
        assert b"Expired" in (await place.ended(sent)).reply.body
    assert backend.calls == 0


@every_kind
async def test_a_one_way_call_that_was_carried_out_is_done(place):
    backend, sent = Backend(), request("notify_shipment_11")
    async with place.served(backend):
        assert (await place.ended(sent)).state is State.DONE
    assert backend.calls == 1


@every_kind
@pytest.mark.parametrize(
    ("body", "code"), [("notify_shipment_11", b"OutcomeUnknown"), ("broken", b"Client")]
)
async def test_a_one_way_call_that_was_not_surely_carried_out_has_a_fault(place, body, code):
    backend, sent = Backend(Unanswered("cut")), request("notify_shipment_11")
    if body == "broken":
        sent = request(body=sent.body.replace(b"NotifyShipment", b"NotifyNobody"))
    async with place.served(backend):
        found = await place.ended(sent)
    assert code in found.reply.body
    assert [one.id async for one in place.queue.quarantine.entries()] == [sent.id]
