"""What leaves the gateway names neither the service behind, nor a secret, nor what was refused.

A hostile service tells all it can: its address, its make, traces. Callers, queues and the log of
real processes are looked through for any of it, at the level that logs the most.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import http.client
import json
import os
import re
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import forks
import kinds
import pytest
from deployment import await_health, end, free_port, log_of

from gateway.client.remote import Remote, RemoteSettings
from gateway.message import Message
from gateway.queues.registry import open_queue

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.77"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WSA = "http://www.w3.org/2005/08/addressing"
TYPES = "urn:example:warehouse:types"
PRODUCT = "CanaryServer"
SECRETS = ("canary-user", "canary-password", "canary-wss")
PAYLOAD = "canary-payload"

SETTINGS = """\
queue = "{queue}"
lifetime = 60.0

[services.warehouse]
wsdl = "http://{place}/Warehouse?wsdl"
timeout = 4.0

[services.warehouse.backend]
idle = 0.5
login = "basic"
username = "canary-user"
password = "file:password"
unsafe_clear_text = true

[services.warehouse.backend.wss]
username = "canary-wss-user"
password = "env:CANARY_WSS"

[listener]
bind = "{bind}"
wait = 15.0

[gateway]
grace = 1.0
"""


class Service:
    """An old service that gives itself away in whatever way it is told to."""

    def __init__(self) -> None:
        self.answer = b""
        self.seen: list[bytes] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = "warehouse.xsd" if "xsd" in self.path else "warehouse.wsdl"
                body = service.contract(name)
                self.wfile.write(b"HTTP/1.0 200 OK\r\nServer: %s\r\n\r\n" % PRODUCT.encode() + body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.seen.append(str(self.headers).encode() + body)
                self.wfile.write(service.answer)
                if service.answer.endswith(b"STALL"):
                    time.sleep(1.5)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.place = f"{HOST}:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self._thread.start()

    def contract(self, name: str) -> bytes:
        """Return a document of its contract, which names it wherever it can."""
        text = (ROOT / "wsdl" / name).read_text("utf-8")
        text = re.sub(r'(:address location=")[^"]*"', rf'\1http://{self.place}/canary-path"', text)
        text = text.replace(
            'schemaLocation="warehouse.xsd"', f'schemaLocation="http://{self.place}/x?xsd"'
        )
        return re.sub(
            r"(<(?:wsdl|xs):documentation>)",
            rf"<!-- {self.place} -->\1http://{self.place}/d ",
            text,
        ).encode()

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


def http_answer(
    body: str | bytes, status: str = "200 OK", kind: str = "text/xml", more: str = ""
) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nServer: {PRODUCT}/9.9\r\n"
        f"X-Powered-By: {PRODUCT}\r\nVia: 1.1 {HOST}\r\nSet-Cookie: id={PRODUCT}; domain={HOST}\r\n"
        f"Set-Cookie: {PRODUCT}@=/; [={HOST}\r\nX-Host: {HOST}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + (body.encode() if isinstance(body, str) else body)


def envelope(body: str, head: str = "") -> str:
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{WSA}"><s:Header>{head}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


REPLY = (
    f'<t:PlaceOrderResponse xmlns:t="{TYPES}"><t:orderId>WH-1</t:orderId></t:PlaceOrderResponse>'
)
TRACE = (
    "com.acme.CanaryServer.OrderDao failed\n"
    "\tat com.acme.CanaryServer.OrderDao.get(OrderDao.java:12)"
)


def answers(place: str) -> dict[str, bytes]:
    """Return everything that the service says, by what it is."""
    addressing = (
        f"<a:From><a:Address>http://{place}/x</a:Address></a:From><a:To>http://{place}/y</a:To>"
        f"<a:MessageID>uuid:1@{place}</a:MessageID>"
        f"<a:ReplyTo><a:Address>http://{place}</a:Address><a:Metadata><m>{place}</m></a:Metadata>"
        "</a:ReplyTo>"
    )
    fault = (
        f"<s:Fault><faultcode>s:Server</faultcode><faultstring>{{}}</faultstring>"
        f"<faultactor>http://{place}/x</faultactor><detail><trace>{TRACE} on {place}</trace>"
        f"<hostname xmlns='http://xml.apache.org/axis/'>{place} {PRODUCT}</hostname></detail>"
        "</s:Fault>"
    )
    html = f"<html><h1>{PRODUCT} on {place}</h1><pre>{TRACE}</pre></html>"
    return {
        "a reply": http_answer(envelope(REPLY, addressing)),
        "a content type": http_answer(
            envelope(REPLY), kind=f"text/xml; charset=utf-8; server={PRODUCT}; host={HOST}"
        ),
        "a fault": http_answer(envelope(fault.format(f"{TRACE} on {place}"), addressing), "500 No"),
        "a fault with a comment": http_answer(
            f"<!-- {PRODUCT}.local {place} -->" + envelope(fault.format("no")), "500 No"
        ),
        "a page": http_answer(html, "500 No", "text/html"),
        "a page that claims to be XML": http_answer(html),
        "a trace": http_answer(f"{TRACE} {place}", kind="text/plain"),
        "a redirect": http_answer(
            html, "302 Found", more=f"Location: http://{place}/canary-path\r\n"
        ),
        "a login": http_answer(
            html,
            "401 No",
            "text/html",
            more=f"WWW-Authenticate: NTLM\r\nWWW-Authenticate: Negotiate {PRODUCT}\r\n",
        ),
        "packed": http_answer(
            gzip.compress(envelope(REPLY).encode()), more="Content-Encoding: gzip\r\n"
        ),
        "an odd type": http_answer(envelope(REPLY), kind=f"application/{PRODUCT}+{HOST}"),
        "broken XML": http_answer(f"<{PRODUCT}><{HOST}>"),
        "an entity": http_answer(f'<!DOCTYPE x [<!ENTITY e "{place}">]>' + envelope(REPLY)),
        "busy": http_answer(html, "503 No", "text/html"),
        "a bad gateway": http_answer(html, "502 No", "text/html"),
        "no HTTP": f"{PRODUCT} at {place}\r\n".encode(),
        "nothing": b"",
        "a bad header": b"HTTP/1.1 200 OK\r\n%s at %s\r\n\r\n" % (PRODUCT.encode(), place.encode()),
        "a half": http_answer("<s", more="Content-Length: 99\r\n"),
        "a stall": http_answer("<s" + "STALL", more="Content-Length: 99\r\n"),
        "a bad length": http_answer(place, more=f"Content-Length: {PRODUCT}\r\n"),
    }


ORDER = (ROOT / "tests/golden/envelopes/place_order_11.xml").read_text("utf-8")
GOOD = re.sub(r"(<typ:name>)[^<]*<", rf"\g<1>{PAYLOAD}<", ORDER)
REFUSED = {
    "broken XML": GOOD.replace("</", f"<{PAYLOAD}/", 1),
    "a value": GOOD.replace("<typ:quantity>", f"<typ:quantity>{PAYLOAD}"),
    "an element": GOOD.replace("PlaceOrder>", f"{PAYLOAD}>"),
    "a document type": f'<!DOCTYPE x [<!ENTITY e "{PAYLOAD}">]>' + GOOD[GOOD.index("<", 1) :],
    "an encoding": f'<?xml version="1.0" encoding="{PAYLOAD}"?>' + GOOD[GOOD.index("?>") + 2 :],
    "an action": GOOD,
    "a content type": GOOD,
}


def post(bind: str, body: str, headers: dict[str, str] | None = None) -> bytes:
    """Return all that comes back: status, headers, body."""
    connection = http.client.HTTPConnection(bind, timeout=240)
    with contextlib.closing(connection):
        connection.request(
            "POST", "/warehouse", body.encode(), {"Content-Type": "text/xml", **(headers or {})}
        )
        response = connection.getresponse()
        return f"{response.status} {response.getheaders()}\n".encode() + response.read()


def get(bind: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(bind, timeout=240)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return f"{response.status} {response.getheaders()}\n".encode() + response.read()


def past_the_listener(queue: str, folder: Path) -> dict[str, bytes]:
    """Put what the listener refuses into the queue itself; return what comes back."""

    async def send() -> dict[str, bytes]:
        opened = await open_queue(queue, folder)
        remote = Remote(opened, RemoteSettings(wait=120.0, lifetime=60.0, sender="local"))
        messages = {
            name: Message(
                body=body.encode(),
                content_type=f"text/{PAYLOAD}" if name == "a content type" else "text/xml",
                soap_action=PAYLOAD if name == "an action" else "",
                target_service=PAYLOAD if name == "a service" else "warehouse",
            )
            for name, body in {**REFUSED, "a service": GOOD}.items()
        }
        try:
            return {name: (await remote(one)).body for name, one in messages.items()}
        finally:
            await opened.aclose()

    return asyncio.run(send())


@pytest.fixture(params=["sqlite", "s3 of ministack", "sqs of ministack"])
def queue(request, tmp_path, monkeypatch):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'queue.db'}"
    return kinds.address(request.param, request, monkeypatch)


class Gateway:
    """``gateway up`` with all that it logs, in front of a service that gives itself away."""

    def __init__(self, folder: Path, queue: str, place: str) -> None:
        self.bind = f"127.0.0.1:{free_port()}"
        self.settings = folder / "gateway.toml"
        self.settings.write_text(SETTINGS.format(queue=queue, place=place, bind=self.bind))
        (folder / "password").write_text("canary-password\n")
        (folder / "password").chmod(0o600)
        self._environment = {**os.environ, "CANARY_WSS": "canary-wss"}

    @contextlib.contextmanager
    def running(self):
        command = ["up", "-c", self.settings, "--log-level", "debug"]
        with log_of(self.settings).open("ab") as output:
            process = forks.start(command, environ=self._environment, output=output)
        try:
            await_health(f"http://{self.bind}", log_of(self.settings))
            yield
        finally:
            end(process)

    def fault_of(self, log: bytes) -> bytes:
        """Return what the operator is shown of a fault whose text and detail were rewritten."""
        id = re.search(rb'"message": "(\S+) its fault was rewritten: text, actor, detail', log)[1]
        command = ["fault", id.decode(), "-c", self.settings]
        done = forks.run(command, environ=self._environment, text=False)
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout
        return done.stdout

    def check(self) -> bytes:
        done = forks.run(["check", "-c", self.settings], environ=self._environment, text=False)
        return done.stdout + done.stderr


@pytest.fixture
def service():
    with contextlib.closing(Service()) as made:
        yield made


def telling(place: str) -> tuple[str, ...]:
    """Return what nobody outside may read."""
    port = place.rpartition(":")[2]
    return (HOST, f":{port}", PRODUCT, "canary-path", "OrderDao", "acme", *SECRETS)


def assert_silent(where: str, data: bytes, words: tuple[str, ...]) -> None:
    for word in words:
        for form in (word.encode(), base64.b64encode(word.encode()).rstrip(b"=")[:-1]):
            assert form.lower() not in data.lower(), f"{where} tells {word}: {data[:2000]!r}"


def test_nothing_that_leaves_gives_the_service_a_secret_or_a_message_away(tmp_path, queue, service):
    gateway, words = Gateway(tmp_path, queue, service.place), telling(service.place)
    with gateway.running():
        for path in (
            "/",
            "/warehouse",
            "/warehouse?wsdl",
            "/warehouse?xsd=1",
            "/warehouse?none",
            "/none",
        ):
            assert_silent(path, get(gateway.bind, path), words)
        reached: list[str] = []
        for name, answer in answers(service.place).items():
            service.answer = answer
            seen = post(gateway.bind, GOOD)
            assert b"Envelope" in seen, (name, seen)
            assert len(service.seen) == len(reached := [*reached, name]), name
            assert seen.startswith(b"200") == (name in ("a reply", "a content type")), (name, seen)
            assert_silent(f"the answer to {name}", seen, (*words, PAYLOAD))
        for name, body in REFUSED.items():
            headers = {"SOAPAction": PAYLOAD} if name == "an action" else {}
            headers |= {"Content-Type": f"text/{PAYLOAD}"} if name == "a content type" else {}
            seen = post(gateway.bind, body, headers)
            assert b"Fault" in seen, (name, seen)
            assert_silent(f"the refusal of {name}", seen, (*words, PAYLOAD))
        for name, seen in past_the_listener(queue, tmp_path).items():
            assert b"Fault" in seen, (name, seen)
            assert_silent(f"the refusal of {name} in the queue", seen, (*words, PAYLOAD))
        assert_silent("gateway check", gateway.check(), SECRETS)
        service.close()
        post(gateway.bind, GOOD, {"Prefer": "respond-async"})
        time.sleep(1.5)
    for sent in (b"canary-wss-user", b"Authorization: Basic", PAYLOAD.encode()):
        assert sent in service.seen[0]
    if queue.startswith("sqlite:"):
        with gateway.running():  # by its copy of the contract
            pass
        assert b"using the copy of its last answer" in log_of(gateway.settings).read_bytes()
    assert_silent("what is kept", kept(queue), words)
    assert PRODUCT.encode() in gateway.fault_of(log_of(gateway.settings).read_bytes())
    assert_silent("a reason", reasons(queue), (*words, PAYLOAD))
    assert_log(log_of(gateway.settings).read_bytes(), (*words, PAYLOAD))


def assert_log(log: bytes, words: tuple[str, ...]) -> None:
    for line in log.splitlines():
        assert "\x1b" not in json.loads(line)["message"]
        assert_silent("the log", line, words)
    assert log.count(b"quarantined: ") >= 10
    assert b"its fault was rewritten: text, actor, detail" in log
    assert b"NTLM" in log
    assert b"no connection: " in log


def reasons(queue: str) -> bytes:
    """Return why requests are in quarantine."""
    if queue.startswith("sqlite:"):
        path = queue.removeprefix("sqlite:///")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
            found = opened.execute("SELECT quarantined FROM requests").fetchall()
        return repr(found).encode()
    lines = kept(queue).splitlines()
    found = [re.findall(rb"reason': '[^']*'", one) for one in lines if b"quarantine/" in one]
    assert any(found)
    return repr(found).encode()


def kept(queue: str) -> bytes:
    """Return what a queue holds that is not the message of a caller: replies, and all beside it."""
    if queue.startswith("sqlite:"):
        return sqlite_kept(queue.removeprefix("sqlite:///"))
    s3 = boto3.client("s3", endpoint_url=re.search(r"endpoint_url=([^&]+)", queue)[1])
    bucket = re.search(r"s3://([^/]+)", queue)[1]
    found = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for one in page.get("Contents", ()):
            entry = s3.get_object(Bucket=bucket, Key=one["Key"])
            is_reply = "/replies/" in one["Key"]
            body = entry["Body"].read() if is_reply else b""
            found.append(f"{one['Key']} {entry['Metadata']} {entry['ContentType']}".encode() + body)
    assert len(found) > 20
    assert any(b"quarantine/" in one and b"reason" in one for one in found)
    return b"\n".join(found)


def sqlite_kept(path: str) -> bytes:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as queue:
        replies = queue.execute("SELECT * FROM replies").fetchall()
        reasons = queue.execute("SELECT id, quarantined FROM requests").fetchall()
    assert len(replies) > 15
    assert len([one for one in reasons if one[1]]) > 10
    return repr((replies, reasons)).encode()


HOSTED = """\
from spyne import ComplexModel, Service, Unicode, rpc

class Careless(Service):
    '''Says what it was sent in whatever it raises.'''

    __service_name__ = "Careless"
    __port_types__ = ()

    @rpc(Unicode(min_occurs=1), _returns=Unicode)
    def say(ctx, text):
        if text.endswith("value"):
            raise ValueError(f"no such text: {text}")
        if text.endswith("group"):
            raise ExceptionGroup(text, [KeyError(text)])
        if text.endswith("exit"):
            raise SystemExit(text)
        return object() if text.endswith("object") else text
"""
HOSTED_SETTINGS = """\
queue = "sqlite:///queue.db"

[services.warehouse]
host = "careless:Careless"

[listener]
bind = "{bind}"
wait = 15.0
"""


def test_a_hosted_service_that_says_what_it_was_sent_says_it_to_nobody(tmp_path):
    (tmp_path / "careless.py").write_text(HOSTED)
    gateway = Gateway(tmp_path, "", "")
    gateway.settings.write_text(HOSTED_SETTINGS.format(bind=gateway.bind))
    with gateway.running():
        published = get(gateway.bind, "/warehouse?wsdl").decode()
        namespace = re.search(r'targetNamespace="([^"]+)"', published)[1]
        for kind in ("value", "group", "exit", "object"):
            body = f'<s:say xmlns:s="{namespace}"><s:text>{PAYLOAD}-{kind}</s:text></s:say>'
            seen = post(gateway.bind, envelope(body))
            assert b"Fault" in seen, (kind, seen)
            assert_silent(f"the answer to {kind}", seen, (PAYLOAD,))
    log = log_of(gateway.settings).read_bytes()
    assert_silent("the log", log, (PAYLOAD,))
    assert log.count(b"Traceback") >= 3
    assert b"ValueError" in log
    assert b"careless.py" in log
