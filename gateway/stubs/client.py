"""The base classes of generated clients: over a queue, through a listener, or directly by HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from zeep.transports import Transport

from gateway.client import AsyncQueueTransport, QueueTransport
from gateway.stubs.embedded import Embedded
from gateway.stubs.exchange import EncodedRequest, request, result
from gateway.stubs.layout import Layout

Queued = TypeVar("Queued", QueueTransport, AsyncQueueTransport)
Itself = TypeVar("Itself")


class Client:
    """Calls one service. Threads may share it; close it with ``close``, or by leaving ``with``.

    ``address`` is that of a queue, as in ``gateway.toml``, or the ``http://`` or ``https://``
    address of a listener or of the service itself. With a queue, ``service`` is its name at the
    gateway, ``client`` the caller's name, and a relative path to a queue's file starts at
    ``folder``, by default the current one; ``timeout`` is the longest wait for a reply, in seconds.
    For HTTP, ``transport`` may be one of zeep's own, with its certificates, passwords and proxies.

    A call raises SoapFault or a subclass, UnwritableValue before anything is sent, UnreadableReply,
    and the errors of the transports: ``gateway.client.ReplyPending`` when the wait ends, and other
    exceptions of ``requests`` and zeep.
    """

    _layout: ClassVar[Layout]
    _service: ClassVar[str]
    _embedded: ClassVar[Embedded | None] = None

    def __init__(
        self,
        address: str,
        *,
        service: str | None = None,
        client: str = "local",
        timeout: float = 60.0,
        folder: Path | None = None,
        transport: Transport | None = None,
    ) -> None:
        name = service or self._service
        self._address = address
        self._transport = _transport(
            QueueTransport, address, name, client, timeout, folder, transport
        )

    @classmethod
    def wsdl(cls) -> Mapping[str, bytes]:
        """Return the documents of the contract by name, the WSDL first; empty without --embed."""
        return cls._embedded.documents() if cls._embedded is not None else {}

    def close(self) -> None:
        """Release the queue, or the connections."""
        if isinstance(self._transport, QueueTransport):
            self._transport.close()
        self._transport.session.close()

    def __enter__(self: Itself) -> Itself:  # not Self: jedi completes by this one
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _call(self, operation: str, /, **arguments: object) -> Any:
        sent = _outgoing(self._layout, self._embedded, operation, arguments)
        transport = self._transport
        if isinstance(transport, QueueTransport):
            response = transport.post(self._address, sent.body, sent.headers, one_way=sent.one_way)
        else:
            response = transport.post(self._address, sent.body, sent.headers)
        return result(self._layout, operation, response)


class AsyncClient:
    """Like Client, for one event loop; close it with ``aclose``, or by leaving ``async with``."""

    _layout: ClassVar[Layout]
    _service: ClassVar[str]
    _embedded: ClassVar[Embedded | None] = None

    def __init__(
        self,
        address: str,
        *,
        service: str | None = None,
        client: str = "local",
        timeout: float = 60.0,
        folder: Path | None = None,
        transport: Transport | None = None,
    ) -> None:
        name = service or self._service
        self._address = address
        self._transport = _transport(
            AsyncQueueTransport, address, name, client, timeout, folder, transport
        )

    @classmethod
    def wsdl(cls) -> Mapping[str, bytes]:
        """Return the documents of the contract by name, the WSDL first; empty without --embed."""
        return cls._embedded.documents() if cls._embedded is not None else {}

    async def aclose(self) -> None:
        """Release the queue, or the connections."""
        if isinstance(self._transport, AsyncQueueTransport):
            await self._transport.aclose()
        self._transport.session.close()

    async def __aenter__(self: Itself) -> Itself:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def _call(self, operation: str, /, **arguments: object) -> Any:
        sent = _outgoing(self._layout, self._embedded, operation, arguments)
        transport = self._transport
        if isinstance(transport, AsyncQueueTransport):
            response = await transport.post(
                self._address, sent.body, sent.headers, one_way=sent.one_way
            )
        else:
            post = transport.post
            response = await asyncio.to_thread(post, self._address, sent.body, sent.headers)
        return result(self._layout, operation, response)


def _transport(
    queued: type[Queued],
    address: str,
    service: str,
    client: str,
    timeout: float,
    folder: Path | None,
    transport: Transport | None,
) -> Queued | Transport:
    """The transport for an address."""
    if not address.lower().startswith(("http://", "https://")):
        return queued(address, service, client=client, folder=folder, operation_timeout=timeout)
    if transport is not None:
        return transport
    transport = Transport(timeout=timeout, operation_timeout=timeout)
    transport.session.max_redirects = 0  # the POST would arrive as a GET, or elsewhere
    return transport


def _outgoing(
    layout: Layout, embedded: Embedded | None, operation: str, arguments: Mapping[str, object]
) -> EncodedRequest:
    made = request(layout, operation, arguments)
    if embedded is not None:
        embedded.check(made.body, made.headers)
    return made
