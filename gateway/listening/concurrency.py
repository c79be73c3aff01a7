"""The concurrency limit and rate of each client at the listener: calls over it may come back."""

from __future__ import annotations

import math

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import OverShare
from gateway.listening.answers import CLIENT, refusal
from gateway.serving.quotas import Shares


def in_share(shares: Shares) -> Middleware:
    """Return a middleware that refuses calls over their client's share."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        client = request.get(CLIENT, "")
        if "id" in request.match_info:  # each look for a reply is a look into the queue
            return await handler(request) if shares.look(client) else _over(request, shares)
        if request.method != "POST":
            return await handler(request)
        if not shares.begin(client):
            return _over(request, shares)
        try:
            return await handler(request)
        finally:
            shares.end(client)

    return middleware


def _over(request: web.Request, shares: Shares) -> web.Response:
    client = request.get(CLIENT, "")
    seconds = max(1.0, shares.wait(client))
    error = OverShare(seconds, reason=f"{client} is over its share")
    return refusal(request, error, 429, {"Retry-After": str(math.ceil(seconds))})
