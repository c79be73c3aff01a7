"""What the listener refuses, written down: no queue ever sees it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.audit.record import Outcome, Values, Write
from gateway.errors import QueueUnavailable
from gateway.listener_answers import BODY, CLIENT, OPERATION, REFUSED
from gateway.message import Message, new_id

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a call is refused, and what is known of it."""

    code: str
    message: Message | None = None
    operation: str = ""


def audited(write: Write, nobody: str) -> Middleware:
    """Return a middleware, to be the outermost, that writes down each call that is refused.

    ``nobody`` is whose a request is that was not recognised. One that cannot be written down is
    refused all the same.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if request.method == "POST":
                _write(write, request, nobody, _Refusal(f"HTTP {error.status}"), began)
            raise
        if REFUSED in response:
            fault, message = response[REFUSED]
            refusal = _Refusal(fault.reason_code, message, fault.operation)
            _write(write, request, nobody, refusal, began)
        return response

    return middleware


def _write(
    write: Write,
    request: web.Request,
    nobody: str,
    refusal: _Refusal,
    began: float,
) -> None:
    message = refusal.message
    try:
        write(
            {
                "event": "refused",
                "client": request.get(CLIENT, nobody),
                "service": message.target_service if message else request.path.strip("/")[:64],
                "operation": refusal.operation or request.get(OPERATION, ""),
                "id": message.id if message else new_id(),
                **_measured(request),
                "verdict": str(Outcome.REFUSED),
                "code": refusal.code,
                "attempts": 1,
                "ms": round(1000 * (time.monotonic() - began), 1),
            }
        )
    except QueueUnavailable as error:
        log.error("a refusal is not in the audit log: %s", error)


def _measured(request: web.Request) -> Values:
    """Return size and hash of a body; of one that was not read, the size that its head says."""
    body: bytes | None = request.get(BODY)
    if body is None:
        return {"size": request.content_length, "sha256": None}
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
