"""Forwarding, against real HTTP servers on this machine: good ones, and every bad kind."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import zeep
from aiohttp import web

from gateway.admission import Gate, Limits
from gateway.backends.forward.transport import (
    INTERIM,
    BackendTransport,
    ForwardBackend,
    ForwardSettings,
    _Answers,
)
from gateway.backends.forward.transport import STRAY as STRAY_WARNING
from gateway.backends.redact.telltale import Telltales
from gateway.contract.backend_names import places
from gateway.errors import (
    BackendFailed,
    Declined,
    Unanswered,
    Unreached,
)

LIMITS = ForwardSettings(connect=2.0, idle=0.5, reply=100_000, telltales=Telltales(places([])))
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
CALCULATOR = Path(__file__).parents[2] / "golden/stubs/calculator.wsdl"
REPLY = f'<s:Envelope xmlns:s="{SOAP}">\r\n<s:Body><a b = "1"/></s:Body></s:Envelope>\n'.encode()
FAULT = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>s:Client</faultcode>'
    "<faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>"
).encode()


@contextlib.asynccontextmanager
async def backend_at(answer):
    """Serve ``answer(request, body)`` on a free port; yield a backend that forwards to it."""

    async def handle(request):
        return await answer(request, await request.read())

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    backend = ForwardBackend(f"http://127.0.0.1:{port}/Warehouse", LIMITS)
    try:
        yield backend
    finally:
        await backend.aclose()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_backend(handle, limits=LIMITS):
    """Serve bytes as ``handle(reader, writer)`` writes them."""
    handling = set()

    async def handled(reader, writer):
        handling.add(asyncio.current_task())
        await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(handled, "127.0.0.1", 0)
    backend = ForwardBackend(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", limits)
    try:
        yield backend
    finally:
        await backend.aclose()
        await asyncio.gather(*handling)
        server.close()


@pytest.fixture
def call(warehouse, sample):
    def admit(name="get_order_11", **fields):
        return Gate(warehouse, Limits()).admit(sample(name, **fields))

    return admit


def says(body=REPLY, status=200, content_type="text/xml; charset=utf-8", **headers):
    async def answer(request, _):
        return web.Response(
            body=body, status=status, headers={"Content-Type": content_type, **headers}
        )

    return answer


async def test_bytes_go_out_as_they_came_and_come_back_so(call):
    seen = []

    async def answer(request, body):
        seen.append((request, body))
        return web.Response(body=REPLY, headers={"Content-Type": 'text/xml; charset="utf-8"'})

    async with backend_at(answer) as backend:
        sent = call(
            content_type="text/xml;  charset=UTF-8", soap_action="urn:example:warehouse/GetOrder"
        )
        reply = await backend.invoke(sent)
    ((request, body),) = seen
    assert body == sent.message.body
    assert reply.body == REPLY
    assert reply.content_type == 'text/xml; charset="utf-8"'
    assert request.headers["Content-Type"] == "text/xml;  charset=UTF-8"
    assert request.headers["SOAPAction"] == '"urn:example:warehouse/GetOrder"'


async def test_no_header_travels_but_those_that_must(call):
    seen = []

    async def answer(request, body):
        seen.append(set(request.headers))
        return web.Response(body=REPLY, content_type="text/xml", headers={"Set-Cookie": "a=b"})

    async with backend_at(answer) as backend:
        await backend.invoke(call())
        await backend.invoke(call())
    expected = {"Host", "Content-Type", "Content-Length", "SOAPAction", "Accept-Encoding"}
    assert seen == [expected, expected]  # no User-Agent, and no cookie the second time


async def test_soap_12_has_no_soapaction_header(call):
    envelope = REPLY.replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope")

    async def answer(request, body):
        assert "SOAPAction" not in request.headers
        return web.Response(body=envelope, headers={"Content-Type": "application/soap+xml"})

    async with backend_at(answer) as backend:
        assert (await backend.invoke(call("get_order_12"))).body == envelope


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_fault_is_a_reply_whatever_its_status(call, status):
    async with backend_at(says(FAULT, status)) as backend:
        reply = await backend.invoke(call())
    assert (reply.body, reply.is_fault) == (FAULT, True)


MULTIPART = (
    b'--b\r\nContent-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <r@x>\r\n\r\n'
    + REPLY
    + b"\r\n--b\r\nContent-ID: <d@x>\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + b"\x00\r\n\xff\r\n--b--"
)


async def test_a_multipart_reply_passes_untouched(call):
    kind = 'multipart/related; type="application/xop+xml"; boundary=b; start="<r@x>"'
    async with backend_at(says(MULTIPART, content_type=kind)) as backend:
        reply = await backend.invoke(call())
    assert (reply.body, reply.content_type) == (MULTIPART, kind)


@pytest.mark.parametrize(
    "answer",
    [
        says(b"<html>secret</html>", content_type="text/html"),
        says(b"<html>secret</html>", 500),
        says(b"Traceback: secret", 500, "text/plain"),
        says(b"", 200),
        says(b"", 404),
        says(b"", 401, **{"WWW-Authenticate": "NTLM"}),
        says(REPLY, content_type="application/json"),
        says(REPLY.replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope")),
        says(b"\x1f\x8b\x08\x00", **{"Content-Encoding": "gzip"}),
        says(REPLY, 302, Location="http://127.0.0.1/secret"),
        says(b'<!DOCTYPE x [<!ENTITY e "secret">]>' + REPLY),
        says(
            b'<!DOCTYPE x SYSTEM "http://127.0.0.1/secret">'
            + REPLY.replace(b"<a", b"<x/>" * 20_000 + b"<a")
        ),
        says(REPLY, content_type="text/xml\u00e4"),
        says(b"x" * 100_001),
    ],
)
async def test_what_is_no_soap_reply_is_a_failure_without_a_word_of_the_backend(call, answer):
    async with backend_at(answer) as backend:
        with pytest.raises(BackendFailed) as caught:
            await backend.invoke(call())
    for said in (caught.value.text, str(caught.value), caught.value.reason):
        assert "secret" not in said
        assert "127.0.0.1" not in said


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(call, status):
    asked = []

    async def answer(request, body):
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with backend_at(answer) as backend:
        with pytest.raises(BackendFailed):
            await backend.invoke(call())
    assert asked == ["/Warehouse"]


async def test_the_environment_offers_no_proxy_and_no_credentials(call, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    async def answer(request, body):
        assert "Authorization" not in request.headers
        return web.Response(body=REPLY, content_type="text/xml")

    async with backend_at(answer) as backend:
        assert (await backend.invoke(call())).body == REPLY


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_one_way_operation_is_done_when_it_was_taken(call, status):
    async with backend_at(says(b"", status)) as backend:
        assert await backend.invoke(call("notify_shipment_11")) is None


@pytest.mark.parametrize("answer", [says(b"", 404), says(FAULT, 500)])
async def test_a_one_way_operation_that_was_not_taken_has_failed(call, answer):
    async with backend_at(answer) as backend:
        with pytest.raises(BackendFailed):
            await backend.invoke(call("notify_shipment_11"))


@pytest.mark.parametrize(
    ("status", "error"), [(429, Declined), (503, Declined), (502, Unanswered), (504, Unanswered)]
)
@pytest.mark.parametrize("name", ["get_order_11", "notify_shipment_11"])
async def test_a_server_that_is_busy_or_does_not_know_is_transient(call, status, error, name):
    async with backend_at(says(b"", status, **{"Retry-After": "7"})) as backend:
        with pytest.raises(error) as caught:
            await backend.invoke(call(name))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize(
    "given", [f"a*{'9' * 5000}=x", "a*=x; a*0=y"], ids=["5000 digits", "whole and in parts"]
)
@pytest.mark.parametrize("kind", ["text/xml; charset=utf-8", "multipart/related; boundary=b"])
async def test_an_answer_whose_type_cannot_be_read_is_no_soap(call, kind, given):
    body = REPLY if kind.startswith("text") else b"--b\r\n\r\n" + REPLY + b"\r\n--b--"
    async with backend_at(says(body, content_type=f"{kind}; {given}")) as backend:
        with pytest.raises(BackendFailed, match="did not answer with a SOAP message"):
            await backend.invoke(call())


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Mon, 20 Nov 1995 19:12:08 -99999999999999999999",
        "Mon, 20 Nov 99999999999999999999 19:12:08 GMT",
    ],
)
async def test_a_retry_after_that_says_nothing_is_none_or_now(call, value):
    async with backend_at(says(b"", 503, **{"Retry-After": value})) as backend:
        with pytest.raises(Declined) as caught:
            await backend.invoke(call())
    assert not caught.value.retry_after


async def test_where_nobody_listens_nothing_was_sent(call):
    async with backend_at(says()) as backend:
        pass
    closed = ForwardBackend(backend._address, LIMITS)
    with pytest.raises(Unreached, match=r"^no connection: Connection refused$"):
        await closed.invoke(call())
    await closed.aclose()


async def test_a_name_that_does_not_resolve_was_not_reached(call):
    backend = ForwardBackend("http://nowhere.invalid/", LIMITS)
    with pytest.raises(Unreached, match=r"^no connection: its name cannot be resolved$"):
        await backend.invoke(call())
    await backend.aclose()


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<s"])
async def test_a_connection_that_breaks_after_the_request_is_no_answer(call, beginning):
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(beginning)

    async with raw_backend(handle) as backend:
        with pytest.raises(Unanswered):
            await backend.invoke(call())


async def test_what_is_not_http_is_no_answer(call):
    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"220 smtp ready\r\n")

    async with raw_backend(handle) as backend:
        with pytest.raises(Unanswered):
            await backend.invoke(call())


async def test_a_server_that_hangs_can_be_given_up(call):
    async def handle(reader, writer):
        await reader.read()  # until the other side gives up

    async with raw_backend(handle) as backend:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await backend.invoke(call())


REQUEST_END = b"\r\n\r\n"


async def _after_the_request(reader, writer, first, piece, pause):
    """Write something, then one piece after the other until the other side gives up."""
    await reader.readuntil(REQUEST_END)
    with contextlib.suppress(ConnectionError):
        writer.write(first)
        ended = asyncio.create_task(reader.read())
        while not (await asyncio.wait((ended,), timeout=pause))[0]:
            writer.write(piece)
            await writer.drain()


@pytest.mark.parametrize(
    ("first", "piece", "pause", "error"),
    [
        # It stops in the middle of its reply: after 0.5 s without a byte it is given up.
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n<s",
            b"",
            9.0,
            Unanswered,
        ),
        # It never ends: what is over the limit is not read.
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n", b"x" * 50_000, 0.0, BackendFailed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b"x", 0.1, BackendFailed),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"4000\r\n" + b"x" * 0x4000 + b"\r\n",
            0.0,
            BackendFailed,
        ),
        # Its headers never end.
        (b"HTTP/1.1 200 OK\r\n", b"x-y: " + b"z" * 1000 + b"\r\n", 0.0, Unanswered),
        (b"HTTP/1.1 200 OK\r\nx: ", b"z" * 1000, 0.0, Unanswered),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"x",
            0.1,
            Unanswered,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"x",
            0.1,
            Unanswered,
        ),
    ],
)
async def test_a_reply_that_stalls_or_never_ends_is_given_up(call, first, piece, pause, error):
    async def handle(reader, writer):
        await _after_the_request(reader, writer, first, piece, pause)

    async with raw_backend(handle) as backend:
        async with asyncio.timeout(240):
            with pytest.raises(error) as caught:
                await backend.invoke(call())
        await backend.aclose()
    assert "127.0.0.1" not in str(caught.value)


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"])
async def test_a_switch_of_protocols_is_no_reply(call, beginning):
    async def handle(reader, writer):
        await reader.readuntil(REQUEST_END)
        writer.write(beginning + REPLY)

    async with raw_backend(handle) as backend:
        with pytest.raises((BackendFailed, Unanswered)):
            await backend.invoke(call())


async def test_a_reply_that_comes_in_pieces_is_put_together(call):
    async def handle(reader, writer):
        await reader.readuntil(REQUEST_END)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
        for at in range(0, len(REPLY), 40):
            await asyncio.sleep(0.1)
            writer.write(REPLY[at : at + 40])
            await writer.drain()

    async with raw_backend(handle) as backend:
        assert (await backend.invoke(call())).body == REPLY


async def test_a_transfer_encoding_that_packs_is_not_unpacked(call):
    async def handle(reader, writer):
        await reader.readuntil(REQUEST_END)
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        )
        packed = gzip.compress(REPLY)
        writer.write(head + b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n")

    async with raw_backend(handle) as backend:
        with pytest.raises((BackendFailed, Unanswered)):
            await backend.invoke(call())


@pytest.mark.parametrize(
    ("stated", "passed_on"),
    [
        ("text/xml", "text/xml"),
        ('text/xml;charset="UTF-8"', 'text/xml;charset="UTF-8"'),
        ("text/xml; charset=utf-8; server=app01", 'text/xml; charset="utf-8"'),
        ("Text/XML; x-host=app01", "text/xml"),
    ],
)
async def test_a_content_type_says_nothing_but_what_soap_needs(call, stated, passed_on):
    async with backend_at(says(REPLY, content_type=stated)) as backend:
        assert (await backend.invoke(call())).content_type == passed_on


TELLING = FAULT.replace(b">no<", b">no answer from http://10.1.2.3/db<")


@pytest.mark.parametrize("unsafe", [False, True])
async def test_a_fault_that_gives_the_service_away_passes_where_the_settings_say_so(call, unsafe):
    async with backend_at(says(TELLING, 500)) as served:
        settings = replace(LIMITS, unsafe_faults=unsafe)
        backend = ForwardBackend(served._address, settings)
        reply = await backend.invoke(call())
        await backend.aclose()
    assert reply.is_fault
    assert (reply.body == TELLING) is unsafe
    assert (b"10.1.2.3" in reply.body) is unsafe


async def test_connections_are_used_again(call):
    ports = set()

    async def answer(request, body):
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response(body=REPLY, content_type="text/xml")

    async with backend_at(answer) as backend:
        for _ in range(5):
            await backend.invoke(call())
    assert len(ports) == 1


def answer_of(number):
    body = REPLY.replace(b'"1"', b'"%d"' % number)
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(body)
        + body
    )


STRAY = answer_of(0)
HIDDEN = b"HTTP/1.1 200 OK\r\nX-Trace: " + STRAY
"""An answer whose second half is an answer as well, to a parser that has not seen the first."""
AT = HIDDEN.index(STRAY)


@contextlib.asynccontextmanager
async def backend_that_goes_on(first, *later):
    """Serve a backend whose first answer is ``first``; what it sends later comes by itself.

    Yield it, an event that is set when all of it was sent, and a list of one entry for each
    connection: how many requests came by it.
    """
    sent, connections = asyncio.Event(), []

    async def handle(reader, writer):
        connections.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(REQUEST_END):
                connections[-1] += 1
                number = sum(connections)
                writer.write(first if number == 1 else answer_of(number))
                await writer.drain()
                if number == 1:
                    for pause, piece in later:
                        await asyncio.sleep(pause)
                        writer.write(piece)
                        await writer.drain()
                    sent.set()

    async with raw_backend(handle) as backend:
        yield backend, sent, connections


@pytest.mark.parametrize(
    "later",
    [
        [(0.01, STRAY)],
        [(0.05, STRAY)],
        [(0.2, STRAY)],
        [(0.01, STRAY[:40]), (0.05, STRAY[40:])],
        [(0.01, STRAY[:40])],
        [(0.01, HIDDEN[:AT]), (0.05, HIDDEN[AT:])],
        [(0.01, HIDDEN[:AT])],
        [(0.01, b"H")],
        [(0.01, b"\0garbage")],
        [(0.01, b"garbage\r\n\r\n"), (0.05, STRAY)],
        [(0.01, b"HTTP/1.1 100 Continue\r\n\r\n")],
        [(0.01, STRAY * 3)],
    ],
)
async def test_what_a_service_sends_unasked_is_no_answer_to_the_next_call(call, later):
    async with backend_that_goes_on(answer_of(1), *later) as (backend, sent, connections):
        assert b'"1"' in (await backend.invoke(call())).body
        await sent.wait()
        assert b'"2"' in (await backend.invoke(call())).body
        assert b'"3"' in (await backend.invoke(call())).body
    assert connections[0] == 1


@pytest.mark.parametrize("more", [STRAY, STRAY[:40], HIDDEN[:AT], b"HTTP/1.1 2"])
async def test_what_comes_together_with_an_answer_is_none_to_the_next_call(call, more):
    rest = (HIDDEN[AT:],) if more == HIDDEN[:AT] else ()
    later = [(0.05, piece) for piece in rest]
    first = answer_of(1) + more
    async with backend_that_goes_on(first, *later) as (backend, sent, connections):
        assert b'"1"' in (await backend.invoke(call())).body
        await sent.wait()
        assert b'"2"' in (await backend.invoke(call())).body
    assert connections == [1, 1]


async def test_what_came_and_was_not_read_yet_is_seen_when_a_connection_is_used(call):
    sent = threading.Event()

    def serve(listening):
        first, _ = listening.accept()
        with first:
            first.recv(1 << 16)
            first.sendall(answer_of(1))
            told.wait(240)
            first.sendall(STRAY)
            sent.set()
            second, _ = listening.accept()
            with second:
                second.recv(1 << 16)
                second.sendall(answer_of(2))

    told = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        served = asyncio.get_running_loop().run_in_executor(None, serve, listening)
        backend = ForwardBackend(f"http://127.0.0.1:{listening.getsockname()[1]}/", LIMITS)
        assert b'"1"' in (await backend.invoke(call())).body
        told.set()
        assert sent.wait(240)  # the loop stands still: it has read nothing since
        assert b'"2"' in (await backend.invoke(call())).body
        await served
        await backend.aclose()


async def test_connections_to_a_service_that_sends_unasked_are_not_kept_any_more(call, caplog):
    first = backend_that_goes_on(answer_of(1), (0.01, STRAY))
    async with first as (backend, sent, connections):
        await backend.invoke(call())
        await sent.wait()
        await asyncio.sleep(0.05)  # so that the loop has read it, and knows what it is
        for _ in range(3):
            await backend.invoke(call())
    assert connections == [1, 1, 1, 1]
    assert [record.getMessage() for record in caplog.records].count(STRAY_WARNING) == 1


LARGE = replace(LIMITS, idle=240.0, reply=64 << 20)
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def chunks(body, size):
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


def padded(size):
    return REPLY.replace(b"</s:Body>", b" " * size + b"</s:Body>")


@pytest.mark.parametrize(
    ("first", "rest", "error"),
    [
        (CONTINUE * INTERIM, CONTINUE * 2000 + answer_of(1), Unanswered),
        (
            b"",
            b"HTTP/1.1 103 Hints\r\n" + b"X: %b\r\n" % (b"a" * 8000) * 100 + b"\r\n" + answer_of(1),
            Unanswered,
        ),
        (CHUNKED, chunks(padded(100_000), 1), BackendFailed),
        (CHUNKED, b"1;" + b"a" * 400_000 + b"\r\n \r\n" + chunks(REPLY, 50), BackendFailed),
        (CHUNKED, chunks(REPLY, 50)[:-2] + b"X: %b\r\n" % (b"a" * 8000) * 100, BackendFailed),
    ],
)
async def test_an_answer_that_is_mostly_framing_is_ended_while_others_get_theirs(
    call, first, rest, error
):
    others, events = asyncio.Event(), []

    async def handle(reader, writer):
        await reader.readuntil(REQUEST_END)
        if events:
            writer.write(answer_of(2))
            return
        events.append("begun")
        writer.write(first)
        await others.wait()
        with contextlib.suppress(ConnectionError):
            writer.write(rest)
            await writer.drain()
            await reader.read()
        events.append("closed")

    async with raw_backend(handle, LARGE) as backend, asyncio.timeout(240):
        hostile = asyncio.create_task(backend.invoke(call()))
        while not events:
            await asyncio.sleep(0)
        assert b'"2"' in (await backend.invoke(call())).body
        events.append("another is answered")
        others.set()
        with pytest.raises(error):
            await hostile
        while len(events) < 3:
            await asyncio.sleep(0)
    assert events == ["begun", "another is answered", "closed"]


@pytest.mark.parametrize(
    ("head", "size", "framed"),
    [
        (CONTINUE * INTERIM + CHUNKED, 0, lambda body: chunks(body, 1)),
        (CHUNKED, 30_000, lambda body: chunks(body, 1)),
        (CHUNKED, 4_000_000, lambda body: chunks(body, 25)),
        (CHUNKED, 4_000_000, lambda body: chunks(body, 100_000)),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n", 9_000_000, lambda body: body),
    ],
)
async def test_an_answer_in_whatever_usual_framing_comes_whole(call, head, size, framed):
    async def handle(reader, writer):
        await reader.readuntil(REQUEST_END)
        writer.write(head + framed(padded(size)))
        await writer.drain()

    async with raw_backend(handle, LARGE) as backend, asyncio.timeout(240):
        reply = await backend.invoke(call())
    assert reply.body == padded(size)


class Reading(asyncio.Transport):
    """What reads a connection, and can be told not to."""

    is_paused = False

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False


@pytest.mark.parametrize("stated", [True, False], ids=["with its length", "until the end"])
@pytest.mark.parametrize("at_once", [1 << 20, 1 << 16])
async def test_what_came_before_a_connection_ended_is_all_given(stated, at_once):
    """It ends, as with TLS it may, while nobody takes what came: that is held, and not parsed.

    Where the library tells in another way that nobody takes it, nothing is held here.
    """
    answers, reading = _Answers(asyncio.get_running_loop()), Reading()
    answers.connection_made(reading)
    answers.set_response_params(read_until_eof=True, auto_decompress=False)
    size = 600_000
    length = b"Content-Length: %d\r\n" % size if stated else b""
    data = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + b"x" * size
    for at in range(0, len(data), at_once):
        answers.data_received(data[at : at + at_once])
    assert reading.is_paused
    assert answers._held
    answers.eof_received()
    answers.connection_lost(None)
    _, body = await answers.read()
    assert len(await body.read()) == size


async def test_zeeps_own_session_has_no_way_out():
    transport = BackendTransport(LIMITS)
    with pytest.raises(Exception, match="No connection adapters"):
        transport.load("http://127.0.0.1:1/")
    await transport.aclose()


@pytest.mark.parametrize("kind", ["text/xml", "multipart/related; type=text/xml; boundary=cut"])
async def test_a_zeep_client_that_is_given_the_transport_reads_the_answer(kind):
    reply = (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:c="urn:example:calculator:calls"><s:Body>'
        "<c:AddResponse><sum>3</sum></c:AddResponse></s:Body></s:Envelope>"
    ).encode()
    part = b"--cut\r\nContent-Type: text/xml\r\n\r\n" + reply + b"\r\n--cut--\r\n"
    contract = zeep.wsdl.Document(str(CALCULATOR), zeep.Transport())
    async with backend_at(says(part if "cut" in kind else reply, content_type=kind)) as backend:
        client = zeep.AsyncClient(contract, transport=backend._transport)
        client.service._binding_options["address"] = backend._address
        assert await client.service.Add(left=1, right={"factor": [2]}) == 3
