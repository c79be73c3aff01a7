"""A warehouse's SOAP server, of the kind that companies keep in their private networks.

Run it with ``python -m gateway.demo.legacy --port 8080``. It knows nothing of the gateway.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import FrameType
from typing import Any

from lxml import etree

from gateway.demo.envelope import Version
from gateway.demo.seed import open_warehouse
from gateway.demo.service import Service, ledger, no_ledger, service

PATH = "/Warehouse"
MAX_BODY = 10 * 1024 * 1024
VERSIONS = {version.media_type: version for version in Version}

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, which end the process with status 0."""
    options = _options(arguments)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    with listen(options.host, options.port, options.ledger, options.delay) as server:
        print(f"listening on {server.url}", flush=True)
        server.serve_forever()


def listen(host: str, port: int, executions: Path | None, delay: float = 0.0) -> Server:
    """Open the server: ``serve_forever`` answers. It is the caller's to close."""
    schema = etree.XMLSchema(etree.fromstring(_contract("warehouse.xsd")))
    record = no_ledger if executions is None else ledger(executions)
    return Server(host, port, service(open_warehouse(), schema, record, delay))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.legacy", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0: any that is free")
    parser.add_argument("--host", default="127.0.0.1", help="the WSDL names it too")
    parser.add_argument("--ledger", type=Path, help="a file: one line for each execution")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that an execution takes")
    return parser.parse_args(arguments)


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _contract(name: str) -> bytes:
    try:
        folder: Traversable = resources.files("gateway.wsdl")
    except ModuleNotFoundError:
        # A checkout that is not installed, where nothing maps the package to its folder.
        folder = Path(__file__).parents[2] / "wsdl"
    return folder.joinpath(name).read_bytes()


def _published(url: str) -> Mapping[str, bytes]:
    """Return the documents that a GET returns, by their query; the WSDL names this server."""
    root = etree.fromstring(_contract("warehouse.wsdl"))
    for address in root.iterfind(".//{*}address[@location]"):
        address.set("location", url)
    for reference in root.iterfind(".//{*}import[@schemaLocation]"):
        reference.set("schemaLocation", f"{url}?xsd=1")
    wsdl = etree.tostring(root, xml_declaration=True, encoding="utf-8")
    return {"wsdl": wsdl, "xsd=1": _contract("warehouse.xsd")}


class Server(ThreadingHTTPServer):
    """The service behind HTTP, one thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, soap: Service) -> None:
        super().__init__((host, port), _Handler)
        self.url = f"http://{host}:{self.server_port}{PATH}"
        self.soap = soap
        self.documents = _published(self.url)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log the failure of a connection, unless the caller just went away."""
        gone = isinstance(sys.exception(), ConnectionError)
        logger.log(logging.DEBUG if gone else logging.ERROR, "connection failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One connection, kept open between requests."""

    protocol_version = "HTTP/1.1"
    # The head and the body of an answer are two writes: without this, the second would wait for
    # the caller's delayed acknowledgement of the first, 40 ms.
    disable_nagle_algorithm = True
    timeout = 60.0
    server_version = "Warehouse"
    sys_version = ""
    server: Server

    def do_GET(self) -> None:
        """Return the WSDL or the schema."""
        path, _, query = self.path.partition("?")
        document = self.server.documents.get(query.lower())
        if path == PATH and not query:
            self._not_allowed()
        elif path != PATH or document is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            self._answer(200, document, "text/xml; charset=utf-8")

    def do_POST(self) -> None:
        """Answer an envelope."""
        if self.path.partition("?")[0] != PATH:
            return self._refuse(HTTPStatus.NOT_FOUND)
        version = VERSIONS.get(self.headers.get_content_type())
        if version is None or "Content-Encoding" in self.headers:
            return self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            return self._refuse(HTTPStatus.LENGTH_REQUIRED)
        if len(length) > 10 or int(length) > MAX_BODY:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        data = self.rfile.read(int(length))
        status, body = self.server.soap(version, self._action(version), data)
        return self._answer(status, body, f"{version.media_type}; charset=utf-8")

    def _not_allowed(self) -> None:
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, allow="GET, POST")

    do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _not_allowed

    def _action(self, version: Version) -> str:
        """Return the SOAP action (SOAP 1.1, 6.1.1; SOAP 1.2 part 2, 6.5.3)."""
        if version is Version.V11:
            return self.headers.get("SOAPAction", "").strip().strip('"')
        return str(self.headers.get_param("action", ""))

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        if body:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, allow: str = "") -> None:
        self.send_response(status)
        if allow:
            self.send_header("Allow", allow)
        self.send_header("Content-Length", "0")
        # The request's body was not read, and would be taken for the next request.
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log a request at the debug level, in place of the standard library's stderr."""
        logger.debug(format, *arguments)


if __name__ == "__main__":
    main()
