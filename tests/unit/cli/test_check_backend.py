"""What ``gateway check`` says of the way to a service: its secrets, and whether it is trusted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest
from certificates import Authority

from gateway import assembly
from gateway.cli.commands.check import backend_findings, secret_findings
from gateway.settings import from_values

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def settings(tmp_path):
    for source in (ROOT / "wsdl").glob("warehouse.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())

    def read(backend, forward="https://127.0.0.1:1/x"):
        service = {"wsdl": "warehouse.wsdl", "forward": forward, "backend": backend}
        values = {"queue": "memory:", "services": {"orders": service}}
        return from_values(values, tmp_path, "gateway.toml")

    return read


async def found(read):
    contract = assembly.load_service_contract(read, "orders").contract
    return [one async for one in backend_findings(read, "orders", contract)]


@contextlib.asynccontextmanager
async def listening(context, answer=lambda r, w: w.close()):
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    finally:
        server.close()


async def test_a_certificate_is_verified_and_a_wrong_one_told_with_its_cure(settings, tmp_path):
    authority = Authority.make(tmp_path, "ca")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("orders.internal.example"))
    async with listening(context) as address:
        (one,) = await found(settings({}, address))
        assert "is not trusted" in one.cure
        assert "backend.ca" in one.cure
        (one,) = await found(settings({"ca": "ca.pem"}, address))
        assert "is not trusted (IP address mismatch" in one.cure
        right = {"ca": "ca.pem", "tls_name": "orders.internal.example"}
        (one,) = await found(settings(right, address))
        assert (one.cure, one.text.partition(" takes ")[2]) == (
            "",
            "connections, and its certificate is trusted",
        )


async def test_a_service_that_speaks_no_tls_is_told(settings):
    async def answer(reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async with listening(None, answer) as address:
        (one,) = await found(settings({}, address))
    assert "does not speak TLS: write http:// in place of https://" in one.cure
    assert "trusted" not in one.cure
    async with listening(None) as address:  # which ends the connection without a word
        (one,) = await found(settings({}, address))
    assert one.cure
    assert "trusted" not in one.cure


async def test_a_handshake_that_fails_is_not_taken_for_a_wrong_certificate(settings):
    async def refuse(reader, writer):
        await reader.read(100)
        writer.write(b"\x15\x03\x03\x00\x02\x02\x28")  # the alert handshake_failure
        writer.close()

    async with listening(None, refuse) as address:
        (one,) = await found(settings({}, address))
    assert "refuses the TLS handshake" in one.cure
    assert "HANDSHAKE_FAILURE" in one.cure
    assert "trusted" not in one.cure


async def test_what_cannot_be_built_is_told_before_anything_is_dialled(settings):
    (one,) = await found(settings({"ca": "nowhere.pem"}))
    assert "backend.ca: " in one.cure
    (one,) = await found(settings({"hosts": ["10.1.2.3"]}))
    assert "which is not among" in one.cure


def test_each_secret_has_a_line_that_does_not_show_it(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", "canary")
    (tmp_path / "open").write_text("canary")
    (tmp_path / "open").chmod(0o644)
    backend = {
        "login": "basic",
        "username": "gateway",
        "password": "file:open",
        "key_password": "env:HERE",
        "wss": {"username": "gateway", "password": "env:NOT_HERE"},
    }
    monkeypatch.delenv("NOT_HERE", raising=False)
    lines = {one.subject: one for one in secret_findings(settings(backend), "orders")}
    key = "secret    services.orders.backend."
    assert list(lines) == [f"{key}password:", f"{key}key_password:", f"{key}wss.password:"]
    exposed, there, missing = lines.values()
    assert exposed.is_note
    assert "chmod 600" in exposed.text
    assert there.text == "env:HERE is there, and can be used"
    assert missing.cure == "the environment has no variable NOT_HERE: set it for this process."
    assert "canary" not in repr(lines)


@pytest.mark.parametrize("forward", [None, "http://127.0.0.1:9/x"])
async def test_a_service_that_cannot_be_reached_is_told_with_a_cure(settings, forward):
    read = settings({}, "http://127.0.0.1:9/x")
    if forward is None:  # as gateway new leaves it: the address is the contract's
        wsdl = read.folder / "warehouse.wsdl"
        place = assembly.load_service_contract(read, "orders").contract.operations[0].address
        wsdl.write_text(wsdl.read_text().replace(place, "http://127.0.0.1:9/x"))
        service = {"wsdl": "warehouse.wsdl"}
        values = {"queue": "memory:", "services": {"orders": service}}
        read = from_values(values, read.folder, "gateway.toml")
    (one,) = await found(read)
    told = one.text + one.cure
    assert "127.0.0.1:9 cannot be reached" in told
    assert "or set forward to where it is" in told
    assert one.is_note == (forward is None)
