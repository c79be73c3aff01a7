"""Calls to one service through one queue: the common part of both zeep transports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import requests
from lxml import etree
from zeep.exceptions import TransportError
from zeep.wsdl.utils import etree_to_string

from gateway.client.remote import ACCEPTING, Remote, RemoteSettings
from gateway.contract import one_way_bodies
from gateway.errors import NoReplyYet, QueueAway, QueueError, Refused
from gateway.message import Message
from gateway.queue import Queue
from gateway.queues.registry import abilities_of, open_queue


class ReplyPending(requests.ReadTimeout):
    """The wait ended. The request is still carried out; ``id`` names it."""

    def __init__(self, text: str, *, id: str) -> None:
        super().__init__(text)
        self.id = id


@contextlib.asynccontextmanager
async def opened_in(longest: float) -> AsyncIterator[None]:
    """Limit the opening of a queue, in the block. Raises QueueAway after ``longest`` seconds."""
    limit = asyncio.timeout(longest)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise QueueAway(
            f"the queue could not be opened in {longest:g} s: check that its store works, "
            "and that nothing on the way blocks the traffic. Nothing was sent"
        ) from error


class Calls:
    """One service behind one queue, which the first call opens."""

    def __init__(
        self, address: str, service: str, *, client: str, folder: Path | None, lifetime: float
    ) -> None:
        self._address = address
        self._service = service
        self._client = client
        self._folder = folder or Path.cwd()
        self._lifetime = lifetime
        self._documents: list[bytes] = []
        self._one_way: frozenset[str] | None = None
        self._keeps_replies = True
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
        """Close the queue; cancel an opening that is under way."""
        if self._opening is None:
            return
        opening, self._opening = self._opening, None
        opening.cancel()  # has no effect if it has ended
        await asyncio.wait([opening])
        # Otherwise it was never opened, and the caller got the error.
        if not opening.cancelled() and opening.exception() is None:
            await opening.result().aclose()

    def _is_one_way(self, envelope: etree._Element) -> bool:
        if self._one_way is None:
            contracts = [document for document in self._documents if b"definitions" in document]
            self._one_way = one_way_bodies(contracts)
        return any(child.tag in self._one_way for child in envelope.iterfind("{*}Body/*"))

    async def _exchange(
        self, body: bytes, headers: Mapping[str, str], wait: float | None, one_way: bool
    ) -> requests.Response:
        try:
            settings = self._settings(wait)
            remote = Remote(await self._queue(max(settings.wait, ACCEPTING)), settings)
            message = replace(message_of(body, headers, self._service), id=remote.new_id())
            if one_way:
                await remote.post(message)
                return response_of(None)
            return response_of(await remote(message))
        except NoReplyYet as error:
            raise ReplyPending(self._pending(error), id=error.id) from error
        except Refused as error:
            raise TransportError(error.text) from error
        except QueueError as error:
            raise requests.ConnectionError(str(error)) from error

    def _pending(self, error: NoReplyYet) -> str:
        """The advice about a request whose wait has ended."""
        told = f"{error}: do not send it again. Its id is {error.id}"
        if self._keeps_replies:
            return f"{told}: collect its reply with that id, within two days"
        return f"{told}, but its reply is lost: it goes to a queue of the program that waits"

    def _settings(self, wait: float | None) -> RemoteSettings:
        wait = self._lifetime if wait is None else wait
        return RemoteSettings(wait=wait, lifetime=self._lifetime, sender=self._client)

    async def _open(self) -> Queue:
        self._keeps_replies = abilities_of(self._address, self._folder).keeps_replies
        return await open_queue(self._address, self._folder)

    async def _queue(self, longest: float) -> Queue:
        """Return the open queue: the first call opens it, others wait for that."""
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.ensure_future(self._open())
        opening = self._opening
        try:
            async with opened_in(longest):
                return await asyncio.shield(opening)
        except asyncio.CancelledError as error:
            call = asyncio.current_task()
            if call is None or call.cancelling() or not opening.cancelled():
                raise  # it is the call that was cancelled
            raise QueueAway("the transport was closed while it opened the queue") from error


def message_of(body: bytes, headers: Mapping[str, str], service: str) -> Message:
    """Return the message for an envelope made by zeep and its HTTP headers."""
    return Message(
        body=body,
        content_type=headers.get("Content-Type", "text/xml; charset=utf-8"),
        soap_action=(headers.get("SOAPAction") or "").strip('"'),
        target_service=service,
    )


def response_of(reply: Message | None) -> requests.Response:
    """Return a reply as zeep reads it: 202 without content for an accepted one-way call."""
    response = requests.Response()
    response.status_code = 202 if reply is None else 500 if reply.is_fault else 200
    response._content = b"" if reply is None else reply.body
    response.headers["Content-Type"] = "text/xml" if reply is None else reply.content_type
    response.encoding = "utf-8"
    return response
