"""What the listener refuses, written down: no queue ever sees it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.errors import FaultError, QueueUnavailable
from gateway.listening.answers import (
    BODY,
    CLIENT,
    OPERATION,
    REFUSED,
    id_of,
)
from gateway.message import Message
from gateway.observe.audit.record import Outcome, Values, Write
from gateway.observe.audit.tally import Tally, What
from gateway.reasons import Check

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


LONGEST_NAME = 64
"""Characters of a service's name that a line has: a caller may make up one of thousands."""
_AT_DOOR = (Check.HTTP, Check.HOST, Check.ORIGIN, Check.CREDENTIALS)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a call is refused, and what is known of it."""

    code: str
    service: str
    id: str
    operation: str = ""
    is_at_door: bool = True
    """Nothing was asked yet that only a client may ask."""


def audited(write: Write, tally: Tally, nobody: str) -> Middleware:
    """Return a middleware, to be the outermost, that writes down each call that is refused.

    ``nobody`` is whose a request is that was not recognised; empty where clients are told apart.
    What strangers can send as often as they like has lines up to a number, and then ``tally``
    counts. One that cannot be written down is refused all the same.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()

        def note(refusal: _Refusal) -> None:
            is_strangers = CLIENT not in request and (refusal.is_at_door or not nobody)
            if is_strangers and not tally.take_line():
                tally.note(What.CALLS, request.remote or "")
            else:
                _write(write, {**_told(request, refusal, nobody), "ms": _since(began)})

        try:
            response = await handler(request)
        except web.HTTPException as error:
            if request.method == "POST":
                note(_Refusal(f"HTTP {error.status}", request.path.strip("/"), id_of(request)))
            raise
        if REFUSED in response:
            note(_refusal(*response[REFUSED]))
        return response

    return middleware


def _refusal(error: FaultError, message: Message) -> _Refusal:
    is_at_door = error.check in _AT_DOOR
    service, id = message.target_service, message.id
    return _Refusal(error.reason_code, service, id, error.operation, is_at_door)


def _told(request: web.Request, refusal: _Refusal, nobody: str) -> Values:
    return {
        "event": "refused",
        "client": request.get(CLIENT, nobody),
        "service": refusal.service[:LONGEST_NAME],
        "operation": refusal.operation or request.get(OPERATION, ""),
        "id": refusal.id,
        **_measured(request),
        "verdict": str(Outcome.REFUSED),
        "code": refusal.code,
        "attempts": 1,
    }


def _since(began: float) -> float:
    return round(1000 * (time.monotonic() - began), 1)


def _write(write: Write, values: Values) -> None:
    try:
        write(values)
    except QueueUnavailable as error:
        log.error("a refusal is not in the audit log: %s", error)


def _measured(request: web.Request) -> Values:
    """Return size and hash of a body; of one that was not read, the size that its head says."""
    body: bytes | None = request.get(BODY)
    if body is None:
        return {"size": request.content_length, "sha256": None}
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
