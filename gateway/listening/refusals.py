"""Calls that the listener refuses, as events: no queue ever sees them."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import Check
from gateway.listening.answers import BODY, CLIENT, OPERATION, REFUSED, TurnedAway, message_of
from gateway.observe.events import CallRefused, Events

_STRANGERS = (Check.HTTP, Check.HOST, Check.ORIGIN, Check.CREDENTIALS)
"""Checks before authentication is done."""


def telling_refusals(events: Events, nobody: str) -> Middleware:
    """Return a middleware, to be the outermost, that tells of each refused call.

    ``nobody`` is the client's name for a request without one; empty where clients are
    authenticated.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = events.clock()
        try:
            response = await handler(request)
        except web.HTTPException as error:
            if request.method == "POST":
                events.tell(_refused(request, error.status, None, nobody, began, events.clock()))
            raise
        status = response.status
        if status >= 400 and REFUSED in response:
            refusal = response[REFUSED]
            events.tell(_refused(request, status, refusal, nobody, began, events.clock()))
        return response

    return middleware


def _refused(
    request: web.Request,
    status: int,
    refusal: TurnedAway | None,
    nobody: str,
    began: float,
    at: float,
) -> CallRefused:
    error = None if refusal is None else refusal.error
    message = message_of(request) if refusal is None else refusal.message
    is_before = error is None or error.check in _STRANGERS
    body: bytes | None = request.get(BODY)
    return CallRefused(
        message=message,
        client=request.get(CLIENT, nobody),
        service=request.path.strip("/") if refusal is None else message.target_service,
        operation=request.get(OPERATION, ""),
        status=status,
        error=error,
        body=body,
        size=request.content_length if body is None else len(body),
        peer=request.remote or "",
        is_strangers=CLIENT not in request and (is_before or not nobody),
        is_call=refusal is not None and refusal.is_call,
        began=began,
        at=at,
    )
