"""zeep over a queue: two transports, one for ``zeep.Client`` and one for ``zeep.AsyncClient``.

    client = zeep.Client("orders.wsdl", transport=QueueTransport("sqlite:///queue.db", "orders"))
    client.service.GetOrder("A-1")

Nothing else about a call changes: faults arrive as ``zeep.exceptions.Fault``, the end of the wait
as ``requests.ReadTimeout``, a queue that cannot be used as ``requests.ConnectionError``.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import requests
from lxml import etree
from zeep.exceptions import TransportError
from zeep.transports import Transport

from gateway.client.calls import Calls, ReplyPending
from gateway.message import ID_WINDOW

__all__ = ["AsyncQueueTransport", "QueueTransport", "ReplyPending"]

T = TypeVar("T")

PUBLISHED = "http://published.invalid/"
"""Prefix for documents in the queue's bucket: a name that never resolves (RFC 2606)."""
WSDL = f"{PUBLISHED}service.wsdl"
"""The contract that ``gateway publish`` wrote into the queue's bucket, for zeep to load."""
NO_GET = "operations of an HTTP GET binding cannot travel over a queue"


class AsyncQueueTransport(Transport):
    """A transport for ``zeep.AsyncClient``; ``operation_timeout`` is the longest wait in seconds.

    ``queue`` is an address as in ``gateway.toml``; a relative path starts at ``folder`` (by default
    the current one). ``service`` is its name at the gateway, ``client`` the caller's name; a
    request expires after ``lifetime`` seconds. ``read`` reads the contract's documents, by default
    as zeep does; ``wsdl`` is the location of the contract that ``gateway publish`` wrote into the
    queue's bucket. Use it on one event loop, and close it with ``aclose``, or by leaving the
    client's ``async with``.
    """

    wsdl = WSDL

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
        self._calls = Calls(queue, service, client=client, folder=folder, lifetime=lifetime)

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

    Like ``AsyncQueueTransport``, with its own event loop in a background thread.
    """

    wsdl = WSDL

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
        self._calls = Calls(queue, service, client=client, folder=folder, lifetime=lifetime)
        self._running: set[concurrent.futures.Future[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="queue-transport", daemon=True
        )
        self._thread.start()
        # If it is never closed, this prevents the libraries' warnings about open resources.
        self._release = weakref.finalize(
            self, _release, self.session, self._calls, self._running, self._loop, self._thread
        )

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
        self._release()

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


def _release(
    session: requests.Session,
    calls: Calls,
    running: set[concurrent.futures.Future[Any]],
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
) -> None:
    """Release a transport's resources, and end its thread."""
    if threading.current_thread() is thread:
        return  # garbage collection in that very thread, which cannot wait for itself
    session.close()
    for call in list(running):
        call.cancel()
    with contextlib.suppress(RuntimeError):  # at interpreter exit no thread can be started
        asyncio.run_coroutine_threadsafe(calls.aclose(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _documents(
    queue: str, service: str, otherwise: Callable[[str], bytes]
) -> Callable[[str], bytes]:
    """The reader of a contract's documents: published ones come from the queue's bucket."""

    @functools.cache
    def bucket() -> Callable[[str], bytes]:
        # Imported here: boto3 takes a quarter of a second, which others do not need.
        from gateway.queues.bucket.published import published

        return published(queue, service)

    def read(url: str) -> bytes:
        is_published = url.startswith(PUBLISHED)
        return bucket()(url.removeprefix(PUBLISHED)) if is_published else otherwise(url)

    return read
