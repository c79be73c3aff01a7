"""HTTP in: existing SOAP clients call the queue as if it were the service."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.admission import admit
from gateway.admission.wire import NO_SOAP
from gateway.client.remote import Remote
from gateway.contract.operations import Operation
from gateway.endpoint import Refusal
from gateway.errors import (
    Check,
    ConfigurationError,
    FaultCode,
    FaultError,
    QueueBroken,
    QueueError,
    Refused,
    Unchecked,
    Unsure,
)
from gateway.listening.answers import (
    BODY,
    CLIENT,
    NEW_ID,
    OPERATION,
    REFUSED,
    collected_response,
    doubtful_response,
    fault_response,
    location_of,
    message_of,
    state_response,
)
from gateway.listening.connections import Site
from gateway.listening.health import Health
from gateway.listening.origin import let_read
from gateway.listening.pages import ListedService, Pages
from gateway.listening.refusals import telling_refusals
from gateway.listening.settings import ListenerSettings
from gateway.listening.tls import Reread, keep_fresh
from gateway.listening.waiting import Waits, preferred_wait, prefers_async
from gateway.message import Message, is_id
from gateway.observe.events import CallAccepted, CallCollected, Events
from gateway.queue import Collected, State
from gateway.serving.quotas import NO_QUOTAS, Quotas
from gateway.soap.jms import MEDIA_TYPES
from gateway.soap.multipart import media_type

log = logging.getLogger(__name__)

STOPPING = "the listener stops, and the queue had not said that it has it"
NOT_SENT = "The listener stops, and has not sent the request: send it again in a moment."
HURRY = 0.8
"""The part of the grace time after which callers that still wait are told to come back."""
UNTAKEN = "The queue cannot take requests now: try later."
UNCHECKED = "The gateway cannot check the message now: try later."
WAITING = (State.PENDING, State.WORKING)
STILL_THERE = (
    "No reply came in time. The request waits in the queue, or is under way: collect its reply "
    "at the address in the Location header before you think of sending it again."
)


@dataclass(frozen=True, kw_only=True)
class Front:
    """What stands between the network and the calls."""

    middlewares: Sequence[Middleware] = ()
    """The outermost first. They store a request's client under CLIENT; without, it has none."""
    quotas: Quotas = NO_QUOTAS
    tls: ssl.SSLContext | None = None
    rereads: Sequence[Reread] = ()
    reread: asyncio.Event = field(default_factory=asyncio.Event)
    """When set, all of them are read again."""
    nobody: str = ""
    """The client's name for calls without one; empty where clients are authenticated."""


class Listener:
    """Offers services over HTTP; each call goes through the queue that ``remote`` leads to."""

    def __init__(
        self,
        remote: Remote,
        services: Mapping[str, ListedService],
        settings: ListenerSettings,
        front: Front | None = None,
        events: Events | None = None,
        *,
        request: int,
        grace: float,
    ) -> None:
        """``events`` are told what happens to each call.

        A request has ``request`` bytes at most. Once it is to stop, replies are waited for during
        ``grace`` seconds.
        """
        self._remote = remote
        self._services = dict(services)
        self._settings = settings
        self._request = request
        self._grace = grace
        self._front = front or Front()
        self._events = events or Events()
        self._waits = Waits()
        self._broken: asyncio.Future[QueueBroken] = asyncio.get_running_loop().create_future()

    async def run(
        self, stop: asyncio.Event, ready: Callable[[str], None] = lambda url: None
    ) -> None:
        """Listen until ``stop`` is set; then let callers that wait get their replies.

        ``ready`` is called with the address. Raises ConfigurationError where that cannot be
        listened on, QueueBroken.
        """
        settings = self._settings
        runner = web.AppRunner(self.application(), access_log=None, shutdown_timeout=self._grace)
        await runner.setup()
        place = (settings.host, settings.port)
        site = Site(runner, place, settings, self._front.tls, self._events)
        rereading = asyncio.ensure_future(keep_fresh(self._front.rereads, self._front.reread))
        try:
            await site.start()
            log.info("listening on %s", site.name)
            ready(site.name)
            stopping = asyncio.ensure_future(stop.wait())
            ends: set[asyncio.Future[Any]] = {stopping, self._broken}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            # Before their connections end, so that callers learn where their replies will be.
            hurry = self._grace * HURRY
            asyncio.get_running_loop().call_later(hurry, self.hurry)
            if waiting := len(self._waits):
                who = "1 caller waits" if waiting == 1 else f"{waiting} callers wait"
                longest = min(hurry, settings.wait)
                log.info("stopping: %s for a reply, for %g s at most", who, longest)
        except OSError as error:
            raise ConfigurationError(
                f"listener.bind: {settings.host}:{settings.port} cannot be listened on "
                f"({os.strerror(error.errno or 0)}): stop what listens there, or choose another "
                "port."
            ) from error
        finally:
            rereading.cancel()
            await runner.cleanup()
        if self._broken.done():
            raise self._broken.result()

    def hurry(self) -> None:
        """Tell all who wait where their replies will be: they are to be gone soon."""
        self._waits.end()

    def application(self) -> web.Application:
        """Return the web application, for use with another server."""
        pages = Pages(self._services, self._settings.url or "")
        telling = telling_refusals(self._events, self._front.nobody)
        application = web.Application(
            client_max_size=self._request, middlewares=[telling, *self._front.middlewares]
        )
        application[NEW_ID] = self._remote.new_id
        application.on_response_prepare.extend([_keep_to_itself, let_read])
        application.add_routes(
            [
                web.get("/", pages.index),
                web.get("/healthz", Health(self._remote, self._note).answer),
                web.post(r"/{service:[^/]+}{slash:/?}", self._post),
                web.get(r"/{service:[^/]+}{slash:/?}", pages.service),
                web.get("/{service}/replies/{id}", self._collect),
            ]
        )
        return application

    async def _post(self, request: web.Request) -> web.Response:
        """Answer a call: every failure becomes a SOAP fault."""
        message, events = message_of(request), self._events
        began = events.clock()
        try:
            response = await self._call(request, message)
        except FaultError as error:
            response = fault_response(error, message)
        except Unchecked as error:
            log.error("%s not accepted: %s", message.id, error)
            response = _busy_response(UNCHECKED, message)
        except QueueError as error:
            log.error("%s not accepted: %s", message.id, error)
            self._note(error)
            response = _busy_response(UNTAKEN, message)
        status = response.status
        if CallCollected in events.wanted and (status < 400 or REFUSED not in response):
            events.tell(CallCollected(message, status, began, events.clock()))
        return response

    async def _call(self, request: web.Request, message: Message) -> web.Response:
        listed = self._services.get(message.target_service)
        if listed is None:
            unknown = Refused(
                "There is no service of that name: GET / lists them.", check=Check.SERVICE
            )
            return fault_response(unknown, message, status=404)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            encoded = Refused(
                "Send the message without a content encoding.", check=Check.CONTENT_ENCODING
            )
            return fault_response(encoded, message, status=415)
        if media_type(message.content_type) not in MEDIA_TYPES:
            no_soap = Refused(NO_SOAP, check=Check.CONTENT_TYPE)
            return fault_response(no_soap, message, status=415)
        try:
            body = await _body(request, self._request, self._settings.body_timeout)
            message = replace(message, body=body)
            request[BODY] = message.body
        except web.HTTPException as error:
            check = Check.SIZE if error.status == 413 else Check.BODY
            unread = Refused(str(error.text), check=check)
            return fault_response(unread, message, status=error.status)
        call = await admit(listed.gate, message)
        if isinstance(call, Refusal):
            request[OPERATION] = call.operation
            return fault_response(call.error, replace(message, body=b""))
        request[OPERATION] = call.operation.name
        if self._waits.have_ended:  # the caller could not learn in time whether the queue has it
            return _busy_response(NOT_SENT, message)
        return await self._passed_on(request, message, call.operation)

    async def _passed_on(
        self, request: web.Request, message: Message, operation: Operation
    ) -> web.Response:
        """Send an admitted call; answer it with its reply, or with where that will be."""
        events = self._events
        began = events.clock()
        with self._front.quotas.spent(message.sender, len(message.body)):
            is_sure = await self._is_sent(message)
        location = location_of(message, self._settings.url or "")
        if not is_sure:
            return doubtful_response(message, location)
        if CallAccepted in events.wanted:
            name, one_way = operation.name, operation.one_way
            events.tell(CallAccepted(message, name, one_way, began, events.clock()))
        if operation.one_way:  # whether it was carried out is found there, too
            return web.Response(status=202, headers=location)
        return await self._reply(request, message, location, events.clock() - began)

    async def _is_sent(self, message: Message) -> bool:
        """Send a request; tell whether the queue certainly has it."""
        try:
            async with self._waits.endable():
                await self._remote.send(message)
        except TimeoutError:
            log.error("%s may be in the queue, or not: %s", message.id, STOPPING)
            return False
        except (Unsure, QueueBroken) as error:
            log.error("%s may be in the queue, or not: %s", message.id, error)
            self._note(error)
            return False
        return True

    async def _reply(
        self, request: web.Request, message: Message, location: Mapping[str, str], spent: float
    ) -> web.Response:
        """Wait for the reply as long as the caller prefers (RFC 7240) and the settings allow.

        ``spent`` seconds of that are over; ``location`` tells where to find the reply later.
        """
        preferred = ",".join(request.headers.getall("Prefer", ()))
        is_async = prefers_async(preferred)
        longest = self._settings.wait
        wait = preferred_wait(preferred, longest, 0.0 if is_async else longest)
        try:
            collected = await self._collected(message, max(0.0, wait - spent))
        except QueueBroken as error:
            # The queue accepted it, but cannot be trusted any more: it may not be there.
            log.error("%s may be in the queue, or not: %s", message.id, error)
            self._note(error)
            return doubtful_response(message, location)
        if collected.state in WAITING and is_async:
            applied = {"Preference-Applied": "respond-async"}
            return state_response(collected.state, {**location, **applied})
        if collected.state in WAITING:
            late = FaultError(STILL_THERE, code=FaultCode.TIMEOUT)
            return fault_response(late, message, status=504, headers=location)
        return collected_response(collected)

    async def _collected(self, message: Message, wait: float) -> Collected:
        """Return the state of a request that the queue has: a failed look does not change that.

        Raises QueueBroken.
        """
        try:
            async with self._waits.endable():
                return await self._remote.collect(message.id, wait, message.sender)
        except TimeoutError:
            return Collected(State.PENDING)
        except QueueBroken:
            raise
        except QueueError as error:
            log.error("%s its reply could not be looked up: %s", message.id, error)
            self._note(error)
            return Collected(State.PENDING)

    async def _collect(self, request: web.Request) -> web.Response:
        """Answer with the state of a request, or with its reply, any number of times."""
        preferred = ",".join(request.headers.getall("Prefer", ()))
        wait = preferred_wait(preferred, self._settings.wait, 0.0)
        id, client = request.match_info["id"], request.get(CLIENT, "")
        if not is_id(id):
            return state_response(State.UNKNOWN, {})
        try:
            return collected_response(await self._remote.collect(id, wait, client))
        except QueueError as error:
            log.error("a reply could not be looked up: %s", error)
            self._note(error)
            raise web.HTTPServiceUnavailable(text="The queue cannot be read now.\n") from error

    def _note(self, error: QueueError) -> None:
        """End the listener if the queue cannot be trusted any more."""
        if isinstance(error, QueueBroken) and not self._broken.done():
            self._broken.set_result(error)


def _busy_response(text: str, message: Message) -> web.Response:
    """Return the fault for a correct call that should be sent again."""
    busy = FaultError(text, code=FaultCode.BUSY, retry_after=5.0)
    return fault_response(busy, message, status=503)


async def _body(request: web.Request, limit: int, seconds: float) -> bytes:
    """Read the body. Raises HTTPException: too large, too slow, or no body at all."""
    large = f"The message is larger than the {limit} bytes that are accepted."
    try:
        if (request.content_length or 0) > limit:
            raise web.HTTPRequestEntityTooLarge(limit, text=large)
        if request.content.is_eof():  # it has arrived whole, as most do: no timer is needed
            return await request.read()
        async with asyncio.timeout(seconds):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        raise web.HTTPRequestEntityTooLarge(limit, text=large) from error
    except TimeoutError as error:
        late = "The message did not come in time: send it faster."
        raise web.HTTPRequestTimeout(text=late) from error
    except web.RequestPayloadError as error:
        raise web.HTTPBadRequest(text="The body is not what its head says.") from error


async def _keep_to_itself(request: web.Request, response: web.StreamResponse) -> None:
    """Leave out the header that tells strangers the server's software and version."""
    response.headers.pop("Server", None)
