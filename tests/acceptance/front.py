"""A listener on a real socket, over a queue in memory and a gateway that answers everything."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deployment
from answering import Answering, logging_events
from wire import Answer, answer_of

from gateway.assembly.contracts import Loaded
from gateway.assembly.parts import listener
from gateway.contract import load
from gateway.message import Message
from gateway.observe.audit import Write, nowhere, recorded
from gateway.observe.events import Events
from gateway.queues.memory import MemoryQueue
from gateway.secrets.credentials import changing, credential, new_secret
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings
from gateway.settings import from_values

GET_ORDER = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    b'<GetOrder xmlns="urn:example:warehouse:types"><orderId>WH-100001</orderId></GetOrder>'
    b"</s:Body></s:Envelope>"
)
REPLY = Message(body=b"<answered/>", content_type="text/xml")


@dataclass
class Front:
    """Where the listener is, whom it knows, and what reached the gateway behind."""

    port: int
    secrets: Mapping[str, str]
    queue: MemoryQueue
    folder: Path
    taken: list[Message] = field(default_factory=list)
    reply: Message = REPLY
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    events: Events = field(default_factory=logging_events)
    """Of the listener."""

    async def answer(self, message: Message) -> Message | None:
        self.taken.append(message)
        await self.answering.wait()
        return self.reply

    async def exchange(
        self, data: bytes, tls: ssl.SSLContext | None = None, *, patience: float = 20.0
    ) -> bytes:
        """Send bytes as they are; return what comes until the listener ends the connection.

        Or until it has been silent for so long.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        received = b""
        try:
            writer.write(data)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while True:
                    async with asyncio.timeout(patience):
                        part = await reader.read(1 << 16)
                    if not part:
                        break
                    received += part
            return received
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()

    async def post(
        self, body: bytes = GET_ORDER, *, tls: ssl.SSLContext | None = None, **headers: str
    ) -> Answer:
        return await self.ask("POST", "/warehouse", body, tls=tls, **headers)

    async def get(self, path: str, *, tls: ssl.SSLContext | None = None, **headers: str) -> Answer:
        return await self.ask("GET", path, b"", tls=tls, **headers)

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        tls: ssl.SSLContext | None = None,
        **headers: str,
    ) -> Answer:
        fields = {"Host": f"127.0.0.1:{self.port}", "Connection": "close"}
        if method == "POST":
            fields |= {"Content-Type": "text/xml", "Content-Length": str(len(body))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        data = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body
        return answer_of(await self.exchange(data, tls))


@contextlib.asynccontextmanager
async def fronted(
    folder: Path,
    clients: Mapping[str, Any] | None = None,
    answering: bool = True,
    services: tuple[str, ...] = ("warehouse",),
    audit: Write = nowhere,
    **table: Any,
) -> AsyncIterator[Front]:
    """Run a listener with such a ``[listener]``; each of the clients has a secret."""
    port = deployment.free_port()
    secrets = {name: new_secret() for name in clients or {}}
    with changing(folder / "credentials.txt") as known:
        known += [credential(name, secret) for name, secret in secrets.items()]
    values = {
        "queue": "memory:",
        "services": {name: {"wsdl": "warehouse.wsdl"} for name in services},
        "clients": clients or {},
        "listener": {"bind": f"127.0.0.1:{port}", **table},
    }
    settings = from_values(values, folder, "gateway.toml")
    contract = load("warehouse.wsdl", folder=deployment.ROOT / "wsdl")
    queue, stop = MemoryQueue(), asyncio.Event()
    front = Front(port, secrets, queue, folder)
    if answering:
        front.answering.set()
    loaded = {name: Loaded(contract, None) for name in services}
    events = front.events
    door = listener(settings, loaded, queue, events)
    gateway = Gateway(queue, Answering(front.answer), GatewaySettings(grace=0.2))
    async with recorded(events, audit):
        running = [asyncio.create_task(one.run(stop)) for one in (door, gateway)]
        try:
            await _until_open(port, running)
            yield front
        finally:
            front.answering.set()
            stop.set()
            await asyncio.gather(*running)


async def _until_open(port: int, running: list[asyncio.Task[None]]) -> None:
    for _ in range(200):
        for task in running:
            if task.done():
                task.result()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the listener did not start")
