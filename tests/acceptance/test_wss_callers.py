"""Callers with WS-Security, of zeep, WSS4J and node, on the whole way from them to the service.

Listener and gateway are two processes: what one has seen, the other one has not.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
import wsse
import xmlsec
import zeep
import zeep.exceptions
from certificates import openssl
from deployment import ROOT, await_health, end, free_port, legacy_service, log_of, start
from lxml import etree
from zeep.wsse.signature import BinarySignature, Signature
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import get_security_header

from gateway.client import QueueTransport, ReplyPending
from gateway.queues.options import QueueOptions
from gateway.queues.registry import open_queue

WSS4J = ROOT / "contrib" / "clients" / "wss4j"
JARS = WSS4J / "build" / "lib"
ENVELOPE = ROOT / "tests" / "golden" / "envelopes" / "get_order_11.xml"
SETTINGS = """\
queue = "{queue}"

[services.warehouse]
wsdl = "warehouse.wsdl"
forward = "{legacy}"
repeatable = true

[services.warehouse.wss]
users = {{ joe = "file:secret" }}
password_types = ["digest", "text"]
certificates = ["signer.pem"]
either = true
window = {window}

[listener]
bind = "{bind}"

[gateway]
grace = 2.0
"""


@dataclass
class Place:
    """Where everything is."""

    settings: Path
    queue: str
    listener: str

    @property
    def wsdl(self) -> str:
        return str(self.settings.parent / "warehouse.wsdl")


@contextlib.contextmanager
def made(folder: Path, window: float = 300.0) -> Iterator[Place]:
    """Write the settings, and start the service behind."""
    bind = f"127.0.0.1:{free_port()}"
    place = Place(folder / "gateway.toml", f"sqlite:///{folder / 'queue.db'}", f"http://{bind}")
    for name in ("warehouse.wsdl", "warehouse.xsd"):
        (folder / name).write_bytes((ROOT / "wsdl" / name).read_bytes())
    (folder / "secret").write_text(wsse.SECRET)
    (folder / "signer.pem").write_bytes(wsse.keys(wsse.SIGNER).certificate.read_bytes())
    with legacy_service() as legacy:
        text = SETTINGS.format(queue=place.queue, legacy=legacy, bind=bind, window=window)
        place.settings.write_text(text)
        yield place


@contextlib.contextmanager
def running(command: str, settings: Path) -> Iterator[None]:
    process = start(command, settings)
    try:
        yield
    finally:
        end(process)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with made(tmp_path_factory.mktemp("secured")) as place, contextlib.ExitStack() as stack:
        for command in ("serve", "listen"):
            stack.enter_context(running(command, place.settings))
        await_health(place.listener, log_of(place.settings))
        yield place


class Stamped:
    """A signature of zeep's, with the Timestamp that zeep leaves to its caller."""

    def __init__(self, kind: type[Signature]) -> None:
        keys = wsse.keys(wsse.SIGNER)
        self._plugin = kind(
            str(keys.key),
            str(keys.certificate),
            signature_method=xmlsec.Transform.RSA_SHA256,
            digest_method=xmlsec.Transform.SHA256,
        )

    def apply(self, envelope: etree._Element, headers: object) -> object:
        stamp = etree.SubElement(get_security_header(envelope), f"{{{wsse.WSU}}}Timestamp")
        now = datetime.datetime.now(datetime.UTC)
        etree.SubElement(stamp, f"{{{wsse.WSU}}}Created").text = wsse.written(now)
        return self._plugin.apply(envelope, headers)

    def verify(self, envelope: etree._Element) -> None:
        """Replies are not signed."""


PLUGINS: dict[str, Callable[[], object]] = {
    "digest": lambda: UsernameToken("joe", wsse.SECRET, use_digest=True),
    "text": lambda: UsernameToken("joe", wsse.SECRET),
    "binary signature": lambda: Stamped(BinarySignature),
    "signature": lambda: Stamped(Signature),
}


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("way", ["listener", "queue"])
def test_zeep_is_served_with_what_it_shows(place, plugin, way):
    transport = QueueTransport(place.queue, "warehouse") if way == "queue" else None
    wsdl = place.wsdl if way == "queue" else f"{place.listener}/warehouse?wsdl"
    with zeep.Client(wsdl, transport=transport, wsse=PLUGINS[plugin]()) as client:
        assert client.service.GetOrder("WH-100001").status == "delivered"
        soap_12 = client.bind("Warehouse", "WarehouseSoap12")
        assert soap_12.GetOrder("WH-100002").orderId == "WH-100002"


@pytest.mark.parametrize("way", ["listener", "queue"])
def test_zeep_gets_the_fault_of_the_standard_for_another_password(place, way):
    transport = QueueTransport(place.queue, "warehouse") if way == "queue" else None
    wsdl = place.wsdl if way == "queue" else f"{place.listener}/warehouse?wsdl"
    wrong = UsernameToken("joe", "canary-guess", use_digest=True)
    with (
        zeep.Client(wsdl, transport=transport, wsse=wrong) as client,
        pytest.raises(zeep.exceptions.Fault) as caught,
    ):
        client.service.GetOrder("WH-100001")
    assert caught.value.code.endswith("InvalidSecurity")
    assert "made anew for each request" in caught.value.message


def post(place: Place, envelope: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(
        f"{place.listener}/warehouse", envelope, {"Content-Type": "text/xml; charset=utf-8"}
    )
    try:
        with urllib.request.urlopen(request, timeout=240) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """Return what has WSS4J secure an envelope."""
    if not any(JARS.glob("wss4j-*.jar")) or not shutil.which("javac"):
        # As of the other clients in Java, CI may go without.
        pytest.skip("WSS4J is not here: contrib/clients/install.sh")
    folder, keys = tmp_path_factory.mktemp("wss4j"), wsse.keys(wsse.SIGNER)
    source, store = WSS4J / "Secured.java", folder / "store.p12"
    subprocess.run(["javac", "-cp", f"{JARS}/*", "-d", folder, source], check=True)
    openssl(
        *("pkcs12", "-export", "-inkey", keys.key, "-in", keys.certificate, "-out", store),
        *("-passout", f"pass:{wsse.SECRET}", "-name", "signer"),
    )

    def run(kind: str) -> bytes:
        command = [*servers.JAVA, "-cp", f"{folder}:{JARS}/*", "Secured", kind, store, wsse.SECRET]
        done = subprocess.run(command, input=ENVELOPE.read_bytes(), capture_output=True, check=True)
        return done.stdout

    return run


@pytest.mark.parametrize(
    "kind", ["digest", "text", "direct", "serial", "key-identifier", "thumbprint", "embedded"]
)
def test_what_wss4j_makes_is_served_once(place, secured, kind):
    envelope = secured(kind)
    status, reply = post(place, envelope)
    assert (status, b"WH-100002" in reply) == (200, True)
    status, reply = post(place, envelope)
    assert (status, b"InvalidSecurity" in reply) == (500, True)


def test_what_wss4j_signed_and_somebody_changed_is_refused(place, secured):
    status, reply = post(place, secured("direct").replace(b"WH-100002", b"WH-100001"))
    assert (status, b"InvalidSecurity" in reply) == (500, True)


@pytest.mark.parametrize("kind", ["digest", "text", "signature"])
def test_node_is_served_with_what_it_shows(place, kind):
    folder, keys = ROOT / "contrib" / "clients" / "node", wsse.keys(wsse.SIGNER)
    if not (folder / "node_modules" / "soap").is_dir() or not shutil.which("node"):
        reason = "node is not here, or its package soap: contrib/clients/install.sh"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    wsdl = f"{place.listener}/warehouse?wsdl"
    command = ["node", "secured.mjs", wsdl, kind, wsse.SECRET, keys.key, keys.certificate]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.stdout == "WH-100002", done.stderr + log_of(place.settings).read_text("utf-8")


def test_a_request_may_wait_in_the_queue_for_longer_than_the_window(tmp_path):
    with made(tmp_path, window=6.0) as place:
        token = UsernameToken("joe", wsse.SECRET, use_digest=True)
        transport = QueueTransport(place.queue, "warehouse", operation_timeout=1.0)
        with (
            zeep.Client(place.wsdl, transport=transport, wsse=token) as client,
            pytest.raises(ReplyPending) as caught,
        ):
            client.service.GetOrder("WH-100001")
        time.sleep(8)
        with running("serve", place.settings):
            reply = asyncio.run(collected(place, caught.value.id))
    assert b"delivered" in reply


async def collected(place: Place, id: str) -> bytes:
    """Wait for the reply to a request, by a look into the queue."""
    queue = await open_queue(place.queue, place.settings.parent, QueueOptions())
    try:
        return (await queue.collect("local", id, 240)).reply.body
    finally:
        await queue.aclose()


def test_no_password_and_nothing_that_was_sent_is_in_log_quarantine_or_check(place):
    text = wsse.made((ROOT / "tests/attacks/wss-user-text.xml").read_bytes())
    guess = text.replace(wsse.SECRET.encode(), b"canary-other")
    for envelope in (guess, text.replace(b">joe<", b">canary-user<")):
        status, reply = post(place, envelope)
        assert status == 500
        assert b"canary" not in reply
    with QueueTransport(place.queue, "warehouse") as transport:
        kind = {"Content-Type": "text/xml; charset=utf-8"}
        assert b"canary" not in transport.post("http://x/", guess, kind).content
    shown = [log_of(place.settings).read_text("utf-8")]
    for command in (("check",), ("quarantine", "list"), ("quarantine", "list", "--json")):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "gateway", *command, "-c", place.settings],
            capture_output=True,
            text=True,
        )
        shown.append(done.stdout + done.stderr)
    assert "WS-Security: the password is wrong, for the user 'joe'" in shown[0]
    assert "WS-Security: there is no such user" in shown[0]
    assert re.search(r"WS-Security is required: a UsernameToken .* or a signature", shown[1])
    assert "the password is wrong" in shown[3]
    assert not [one for one in shown if "canary" in one]
