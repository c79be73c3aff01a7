"""What the listener refuses, written down: no queue ever sees it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.audit.record import Outcome, Write
from gateway.errors import QueueUnavailable
from gateway.listener_answers import BODY, CLIENT, REFUSED
from gateway.message import Message, new_id

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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
                _write(write, request, nobody, f"HTTP {error.status}", None, began)
            raise
        if REFUSED in response:
            code, message = response[REFUSED]
            _write(write, request, nobody, str(code), message, began)
        return response

    return middleware


def _write(
    write: Write,
    request: web.Request,
    nobody: str,
    code: str,
    message: Message | None,
    began: float,
) -> None:
    body: bytes | None = request.get(BODY)
    try:
        write(
            {
                "event": "refused",
                "client": request.get(CLIENT, nobody),
                "service": message.target_service if message else request.path.strip("/")[:64],
                "operation": "",
                "id": message.id if message else new_id(),
                "size": request.content_length if body is None else len(body),
                "sha256": None if body is None else hashlib.sha256(body).hexdigest(),
                "verdict": str(Outcome.REFUSED),
                "code": code,
                "attempts": 1,
                "ms": round(1000 * (time.monotonic() - began), 1),
            }
        )
    except QueueUnavailable as error:
        log.error("a refusal is not in the audit log: %s", error)
