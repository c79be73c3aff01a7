"""The listener with TLS, and with client certificates: real ones, on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from pathlib import Path

import pytest
import uvloop
from certificates import Authority, openssl
from front import fronted

from gateway.assembly.front import check_exposure
from gateway.errors import ConfigurationError
from gateway.listening.tls import ListenerTls, tls_context
from gateway.settings import from_values

CLIENTS = {
    "shop": {"allow": ["*"], "certificate": "Shop.Partner.example"},
    "billing": {"allow": ["*"], "certificate": "urn:billing"},
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority.make(tmp_path_factory.mktemp("authority"), "authority")
    made.certify("gateway", "IP:127.0.0.1")
    return made


@pytest.fixture(scope="module")
def partners(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("partners"), "partners")


def own(authority: Authority, partners: Authority | None = None) -> dict[str, str]:
    files = {"certificate": str(authority.folder / "gateway-whole.pem")}
    return files if partners is None else {**files, "client_ca": str(partners.file)}


def trusting(authority: Authority, certificate: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context


async def test_calls_and_contracts_go_over_tls(tmp_path: Path, authority: Authority):
    async with fronted(tmp_path, CLIENTS, tls=own(authority)) as front:
        said = f"Bearer {front.secrets['shop']}"
        answer = await front.post(tls=trusting(authority), Authorization=said)
        assert (answer.status, answer.body) == (200, b"<answered/>")
        wsdl = await front.get("/warehouse?wsdl", tls=trusting(authority), Authorization=said)
        assert f"https://127.0.0.1:{front.port}/warehouse".encode() in wsdl.body
        assert b"http://127.0.0.1:" not in wsdl.body


async def test_plain_http_is_no_way_around_tls(tmp_path: Path, authority: Authority):
    async with fronted(tmp_path, CLIENTS, tls=own(authority)) as front:
        request = b"POST /warehouse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        assert b"HTTP/1.1 " not in await front.exchange(request)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_of_tls_are_refused(tmp_path: Path, authority: Authority, version):
    async with fronted(tmp_path, CLIENTS, tls=own(authority)) as front:
        context = trusting(authority)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = version
        context.maximum_version = version
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await front.post(tls=context)


@pytest.mark.parametrize(
    ("subject", "beside", "client"),
    [
        ("shop.partner.example", "", "shop"),
        ("whatever", "DNS:shop.partner.example", "shop"),
        ("whatever", "URI:urn:billing", "billing"),
    ],
)
async def test_a_client_is_known_by_the_name_in_its_certificate(
    tmp_path: Path, authority: Authority, partners: Authority, subject, beside, client
):
    certificate = partners.certify(subject, beside, name=f"{client}-{len(beside)}")
    async with fronted(tmp_path, CLIENTS, tls=own(authority, partners)) as front:
        answer = await front.post(tls=trusting(authority, certificate))
        assert answer.status == 200
        assert front.taken[-1].sender == client


@pytest.mark.parametrize(
    ("subject", "beside"),
    [
        ("stranger", ""),
        ("shop.partner.example.evil.example", ""),
        ("shop.partner.example", "URI:urn:billing"),
        ("x", "DNS:*.partner.example"),
    ],
    ids=["unknown", "longer", "of two clients", "wildcard"],
)
async def test_a_certificate_of_no_client_or_of_two_opens_nothing(
    tmp_path: Path, authority: Authority, partners: Authority, subject, beside
):
    certificate = partners.certify(subject, beside, name=f"refused-{len(subject)}")
    async with fronted(tmp_path, CLIENTS, tls=own(authority, partners)) as front:
        assert (await front.post(tls=trusting(authority, certificate))).status == 401
        assert front.taken == []


async def test_a_certificate_of_another_authority_is_not_even_talked_to(
    tmp_path: Path, authority: Authority, partners: Authority
):
    forged = authority.certify("shop.partner.example", name="forged")
    async with fronted(tmp_path, CLIENTS, tls=own(authority, partners)) as front:
        data = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError, IndexError):
            data = (await front.post(tls=trusting(authority, forged))).body
        assert data == b""
        assert front.taken == []


async def test_without_client_ca_a_certificate_is_nothing(
    tmp_path: Path, authority: Authority, partners: Authority
):
    certificate = partners.certify("shop.partner.example", name="unasked")
    async with fronted(tmp_path, CLIENTS, tls=own(authority)) as front:
        assert (await front.post(tls=trusting(authority, certificate))).status == 401


async def test_a_secret_and_a_certificate_must_be_of_the_same_client(
    tmp_path: Path, authority: Authority, partners: Authority
):
    certificate = partners.certify("shop.partner.example", name="both")
    async with fronted(tmp_path, CLIENTS, tls=own(authority, partners)) as front:
        context = trusting(authority, certificate)
        for client, status in (("shop", 200), ("billing", 401)):
            said = f"Bearer {front.secrets[client]}"
            assert (await front.post(tls=context, Authorization=said)).status == status


async def test_who_shows_no_certificate_may_have_a_secret(
    tmp_path: Path, authority: Authority, partners: Authority
):
    async with fronted(tmp_path, CLIENTS, tls=own(authority, partners)) as front:
        assert (await front.post(tls=trusting(authority))).status == 401
        said = f"Bearer {front.secrets['billing']}"
        assert (await front.post(tls=trusting(authority), Authorization=said)).status == 200


async def test_a_handshake_that_does_not_come_in_time_ends_the_connection(
    tmp_path: Path, authority: Authority
):
    async with fronted(tmp_path, CLIENTS, tls=own(authority), head_timeout=0.3) as front:
        async with asyncio.timeout(240):
            assert await front.exchange(b"\x16\x03\x01") == b""


async def test_handshakes_that_fail_or_do_not_end_are_counted_in_the_audit_log(
    tmp_path: Path, authority: Authority
):
    lines: list[dict[str, object]] = []
    async with fronted(
        tmp_path, CLIENTS, tls=own(authority), head_timeout=0.3, audit=lines.append
    ) as front:
        await front.exchange(b"")  # nothing comes
        await front.exchange(b"GET / HTTP/1.1\r\n\r\n")  # no TLS
        with pytest.raises(ssl.SSLError):
            await front.post(tls=ssl.create_default_context())  # it does not trust ours
        said = f"Bearer {front.secrets['shop']}"
        assert (await front.post(tls=trusting(authority), Authorization=said)).status == 200
    (line,) = lines
    # With the one by which the test saw that somebody listens.
    assert (line["what"], line["peer"], line["count"]) == ("tls", "127.0.0.1", 4)


async def test_handshakes_that_do_not_end_are_of_the_number_of_connections(
    tmp_path: Path, authority: Authority
):
    lines: list[dict[str, object]] = []
    async with fronted(
        tmp_path, CLIENTS, tls=own(authority), connections=5, audit=lines.append
    ) as front:
        await asyncio.sleep(0.2)
        before = len(os.listdir("/proc/self/fd"))
        held = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(5)]
        await asyncio.sleep(0.2)
        others = [socket.create_connection(("127.0.0.1", front.port)) for _ in range(40)]
        await asyncio.sleep(0.5)
        assert len(os.listdir("/proc/self/fd")) - before - len(held) - len(others) == len(held)
        for one in (*held, *others):
            one.close()
        await asyncio.sleep(0.2)
        said = f"Bearer {front.secrets['shop']}"
        assert (await front.post(tls=trusting(authority), Authorization=said)).status == 200
    counted = {line["what"]: line["count"] for line in lines}
    assert counted == {"made-room": 40, "tls": 6}


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_handshake_that_does_not_end_makes_room_on_either_loop(
    tmp_path: Path, authority: Authority, loop
):
    async def calling() -> None:
        async with fronted(tmp_path, CLIENTS, tls=own(authority), connections=5) as front:
            held = [await asyncio.open_connection("127.0.0.1", front.port) for _ in range(20)]
            said = f"Bearer {front.secrets['shop']}"
            assert (await front.post(tls=trusting(authority), Authorization=said)).status == 200
            for _, writer in held:
                writer.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(calling())


async def test_a_new_certificate_is_in_use_soon_and_a_broken_one_is_not(
    tmp_path: Path, authority: Authority, caplog
):
    used = tmp_path / "gateway.pem"
    used.write_bytes((authority.folder / "gateway-whole.pem").read_bytes())
    async with fronted(tmp_path, CLIENTS, tls={"certificate": str(used)}) as front:
        first = await serial(front.port, authority)
        used.write_bytes(authority.certify("gateway", "IP:127.0.0.1", name="newer").read_bytes())
        await asyncio.sleep(5.5)
        second = await serial(front.port, authority)
        assert first != second
        used.write_text("half of a certi")
        await asyncio.sleep(5.5)
        assert await serial(front.port, authority) == second
    assert "What was read before stays in use" in caplog.text


async def serial(port: int, authority: Authority) -> str:
    _reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting(authority))
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    return str(found)


@pytest.mark.parametrize("missing", ["certificate", "key", "client_ca"])
def test_a_file_that_cannot_be_used_is_told_by_its_name(
    tmp_path: Path, authority: Authority, missing: str
):
    files = {
        "certificate": authority.folder / "gateway.crt",
        "key": authority.folder / "gateway.key",
        "client_ca": authority.file,
    }
    tls_context(ListenerTls(**files))
    (broken := tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    for instead in (tmp_path / "missing.pem", broken):
        with pytest.raises(ConfigurationError, match=r"listener\.tls") as caught:
            tls_context(ListenerTls(**{**files, missing: instead}))
        assert instead.name in str(caught.value)


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(tmp_path: Path, authority: Authority):
    locked = tmp_path / "locked.key"
    key = authority.folder / "gateway.key"
    openssl("pkey", "-in", key, "-aes128", "-passout", "pass:secret", "-out", locked)
    with pytest.raises(ConfigurationError, match="without a password"):
        tls_context(ListenerTls(certificate=authority.folder / "gateway.crt", key=locked))


@pytest.mark.parametrize("bind", ["0.0.0.0:8800", "[::]:8800", "10.1.2.3:8800", "gateway:8800"])
def test_on_other_addresses_nobody_listens_without_clients_and_tls(tmp_path: Path, bind: str):
    def exposure(**table: object) -> None:
        clients = table.pop("clients", {})
        values = {
            "queue": "memory:",
            "services": {"orders": {"wsdl": "orders.wsdl"}},
            "clients": clients,
            "listener": {"bind": bind, **table},
        }
        check_exposure(from_values(values, tmp_path, "gateway.toml"))

    with pytest.raises(ConfigurationError, match="there are no clients"):
        exposure(tls={"certificate": "a.pem"})
    with pytest.raises(ConfigurationError, match="without TLS"):
        exposure(clients={"shop": {}})
    exposure(clients={"shop": {}}, tls={"certificate": "a.pem"})
    exposure(unsafe_no_clients=True, unsafe_no_tls=True)


@pytest.mark.parametrize("bind", ["127.0.0.1:8800", "127.1.2.3:8800", "[::1]:8800", "localhost:1"])
def test_on_this_machine_alone_nothing_is_asked(tmp_path: Path, bind: str):
    values = {
        "queue": "memory:",
        "services": {"orders": {"wsdl": "orders.wsdl"}},
        "listener": {"bind": bind},
    }
    check_exposure(from_values(values, tmp_path, "gateway.toml"))
