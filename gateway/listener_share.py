"""How much of the listener a client has at a time: what is over its share may come back."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import OverQuota, told
from gateway.listener_answers import CLIENT, fault_response, message_of
from gateway.quotas import Shares
from gateway.reasons import Check

log = logging.getLogger(__name__)


def in_share(shares: Shares) -> Middleware:
    """Return what refuses calls of a client that has all of its share already."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        client = request.get(CLIENT, "")
        if request.method != "POST":
            return await handler(request)
        if not shares.begin(client):
            message = message_of(request)
            over = f"{client} is over its share"
            error = OverQuota(max(1.0, shares.wait(client)), reason=over, check=Check.SHARE)
            log.warning("%s refused: %s", message.id, told(error))
            return fault_response(error, message)
        try:
            return await handler(request)
        finally:
            shares.end(client)

    return middleware
