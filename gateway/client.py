"""zeep over a queue: two transports, one for ``zeep.Client`` and one for ``zeep.AsyncClient``.

    client = zeep.Client("orders.wsdl", transport=QueueTransport("sqlite:///queue.db", "orders"))
    client.service.GetOrder("A-1")

Nothing else about a call changes: faults arrive as ``zeep.exceptions.Fault``, a wait that runs out
as ``requests.ReadTimeout``, a queue that cannot be used as ``requests.ConnectionError``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import threading
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import requests
from lxml import etree
from zeep.exceptions import TransportError
from zeep.transports import Transport
from zeep.wsdl.utils import etree_to_string

from gateway.contract import one_way_bodies
from gateway.errors import ConfigurationError, NoReplyYet, QueueError, Refused
from gateway.message import ID_WINDOW, Message
from gateway.queue import Queue
from gateway.queues.address import open_queue
from gateway.remote import Remote, RemoteSettings

T = TypeVar("T")

PUBLISHED = "http://published.invalid/"
"""Where zeep finds the contract in the queue's bucket: a name that no resolver knows (RFC 2606)."""
ENTRY = "service.wsdl"
NO_GET = "operations of an HTTP GET binding cannot travel over a queue"


class ReplyPending(requests.ReadTimeout):
    """The wait ran out. The request is still carried out; ``id`` names it."""

    def __init__(self, text: str, *, id: str) -> None:
        super().__init__(text)
        self.id = id


class AsyncQueueTransport(Transport):
    """A transport for ``zeep.AsyncClient``; ``operation_timeout`` is the longest wait in seconds.

    ``queue`` is an address as in ``gateway.toml``, a relative path being one from ``folder`` (the
    current one). ``service`` is the name under which the gateway serves it, ``client`` that of the
    caller; a request expires after ``lifetime`` seconds. ``read`` reads the contract's documents,
    by default as zeep does. Use it on one event loop, and close it with ``aclose``, or by leaving
    the client's ``async with``.
    """

    def __init__(
        self,
        queue: str,
        service: str,
        *,
        client: str = "local",
        folder: Path | None = None,
        operation_timeout: float = 60.0,
        lifetime: float = ID_WINDOW,
        read: Callable[[str], bytes] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(operation_timeout=operation_timeout, **options)
        self._read = read or _documents(queue, service, super().load)
        self._calls = _Calls(
            queue, service, client=client, folder=folder or Path.cwd(), lifetime=lifetime
        )

    @property
    def wsdl(self) -> str:
        """The contract that ``gateway publish`` wrote into the queue's bucket, for zeep to load."""
        return PUBLISHED + ENTRY

    def load(self, url: str) -> bytes:
        """Load a document of the contract: from the bucket, from a file, or by HTTP."""
        return self._calls.note(self._read(url))

    async def post_xml(
        self, address: str, envelope: etree._Element, headers: Mapping[str, str]
    ) -> requests.Response:
        return await self._calls.post_xml(envelope, headers, self.operation_timeout)

    async def post(
        self, address: str, message: bytes, headers: Mapping[str, str], *, one_way: bool = False
    ) -> requests.Response:
        return await self._calls.post(message, headers, self.operation_timeout, one_way)

    def get(self, address: str, params: object, headers: object) -> requests.Response:
        """Refuse: a binding of HTTP GET has no envelope to put into a queue."""
        raise TransportError(NO_GET)

    async def aclose(self) -> None:
        self.session.close()
        await self._calls.aclose()


class QueueTransport(Transport):
    """A transport for ``zeep.Client``, which threads may share. Close it with ``close``.

    As ``AsyncQueueTransport``, with an event loop of its own in a background thread.
    """

    def __init__(
        self,
        queue: str,
        service: str,
        *,
        client: str = "local",
        folder: Path | None = None,
        operation_timeout: float = 60.0,
        lifetime: float = ID_WINDOW,
        read: Callable[[str], bytes] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(operation_timeout=operation_timeout, **options)
        self._read = read or _documents(queue, service, super().load)
        self._calls = _Calls(
            queue, service, client=client, folder=folder or Path.cwd(), lifetime=lifetime
        )
        self._running: set[concurrent.futures.Future[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="queue-transport", daemon=True
        )
        self._thread.start()

    @property
    def wsdl(self) -> str:
        """The contract that ``gateway publish`` wrote into the queue's bucket, for zeep to load."""
        return PUBLISHED + ENTRY

    def load(self, url: str) -> bytes:
        """Load a document of the contract: from the bucket, from a file, or by HTTP."""
        return self._calls.note(self._read(url))

    def post_xml(
        self, address: str, envelope: etree._Element, headers: Mapping[str, str]
    ) -> requests.Response:
        return self._run(self._calls.post_xml(envelope, headers, self.operation_timeout))

    def post(
        self, address: str, message: bytes, headers: Mapping[str, str], *, one_way: bool = False
    ) -> requests.Response:
        return self._run(self._calls.post(message, headers, self.operation_timeout, one_way))

    def get(self, address: str, params: object, headers: object) -> requests.Response:
        """Refuse: a binding of HTTP GET has no envelope to put into a queue."""
        raise TransportError(NO_GET)

    def close(self) -> None:
        """Release the queue; calls under way in other threads fail."""
        if self._loop.is_closed():
            return
        self.session.close()
        for call in list(self._running):
            call.cancel()
        self._run(self._calls.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> QueueTransport:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            call.close()
            raise requests.ConnectionError("the transport is closed")
        running = asyncio.run_coroutine_threadsafe(call, self._loop)
        self._running.add(running)
        try:
            return running.result()
        except concurrent.futures.CancelledError as error:
            raise requests.ConnectionError("the transport was closed during the call") from error
        finally:
            self._running.discard(running)


class _Calls:
    """Calls to one service through one queue: what both transports are made of."""

    def __init__(
        self, address: str, service: str, *, client: str, folder: Path, lifetime: float
    ) -> None:
        self._address = address
        self._service = service
        self._client = client
        self._folder = folder
        self._lifetime = lifetime
        self._documents: list[bytes] = []
        self._one_way: frozenset[str] | None = None
        self._opening: asyncio.Task[Queue] | None = None

    def note(self, document: bytes) -> bytes:
        """Keep a document of the contract: zeep does not tell a transport what is one-way."""
        self._documents.append(document)
        self._one_way = None
        return document

    async def post_xml(
        self, envelope: etree._Element, headers: Mapping[str, str], wait: float | None
    ) -> requests.Response:
        message = etree_to_string(envelope)
        return await self._exchange(message, headers, wait, self._is_one_way(envelope))

    async def post(
        self, message: bytes, headers: Mapping[str, str], wait: float | None, one_way: bool
    ) -> requests.Response:
        return await self._exchange(message, headers, wait, one_way)

    async def aclose(self) -> None:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            with contextlib.suppress(ConfigurationError):  # it was never opened
                await (await opening).aclose()

    def _is_one_way(self, envelope: etree._Element) -> bool:
        if self._one_way is None:
            contracts = [document for document in self._documents if b"definitions" in document]
            self._one_way = one_way_bodies(contracts)
        return any(child.tag in self._one_way for child in envelope.iterfind("{*}Body/*"))

    async def _exchange(
        self, body: bytes, headers: Mapping[str, str], wait: float | None, one_way: bool
    ) -> requests.Response:
        message = Message(
            body=body,
            content_type=headers.get("Content-Type", "text/xml; charset=utf-8"),
            soap_action=(headers.get("SOAPAction") or "").strip('"'),
            target_service=self._service,
        )
        try:
            remote = Remote(await self._queue(), self._settings(wait))
            if one_way:
                await remote.send(message)
                return _response(None)
            return _response(await remote(message))
        except NoReplyYet as error:
            raise ReplyPending(str(error), id=error.id) from error
        except Refused as error:
            raise TransportError(error.text) from error
        except QueueError as error:
            raise requests.ConnectionError(str(error)) from error

    def _settings(self, wait: float | None) -> RemoteSettings:
        wait = self._lifetime if wait is None else wait
        return RemoteSettings(wait=wait, lifetime=self._lifetime, sender=self._client)

    async def _queue(self) -> Queue:
        """Return the open queue: the first call opens it, others wait for that."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.ensure_future(open_queue(self._address, self._folder))
        return await asyncio.shield(self._opening)


def _documents(
    queue: str, service: str, otherwise: Callable[[str], bytes]
) -> Callable[[str], bytes]:
    """Return what reads the documents of a contract: published ones from the queue's bucket."""

    @functools.cache
    def bucket() -> Callable[[str], bytes]:
        # Here, not above: boto3 takes a quarter of a second that others do without.
        from gateway.queues.published import published

        return published(queue, service)

    def read(url: str) -> bytes:
        is_published = url.startswith(PUBLISHED)
        return bucket()(url.removeprefix(PUBLISHED)) if is_published else otherwise(url)

    return read


def _response(reply: Message | None) -> requests.Response:
    """Return a reply as zeep reads it: 202 without content is a one-way call that was taken."""
    response = requests.Response()
    response.status_code = 202 if reply is None else 500 if reply.is_fault else 200
    response._content = b"" if reply is None else reply.body
    response.headers["Content-Type"] = "text/xml" if reply is None else reply.content_type
    response.encoding = "utf-8"
    return response
