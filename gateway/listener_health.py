"""Whether a listener is of use: whether it can read its queue."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import web

from gateway.errors import QueueError
from gateway.message import new_id
from gateway.remote import Remote

log = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds for which an answer stands: anybody may ask, and a look into a bucket costs money."""


class Health:
    """Looks at the queue, and remembers for a moment; ``note`` is told of what fails."""

    def __init__(self, remote: Remote, note: Callable[[QueueError], None]) -> None:
        self._remote = remote
        self._note = note
        self._looking = asyncio.Lock()
        self._until = 0.0
        self._is_well = False

    async def answer(self, request: web.Request) -> web.Response:
        """Tell whether the queue can be read."""
        async with self._looking:
            if time.monotonic() >= self._until:
                self._is_well = await self._look()
                self._until = time.monotonic() + FRESH
        if not self._is_well:
            return web.json_response({"status": "the queue cannot be read"}, status=503)
        return web.json_response({"status": "ok"})

    async def _look(self) -> bool:
        try:
            await self._remote.collect(new_id(), 0)
        except QueueError as error:
            log.error("not healthy: %s", error)
            self._note(error)
            return False
        return True
