"""HTTP in: existing SOAP clients call the queue as if it were the service."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from gateway.audit.record import Write, nowhere
from gateway.errors import (
    ConfigurationError,
    FaultCode,
    FaultError,
    QueueBroken,
    QueueError,
    Refused,
)
from gateway.glimpse import glimpse
from gateway.listener_audit import BODY, audited, note_refused
from gateway.listener_pages import Listed, Pages
from gateway.message import Message, new_id
from gateway.queue import Collected, State
from gateway.remote import Remote
from gateway.service import admit
from gateway.soap import SoapVersion, fault

log = logging.getLogger(__name__)

HURRY = 0.8
"""The part of the grace time after which whoever still waits is told to come back."""
WAITING = (State.PENDING, State.WORKING)
STILL_THERE = (
    "No reply came in time. The request is still in the queue and will be carried out: "
    "its reply can be collected at the address in the Location header."
)
_PREFER_WAIT = re.compile(r"\bwait\s*=\s*(\d{1,5})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Where to listen, and for how long a caller is kept waiting, in seconds."""

    host: str = "127.0.0.1"
    port: int = 8800
    url: str = ""
    """The address that clients use, where it is not the one they connect to (a reverse proxy)."""
    wait: float = 60.0
    grace: float = 20.0
    request: int = 1 << 20
    """The largest request, in bytes."""


class Listener:
    """Offers services over HTTP; each call goes through the queue that ``remote`` leads to."""

    def __init__(
        self,
        remote: Remote,
        services: Mapping[str, Listed],
        settings: ListenerSettings,
        audit: Write = nowhere,
    ) -> None:
        """``audit`` writes down what is refused."""
        self._audit = audit
        self._remote = remote
        self._services = dict(services)
        self._settings = settings
        self._waits: set[asyncio.Timeout] = set()
        self._broken: asyncio.Future[QueueBroken] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until ``stop`` is set; then let those who wait have their replies.

        Raises ConfigurationError where the address cannot be listened on, QueueBroken.
        """
        settings = self._settings
        runner = web.AppRunner(
            self.application(),
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=settings.grace,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
            log.info("listening on http://%s:%d", *runner.addresses[0][:2])
            stopping = asyncio.ensure_future(stop.wait())
            ends: set[asyncio.Future[Any]] = {stopping, self._broken}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            log.info("stopping: %d callers wait for a reply", len(self._waits))
            # Before their connections end, so that they learn where their replies will be.
            loop = asyncio.get_running_loop()
            loop.call_later(settings.grace * HURRY, _end_waits, self._waits)
        except OSError as error:
            raise ConfigurationError(
                f"listener.bind: {settings.host}:{settings.port} cannot be listened on "
                f"({error.strerror}): stop what listens there, or choose another port."
            ) from error
        finally:
            await runner.cleanup()
        if self._broken.done():
            raise self._broken.result()

    def application(self) -> web.Application:
        """Return the web application, for whoever brings a server of its own."""
        pages = Pages(self._services, self._settings.url)
        has_audit = self._audit is not nowhere
        middlewares = [audited(self._audit, lambda _: self._remote.sender)] if has_audit else []
        application = web.Application(
            client_max_size=self._settings.request, middlewares=middlewares
        )
        application.on_response_prepare.append(_keep_to_itself)
        application.add_routes(
            [
                web.get("/", pages.index),
                web.get("/healthz", self._health),
                web.post(r"/{service:[^/]+}{slash:/?}", self._post),
                web.get(r"/{service:[^/]+}{slash:/?}", pages.service),
                web.get("/{service}/replies/{id}", self._collect),
            ]
        )
        return application

    async def _post(self, request: web.Request) -> web.Response:
        """Answer a call: whatever goes wrong is a SOAP fault."""
        name = request.match_info["service"]
        message = Message(
            body=b"",
            content_type=request.headers.get("Content-Type", ""),
            soap_action=request.headers.get("SOAPAction", "").strip().strip('"'),
            target_service=name,
        )
        began = time.monotonic()
        try:
            response = await self._call(request, message)
        except FaultError as error:
            response = fault_response(error, message)
        except QueueError as error:
            log.error("%s not accepted: %s", message.id, error)
            self._note(error)
            busy = FaultError("The queue cannot take requests now: try later.", code=FaultCode.BUSY)
            response = fault_response(busy, message, status=503)
            response.headers["Retry-After"] = "5"
        took = 1000 * (time.monotonic() - began)
        log.info("%s %s HTTP %d in %.1f ms", message.id, name, response.status, took)
        return response

    async def _call(self, request: web.Request, message: Message) -> web.Response:
        listed = self._services.get(message.target_service)
        if listed is None:
            unknown = Refused("There is no service of that name: GET / lists them.")
            return fault_response(unknown, message, status=404)
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            encoded = Refused("Send the message without a content encoding.")
            return fault_response(encoded, message, status=415)
        try:
            message = replace(message, body=await request.read())
            request[BODY] = message.body
        except web.HTTPRequestEntityTooLarge:
            limit = self._settings.request
            large = Refused(f"The message is larger than the {limit} bytes that are accepted.")
            return fault_response(large, message, status=413)
        call = await admit(listed.gate, message)
        await self._remote.send(message)
        if call.operation.one_way:
            return web.Response(status=202)
        return await self._reply(request, message)

    async def _reply(self, request: web.Request, message: Message) -> web.Response:
        """Wait for the reply as long as the caller prefers (RFC 7240), and the settings allow."""
        prefix = urlsplit(self._settings.url).path.rstrip("/")
        path = f"{prefix}/{message.target_service}/replies/{message.id}"
        location = {"Location": path}
        preferred = ",".join(request.headers.getall("Prefer", ()))
        is_async = "respond-async" in preferred
        wait = _wait(preferred, self._settings.wait, 0.0 if is_async else self._settings.wait)
        collected = await self._collected(message.id, wait)
        if collected.state in WAITING and is_async:
            return _state(collected.state, {**location, "Preference-Applied": "respond-async"})
        if collected.state in WAITING:
            late = FaultError(STILL_THERE, code=FaultCode.TIMEOUT)
            return fault_response(late, message, status=504, headers=location)
        return _response(collected)

    async def _collected(self, id: str, wait: float) -> Collected:
        """Return how far a request is that the queue has taken: whatever fails, it is there."""
        limit = asyncio.timeout(None)
        self._waits.add(limit)
        try:
            async with limit:
                return await self._remote.collect(id, wait)
        except TimeoutError:
            return Collected(State.PENDING)
        except QueueError as error:
            log.error("%s its reply could not be looked up: %s", id, error)
            self._note(error)
            return Collected(State.PENDING)
        finally:
            self._waits.discard(limit)

    async def _collect(self, request: web.Request) -> web.Response:
        """Tell how far a request is, or give its reply, as often as it is asked for."""
        wait = _wait(request.headers.get("Prefer", ""), self._settings.wait, 0.0)
        try:
            return _response(await self._remote.collect(request.match_info["id"], wait))
        except QueueError as error:
            log.error("a reply could not be looked up: %s", error)
            self._note(error)
            raise web.HTTPServiceUnavailable(text="The queue cannot be read now.\n") from error

    def _note(self, error: QueueError) -> None:
        """Let the listener end where the queue cannot be trusted any more."""
        if isinstance(error, QueueBroken) and not self._broken.done():
            self._broken.set_result(error)

    async def _health(self, request: web.Request) -> web.Response:
        """Tell whether the queue can be read: what this listener needs to be of use."""
        try:
            await self._remote.collect(new_id(), 0)
        except QueueError as error:
            log.error("not healthy: %s", error)
            self._note(error)
            return web.json_response({"status": "the queue cannot be read"}, status=503)
        return web.json_response({"status": "ok"})


def _end_waits(waits: Iterable[asyncio.Timeout]) -> None:
    """End all waits: whoever waits is told where the reply can be collected."""
    for limit in waits:
        limit.reschedule(asyncio.get_running_loop().time())


def _wait(preferred: str, longest: float, otherwise: float) -> float:
    """Return how long a caller prefers to wait, in seconds (RFC 7240, section 4.3)."""
    asked = _PREFER_WAIT.search(preferred)
    return min(float(asked[1]), longest) if asked else otherwise


async def _keep_to_itself(request: web.Request, response: web.StreamResponse) -> None:
    """Leave out the header that tells strangers what they talk to, and in which version."""
    response.headers.pop("Server", None)


def fault_response(
    error: FaultError,
    message: Message,
    *,
    status: int = 0,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a fault with the status of SOAP's HTTP binding, unless another says more."""
    reply = fault(error, message)
    response = _reply_response(reply, status=status, headers=headers)
    note_refused(response, error.code, message)
    return response


def _reply_response(
    reply: Message, *, status: int = 0, headers: Mapping[str, str] | None = None
) -> web.Response:
    whole = {**(headers or {}), "Content-Type": reply.content_type}
    return web.Response(body=reply.body, status=status or _status(reply), headers=whole)


def _status(reply: Message) -> int:
    """Return 500 for a fault, but 400 where SOAP 1.2 blames the sender.

    SOAP 1.1, section 6.2; SOAP 1.2 part 2, table 20.
    """
    if not reply.is_fault:
        return 200
    seen = glimpse(reply.body, reply.content_type)
    blames_sender = seen is not None and seen.version is SoapVersion.V12 and seen.sender_at_fault
    return 400 if blames_sender else 500


def _response(collected: Collected) -> web.Response:
    if collected.reply is not None:
        return _reply_response(collected.reply)
    return _state(collected.state, {})


def _state(state: State, headers: dict[str, str]) -> web.Response:
    status = {State.UNKNOWN: 404, State.DONE: 200}.get(state, 202)
    if status == 202:
        headers = {**headers, "Retry-After": "1"}
    return web.json_response({"state": state.value}, status=status, headers=headers)
