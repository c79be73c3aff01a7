"""What a call passes first: it is meant for this listener, and comes from no stranger's page."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from wire import Answer, Asked, request

from gateway.errors import INTERNAL, Check
from gateway.listening.answers import NEW_ID, REFUSED
from gateway.listening.origin import MAY_READ, MAY_SEND, door, is_own, let_read
from gateway.listening.settings import ListenerSettings

SHOP = "https://shop.example.com"
SETTINGS = ListenerSettings(
    bind="gateway:80",
    hosts=("soap.example.com",),
    origins=(SHOP,),
    url="https://soap.example.com/soap",
)


@pytest.fixture
async def guarded(opened: Callable[..., Any]) -> Asked:
    """A door, with what says by which check a call is refused."""

    @web.middleware
    async def telling(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        if REFUSED in response:
            response.headers["Check"] = str(response[REFUSED].error.check)
        return response

    async def answer(request: web.Request) -> web.Response:
        if "Failing" in request.headers:
            raise ValueError(request.headers["Failing"])
        if "Gone" in request.headers:
            raise ConnectionResetError
        await request.read()
        return web.Response(body=b"let in")

    application = web.Application(middlewares=[telling, door(SETTINGS)])
    application[NEW_ID] = lambda: "01M"
    application.on_response_prepare.append(let_read)
    application.add_routes([web.get("/", answer), web.post("/warehouse", answer)])
    return await opened(application, lingering_time=0)


async def post(guarded: Asked, **headers: str | None) -> Answer:
    return await guarded.ask("POST", "/warehouse", b"<a/>", **headers)


def edited(old: bytes, new: bytes) -> bytes:
    return request("POST", "/warehouse", b"<a/>").replace(old, new, 1)


# Its host


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:8800",
        "[::1]",
        "[2001:db8::1]:80",
        "Gateway",
        "gateway.:80",
    ],
)
async def test_a_call_for_this_listener_is_let_in(guarded: Asked, host: str):
    assert (await post(guarded, Host=host)).body == b"let in"


@pytest.mark.parametrize(
    "host", ["evil.example", "gateway.evil.example", "xgateway", "127.0.0.1.example:80"]
)
async def test_a_call_for_another_name_is_421_and_quotes_nothing(guarded: Asked, host: str, caplog):
    answer = await post(guarded, Host=host)
    assert (answer.status, answer.headers["check"]) == (421, Check.HOST)
    assert host.encode() not in answer.body
    assert "listener.hosts" in caplog.text
    assert host not in caplog.text


@pytest.mark.parametrize(
    "host", ["", "a b", "gateway:80:80", "user@gateway", "gateway/", "g\xe4te"]
)
async def test_a_host_that_is_none_is_400(guarded: Asked, host: str):
    answer = await post(guarded, Host=host)
    assert (answer.status, answer.headers.get("check")) == (400, Check.HOST)


async def test_http_1_1_has_a_host_and_http_1_0_need_not(guarded: Asked):
    assert (await post(guarded, Host=None)).status == 400
    old = request("POST", "/warehouse", b"<a/>", Host=None).replace(b"HTTP/1.1", b"HTTP/1.0")
    assert (await guarded.exchange(old)).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://localhost/warehouse", 200),
        (b"HTTPS://LOCALHOST/warehouse", 200),
        (b"http://evil.example/warehouse", 400),
        (b"http://localhost:1/warehouse", 400),
        (b"http://a@localhost/warehouse", 400),
        (b"ftp://localhost/warehouse", 400),
    ],
)
async def test_a_request_line_names_no_host_or_that_of_its_header(
    guarded: Asked, target: bytes, status: int
):
    assert (await guarded.exchange(edited(b"/warehouse", target))).status == status


@examples(max_examples=50)
@given(st.text(min_size=1, max_size=60))
def test_no_other_name_is_the_listeners(name: str):
    is_address = True
    try:
        ipaddress.ip_address(name.lower().rstrip(".").strip("[]"))
    except ValueError:
        is_address = False
    expected = is_address or name.lower().rstrip(".") in ("localhost", "gateway")
    assert is_own(name, {"gateway"}) is expected


# Its origin


async def test_a_call_of_no_page_has_no_origin_and_is_let_in(guarded: Asked):
    answer = await post(guarded)
    assert answer.status == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://shop.example.com",
        SHOP + ":444",
        SHOP + ".evil.example",
        "null",
        "",
        "file://",
        "ftp://localhost",
        "//localhost",
        "http://[",
        "http://\u2100.example",
    ],
)
async def test_a_page_of_another_site_may_not_call(guarded: Asked, origin: str):
    data = edited(b"Host:", b"Origin: " + origin.encode() + b"\r\nHost:")
    answer = await guarded.exchange(data)
    assert (answer.status, answer.headers.get("check")) == (403, Check.ORIGIN)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://localhost", "https://localhost", "https://soap.example.com"]
)
async def test_a_page_of_the_listener_itself_may_call(guarded: Asked, origin: str):
    answer = await post(guarded, Origin=origin)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


async def test_a_page_of_an_allowed_origin_may_read_what_it_is_answered(guarded: Asked):
    for path, status in (("/warehouse", 200), ("/a/b/c", 404)):
        answer = await guarded.ask("POST", path, b"<a/>", Origin=SHOP)
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-expose-headers"] == MAY_READ
        assert answer.headers["vary"] == "Origin"


async def test_a_browser_is_told_what_a_page_of_an_allowed_origin_may_send(guarded: Asked):
    asked = {"Access_Control_Request_Method": "POST"}
    answer = await guarded.ask("OPTIONS", "/warehouse", Origin=SHOP, **asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["access-control-allow-headers"] == MAY_SEND
    assert answer.headers["access-control-allow-methods"] == "GET, POST"


@pytest.mark.parametrize("origin", [None, "http://localhost", "https://evil.example"])
async def test_a_browser_is_told_nothing_of_pages_of_others(guarded: Asked, origin: str | None):
    asked = {"Access_Control_Request_Method": "POST"}
    answer = await guarded.ask("OPTIONS", "/warehouse", Origin=origin, **asked)
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_options_that_no_browser_asks_for_are_a_method_like_others(guarded: Asked):
    assert (await guarded.ask("OPTIONS", "/warehouse", Origin=SHOP)).status == 405


# Its words


@pytest.mark.parametrize(
    ("coding", "version", "status"),
    [
        (b"chunked", b"1.1", 200),
        (b" Chunked", b"1.1", 200),
        (b"gzip, chunked", b"1.1", 501),
        (b"chunked", b"1.0", 400),
        (b"chunked", b"2.0", 505),
    ],
)
async def test_codings_and_versions_that_nobody_meant_are_refused_and_are_the_last(
    guarded: Asked, coding: bytes, version: bytes, status: int
):
    head = request("POST", "/warehouse", Content_Length=None, Connection=None)
    head = head.replace(b"Host:", b"Transfer-Encoding: " + coding + b"\r\nHost:", 1)
    data = head.replace(b"HTTP/1.1", b"HTTP/" + version) + b"4\r\n<a/>\r\n0\r\n\r\n"
    wire = guarded.connect()
    wire.send(data)
    if status == 200:
        wire.send(request("GET", "/"))
    answer = await wire.answer()
    assert (answer.status, "check" in answer.headers) == (status, status != 200)


@pytest.mark.parametrize(
    ("name", "values", "check"),
    [
        ("SOAPAction", ('"a"', '"b"'), Check.SOAP_ACTION),
        ("SOAPAction", ('"a"', '"a"'), Check.SOAP_ACTION),
        ("Content-Encoding", ("identity", "gzip"), Check.CONTENT_ENCODING),
    ],
)
async def test_a_header_that_says_two_things_is_refused(
    guarded: Asked, name: str, values: tuple[str, str], check: Check
):
    lines = "".join(f"{name}: {value}\r\n" for value in values)
    answer = await guarded.exchange(edited(b"Host:", lines.encode() + b"Host:"))
    assert (answer.status, answer.headers["check"]) == (400, check)
    assert f"Send the header {name} once.".encode() in answer.body


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [("/warehouse", None, 200), ("/a/b/c", None, 404), ("/warehouse", "https://evil.example", 403)],
)
async def test_a_request_for_another_protocol_is_answered_and_is_the_last(
    guarded: Asked, path: str, origin: str | None, status: int
):
    head = {"Connection": "Upgrade", "Upgrade": "h2c", "Origin": origin}
    answer = await guarded.exchange(request("POST", path, b"<a/>", **head) + request("GET", "/"))
    assert (answer.status, answer.headers["connection"]) == (status, "close")


# Bugs


async def test_of_a_bug_its_caller_learns_that_there_is_one_and_the_log_quotes_nothing(
    guarded: Asked, caplog
):
    answer = await post(guarded, Failing="canary")
    assert (answer.status, INTERNAL.encode() in answer.body) == (500, True)
    assert b"soap:Server" in answer.body
    assert "01M failed in the listener" in caplog.text
    assert "canary" not in caplog.text


async def test_a_caller_that_left_is_no_bug(guarded: Asked, caplog):
    wire = guarded.connect()
    wire.send(request("POST", "/warehouse", b"<a/>", Gone="yes"))
    async with asyncio.timeout(60):
        await wire.ended.wait()
    assert "failed in the listener" not in caplog.text
