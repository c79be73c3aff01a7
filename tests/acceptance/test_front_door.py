"""The listener as a front door, on real sockets: who comes in, and what is turned away."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import random
import re
import socket
import time
from pathlib import Path

import pytest
import uvloop
from front import GET_ORDER, REPLY, Front, fronted
from wire import answer_of

from gateway.message import Message, new_id
from gateway.observe.audit.tally import LINES
from gateway.secrets.credentials import changing, credential

SHOP = {"shop": {"allow": ["warehouse.GetOrder"]}, "billing": {"allow": ["*"]}}
PLACE_ORDER = (
    Path(__file__).parents[1] / "golden" / "envelopes" / "place_order_11.xml"
).read_bytes()


def bearer(secret: str) -> str:
    return f"Bearer {secret}"


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


@pytest.fixture
async def front(tmp_path: Path):
    """Without clients: everybody may call everything."""
    async with fronted(tmp_path) as made:
        yield made


@pytest.fixture
async def guarded(tmp_path: Path):
    async with fronted(tmp_path, SHOP) as made:
        yield made


# Who it is


async def test_a_client_comes_in_with_its_secret_and_stays_itself_on_the_queue(guarded: Front):
    for name, secret in guarded.secrets.items():
        for said in (bearer(secret), basic(name, secret), f"bearer  {secret}"):
            answer = await guarded.post(Authorization=said)
            assert (answer.status, answer.body) == (200, b"<answered/>")
            assert guarded.taken[-1].sender == name


async def test_whoever_does_not_say_who_it_is_is_not_let_in(guarded: Front):
    answer = await guarded.post()
    assert answer.status == 401
    assert "Basic" in answer.headers["www-authenticate"]
    assert "Bearer" in answer.headers["www-authenticate"]
    assert b"<faultcode>soap:Client</faultcode>" in answer.body
    assert guarded.taken == []


@pytest.mark.parametrize("path", ["/readyz", "/metrics", "/favicon.ico", "/a/b/c", "/no/replies/X"])
async def test_a_path_that_is_none_is_not_there_whoever_asks(guarded: Front, path: str):
    said = bearer(guarded.secrets["shop"])
    for method in ("GET", "POST"):
        assert (await guarded.ask(method, path, b"")).status in (404, 405)
        assert (await guarded.ask(method, path, b"", Authorization=said)).status in (404, 405)
        assert (await guarded.ask(method, path, b"", Authorization="Bearer x")).status in (404, 405)


@pytest.mark.parametrize(
    "path", ["/", "/warehouse", "/warehouse/", "/warehouse?wsdl", "/warehouse/replies/X"]
)
async def test_a_path_that_is_there_asks_who_it_is(guarded: Front, path: str):
    assert (await guarded.get(path)).status == 401


async def test_the_refusal_is_of_the_version_of_the_caller(guarded: Front):
    answer = await guarded.post(Content_Type="application/soap+xml")
    assert answer.headers["content-type"].startswith("application/soap+xml")
    assert b"soap:Sender" in answer.body


async def test_a_secret_that_is_not_quite_right_opens_nothing(guarded: Front):
    shop, billing = guarded.secrets["shop"], guarded.secrets["billing"]
    for said in (
        bearer(shop[:-1]),
        bearer(shop + "A"),
        bearer(shop.swapcase()),
        bearer(""),
        basic("shop", billing),
        basic("", shop),
        basic("shop", ""),
        basic("SHOP", shop),
        "Basic !!!",
        "Basic",
        f"Digest {shop}",
        shop,
        f"Bearer {shop}, Bearer {billing}",
    ):
        answer = await guarded.post(Authorization=said)
        assert answer.status == 401, said
    assert guarded.taken == []


async def test_two_headers_of_authorization_are_none(guarded: Front):
    said = bearer(guarded.secrets["shop"])
    data = (
        f"POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
        f"Authorization: {said}\r\nAuthorization: {said}\r\nConnection: close\r\n"
        f"Content-Length: {len(GET_ORDER)}\r\n\r\n"
    ).encode() + GET_ORDER
    assert answer_of(await guarded.exchange(data)).status in (400, 401)
    assert guarded.taken == []


async def test_no_header_with_a_name_in_it_is_believed(guarded: Front):
    answer = await guarded.post(
        Authorization=bearer(guarded.secrets["shop"]),
        X_Client="billing",
        X_Forwarded_User="billing",
        X_Remote_User="billing",
        X_SSL_Client_S_DN="CN=billing",
        X_Forwarded_For="10.0.0.1",
        Forwarded="for=10.0.0.1;host=evil.example",
    )
    assert answer.status == 200
    assert guarded.taken[-1].sender == "shop"


async def test_what_was_forwarded_is_nothing_to_the_listener(front: Front):
    answer = await front.get("/warehouse?wsdl", X_Forwarded_Host="evil.example")
    assert answer.status == 200
    assert b"evil.example" not in answer.body


# What it may


async def test_an_operation_that_is_not_allowed_is_forbidden_before_the_queue(guarded: Front):
    answer = await guarded.post(PLACE_ORDER, Authorization=bearer(guarded.secrets["shop"]))
    assert answer.status == 403
    assert b"may not call this operation" in answer.body
    assert guarded.taken == []
    answer = await guarded.post(PLACE_ORDER, Authorization=bearer(guarded.secrets["billing"]))
    assert answer.status == 200


async def test_a_client_that_has_no_right_learns_nothing_of_the_service(tmp_path: Path):
    clients = {"shop": {"allow": ["depot.*"]}}
    async with fronted(tmp_path, clients, services=("warehouse", "depot")) as front:
        said = bearer(front.secrets["shop"])
        index = await front.get("/", Authorization=said)
        assert b"depot" in index.body
        assert b"warehouse?wsdl" not in index.body
        for path, status in (("/warehouse?wsdl", 404), ("/warehouse", 404), ("/depot?wsdl", 200)):
            assert (await front.get(path, Authorization=said)).status == status
        for path in ("/", "/depot", "/depot?wsdl", "/depot/replies/x"):
            assert (await front.get(path)).status == 401
        assert (await front.get("/healthz")).status == 200


async def test_a_page_shows_what_its_reader_may_call(guarded: Front):
    page = await guarded.get("/warehouse", Authorization=bearer(guarded.secrets["shop"]))
    assert b"GetOrder" in page.body
    assert b"PlaceOrder" not in page.body


async def test_a_reply_is_collected_by_its_own_client_alone(guarded: Front):
    own = bearer(guarded.secrets["shop"])
    accepted = await guarded.post(Authorization=own, Prefer="respond-async")
    path = accepted.headers["location"]
    answer = await guarded.get(path, Authorization=own, Prefer="wait=60")
    assert (answer.status, answer.body) == (200, b"<answered/>")
    other = await guarded.get(path, Authorization=bearer(guarded.secrets["billing"]))
    assert (other.status, other.body) == (404, b'{"state": "unknown"}')


async def test_a_client_without_a_table_is_not_let_in(guarded: Front, caplog):
    with changing(guarded.folder / "credentials.txt") as known:
        known.append(credential("stranger", "its-secret"))
    await asyncio.sleep(5.5)
    assert (await guarded.post(Authorization=bearer("its-secret"))).status == 401
    assert "stranger has a secret, but no table" in caplog.text


async def test_a_secret_counts_soon_after_it_was_made_and_no_longer_than_it_is_there(
    guarded: Front,
):
    path = guarded.folder / "credentials.txt"
    with changing(path) as known:
        old = known[0]
        known[:] = [credential(old.client, "another")]
    await asyncio.sleep(5.5)
    assert (await guarded.post(Authorization=bearer("another"))).status == 200
    assert (await guarded.post(Authorization=bearer(guarded.secrets["shop"]))).status == 401


# How much


async def test_over_its_share_a_client_is_told_to_come_back(tmp_path: Path):
    clients = {"shop": {"allow": ["*"], "in_flight": 2}, "billing": {"allow": ["*"]}}
    async with fronted(tmp_path, clients, answering=False) as front:
        said = bearer(front.secrets["shop"])
        first = [asyncio.create_task(front.post(Authorization=said)) for _ in range(2)]
        while len(front.taken) < 2:
            await asyncio.sleep(0.01)
        refused = await front.post(Authorization=said)
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert b"soap:Server.Busy" in refused.body
        assert b"<retryAfter>1</retryAfter>" in refused.body
        other = asyncio.create_task(front.post(Authorization=bearer(front.secrets["billing"])))
        front.answering.set()
        assert [one.status for one in await asyncio.gather(*first, other)] == [200] * 3
        assert (await front.post(Authorization=said)).status == 200


async def test_over_its_rate_a_client_is_told_when_there_is_more(tmp_path: Path):
    clients = {"shop": {"allow": ["*"], "rate": 0.1, "burst": 2}}
    async with fronted(tmp_path, clients) as front:
        said = bearer(front.secrets["shop"])
        statuses = [(await front.post(Authorization=said)).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert 5 <= int((await front.post(Authorization=said)).headers["retry-after"]) <= 10


async def test_a_look_for_a_reply_counts_for_the_rate(tmp_path: Path):
    clients = {"shop": {"allow": ["*"], "rate": 0.1, "burst": 2}, "billing": {"allow": ["*"]}}
    async with fronted(tmp_path, clients) as front:
        said = bearer(front.secrets["shop"])
        path = f"/warehouse/replies/{new_id()}"
        looks = [await front.get(path, Authorization=said) for _ in range(3)]
        assert [one.status for one in looks] == [404, 404, 429]
        assert 5 <= int(looks[-1].headers["retry-after"]) <= 10
        assert (await front.post(Authorization=said)).status == 429
        other = await front.get(path, Authorization=bearer(front.secrets["billing"]))
        assert other.status == 404


async def test_a_look_for_a_reply_takes_no_place_of_a_call(tmp_path: Path):
    clients = {"shop": {"allow": ["*"], "in_flight": 1}}
    async with fronted(tmp_path, clients, answering=False) as front:
        said = bearer(front.secrets["shop"])
        call = asyncio.create_task(front.post(Authorization=said))
        while not front.taken:
            await asyncio.sleep(0.01)
        path = f"/warehouse/replies/{front.taken[0].id}"
        assert (await front.get(path, Authorization=said)).status == 202
        front.answering.set()
        assert (await call).status == 200


@pytest.mark.parametrize("quota", [{"daily": 1}, {"daily_bytes": len(GET_ORDER) + 1024}])
async def test_a_daily_quota_that_is_used_up_is_refused(tmp_path: Path, quota: dict[str, int]):
    clients = {"shop": {"allow": ["*"], **quota}, "billing": {"allow": ["*"]}}
    body = GET_ORDER.ljust(1024)
    async with fronted(tmp_path, clients) as front:
        said = bearer(front.secrets["shop"])
        assert (await front.post(body, Authorization=said)).status == 200
        refused = await front.post(body, Authorization=said)
        assert refused.status == 429
        assert 0 < int(refused.headers["retry-after"]) <= 86400
        assert (
            await front.post(body, Authorization=bearer(front.secrets["billing"]))
        ).status == 200
        assert len(front.taken) == 2


# Browsers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8800"])
async def test_a_name_that_is_not_the_listeners_is_answered_by_nothing(front: Front, host: str):
    for answer in (await front.post(Host=host), await front.get("/warehouse?wsdl", Host=host)):
        assert answer.status == 421
        assert b"evil" not in answer.body
    assert front.taken == []


async def test_an_address_and_the_names_of_the_settings_are_the_listeners(tmp_path: Path):
    async with fronted(tmp_path, hosts=["gateway"], url="https://soap.example.com/soap") as front:
        for host in ("127.0.0.1", "[::1]:1", "localhost", "gateway:80", "SOAP.example.com"):
            assert (await front.post(Host=host)).status == 200


async def test_a_call_of_http_1_1_without_a_host_is_refused(front: Front):
    data = b"POST /warehouse HTTP/1.1\r\nContent-Type: text/xml\r\nContent-Length: 0\r\n\r\n"
    assert answer_of(await front.exchange(data)).status == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://", "http://127.0.0.1"])
async def test_a_page_of_another_site_may_not_post(front: Front, origin: str):
    answer = await front.post(Origin=origin)
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers
    assert front.taken == []


async def test_a_page_of_the_listener_itself_may_post(front: Front):
    assert (await front.post(Origin=f"http://127.0.0.1:{front.port}")).status == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
async def test_what_a_form_can_send_is_no_call(front: Front, content_type: str):
    assert (await front.post(Content_Type=content_type)).status == 415
    assert front.taken == []


async def ask_before(front: Front, origin: str):
    return await front.ask(
        "OPTIONS",
        "/warehouse",
        b"",
        Origin=origin,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="soapaction",
    )


async def test_no_page_may_ask_beforehand_unless_its_origin_is_named(front: Front):
    answer = await ask_before(front, "https://shop.example.com")
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_page_of_a_named_origin_may_call_and_read_with_its_secret(tmp_path: Path):
    origin = "https://shop.example.com"
    async with fronted(tmp_path, SHOP, origins=[origin]) as front:
        asked = await ask_before(front, origin)
        assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, origin)
        assert "SOAPAction" in asked.headers["access-control-allow-headers"]
        assert (await ask_before(front, f"{origin}.evil.example")).status == 403
        said = bearer(front.secrets["shop"])
        for answer, status in (
            (await front.post(Origin=origin, Authorization=said), 200),
            (await front.post(Origin=origin), 401),
        ):
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in answer.headers


# Floods, and those who take their time


async def test_a_length_over_the_limit_is_refused_before_the_body_is_there(front: Front):
    head = (
        "POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
        "Connection: close\r\nContent-Length: 99999999999\r\n\r\n"
    )
    began = time.monotonic()
    answer = answer_of(await front.exchange(head.encode()))
    assert answer.status == 413
    assert time.monotonic() - began < 10


async def test_chunks_without_an_end_are_read_no_further_than_the_limit(front: Front):
    head = (
        b"POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(head)
    sent = 0
    try:
        while sent < 64 << 20:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    except ConnectionError:
        pass
    answer = b""
    try:
        async with asyncio.timeout(240):
            answer = await reader.read()
    except ConnectionError:
        pass
    assert not answer or answer_of(answer).status == 413
    writer.close()
    assert (await front.post()).status == 200
    assert len(front.taken) == 1


async def test_a_body_that_does_not_come_in_time_is_given_up(tmp_path: Path):
    async with fronted(tmp_path, body_timeout=0.3) as front:
        head = (
            "POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
            "Connection: close\r\nContent-Length: 500\r\n\r\n<"
        )
        answer = answer_of(await front.exchange(head.encode()))
        assert answer.status == 408
        assert b"did not come in time" in answer.body


async def test_extensions_of_chunks_without_an_end_are_given_up_too(tmp_path: Path):
    async with fronted(tmp_path, body_timeout=0.5) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(
            b"POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n1;"
        )
        answer, began = b"", time.monotonic()
        while not answer and time.monotonic() - began < 10:
            writer.write(b"x" * 1000)
            try:
                async with asyncio.timeout(0.05):
                    answer = await reader.read(1 << 16)
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - began < 5
        writer.close()


@pytest.mark.parametrize("sent", [b"", b"POST /warehouse HT", b"GET / HTTP/1.1\r\nHost: local"])
async def test_a_head_that_does_not_come_in_time_ends_the_connection(tmp_path: Path, sent: bytes):
    async with fronted(tmp_path, head_timeout=0.3) as front:
        began = time.monotonic()
        assert await front.exchange(sent) == b""
        assert 0.2 < time.monotonic() - began < 5


async def test_a_call_that_waits_longer_than_heads_may_take_is_answered(tmp_path: Path):
    async with fronted(tmp_path, answering=False, head_timeout=0.2) as front:
        call = asyncio.create_task(front.post())
        await asyncio.sleep(0.6)
        front.answering.set()
        assert (await call).status == 200


def _rest_of(stream: socket.socket) -> int:
    """Return how many bytes come until the connection ends."""
    received = 0
    with contextlib.suppress(ConnectionError):
        while part := stream.recv(1 << 20):
            received += len(part)
    return received


async def test_an_answer_that_is_not_read_in_time_is_given_up(tmp_path: Path, caplog):
    async with fronted(tmp_path, connections=2, reply_timeout=0.5) as front:
        front.reply = Message(body=b"<a>" + b"x" * (40 << 20) + b"</a>", content_type="text/xml")
        stream = socket.create_connection(("127.0.0.1", front.port))
        stream.sendall(HEAD + LENGTH + b"\r\n" + GET_ORDER)
        while "was not read" not in caplog.text:
            await asyncio.sleep(0.05)
        stream.settimeout(240)
        # In a thread: the loop has to go on to end the connection.
        assert 0 < await asyncio.to_thread(_rest_of, stream) < 40 << 20
        stream.close()
        front.reply = REPLY
        for _ in range(3):
            assert (await front.post()).status == 200


async def test_short_answers_that_are_not_read_are_given_up_too(tmp_path: Path, caplog):
    """Of calls that are sent without a look at the answers: each of these fits the buffer."""
    async with fronted(tmp_path, reply_timeout=0.5) as front:
        front.reply = Message(body=b"<a>" + b"x" * (30 << 10) + b"</a>", content_type="text/xml")
        stream = socket.create_connection(("127.0.0.1", front.port))
        stream.setblocking(False)
        calls = (HEAD + LENGTH + b"\r\n" + GET_ORDER) * 1000
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(stream, calls))
        async with asyncio.timeout(240):
            while "was not read" not in caplog.text:
                await asyncio.sleep(0.05)
        sending.cancel()
        await asyncio.wait([sending])
        stream.close()
        assert 3 <= len(front.taken) < 1000


async def test_connections_over_the_limit_are_ended_and_others_go_on(tmp_path: Path, caplog):
    """Where a request is under way by each of those that there are, they are all left alone."""
    async with fronted(tmp_path, answering=False, connections=3) as front:
        under_way = [asyncio.create_task(front.post()) for _ in range(3)]
        while len(front.taken) < 3:
            await asyncio.sleep(0.01)
        for _ in range(5):
            with pytest.raises((ConnectionError, IndexError)):
                await front.get("/healthz")
        front.answering.set()
        assert {answer.status for answer in await asyncio.gather(*under_way)} == {200}
        assert (await front.post()).status == 200
    assert "all 3 connections are in use" in caplog.text


class Kept:
    """A connection that a client keeps."""

    def __init__(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._reader, self._writer = streams

    async def ask(self) -> bytes:
        """Ask, and keep the connection; the answer is empty where it was ended."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await self._reader.readuntil(b"\r\n\r\n")
            return head + await self._reader.readexactly(len(b'{"status": "ok"}'))
        return b""

    async def is_ended(self) -> bool:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(0.2):
                return await self._reader.read(1) == b""
        return self._reader.at_eof() or self._reader.exception() is not None

    def close(self) -> None:
        self._writer.close()


async def keep(front: Front, source: str = "127.0.0.1") -> Kept:
    return Kept(await asyncio.open_connection("127.0.0.1", front.port, local_addr=(source, 0)))


async def ended(kept: list[Kept]) -> list[bool]:
    return await asyncio.gather(*(one.is_ended() for one in kept))


async def test_connections_that_ask_nothing_more_keep_no_caller_out(tmp_path: Path):
    async with fronted(tmp_path, connections=20) as front:
        kept = [await keep(front) for _ in range(20)]
        for one in kept:
            assert b"200 OK" in await one.ask()
        for _ in range(30):
            assert (await front.post()).status == 200
        for one in kept:
            one.close()


async def test_the_connection_that_has_been_idle_longest_makes_room(tmp_path: Path):
    lines: list[dict[str, object]] = []
    async with fronted(tmp_path, answering=False, connections=5, audit=lines.append) as front:
        call = asyncio.create_task(front.post())
        while not front.taken:
            await asyncio.sleep(0.01)
        kept = [await keep(front) for _ in range(4)]
        for number in (2, 0, 3, 1):
            assert b"200 OK" in await kept[number].ask()
        newer = [await keep(front), await keep(front)]
        for one in newer:
            assert b"200 OK" in await one.ask()
        assert await ended(kept) == [True, False, True, False]
        front.answering.set()
        assert (await call).status == 200
        for one in (*kept, *newer):
            one.close()
    assert counted(lines) == [("made-room", "127.0.0.1", 2)]


async def test_silent_connections_make_room_too(tmp_path: Path):
    async with fronted(tmp_path, connections=5, head_timeout=60) as front:
        silent = [await keep(front) for _ in range(20)]
        assert (await front.post()).status == 200
        for one in silent:
            one.close()


async def test_an_address_with_its_share_of_a_crowd_makes_room_for_itself_alone(tmp_path: Path):
    async with fronted(tmp_path, connections=10, connections_per_address=4) as front:
        others = [await keep(front, "127.0.0.2") for _ in range(3)]
        many = [await keep(front) for _ in range(6)]
        for one in (*others, *many):
            assert b"200 OK" in await one.ask()
        more = [await keep(front) for _ in range(20)]
        assert b"200 OK" in await more[-1].ask()
        assert await ended(others) == [False] * 3
        assert await ended(many) == [True] * 6
        last = await keep(front, "127.0.0.3")
        assert b"200 OK" in await last.ask()
        for one in (*others, *many, *more, last):
            one.close()


async def test_from_one_address_come_nine_tenths_of_all_connections(tmp_path: Path):
    """As all do where a proxy stands in front."""
    async with fronted(
        tmp_path, answering=False, connections=10, connections_per_address=1
    ) as front:
        calls = [asyncio.create_task(front.post()) for _ in range(9)]
        while len(front.taken) < 9:
            await asyncio.sleep(0.01)
        with pytest.raises((ConnectionError, IndexError)):
            await front.get("/healthz")
        other = await keep(front, "127.0.0.2")
        assert b"200 OK" in await other.ask()
        other.close()
        front.answering.set()
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_connections_are_counted_and_make_room_on_either_loop(tmp_path: Path, loop):
    """The commands run on uvloop, whose transports are of a make of their own."""

    async def counting() -> None:
        lines: list[dict[str, object]] = []
        async with fronted(tmp_path, answering=False, connections=3, audit=lines.append) as front:
            idle = [await keep(front) for _ in range(5)]
            assert b"200 OK" in await idle[-1].ask()
            calls = [asyncio.create_task(front.post()) for _ in range(3)]
            while len(front.taken) < 3:
                await asyncio.sleep(0.01)
            await front.exchange(b"")
            front.answering.set()
            assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
            for one in idle:
                one.close()
        kinds = {what: count for what, _, count in counted(lines)}
        assert kinds == {"made-room": 5, "too-many": 1}

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(counting())


# Smuggling: whatever the library may make of it, only what is unmistakable is carried out

SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(GET_ORDER)
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GET_ORDER), GET_ORDER)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(HEAD + LENGTH + b"Transfer-Encoding: chunked\r\n", id="length and chunks"),
        pytest.param(HEAD + LENGTH + b"Content-Length: 0\r\n", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: 4, 4\r\n", id="a list of lengths"),
        pytest.param(HEAD + b"Content-Length: +%d\r\n" % len(GET_ORDER), id="a sign"),
        pytest.param(HEAD + b"Content-Length: 0x10\r\n", id="hexadecimal"),
        pytest.param(HEAD + b"Content-Length: -1\r\n", id="negative"),
        pytest.param(HEAD + b"Content-Length : %d\r\n" % len(GET_ORDER), id="blank before colon"),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n", id="unknown coding"),
        pytest.param(HEAD + b"Transfer-Encoding: xyz, chunked\r\n", id="unknown coding first"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip, chunked\r\n", id="gzip"),
        pytest.param(HEAD + b"Transfer-Encoding: br, chunked\r\n", id="br"),
        pytest.param(HEAD + b"Transfer-Encoding: identity, chunked\r\n", id="identity first"),
        pytest.param(HEAD + b"Transfer-Encoding: identity\r\n", id="identity"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked;a=b\r\n", id="a parameter"),
        pytest.param(
            HEAD + b"Transfer-Encoding: xyz\r\nTransfer-Encoding: chunked\r\n",
            id="unknown coding on a line of its own",
        ),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, identity\r\n", id="chunks not last"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, chunked\r\n", id="chunks twice"),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            id="two codings",
        ),
        pytest.param(HEAD + b"X: a\r\n folded\r\n" + LENGTH, id="folded line"),
        pytest.param(HEAD + b"X: a\rb\r\n" + LENGTH, id="bare CR"),
        pytest.param(HEAD + b"X: a\x00b\r\n" + LENGTH, id="NUL"),
        pytest.param(HEAD + b"X y: a\r\n" + LENGTH, id="blank in a name"),
        pytest.param(HEAD + b": a\r\n" + LENGTH, id="no name"),
        pytest.param(HEAD + b"Transfer-Encoding:\x0bchunked\r\n" + LENGTH, id="vertical tab"),
        pytest.param(HEAD + b"Host: other\r\n" + LENGTH, id="two hosts"),
        pytest.param(HEAD.replace(b"HTTP/1.1", b"HTTP/1.1x") + LENGTH, id="no version"),
        pytest.param(HEAD.replace(b"HTTP/1.1", b"HTTP/2.0") + LENGTH, id="HTTP 2"),
        pytest.param(HEAD.replace(b"HTTP/1.1", b"HTTP/0.9") + LENGTH, id="HTTP 0.9 with headers"),
        pytest.param(HEAD.replace(b" HTTP/1.1", b"") + LENGTH, id="HTTP 0.9"),
        pytest.param(HEAD.replace(b"POST ", b"POST\t") + LENGTH, id="a tab"),
        pytest.param(
            HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n" + LENGTH,
            id="chunks in HTTP 1.0",
        ),
        pytest.param(
            HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n",
            id="chunks in HTTP 1.0 alone",
        ),
        pytest.param(
            HEAD.replace(b" /", b" http://evil.example/") + LENGTH, id="another host in the target"
        ),
        pytest.param(
            HEAD.replace(b" /", b" http://localhost:1/") + LENGTH, id="another port in the target"
        ),
        pytest.param(HEAD.replace(b" /", b" http://a@localhost/") + LENGTH, id="a user"),
        pytest.param(HEAD.replace(b" /", b" ftp://localhost/") + LENGTH, id="another scheme"),
    ],
)
@pytest.mark.parametrize("body", [GET_ORDER, CHUNKED], ids=["plain", "chunked"])
async def test_a_request_with_two_readings_is_refused_and_nothing_behind_it_is_read(
    front: Front, head: bytes, body: bytes
):
    data = await front.exchange(head + b"\r\n" + body + SMUGGLED, patience=1.0)
    assert data.count(b"HTTP/1.") <= 1, data
    assert b"200 OK" not in data
    assert front.taken == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n", 501),
        (HEAD.replace(b"HTTP/1.1", b"HTTP/2.0") + LENGTH, 505),
        (HEAD.replace(b" /", b" http://evil.example/") + LENGTH, 400),
        (
            HEAD.replace(b" /", b" http://evil.example/").replace(b"localhost", b"evil.example")
            + LENGTH,
            421,
        ),
    ],
)
async def test_what_is_refused_of_http_is_told_by_its_status(
    front: Front, head: bytes, status: int
):
    body = CHUNKED if b"chunked" in head else GET_ORDER
    data = await front.exchange(head + b"Connection: close\r\n\r\n" + body, patience=1.0)
    assert answer_of(data).status == status
    assert b"evil" not in data
    assert front.taken == []


UPGRADE = b"Connection: Upgrade\r\nUpgrade: %s\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(HEAD + UPGRADE % b"foo" + LENGTH, 200, id="unknown"),
        pytest.param(HEAD + UPGRADE % b"h2c" + LENGTH, 200, id="h2c"),
        pytest.param(HEAD + UPGRADE % b"websocket" + LENGTH, 200, id="websocket"),
        pytest.param(
            HEAD.replace(b"/warehouse", b"/a/b/c") + UPGRADE % b"foo" + LENGTH, 404, id="no path"
        ),
        pytest.param(
            HEAD + b"Origin: http://evil.example\r\n" + UPGRADE % b"foo" + LENGTH,
            403,
            id="refused",
        ),
    ],
)
async def test_a_request_for_another_protocol_is_answered_and_is_the_last_of_its_connection(
    front: Front, head: bytes, status: int
):
    """What came behind it is not answered: its sender sees the end, and sends it anew."""
    async with asyncio.timeout(240):
        data = await front.exchange(head + b"\r\n" + GET_ORDER + SMUGGLED, patience=120)
    assert answer_of(data).status == status
    assert answer_of(data).headers["connection"] == "close"
    assert data.count(b"HTTP/1.1 ") == 1


async def test_a_connection_is_no_tunnel(front: Front):
    async with asyncio.timeout(240):
        data = await front.exchange(
            b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n" + SMUGGLED, patience=120
        )
    assert answer_of(data).status in (400, 404, 405)
    assert data.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked "])
async def test_chunks_are_taken(front: Front, coding: str):
    head = HEAD + f"Transfer-Encoding: {coding}\r\nConnection: close\r\n\r\n".encode()
    assert answer_of(await front.exchange(head + CHUNKED)).status == 200


async def test_a_target_with_the_listeners_own_address_is_taken_as_proxies_write_it(front: Front):
    """RFC 9112, section 3.2.2."""
    here = f"localhost:{front.port}"
    line = f"POST http://LOCALHOST:{front.port}/warehouse HTTP/1.1\r\nHost: {here}\r\n".encode()
    rest = b"Content-Type: text/xml\r\n" + LENGTH + b"Connection: close\r\n\r\n" + GET_ORDER
    assert answer_of(await front.exchange(line + rest)).status == 200
    wsdl = f"GET http://{here}/warehouse?wsdl HTTP/1.1\r\nHost: {here}\r\nConnection: close\r\n\r\n"
    answer = answer_of(await front.exchange(wsdl.encode()))
    assert f'location="http://{here}/warehouse"'.encode() in answer.body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"zz\r\nabc\r\n0\r\n\r\n", id="no size"),
        pytest.param(b"-5\r\nabcde\r\n0\r\n\r\n", id="negative size"),
        pytest.param(b"0x5\r\nabcde\r\n0\r\n\r\n", id="prefixed size"),
        pytest.param(b"3\r\nabcdef\r\n0\r\n\r\n", id="longer than it says"),
        pytest.param(b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n", id="overflow"),
        pytest.param(b"5\rXabcde\r\n0\r\n\r\n", id="bare CR behind the size"),
    ],
)
async def test_chunks_that_are_none_are_refused(front: Front, body: bytes):
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    data = await front.exchange(head + body + SMUGGLED, patience=1.0)
    assert data.count(b"HTTP/1.") <= 1, data
    assert b"200 OK" not in data
    assert front.taken == []


async def test_whatever_bytes_come_nothing_fails_and_the_next_call_is_served(
    guarded: Front, caplog
):
    caplog.set_level(logging.DEBUG)
    said = f"Authorization: {bearer(guarded.secrets['shop'])}\r\n".encode()
    whole = HEAD + said + LENGTH + b"Connection: close\r\n\r\n" + GET_ORDER
    chance = random.Random(5)
    for _ in range(80):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(data))
            piece = chance.choice([b"", b"\r\n", b"\x00", b"\xff", b":", b" ", b"\n", b"%s"])
            data[at : at + chance.randint(0, 3)] = piece
        await guarded.exchange(bytes(data), patience=0.1)
    assert not [one for one in caplog.records if one.exc_info]
    assert all(message.sender == "shop" for message in guarded.taken)
    assert (await guarded.post(Authorization=bearer(guarded.secrets["shop"]))).status == 200


async def test_a_malformed_request_is_answered_without_a_word_of_it_or_of_the_library(front: Front):
    data = await front.exchange(HEAD + b"X-Secret: canary\x00\r\n" + LENGTH + b"\r\n" + GET_ORDER)
    assert answer_of(data).status == 400
    for word in (b"canary", b"aiohttp", b"Python", b"Error"):
        assert word not in data


@pytest.mark.parametrize("size", [10_000, 100_000])
async def test_lines_and_heads_that_are_too_long_are_refused(front: Front, size: int):
    for head in (
        HEAD + b"X: " + b"x" * size + b"\r\n",
        HEAD.replace(b"/warehouse", b"/" + b"w" * size),
        HEAD + b"".join(b"X%d: 1\r\n" % n for n in range(size // 10)),
    ):
        data = await front.exchange(head + LENGTH + b"\r\n" + GET_ORDER)
        assert not data or answer_of(data).status in (400, 404, 431)
    assert front.taken == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SOAPAction", ('"urn:example:warehouse/GetOrder"', '"urn:example:warehouse/PlaceOrder"')),
        ("SOAPAction", ('"urn:example:warehouse/GetOrder"',) * 2),
        ("Content-Encoding", ("identity", "gzip")),
    ],
)
async def test_a_header_that_says_two_things_is_refused(front: Front, name: str, values):
    said = b"".join(f"{name}: {value}\r\n".encode() for value in values)
    end = b"Connection: close\r\n\r\n" + GET_ORDER
    answer = answer_of(await front.exchange(HEAD + LENGTH + said + end))
    assert answer.status == 400
    assert f"Send the header {name} once.".encode() in answer.body
    assert front.taken == []


# The audit log


def counted(lines: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return [(one["what"], one["peer"], one["count"]) for one in lines if one["event"] == "counted"]


async def test_connections_that_are_refused_are_counted_in_the_audit_log(tmp_path: Path):
    lines: list[dict[str, object]] = []
    async with fronted(tmp_path, audit=lines.append, head_timeout=1, connections=3) as front:
        for data in (b"\x16\x03\x01\x00\xa5", b"GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n"):
            await front.exchange(data + b"\r\n\r\n")
        silent = [asyncio.create_task(front.exchange(b"")) for _ in range(3)]
        await asyncio.wait(silent)
        front.answering.clear()
        calls = [asyncio.create_task(front.post()) for _ in range(3)]
        while len(front.taken) < 3:
            await asyncio.sleep(0.01)
        for _ in range(5):
            await front.exchange(b"")
        front.answering.set()
        assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
        assert (await front.post()).status == 200
        assert lines == []
    malformed, slow, full = sorted(counted(lines))
    here = "127.0.0.1"
    assert malformed == ("malformed", here, 2)
    assert slow == ("slow-head", here, 3)
    assert full == ("too-many", here, 5)


async def test_a_flood_of_calls_of_nobody_does_not_fill_the_audit_log(tmp_path: Path):
    lines: list[dict[str, object]] = []
    async with fronted(tmp_path, SHOP, audit=lines.append) as front:
        for _ in range(LINES + 7):
            assert (await front.post(Authorization=bearer("wrong"))).status == 401
        assert (await front.get("/warehouse/replies/X", Authorization="Basic x")).status == 401
        good = bearer(front.secrets["shop"])
        assert (await front.post(PLACE_ORDER, Authorization=good)).status == 403
    *refused, of_shop = [one for one in lines if one["event"] == "refused"]
    assert {(one["client"], one["code"]) for one in refused} == {("", "Client.credentials")}
    assert len(refused) == LINES
    # Of who is known, each call has its line, however many strangers there are.
    assert (of_shop["client"], of_shop["code"]) == ("shop", "Client.forbidden")
    assert of_shop["operation"] == "PlaceOrder"
    assert counted(lines) == [("calls", "127.0.0.1", 8)]


async def test_a_reply_that_is_asked_for_with_a_wrong_secret_is_in_the_audit_log(tmp_path: Path):
    lines: list[dict[str, object]] = []
    async with fronted(tmp_path, SHOP, audit=lines.append) as front:
        await front.get("/warehouse/replies/X", Authorization=bearer("wrong"))
        await front.get("/warehouse/replies/X", Host="evil.example")
    assert [one["code"] for one in lines] == ["Client.credentials", "Client.host"]


@pytest.mark.parametrize("clients", [{}, SHOP], ids=["everybody", "some"])
async def test_a_line_is_bounded_whatever_a_caller_asks_for(tmp_path: Path, clients):
    lines: list[dict[str, object]] = []
    async with fronted(tmp_path, clients, audit=lines.append) as front:
        for path in ("/" + "a" * 7000, "/warehouse/" + "a" * 7000):
            await front.ask("POST", path, GET_ORDER, Host="127.0.0.1")
    assert len(lines) == 2
    assert all(len(json.dumps(one)) < 500 for one in lines)


# The log


async def test_whoever_is_refused_has_the_id_that_is_in_the_log(guarded: Front, caplog):
    caplog.set_level(logging.INFO)
    answers = [
        await guarded.post(),
        await guarded.post(PLACE_ORDER, Authorization=bearer(guarded.secrets["shop"])),
    ]
    for answer in answers:
        id = re.search(rb"<id>(\w+)</id>", answer.body)
        assert id is not None
        lines = [r.getMessage() for r in caplog.records if id[1].decode() in r.getMessage()]
        assert lines, answer.body
    assert "shop may not call PlaceOrder" in caplog.text


async def test_no_secret_is_in_the_log_at_any_level_whatever_is_done_with_it(
    guarded: Front, caplog
):
    caplog.set_level(logging.DEBUG)
    canary = "cAnArY-0123456789"
    shop = guarded.secrets["shop"]
    for said in (bearer(canary), basic("shop", canary), basic(canary, "x"), f"{canary} x", canary):
        await guarded.post(Authorization=said)
        await guarded.get("/warehouse?wsdl", Authorization=said)
    for head in (b"Authorization: Bearer " + canary.encode() + b"\x00\r\n",):
        await guarded.exchange(HEAD + head + LENGTH + b"\r\n" + GET_ORDER)
    await guarded.post(Authorization=bearer(shop))
    await guarded.post(Authorization=basic("shop", shop))
    await guarded.post(PLACE_ORDER, Authorization=bearer(shop))
    (guarded.folder / "credentials.txt").write_text(f"shop {canary}\n")
    await asyncio.sleep(5.5)
    assert "is not a credential" in caplog.text
    written = "\n".join(logging.Formatter().format(record) for record in caplog.records)
    encoded = base64.b64encode(f"shop:{canary}".encode()).decode()
    for secret in (canary, encoded, shop, basic("shop", shop)[6:]):
        assert secret not in written
    assert (await guarded.post(Authorization=bearer(shop))).status == 200
