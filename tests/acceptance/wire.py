"""An application of aiohttp that is asked in memory: it reads and writes HTTP, on no socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web


class Wire(asyncio.Transport):
    """The listener's end of a connection, whose caller is the test."""

    def __init__(self, peer: str = "192.0.2.7", **extra: Any) -> None:
        """``extra`` is what a transport knows besides: ``peercert``, ``socket``."""
        super().__init__({"peername": (peer, 50000), **extra})
        self.received = bytearray()
        """What the listener has written."""
        self.unread = 0
        """How many bytes of that wait for a reader."""
        self.ended = asyncio.Event()
        self._protocol: Any = None

    def connect(self, protocol: asyncio.BaseProtocol) -> None:
        """Have a protocol of the listener serve this connection."""
        self._protocol = protocol
        protocol.connection_made(self)

    def send(self, data: bytes) -> None:
        """Send as the caller does; after the end it goes nowhere."""
        if not self.ended.is_set():
            self._protocol.data_received(data)

    async def answer(self) -> Answer:
        """Wait for the end of the connection; return the first answer."""
        async with asyncio.timeout(120):
            await self.ended.wait()
        return answer_of(bytes(self.received))

    # What the listener does with it.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.ended.is_set():
            self.received += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.ended.is_set()

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.ended.is_set():
            self.ended.set()
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass(frozen=True)
class Answer:
    """An answer of HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer_of(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(first.split(" ")[1]), headers, body)


def request(method: str, path: str, body: bytes = b"", **headers: str | None) -> bytes:
    """Return a request that is the last of its connection; a header that is None is left out."""
    fields: dict[str, str | None] = {"Host": "localhost", "Connection": "close"}
    if body or method == "POST":
        fields |= {"Content-Type": "text/xml", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


class Asked:
    """An application with a server of the library's, as for one that somebody else serves."""

    def __init__(self, application: web.Application, serving: Mapping[str, Any]) -> None:
        serving = {"access_log": None, "shutdown_timeout": 1.0, **serving}
        self._runner = web.AppRunner(application, **serving)

    async def __aenter__(self) -> Asked:
        await self._runner.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def server(self) -> web.Server:
        assert self._runner.server is not None
        return self._runner.server

    def connect(self, wire: Wire | None = None) -> Wire:
        wire = wire or Wire()
        wire.connect(self.server())
        return wire

    async def exchange(self, data: bytes, wire: Wire | None = None) -> Answer:
        """Send bytes as they are, whose last request asks for the end of the connection."""
        wire = self.connect(wire)
        wire.send(data)
        return await wire.answer()

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        wire: Wire | None = None,
        **headers: str | None,
    ) -> Answer:
        return await self.exchange(request(method, path, body, **headers), wire)

    async def get(self, path: str, **headers: str | None) -> Answer:
        return await self.ask("GET", path, **headers)


def asked(application: web.Application, **serving: Any) -> Asked:
    """Serve an application in memory; bodies come to it as they are."""
    return Asked(application, {"auto_decompress": False, **serving})
