"""What is told of a store that no request can be sent to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from certificates import Authority

from gateway.errors import QueueAway, QueueUnavailable, Unsure
from gateway.queues.aws.account import Account
from gateway.queues.aws.address import AwsAccess
from gateway.queues.aws.http import HttpRequest, SignedHttp


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


@asynccontextmanager
async def _http() -> AsyncIterator[SignedHttp]:
    account = await Account.open(AwsAccess(region="eu-west-1"))
    http = SignedHttp(account, "s3", 2)
    try:
        yield http
    finally:
        await http.aclose()


async def test_a_store_that_speaks_no_tls_is_told_of():
    server = await asyncio.start_server(_refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, _http() as http:
        with pytest.raises(QueueAway, match=r"cannot be reached \(it does not speak TLS"):
            await http.send(HttpRequest("GET", f"https://127.0.0.1:{port}/"))


async def test_a_store_is_trusted_by_the_authority_that_is_named_and_by_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    authority = Authority.make(tmp_path)
    certificate, key = authority.issue("127.0.0.1")
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(certificate, key)
    server = await asyncio.start_server(_answer, "127.0.0.1", 0, ssl=theirs)
    request = HttpRequest("GET", f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    async with server:
        async with _http() as http:
            with pytest.raises(QueueAway, match=r"not trusted: .*; set AWS_CA_BUNDLE"):
                await http.send(request)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
        async with _http() as http:
            assert (await http.send(request)).body == b"ok"


@asynccontextmanager
async def _endless(head: bytes) -> AsyncIterator[tuple[str, list[int]]]:
    """A store whose answer has no end; and how many bytes of it each connection took."""
    taken: list[int] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(0)
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head)
            while True:
                writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                await writer.drain()
                taken[-1] += 0x10000
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", taken


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head", [CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n"]
)
async def test_an_object_is_read_no_further_than_its_limit(head: bytes):
    async with _endless(head) as (url, taken), _http() as http:
        answer = await http.send(HttpRequest("GET", url, limit=1 << 20))
        assert answer.is_cut
        assert answer.body == b""
        # What the sockets hold was sent, too.
        assert taken[0] < 32 << 20


async def test_an_error_is_read_no_further_than_an_error_is_long():
    head = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with _endless(head) as (url, _), _http() as http:
        answer = await http.send(HttpRequest("GET", url))
        assert (answer.status, answer.code) == (500, "")


async def test_an_answer_that_is_no_object_has_an_end_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.queues.aws.http.LONGEST_ANSWER", 1 << 20)
    async with _endless(CHUNKED) as (url, _), _http() as http:
        with pytest.raises(QueueUnavailable, match="more than 1 MiB, as no S3 or SQS does"):
            await http.send(HttpRequest("POST", url))


async def test_a_store_that_takes_connections_and_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("gateway.queues.aws.http.IDLE", 0.2)
    monkeypatch.setattr("gateway.queues.aws.limits.WHOLE", 1.0)
    taken = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with _http() as http:
        with pytest.raises(Unsure, match="gave no answer"):
            await http.insist(HttpRequest("GET", f"http://127.0.0.1:{port}/", idle=0.2))
    assert len(taken) > 1  # it was tried again
    for writer in taken:
        writer.close()
    server.close()
