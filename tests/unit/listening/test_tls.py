"""What TLS is spoken with, and what is read again while the listener runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from certificates import Authority

from gateway.errors import ConfigurationError
from gateway.listening.tls import (
    ListenerTls,
    Reread,
    keep_fresh,
    load_authority,
    load_certificate,
    tls_context,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def files(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("localhost")


def shaken(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[str | None, ssl.SSLObject]:
    """Shake hands in memory; return the version that both speak, and the client's end."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(there, back, server_side=True)
    theirs = client.wrap_bio(back, there, server_hostname="localhost")
    for end in (theirs, ours, theirs, ours):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ours.version(), theirs


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.file)


@pytest.fixture
def settings(files: tuple[Path, Path]) -> ListenerTls:
    certificate, key = files
    return ListenerTls(certificate=certificate, key=key)


def test_a_client_that_trusts_the_authority_speaks_with_it(
    settings: ListenerTls, authority: Authority
):
    version, theirs = shaken(tls_context(settings), trusting(authority))
    assert version == "TLSv1.3"
    assert theirs.selected_alpn_protocol() is None


def test_certificate_and_key_may_be_in_one_file(authority: Authority):
    whole = authority.certify("localhost", "DNS:localhost", name="both")
    assert shaken(tls_context(ListenerTls(certificate=whole)), trusting(authority))[0]


def test_no_version_below_1_2_is_spoken(settings: ListenerTls, authority: Authority):
    context = tls_context(settings)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    client = trusting(authority)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shaken(context, client)[0] == "TLSv1.2"


def test_http_1_1_is_the_protocol_that_is_agreed_on(settings: ListenerTls, authority: Authority):
    client = trusting(authority)
    client.set_alpn_protocols(["h2", "http/1.1"])
    assert shaken(tls_context(settings), client)[1].selected_alpn_protocol() == "http/1.1"


def test_certificates_of_clients_are_asked_for_where_an_authority_is_named(
    settings: ListenerTls, authority: Authority
):
    assert tls_context(settings).verify_mode is ssl.CERT_NONE
    asking = ListenerTls(
        certificate=settings.certificate, key=settings.key, client_ca=authority.file
    )
    assert tls_context(asking).verify_mode is ssl.CERT_OPTIONAL
    assert shaken(tls_context(asking), trusting(authority))[0]


def test_a_certificate_of_another_key_cannot_be_used(authority: Authority, settings: ListenerTls):
    _, other = authority.issue("another")
    with pytest.raises(ConfigurationError, match=r"listener.tls: .*localhost.crt with .*another"):
        tls_context(ListenerTls(certificate=settings.certificate, key=other))


def test_a_key_behind_a_password_cannot_be_used_and_is_asked_for_nowhere(authority: Authority):
    certificate, key = authority.issue("locked", password="s3cret")
    with pytest.raises(ConfigurationError, match="in PEM and without a password"):
        tls_context(ListenerTls(certificate=certificate, key=key))


def test_a_file_that_is_not_there_is_named(tmp_path: Path, settings: ListenerTls):
    with pytest.raises(ConfigurationError, match=r"none.pem cannot be used \(No such file"):
        tls_context(ListenerTls(certificate=tmp_path / "none.pem"))
    asking = ListenerTls(
        certificate=settings.certificate, key=settings.key, client_ca=tmp_path / "none.pem"
    )
    with pytest.raises(ConfigurationError, match=r"client_ca: .*none.pem has no certificates"):
        tls_context(asking)


def test_an_authority_without_certificates_cannot_be_used(settings: ListenerTls, tmp_path: Path):
    (tmp_path / "ca.pem").write_text("no certificate")
    asking = ListenerTls(certificate=settings.certificate, client_ca=tmp_path / "ca.pem")
    with pytest.raises(ConfigurationError, match=r"listener.tls.client_ca: .*ca.pem"):
        load_authority(tls_context(settings), asking)


def test_a_certificate_that_was_read_again_is_that_of_new_connections(
    settings: ListenerTls, authority: Authority, tmp_path: Path
):
    context = tls_context(settings)
    other = Authority.make(tmp_path, "other")
    certificate, key = other.issue("localhost")
    load_certificate(context, ListenerTls(certificate=certificate, key=key))
    assert shaken(context, trusting(other))[0]
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(context, trusting(authority))


# What is read again


class File:
    """A file that is read, and how often."""

    def __init__(self, path: Path) -> None:
        path.write_text("first")
        self.path = path
        self.reads: list[str] = []
        self.read = asyncio.Event()

    def load(self) -> None:
        text = self.path.read_text()
        self.read.set()
        if text == "broken":
            raise ConfigurationError(f"{self.path.name} is broken.")
        self.reads.append(text)

    async def until_read(self) -> None:
        async with asyncio.timeout(120):
            await self.read.wait()
        self.read.clear()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Callable[..., tuple[File, File, asyncio.Event]]]:
    running: list[asyncio.Task[None]] = []

    def keep(look: float) -> tuple[File, File, asyncio.Event]:
        one, other = File(tmp_path / "one.pem"), File(tmp_path / "other.pem")
        asked = asyncio.Event()
        rereads = [Reread([file.path], file.load) for file in (one, other)]
        running.append(asyncio.create_task(keep_fresh(rereads, asked, look)))
        return one, other, asked

    yield keep
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_a_file_that_has_changed_is_read_again_and_no_other(kept, caplog):
    caplog.set_level("INFO")
    one, other, _ = kept(0.01)
    await asyncio.sleep(0.05)
    one.path.write_text("second, and longer")
    await one.until_read()
    await asyncio.sleep(0.05)
    assert (one.reads, other.reads) == (["second, and longer"], [])
    assert caplog.messages == ["read again: one.pem"]


async def test_all_are_read_again_when_that_is_asked_for(kept, caplog):
    caplog.set_level("INFO")
    one, other, asked = kept(600.0)
    for _ in range(2):
        asked.set()
        await other.until_read()
    assert (one.reads, other.reads) == (["first"] * 2, ["first"] * 2)
    assert not asked.is_set()
    assert caplog.messages[0].startswith("read again: one.pem, other.pem; secrets,")


async def test_what_cannot_be_read_again_is_told_and_holds_up_nothing(kept, caplog):
    caplog.set_level("INFO")
    one, other, asked = kept(600.0)
    one.path.write_text("broken")
    asked.set()
    await other.until_read()
    assert (one.reads, other.reads) == ([], ["first"])
    assert caplog.messages[0] == "one.pem is broken. What was read before stays in use."
    assert caplog.messages[1].startswith("read again: other.pem; ")


async def test_a_listener_without_files_says_that_it_has_none(caplog):
    caplog.set_level("INFO")
    asked = asyncio.Event()
    asked.set()
    running = asyncio.create_task(keep_fresh([], asked, 600.0))
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    assert caplog.messages[0].startswith("read again: no file of a listener; ")
