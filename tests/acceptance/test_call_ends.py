"""``gateway call``: what it says where no reply comes, or another one than the contract has."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import forks
import pytest
from deployment import end, start
from forks import Running

LONG = 240.0
WSDL = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:claims"
    targetNamespace="urn:claims" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:x="http://www.w3.org/2001/XMLSchema">
  <types><x:schema targetNamespace="urn:claims" elementFormDefault="qualified">
    <x:element name="GetClaim"><x:complexType><x:sequence>
      <x:element name="number" type="x:int"/></x:sequence></x:complexType></x:element>
    <x:element name="GetClaimResponse"><x:complexType><x:sequence>
      <x:element name="amount" type="x:int"/></x:sequence></x:complexType></x:element>
    <x:element name="Nudge"><x:complexType><x:sequence>
      <x:element name="number" type="x:int"/></x:sequence></x:complexType></x:element>
  </x:schema></types>
  <message name="GetClaim"><part name="parameters" element="t:GetClaim"/></message>
  <message name="GetClaimResponse"><part name="parameters" element="t:GetClaimResponse"/></message>
  <message name="Nudge"><part name="parameters" element="t:Nudge"/></message>
  <portType name="P">
    <operation name="GetClaim"><input message="t:GetClaim"/>
      <output message="t:GetClaimResponse"/></operation>
    <operation name="Nudge"><input message="t:Nudge"/></operation>
  </portType>
  <binding name="B" type="t:P">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetClaim"><soap:operation soapAction=""/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>
    </operation>
    <operation name="Nudge"><soap:operation soapAction=""/>
      <input><soap:body use="literal"/></input></operation>
  </binding>
  <service name="Claims"><port name="B" binding="t:B">
    <soap:address location="{address}"/></port></service>
</definitions>
"""
ENVELOPE = """\
<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
<{0} xmlns="urn:claims"><number>1</number></{0}></e:Body></e:Envelope>
"""
VALUE = "a value is not of its type (invalid literal for int() with base 10: 'many')."
WAYS = ["operation", "envelope"]

pytestmark = pytest.mark.usefixtures("ctrl_c_is_heard")


class Place:
    """Settings of a service, and calls to it."""

    def __init__(self, folder: Path, address: str = "http://127.0.0.1:1/") -> None:
        self.settings = folder / "gateway.toml"
        (folder / "claims.wsdl").write_text(WSDL.format(address=address))
        self.write()

    def write(self, queue: str = "sqlite:///queue.db", wait: float = LONG) -> None:
        self.settings.write_text(
            f'queue = "{queue}"\n[services.claims]\nwsdl = "claims.wsdl"\n'
            f"[listener]\nwait = {wait}\n"
        )

    def call(self, way: str, operation: str, *options: str) -> Running:
        envelope = self.settings.with_name("envelope.xml")
        envelope.write_text(ENVELOPE.format(operation))
        what = [operation, "number=1"] if way == "operation" else ["--envelope", str(envelope)]
        command = ["call", "-c", str(self.settings), "claims", *what, *options]
        with (
            self._written("output").open("wb") as output,
            self._written("errors").open("wb") as errors,
        ):
            return forks.start(command, output=output, errors=errors)

    def told(self, process: Running) -> tuple[int, str]:
        """Return the status of a command, and what it printed, on one line."""
        status = process.wait(LONG)
        text = "".join(self._written(name).read_text("utf-8") for name in ("output", "errors"))
        assert "Traceback" not in text
        return status, " ".join(text.split())

    def _written(self, name: str) -> Path:
        return self.settings.with_name(name)

    def await_request(self) -> None:
        until = time.monotonic() + LONG
        command = ["status", "--json", "-c", str(self.settings)]
        while True:
            assert time.monotonic() < until
            done = forks.run(command)
            assert done.returncode == 0, done.stderr
            if json.loads(done.stdout)["depth"]:
                return


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_ends_the_wait_is_told_of_the_request(place, way, number, status):
    calling = place.call(way, "GetClaim")
    place.await_request()
    calling.send_signal(number)
    found, text = place.told(calling)
    assert found == status
    id = re.search(r"Its id is (\w{26}), and its reply is kept for two days", text)
    assert id, text
    assert "do not send it again" in text
    assert f"/claims/replies/{id[1]}" in text


@pytest.mark.parametrize("way", WAYS)
def test_where_no_reply_comes_the_hint_is_one_that_helps(place, way):
    place.write(wait=0.2)
    status, text = place.told(place.call(way, "GetClaim"))
    assert status == 1
    assert "no reply in 0.2 s" in text
    assert "do not send it again" in text
    assert "check that gateway up or gateway serve is running" in text
    assert "gateway status" not in text


@pytest.mark.parametrize("way", WAYS)
def test_a_one_way_call_tells_the_id_of_the_request(place, way):
    status, text = place.told(place.call(way, "Nudge", "--json"))
    assert status == 0
    assert re.fullmatch(r"\w{26}", json.loads(text)["accepted"])
    status, text = place.told(place.call(way, "Nudge"))
    assert (status, bool(re.search(r"accepted \w{26} .*one-way", text))) == (0, True), text


@pytest.mark.parametrize("way", WAYS)
def test_a_queue_that_does_not_open_is_waited_for_no_longer_than_for_a_reply(
    place, monkeypatch, way
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        place.write(f"s3://bucket/claims?endpoint_url={url}&region=eu-west-1", wait=1.0)
        status, text = place.told(place.call(way, "GetClaim"))
    assert status == 1
    assert "the queue could not be opened in 10 s" in text
    assert "Nothing was sent" in text


@pytest.mark.parametrize("way", WAYS)
def test_a_queue_that_one_program_alone_reaches_is_not_waited_for(place, way):
    place.write("memory:", wait=60.0)
    status, text = place.told(place.call(way, "GetClaim"))
    assert status == 2
    assert "call its listener over HTTP, or choose another kind of queue" in " ".join(text.split())


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Serve HTTP with one answer to everything; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/xml; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            '<t:Bogus xmlns:t="urn:claims"/>',
            "its Body holds Bogus, and should hold GetClaimResponse.",
        ),
        (
            '<GetClaimResponse xmlns="urn:other"><amount>7</amount></GetClaimResponse>',
            "its Body holds GetClaimResponse, of another namespace, and should hold "
            "GetClaimResponse.",
        ),
        ("", "its Body is empty, and should hold GetClaimResponse."),
        ('<GetClaimResponse xmlns="urn:claims"><amount>many</amount></GetClaimResponse>', VALUE),
        ('<GetClaimResponse xmlns="urn:claims"><sum>7</sum></GetClaimResponse>', ""),
        ('<GetClaimResponse xmlns="urn:claims"><amount>7</amount></GetClaimResponse>', None),
    ],
)
def test_a_reply_that_is_not_the_contracts_is_told_as_that(tmp_path, content, says):
    body = f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{content}'
    with answering(f"{body}</e:Body></e:Envelope>".encode()) as address:
        place = Place(tmp_path, address)
        serving = start("serve", place.settings)
        try:
            status, text = place.told(place.call("operation", "GetClaim", "--json"))
        finally:
            end(serving)
    if says is None:
        assert (status, json.loads(text)) == (0, {"reply": 7})
    else:
        assert status == 1, text
        assert f"error: the reply is not what the contract declares: {says}" in text
