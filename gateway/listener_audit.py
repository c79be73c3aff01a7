"""What the listener refuses, written down: no queue ever sees it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.audit.record import Outcome, Write
from gateway.errors import FaultCode, QueueUnavailable
from gateway.message import Message, new_id

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BODY = "gateway.body"
"""Where a request has its body, once it was read."""
REFUSED = "gateway.refused"
"""Where a response has the code of its fault and its message, where the listener made it."""


def note_refused(response: web.Response, code: FaultCode, message: Message) -> None:
    """Mark a response as a refusal; a reply that is only late is none."""
    if code is not FaultCode.TIMEOUT:
        response[REFUSED] = (code, message)


def audited(write: Write, client: Callable[[web.Request], str]) -> Middleware:
    """Return a middleware, to be the outermost, that writes down each call that is refused.

    ``client`` tells whose request it is. One that cannot be written down is refused all the same.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if request.method == "POST":
                _write(write, request, client(request), f"HTTP {error.status}", None, began)
            raise
        if REFUSED in response:
            code, message = response[REFUSED]
            _write(write, request, client(request), str(code), message, began)
        return response

    return middleware


def _write(
    write: Write,
    request: web.Request,
    client: str,
    code: str,
    message: Message | None,
    began: float,
) -> None:
    body: bytes | None = request.get(BODY)
    try:
        write(
            {
                "event": "refused",
                "client": client,
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
