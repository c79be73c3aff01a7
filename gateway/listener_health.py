"""Whether a listener is of use: whether its queue can be read and written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import web

from gateway.errors import QueueError, QueueHeld
from gateway.message import new_id
from gateway.remote import Remote

log = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds for which an answer stands: anybody may ask, and a look into a bucket costs money."""
UNREADABLE = "the queue cannot be read"
HELD = "the queue cannot be written: another process holds it, the log says which"


class Health:
    """Looks at the queue, and remembers for a moment; ``note`` is told of what fails."""

    def __init__(self, remote: Remote, note: Callable[[QueueError], None]) -> None:
        self._remote = remote
        self._note = note
        self._looking = asyncio.Lock()
        self._until = 0.0
        self._reason = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Tell whether the queue can be used; strangers may ask, so not by whom it is held."""
        async with self._looking:
            if time.monotonic() >= self._until:
                self._reason = await self._look()
                self._until = time.monotonic() + FRESH
        if self._reason:
            return web.json_response({"status": self._reason}, status=503)
        return web.json_response({"status": "ok"})

    async def _look(self) -> str:
        """Return what is wrong with the queue."""
        try:
            await self._remote.collect(new_id(), 0)
            await self._remote.check()
        except QueueError as error:
            log.error("not healthy: %s", error)
            self._note(error)
            return HELD if isinstance(error, QueueHeld) else UNREADABLE
        return ""
