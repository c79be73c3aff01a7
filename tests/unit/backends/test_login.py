"""Who logs in to a service: by a header, or by a certificate; TLS is verified whatever is set."""

from __future__ import annotations

import base64
import contextlib
import os
import ssl

import pytest
from aiohttp import web
from certificates import Authority

from gateway.admission import Gate, Limits
from gateway.backends.forward.tls import Tls, TlsSettings
from gateway.backends.forward.transport import ForwardBackend, ForwardSettings
from gateway.backends.login import basic, bearer, refused_login
from gateway.backends.redact.telltale import Telltales
from gateway.contract.backend_names import places
from gateway.errors import ConfigurationError, Unanswered, Unreached
from gateway.secrets.reference import Secret, Surroundings, secret

LIMITS = ForwardSettings(connect=5.0, idle=30.0, reply=100_000, telltales=Telltales(places([])))
REPLY = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><a/></s:Body>'
    "</s:Envelope>"
)


@pytest.fixture
def call(warehouse, sample):
    return Gate(warehouse, Limits()).admit(sample("get_order_11"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("authority"))


@contextlib.asynccontextmanager
async def served(context=None):
    """Serve a reply to all; yield the port, and what was seen of each request."""
    seen = []

    async def handle(request):
        peer = request.transport.get_extra_info("peercert") or {}
        names = [dict(one)["commonName"] for one in map(dict, peer.get("subject", ()))]
        seen.append((request.headers.get("Authorization"), names))
        return web.Response(text=REPLY, content_type="text/xml")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1], seen
    finally:
        await runner.cleanup()


def server_context(certificate, key, client_ca=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED if client_ca else ssl.CERT_NONE
    return context


async def invoke(call, port, **named):
    backend = ForwardBackend(f"https://127.0.0.1:{port}/x", LIMITS, **named)
    try:
        return await backend.invoke(call)
    finally:
        await backend.aclose()


async def test_basic_and_bearer_are_headers_of_each_call(call):
    password = Secret("key", "p\u00e4ss:w\u00f6rd")
    logins = {
        "basic": basic("gateway", password),
        "bearer": bearer(Secret("key", "t0ken")),
    }
    async with served() as (port, seen):
        for login in logins.values():
            backend = ForwardBackend(f"http://127.0.0.1:{port}/", LIMITS, login=login)
            await backend.invoke(call)
            await backend.aclose()
    (first, _), (second, _) = seen
    assert base64.b64decode(first.removeprefix("Basic ")).decode() == "gateway:p\u00e4ss:w\u00f6rd"
    assert second == "Bearer t0ken"


async def test_a_password_that_was_rotated_is_used_without_a_restart(call, tmp_path):
    path = tmp_path / "token"
    path.write_text("old\n")
    token = secret("key", "file:token", Surroundings(tmp_path, {}, look=0.0))
    async with served() as (port, seen):
        backend = ForwardBackend(f"http://127.0.0.1:{port}/", LIMITS, login=bearer(token))
        await backend.invoke(call)
        path.write_text("newer\n")
        await backend.invoke(call)
        await backend.aclose()
    assert [one for one, _ in seen] == ["Bearer old", "Bearer newer"]


async def test_a_service_of_an_own_authority_is_trusted_when_it_is_named(call, authority):
    context = server_context(*authority.issue("127.0.0.1"))
    async with served(context) as (port, seen):
        with pytest.raises(Unreached, match=r"not trusted: see backend\.ca"):
            await invoke(call, port)
        assert not seen
        assert await invoke(call, port, tls=Tls(TlsSettings(ca=authority.file)))


async def test_a_certificate_for_another_name_is_refused_unless_that_name_is_set(call, authority):
    context = server_context(*authority.issue("orders.internal.example"))
    async with served(context) as (port, seen):
        with pytest.raises(Unreached, match="not trusted"):
            await invoke(call, port, tls=Tls(TlsSettings(ca=authority.file)))
        assert not seen
        for name, is_right in (("orders.internal.example", True), ("other.example", False)):
            tls = Tls(TlsSettings(ca=authority.file, name=name))
            with contextlib.nullcontext() if is_right else pytest.raises(Unreached):
                await invoke(call, port, tls=tls)
    assert len(seen) == 1


@pytest.mark.parametrize("password", ["", "open sesame"])
async def test_our_certificate_is_shown(call, authority, password):
    certificate, key = authority.issue(f"gateway{len(password)}", password=password)
    shown = TlsSettings(
        ca=authority.file,
        certificate=certificate,
        key=key,
        key_password=Secret("key", password) if password else None,
    )
    server = server_context(*authority.issue("127.0.0.1"), client_ca=authority.file)
    async with served(server) as (port, seen):
        await invoke(call, port, tls=Tls(shown))
        with pytest.raises((Unanswered, Unreached)):
            await invoke(call, port, tls=Tls(TlsSettings(ca=authority.file)))
    assert [names for _, names in seen] == [[f"gateway{len(password)}"]]


async def test_a_certificate_that_was_rotated_is_shown_without_a_restart(call, authority, tmp_path):
    mine = [tmp_path / "certificate", tmp_path / "key"]

    def install(name):
        for source, target in zip(authority.issue(name), mine, strict=True):
            os.replace(source, target)

    install("first")
    tls = Tls(TlsSettings(ca=authority.file, certificate=mine[0], key=mine[1]), look=0.0)
    server = server_context(*authority.issue("127.0.0.1"), client_ca=authority.file)
    async with served(server) as (port, seen):
        backend = ForwardBackend(f"https://127.0.0.1:{port}/", LIMITS, tls=tls)
        await backend.invoke(call)
        mine[1].write_text("half written")
        await backend.invoke(call)  # with the last ones
        install("second")
        await backend.invoke(call)
        await backend.aclose()
    assert [names for _, names in seen] == [["first"], ["first"], ["second"]]


def test_files_that_are_of_no_use_are_told_by_name(authority, tmp_path):
    certificate, key = authority.issue("one", password="canary-right")
    other, _ = authority.issue("two")
    nothing = tmp_path / "nothing.pem"
    broken = tmp_path / "broken.pem"
    broken.write_text("canary")
    wrong = Secret("key", "canary-wrong")
    for settings, says in (
        (TlsSettings(ca=nothing), "nothing.pem cannot be used (No such file"),
        (TlsSettings(ca=broken), "name a file of certificates in PEM"),
        (TlsSettings(certificate=nothing), "backend.certificate: "),
        (TlsSettings(certificate=certificate), "with the key in"),
        (TlsSettings(certificate=other, key=key, key_password=wrong), "key_password be right"),
        (TlsSettings(certificate=certificate, key=key), "key_password be right"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            Tls(settings)
        assert says in str(caught.value)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "challenges", "says"),
    [
        (200, [], ""),
        (401, ["NTLM"], "it asks for NTLM, which is not supported: have it accept Basic"),
        (401, ["Negotiate", " NTLM"], "it asks for NTLM or Negotiate, which is not"),
        (401, ["Kerberos x"], "it asks for Kerberos"),
        (401, ["NTLM", 'Basic realm="x"'], "does not accept the login"),
        (401, [""], "does not accept the login"),
        (407, ["Digest qop"], "it asks for Digest"),
    ],
)
def test_a_login_that_fails_says_what_to_do(status, challenges, says):
    assert says in refused_login(status, challenges)
    assert bool(says) == bool(refused_login(status, challenges))
