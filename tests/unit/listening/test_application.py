"""A call by HTTP from its head to its answer, over a queue in memory; no socket is opened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from wire import Answer, Asked, Wire, answer_of, request

from gateway.admission import Gate, Rights
from gateway.endpoint import Call
from gateway.errors import (
    Check,
    ConfigurationError,
    QueueAway,
    QueueBroken,
    QueueError,
    QueueFull,
    Unchecked,
    Unsure,
)
from gateway.listening.answers import CLIENT
from gateway.listening.application import Front, Listener
from gateway.message import Message, new_id
from gateway.observe.events import CallAccepted, CallCollected, CallRefused
from gateway.queue import Collected, Delivery
from gateway.queues.memory import MemoryQueue
from gateway.serving.quotas import Allowance, Quotas

ENVELOPES = Path(__file__).parents[2] / "golden" / "envelopes"
GET_ORDER = (ENVELOPES / "get_order_11.xml").read_bytes()
GET_ORDER_12 = (ENVELOPES / "get_order_12.xml").read_bytes()
PLACE_ORDER = (ENVELOPES / "place_order_11.xml").read_bytes()
INVALID = (ENVELOPES / "place_order_invalid_11.xml").read_bytes()
NOTIFY = (ENVELOPES / "notify_shipment_11.xml").read_bytes()
REPLY = Message(body=b"<answered/>", content_type="text/xml")
ASYNC = "respond-async"


class Failing(MemoryQueue):
    """A queue whose store fails on what is told, with the error that is told."""

    def __init__(
        self, *, sending: QueueError | None = None, looking: QueueError | None = None
    ) -> None:
        super().__init__()
        self.sending = sending
        self.looking = looking

    async def send(self, message: Message) -> None:
        if self.sending is not None:
            raise self.sending
        await super().send(message)

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        if self.looking is not None:
            raise self.looking
        return await super().collect(sender, id, wait)


class Silent(MemoryQueue):
    """A queue whose store does not answer; ``asked`` is set when it is asked to take something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.asked.set()
        await asyncio.Event().wait()


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
async def door(
    queue: MemoryQueue, listener: Callable[..., Listener], opened: Callable[..., Any]
) -> Asked:
    return await opened(listener(queue).application())


async def taken(queue: MemoryQueue) -> Delivery:
    async with asyncio.timeout(120):
        while True:
            for delivery in await queue.receive(1, 1.0):
                return delivery


async def is_empty(queue: MemoryQueue) -> bool:
    return (await queue.status()).depth == 0


async def post(door: Asked, body: bytes = GET_ORDER, **headers: str | None) -> Answer:
    return await door.ask("POST", "/warehouse", body, **headers)


def as_client(name: str) -> Front:
    """Recognises everybody as one client."""

    @web.middleware
    async def middleware(request: web.Request, handler: Any) -> web.StreamResponse:
        request[CLIENT] = name
        return await handler(request)

    return Front(middlewares=[middleware])


# A call and its reply


async def test_a_call_is_sent_as_it_came_and_answered_with_its_reply(
    door: Asked, queue: MemoryQueue
):
    calling = asyncio.create_task(
        post(
            door,
            SOAPAction='"urn:example:warehouse/GetOrder"',
            Content_Type="text/xml; charset=utf-8",
        )
    )
    delivery = await taken(queue)
    await delivery.answer(REPLY)
    answer = await calling
    assert (answer.status, answer.body) == (200, b"<answered/>")
    assert answer.headers["content-type"] == "text/xml"
    assert "location" not in answer.headers
    message = delivery.message
    assert isinstance(message, Message)
    assert (message.body, message.sender, message.target_service) == (
        GET_ORDER,
        "local",
        "warehouse",
    )
    assert message.soap_action == "urn:example:warehouse/GetOrder"
    assert message.content_type == "text/xml; charset=utf-8"


async def test_a_call_is_sent_in_the_name_of_the_client_that_was_recognised(
    queue: MemoryQueue, listener, opened
):
    door = await opened(listener(queue, as_client("shop")).application())
    await post(door, Prefer=ASYNC)
    assert (await taken(queue)).message.sender == "shop"


@pytest.mark.parametrize("path", ["/warehouse", "/warehouse/", "/%77arehouse"])
async def test_a_service_has_its_path_with_a_slash_behind_it_or_without(
    door: Asked, queue: MemoryQueue, path: str
):
    answer = await door.ask("POST", path, GET_ORDER, Prefer=ASYNC)
    assert answer.status == 202
    assert (await taken(queue)).message.target_service == "warehouse"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 405),
        ("POST", "/healthz", 404),
        ("POST", "/WAREHOUSE", 404),
        ("POST", "/depot", 404),
        ("POST", "/warehouse//", 404),
        ("POST", "/warehouse/replies/01M", 405),
        ("PUT", "/warehouse", 405),
        ("DELETE", "/warehouse", 405),
        ("GET", "/warehouse/replies", 404),
        ("GET", "/metrics/of/all", 404),
    ],
)
async def test_what_is_not_there_is_not_there(
    door: Asked, queue: MemoryQueue, method: str, path: str, status: int
):
    assert (await door.ask(method, path, GET_ORDER)).status == status
    assert await is_empty(queue)


async def test_no_answer_says_what_the_listener_is_made_of(door: Asked):
    for path in ("/", "/warehouse", "/healthz", "/a/b/c"):
        assert "server" not in (await door.get(path)).headers


# What is refused before the queue


@pytest.mark.parametrize(
    ("headers", "check"),
    [
        ({"Content_Type": "application/json"}, Check.CONTENT_TYPE),
        ({"Content_Type": "application/xml"}, Check.CONTENT_TYPE),
        ({"Content_Type": "text/xml2"}, Check.CONTENT_TYPE),
        ({"Content_Type": ""}, Check.CONTENT_TYPE),
        ({"Content_Type": None}, Check.CONTENT_TYPE),
        ({"Content_Encoding": "gzip"}, Check.CONTENT_ENCODING),
        ({"Content_Encoding": "identity, gzip"}, Check.CONTENT_ENCODING),
    ],
)
async def test_a_type_that_is_not_soap_and_a_coding_are_415(
    door: Asked, queue: MemoryQueue, heard: list[Any], headers: dict[str, str], check: Check
):
    answer = await post(door, **headers)
    assert answer.status == 415
    assert b"faultcode>soap:Client<" in answer.body
    (refused,) = heard
    assert (refused.error.check, refused.status, refused.body) == (check, 415, None)
    assert await is_empty(queue)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "TEXT/XML"},
        {"Content_Type": "text/xml;charset=utf-8"},
        {"Content_Encoding": "Identity"},
    ],
)
async def test_types_and_codings_are_read_as_http_has_them(door: Asked, headers: dict[str, str]):
    assert (await post(door, Prefer=ASYNC, **headers)).status == 202


async def test_a_call_of_soap_1_2_is_refused_and_taken_in_its_own_version(
    door: Asked, queue: MemoryQueue
):
    kind = "application/soap+xml"
    assert (await post(door, GET_ORDER_12, Content_Type=kind, Prefer=ASYNC)).status == 202
    answer = await post(door, b"<no", Content_Type=kind)
    assert answer.status == 400
    assert answer.headers["content-type"].startswith(kind)
    assert b"soap:Sender" in answer.body


async def test_a_service_that_is_not_there_is_told_as_a_fault(door: Asked, heard: list[Any]):
    answer = await door.ask("POST", "/depot", GET_ORDER)
    assert (answer.status, b"no service of that name" in answer.body) == (404, True)
    (refused,) = heard
    assert (refused.error.check, refused.service) == (Check.SERVICE, "depot")


async def test_what_the_gate_refuses_is_a_fault_of_its_operation_and_nothing_is_sent(
    door: Asked, queue: MemoryQueue, heard: list[Any]
):
    answer = await post(door, INVALID)
    assert (answer.status, b"faultcode>soap:Client<" in answer.body) == (500, True)
    (refused,) = heard
    assert (refused.operation, refused.error.check) == ("PlaceOrder", Check.SCHEMA)
    assert (refused.body, refused.size, refused.message.body) == (INVALID, len(INVALID), b"")
    assert await is_empty(queue)


async def test_what_a_client_may_not_call_is_403(queue: MemoryQueue, listener, opened):
    rights = Rights({"shop": frozenset({"GetOrder"})})
    door = await opened(listener(queue, as_client("shop"), rights=rights).application())
    assert (await post(door, PLACE_ORDER)).status == 403
    assert await is_empty(queue)
    assert (await post(door, GET_ORDER, Prefer=ASYNC)).status == 202


async def test_a_client_over_its_day_is_429_and_told_when_the_next_begins(
    queue: MemoryQueue, listener, opened
):
    quotas = Quotas({"shop": Allowance(daily=1)}, lambda: 86400.0 * 3 - 90)
    front = Front(middlewares=as_client("shop").middlewares, quotas=quotas)
    door = await opened(listener(queue, front).application())
    assert (await post(door, Prefer=ASYNC)).status == 202
    answer = await post(door, Prefer=ASYNC)
    assert (answer.status, answer.headers["retry-after"]) == (429, "90")
    assert (await queue.status()).depth == 1


async def test_what_the_queue_did_not_take_is_of_no_quota(listener, opened):
    queue = Failing(sending=QueueFull("no room in /srv/queue"))
    quotas = Quotas({"shop": Allowance(daily=1)}, lambda: 0.0)
    front = Front(middlewares=as_client("shop").middlewares, quotas=quotas)
    door = await opened(listener(queue, front).application())
    assert (await post(door)).status == 503
    queue.sending = None
    assert (await post(door, Prefer=ASYNC)).status == 202
    assert (await post(door, Prefer=ASYNC)).status == 429


# Sizes, and bodies that do not come


@pytest.mark.parametrize(("more", "status"), [(0, 500), (1, 413)])
async def test_a_body_may_be_as_large_as_the_limit_says(
    queue: MemoryQueue, listener, opened, more: int, status: int
):
    door = await opened(listener(queue, request=5000).application())
    answer = await post(door, b" " * (5000 + more))
    assert answer.status == status
    assert (b"larger than the 5000 bytes" in answer.body) is bool(more)


async def test_a_length_over_the_limit_is_refused_before_the_body_comes(
    queue: MemoryQueue, listener, opened, heard: list[Any]
):
    door = await opened(listener(queue, request=5000).application(), lingering_time=0)
    answer = await door.ask("POST", "/warehouse", b"", Content_Length="99999999999")
    assert answer.status == 413
    (refused,) = heard
    assert (refused.error.check, refused.body, refused.size) == (Check.SIZE, None, 99999999999)


async def test_chunks_are_read_no_further_than_the_limit(queue: MemoryQueue, listener, opened):
    door = await opened(listener(queue, request=5000).application(), lingering_time=0)
    wire = door.connect()
    wire.send(request("POST", "/warehouse", Content_Length=None, Transfer_Encoding="chunked"))
    for _ in range(200):
        wire.send(b"400\r\n" + b" " * 0x400 + b"\r\n")
        await asyncio.sleep(0)
        if wire.ended.is_set():
            break
    assert (await wire.answer()).status == 413
    assert await is_empty(queue)


async def test_chunks_are_a_body_like_any_other(door: Asked, queue: MemoryQueue):
    head = request(
        *("POST", "/warehouse"), Content_Length=None, Transfer_Encoding="chunked", Prefer=ASYNC
    )
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET_ORDER), GET_ORDER)
    assert (await door.exchange(head + chunks)).status == 202
    assert (await taken(queue)).message.body == GET_ORDER


async def test_a_body_that_does_not_come_in_time_is_408(
    queue: MemoryQueue, listener, opened, heard: list[Any]
):
    door = await opened(listener(queue, body_timeout=0.05).application(), lingering_time=0)
    answer = await door.ask("POST", "/warehouse", b"<", Content_Length="500")
    assert (answer.status, b"did not come in time" in answer.body) == (408, True)
    assert [one.error.check for one in heard] == [Check.BODY]


async def test_a_body_that_goes_on_malformed_is_never_sent(
    queue: MemoryQueue, listener, opened, heard: list[Any]
):
    """The library tells of it behind the body: so the body has its time."""
    door = await opened(listener(queue, body_timeout=0.05).application(), lingering_time=0)
    wire = door.connect()
    wire.send(request("POST", "/warehouse", Content_Length=None, Transfer_Encoding="chunked"))
    await asyncio.sleep(0)
    wire.send(b"%x\r\n%s\r\nzz\r\n" % (len(GET_ORDER), GET_ORDER))
    assert (await wire.answer()).status == 408
    assert bytes(wire.received).count(b"HTTP/1.1 ") == 1
    assert [one.error.check for one in heard] == [Check.BODY]
    assert await is_empty(queue)


# How long a caller waits


async def test_a_reply_that_is_late_is_504_and_is_collected_later(
    door: Asked, queue: MemoryQueue, heard: list[Any]
):
    answer = await post(door, Prefer="wait=0")
    assert answer.status == 504
    assert b"No reply came in time" in answer.body
    assert "retry-after" not in answer.headers
    place = answer.headers["location"]
    delivery = await taken(queue)
    assert place == f"/warehouse/replies/{delivery.message.id}"
    assert (await door.get(place)).status == 202
    await delivery.answer(REPLY)
    for _ in range(2):
        assert (await door.get(place)).body == b"<answered/>"
    assert [type(one) for one in heard] == [CallAccepted, CallCollected]
    assert heard[1].status == 504


async def test_a_caller_waits_no_longer_than_the_settings_say(queue: MemoryQueue, listener, opened):
    door = await opened(listener(queue, wait=0.05).application())
    async with asyncio.timeout(20):
        assert (await post(door, Prefer="wait=60")).status == 504
        assert (await post(door)).status == 504


@pytest.mark.parametrize("prefer", [ASYNC, "Respond-Async", "handling=strict , respond-async;a=b"])
async def test_who_would_rather_not_wait_is_told_where_the_reply_will_be(
    door: Asked, queue: MemoryQueue, prefer: str
):
    answer = await post(door, Prefer=prefer)
    assert (answer.status, json.loads(answer.body)) == (202, {"state": "pending"})
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["location"] == f"/warehouse/replies/{(await taken(queue)).message.id}"


async def test_who_would_rather_not_wait_for_long_has_a_reply_that_comes_soon(
    door: Asked, queue: MemoryQueue
):
    calling = asyncio.create_task(post(door, Prefer=f"{ASYNC}, wait=20"))
    await (await taken(queue)).answer(REPLY)
    assert (await calling).body == b"<answered/>"


async def test_a_preference_of_another_name_is_none(door: Asked):
    assert (await post(door, Prefer="no-respond-async, wait=0")).status == 504


async def test_a_preference_may_be_on_a_line_of_its_own(door: Asked, queue: MemoryQueue):
    lines = b"Prefer: respond-async\r\nPrefer: wait=0\r\n\r\n"
    data = request("POST", "/warehouse", GET_ORDER).replace(b"\r\n\r\n", b"\r\n" + lines, 1)
    assert (await door.exchange(data)).status == 202


async def test_a_one_way_call_is_202_as_soon_as_the_queue_has_it(
    door: Asked, queue: MemoryQueue, heard: list[Any]
):
    answer = await post(door, NOTIFY)
    assert (answer.status, answer.body) == (202, b"")
    delivery = await taken(queue)
    assert answer.headers["location"] == f"/warehouse/replies/{delivery.message.id}"
    accepted, collected = heard
    assert (accepted.operation, accepted.one_way) == ("NotifyShipment", True)
    assert collected.status == 202
    await delivery.answer(None)
    answer = await door.get(answer.headers["location"])
    assert (answer.status, json.loads(answer.body)) == (200, {"state": "done"})


async def test_places_of_replies_are_below_the_address_that_clients_use(
    queue: MemoryQueue, listener, opened
):
    door = await opened(listener(queue, url="https://soap.example.com/soap").application())
    answer = await post(door, NOTIFY)
    assert answer.headers["location"].startswith("/soap/warehouse/replies/")


# A look for a reply


async def test_a_look_for_a_reply_waits_as_long_as_it_prefers(door: Asked, queue: MemoryQueue):
    place = (await post(door, Prefer=ASYNC)).headers["location"]
    looking = asyncio.create_task(door.get(place, Prefer="wait=20"))
    delivery = await taken(queue)
    assert json.loads((await door.get(place)).body) == {"state": "working"}
    await delivery.answer(REPLY)
    answer = await looking
    assert (answer.status, answer.body) == (200, b"<answered/>")


@pytest.mark.parametrize("lines", ["Prefer: wait=100000", "Prefer: a=b\r\nPrefer: WAIT=20"])
async def test_a_look_for_a_reply_has_its_preference_read_as_the_rfc_has_it(
    door: Asked, queue: MemoryQueue, lines: str
):
    place = (await post(door, Prefer=ASYNC)).headers["location"]
    delivery = await taken(queue)
    looking = asyncio.create_task(
        door.exchange(request("GET", place).replace(b"Host:", lines.encode() + b"\r\nHost:", 1))
    )
    await asyncio.sleep(0.05)
    await delivery.answer(REPLY)
    assert (await looking).body == b"<answered/>"


async def test_a_reply_is_found_by_its_own_client_alone(queue: MemoryQueue, listener, opened):
    shop, billing = [
        await opened(listener(queue, as_client(name)).application()) for name in ("shop", "billing")
    ]
    place = (await post(shop, Prefer=ASYNC)).headers["location"]
    await (await taken(queue)).answer(REPLY)
    assert (await shop.get(place)).status == 200
    other = await billing.get(place)
    assert (other.status, json.loads(other.body)) == (404, {"state": "unknown"})


async def test_an_id_that_no_request_has_is_unknown(door: Asked):
    answer = await door.get(f"/warehouse/replies/{new_id()}")
    assert (answer.status, json.loads(answer.body)) == (404, {"state": "unknown"})


@pytest.mark.parametrize("id", ["a", "..%2Fbilling", "%00", "a" * 2000])
async def test_what_is_no_id_is_looked_for_in_no_queue(listener, opened, id: str):
    queue = Failing(looking=QueueAway("nobody may ask"))
    door = await opened(listener(queue).application())
    answer = await door.get(f"/warehouse/replies/{id}")
    assert (answer.status, json.loads(answer.body)) == (404, {"state": "unknown"})


async def test_a_reply_that_cannot_be_looked_up_is_503_without_the_place_of_the_queue(
    listener, opened, caplog
):
    queue = Failing(looking=QueueAway("/srv/queue does not answer"))
    door = await opened(listener(queue).application())
    answer = await door.get(f"/warehouse/replies/{new_id()}")
    assert (answer.status, b"srv" in answer.body) == (503, False)
    assert "/srv/queue does not answer" in caplog.text


# A queue that fails


async def test_a_queue_that_cannot_take_it_has_the_call_sent_again_later(
    listener, opened, heard: list[Any], caplog
):
    queue = Failing(sending=QueueFull("no room in /srv/queue"))
    door = await opened(listener(queue).application())
    answer = await post(door)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b"cannot take requests now" in answer.body
    assert b"soap:Server.Busy" in answer.body
    assert b"srv" not in answer.body
    assert "location" not in answer.headers
    assert [type(one) for one in heard] == [CallRefused]
    assert "no room in /srv/queue" in caplog.text


@pytest.mark.parametrize("error", [Unsure("no word of it"), QueueBroken("an fsync failed")])
async def test_what_the_queue_may_have_taken_is_a_doubt_and_says_where_to_look(
    listener, opened, heard: list[Any], error: QueueError
):
    queue = Failing(sending=error)
    door = await opened(listener(queue).application())
    answer = await post(door)
    assert (answer.status, b"It is not certain" in answer.body) == (504, True)
    assert answer.headers["location"].startswith("/warehouse/replies/")
    assert [type(one) for one in heard] == [CallCollected]


@pytest.mark.parametrize("prefer", [None, ASYNC])
async def test_a_queue_that_took_it_and_cannot_be_read_has_it(
    listener, opened, heard: list[Any], prefer: str | None
):
    queue = Failing(looking=QueueAway("its store does not answer"))
    door = await opened(listener(queue).application())
    answer = await post(door, Prefer=prefer)
    assert answer.status == (504 if prefer is None else 202)
    assert b"It is not certain" not in answer.body
    assert answer.headers["location"].startswith("/warehouse/replies/")
    assert [type(one) for one in heard] == [CallAccepted, CallCollected]


async def test_a_queue_that_broke_once_it_took_it_leaves_a_doubt(listener, opened):
    queue = Failing(looking=QueueBroken("its file was removed"))
    door = await opened(listener(queue).application())
    answer = await post(door, Prefer=ASYNC)
    assert (answer.status, b"It is not certain" in answer.body) == (504, True)
    assert b"removed" not in answer.body


@pytest.mark.parametrize(
    "path", ["/warehouse", "/warehouse/replies/01M8QGTBZK8EZDEHM9134Z8HRP", "/healthz"]
)
async def test_a_listener_ends_with_a_queue_that_cannot_be_trusted_any_more(listener, path: str):
    error = QueueBroken("its file was removed")
    served = listener(Failing(sending=error, looking=error))
    place: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(served.run(asyncio.Event(), place.set_result))
    async with asyncio.timeout(120):
        port = int((await place).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        method, body = ("POST", GET_ORDER) if path == "/warehouse" else ("GET", b"")
        writer.write(request(method, path, body))
        await reader.read()
        writer.close()
        with pytest.raises(QueueBroken, match="its file was removed"):
            await running


class Unready(Gate):
    """A gate that cannot check a message now."""

    def validate(self, call: Call) -> None:
        raise Unchecked("its check cannot be made now: Too many open files")


async def test_a_message_that_cannot_be_checked_now_is_to_be_sent_again(
    queue: MemoryQueue, listener, opened, heard: list[Any], caplog
):
    answer = await post(await opened(listener(queue, gate=Unready).application()))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b"cannot check the message now: try later" in answer.body
    assert b"Too many" not in answer.body
    assert [type(one) for one in heard] == [CallRefused]
    (line,) = caplog.records
    assert ("Too many open files" in line.getMessage(), line.exc_info) == (True, None)
    assert await is_empty(queue)


# The end of a listener


async def test_a_caller_who_waits_when_the_listener_stops_learns_where_the_reply_will_be(
    queue: MemoryQueue, listener, opened
):
    served = listener(queue)
    door = await opened(served.application())
    calling = asyncio.create_task(post(door))
    delivery = await taken(queue)
    served.hurry()
    answer = await calling
    assert (answer.status, b"No reply came in time" in answer.body) == (504, True)
    assert answer.headers["location"].endswith(str(delivery.message.id))


async def test_a_stop_while_the_queue_does_not_answer_leaves_a_doubt(listener, opened, caplog):
    queue = Silent()
    served = listener(queue)
    door = await opened(served.application())
    calling = asyncio.create_task(post(door))
    await queue.asked.wait()
    served.hurry()
    answer = await calling
    assert (answer.status, b"It is not certain" in answer.body) == (504, True)
    assert "the listener stops" in caplog.text


async def test_a_call_that_comes_when_all_waits_have_ended_is_not_sent(
    queue: MemoryQueue, listener, opened
):
    quotas = Quotas({"shop": Allowance(daily=1)}, lambda: 0.0)
    served = listener(queue, Front(middlewares=as_client("shop").middlewares, quotas=quotas))
    door = await opened(served.application())
    served.hurry()
    answer = await post(door)
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert b"has not sent the request" in answer.body
    assert await is_empty(queue)


async def test_a_listener_says_where_it_is_and_stops_when_it_is_told(
    queue: MemoryQueue, listener, caplog
):
    caplog.set_level("INFO")
    stop, place = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(listener(queue).run(stop, place.set_result))
    async with asyncio.timeout(120):
        url = await place
        port = int(url.rpartition(":")[2])
        assert (url, port > 0) == (f"http://127.0.0.1:{port}", True)
        assert f"listening on {url}" in caplog.text
        stop.set()
        await running
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_listener_that_stops_has_its_callers_gone_before_its_grace_is_over(
    queue: MemoryQueue, listener, caplog
):
    caplog.set_level("INFO")
    stop, place = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(listener(queue, grace=2.0).run(stop, place.set_result))
    async with asyncio.timeout(120):
        port = int((await place).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("POST", "/warehouse", GET_ORDER))
        await taken(queue)
        stop.set()
        answer = answer_of(await reader.read())
        await running
        writer.close()
    assert (answer.status, b"No reply came in time" in answer.body) == (504, True)
    assert "stopping: 1 caller waits for a reply, for 1.6 s at most" in caplog.text


async def test_a_port_that_is_in_use_is_told_with_the_cure(queue: MemoryQueue, listener):
    used = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = used.sockets[0].getsockname()[1]
    async with used:
        with pytest.raises(ConfigurationError, match=rf"listener.bind: 127.0.0.1:{port} cannot"):
            await listener(queue, bind=f"127.0.0.1:{port}").run(asyncio.Event())


# What is told of calls


async def test_the_events_of_a_call_are_of_one_message_and_in_their_order(
    door: Asked, queue: MemoryQueue, heard: list[Any]
):
    calling = asyncio.create_task(post(door))
    delivery = await taken(queue)
    await delivery.answer(REPLY)
    await calling
    accepted, collected = heard
    assert isinstance(accepted, CallAccepted)
    assert isinstance(collected, CallCollected)
    assert accepted.message.id == collected.message.id == delivery.message.id
    assert (accepted.operation, accepted.one_way, collected.status) == ("GetOrder", False, 200)
    assert accepted.message.body == GET_ORDER
    assert collected.began <= accepted.began <= accepted.at <= collected.at


async def test_a_fault_that_is_a_reply_is_collected_and_not_refused(
    door: Asked, queue: MemoryQueue, heard: list[Any]
):
    calling = asyncio.create_task(post(door))
    reply = Message(body=b"<a/>", content_type="text/xml", is_fault=True)
    await (await taken(queue)).answer(reply)
    assert (await calling).status == 500
    assert [type(one) for one in heard] == [CallAccepted, CallCollected]


async def test_a_refused_call_names_the_address_that_it_came_from(door: Asked, heard: list[Any]):
    wire = Wire("198.51.100.9")
    await door.ask("POST", "/warehouse", b"<no", wire=wire)
    assert [one.peer for one in heard] == ["198.51.100.9"]
