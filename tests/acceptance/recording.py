"""Records what clients of many libraries send, for the test that none of it is refused.

``python tests/acceptance/recording.py`` calls our own contracts with every client of
``contrib/clients`` that is installed, and with zeep, and writes the requests to
``tests/golden/requests`` anew: head, empty line, body. What the gateway is asked is what the
programs of others make; nothing of it is written by hand.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import zeep
from deployment import ROOT, Deployment, deployed
from test_other_languages import CLIENTS, LANGUAGES, Language, built, is_installed, run
from zeep.wsa import WsAddressingPlugin

REQUESTS = ROOT / "tests" / "golden" / "requests"
KEPT = ("Content-Type", "SOAPAction")
"""Of a head; the rest is of this machine, or of no interest."""
SUM = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    b'<n:PostResponse xmlns:n="urn:example:ledger"><posted>2</posted></n:PostResponse>'
    b"</e:Body></e:Envelope>"
)


@dataclass
class Recorder:
    """Hands requests on to ``target``, or answers them itself where that is empty; keeps them."""

    target: str = ""
    requests: list[bytes] = field(default_factory=list)

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer(b"")

            def do_POST(self) -> None:
                body = self._body()
                head = "".join(f"{k}: {self.headers[k]}\n" for k in KEPT if k in self.headers)
                recorder.requests.append(head.encode() + b"\n" + body)
                self._answer(body)

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding", "") != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                parts = []
                while size := int(self.rfile.readline().strip(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _answer(self, body: bytes) -> None:
                status, kind, answer = 200, "text/xml", SUM
                if recorder.target:
                    status, kind, answer = self._handed_on(body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _handed_on(self, body: bytes) -> tuple[int, str, bytes]:
                names = (*KEPT, "Host")  # it publishes the address by which it was asked
                headers = {name: self.headers[name] for name in names if name in self.headers}
                there = http.client.HTTPConnection(urlsplit(recorder.target).netloc, timeout=240)
                with contextlib.closing(there):
                    there.request(self.command, self.path, body or None, headers)
                    answer = there.getresponse()
                    kind = answer.headers.get("Content-Type", "")
                    return answer.status, kind, answer.read()

            def log_message(self, *arguments: object) -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


def main() -> None:
    REQUESTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, deployed(Path(folder)) as deployment:
        for language in (one for one in LANGUAGES if is_installed(one)):
            for version in language.versions:
                keep(f"{language.folder}-{version}", of_language(language, version, deployment))
        for version in ("1.1", "1.2"):
            for addressing in (False, True):
                name = f"zeep-{version}{'-addressing' if addressing else ''}"
                keep(name, of_zeep(version, addressing, deployment))
    for client, command in LEDGER.items():
        keep(f"ledger-{client}", of_ledger(CLIENTS / client, command))


def of_language(language: Language, version: str, deployment: Deployment) -> list[bytes]:
    recorder = Recorder(deployment.listener)
    with recorder.serving() as url, tempfile.TemporaryDirectory() as folder:
        wsdl = f"{url}/warehouse?wsdl"
        made = built(language, wsdl, Path(folder))
        command = tuple(part.format(build=made, version=version) for part in language.command)
        done = run(language, (*command, wsdl, version, "½ <of> & “all”"))
        assert done.returncode == 0, done.stderr
    return recorder.requests


def of_zeep(version: str, addressing: bool, deployment: Deployment) -> list[bytes]:
    recorder = Recorder(deployment.listener)
    with recorder.serving() as url:
        plugins = [WsAddressingPlugin()] if addressing else []
        client = zeep.Client(f"{url}/warehouse?wsdl", plugins=plugins)
        service = client.bind("Warehouse", f"WarehouseSoap{version.replace('.', '')}")
        service.GetOrder(orderId="WH-100002", _soapheaders={"callKey": "recorded"})
        service.ListOrders(status="cancelled", since="2026-01-01", limit=2)
        service.GetLabel(orderId="WH-100002")
    return recorder.requests


LEDGER = {
    "php": ("php", "ledger.php"),
    "perl": ("perl", "ledger.pl"),
    "suds": ("/usr/bin/python3", "-I", "ledger.py"),
}


def of_ledger(folder: Path, command: tuple[str, ...]) -> list[bytes]:
    recorder = Recorder()
    wsdl = ROOT / "tests" / "contracts" / "ledger.wsdl"
    with recorder.serving() as url:
        done = subprocess.run(
            [*command, wsdl, f"{url}/ledger"], cwd=folder, capture_output=True, timeout=240
        )
        assert recorder.requests, done.stderr
    return recorder.requests


def keep(name: str, requests: list[bytes]) -> None:
    for old in REQUESTS.glob(f"{name}-[0-9]*.http"):
        old.unlink()
    for number, request in enumerate(requests, 1):
        (REQUESTS / f"{name}-{number:02}.http").write_bytes(request)
    print(f"{name}: {len(requests)}", file=sys.stderr)


if __name__ == "__main__":
    main()
