"""The health of a listener: whether its queue can be read and written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import web

from gateway.client.remote import Remote
from gateway.errors import QueueAway, QueueError, QueueFull, QueueHeld
from gateway.message import Clock

log = logging.getLogger(__name__)

FRESH = 1.0
"""Seconds for which an answer is reused: anybody may ask, and a look into a bucket costs money."""
AWAY = "what it is kept by does not answer, or fails"
HELD = "another process holds it, and nothing can be written: the log of the listener says which"
FULL = "its disk is full: the log of the listener says which"
TROUBLED = "its settings, its rights or its disk: the log of the listener has the cure"


class Health:
    """Checks the queue, and caches the result for a moment; ``note`` is called with failures."""

    def __init__(
        self,
        remote: Remote,
        note: Callable[[QueueError], None],
        monotonic: Clock = time.monotonic,
    ) -> None:
        self._remote = remote
        self._monotonic = monotonic
        self._note = note
        self._looking = asyncio.Lock()
        self._until = 0.0
        self._reason = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Answer whether the queue can be used; not where it is, since strangers may ask."""
        async with self._looking:
            if self._monotonic() >= self._until:
                self._reason = await self._look()
                self._until = self._monotonic() + FRESH
        if self._reason:
            ill = {"status": "the queue cannot be used", "reason": self._reason}
            return web.json_response(ill, status=503)
        return web.json_response({"status": "ok"})

    async def _look(self) -> str:
        """Return why the queue cannot be used; log each change once."""
        try:
            # No longer than Remote's last look: monitors wait for a few seconds only.
            await self._remote.collect(self._remote.new_id(), 0)
            await self._remote.check()
        except QueueError as error:
            reason = _reason(error)
            if reason != self._reason:
                log.error("not healthy: %s", error)
            self._note(error)
            return reason
        if self._reason:
            log.warning("healthy again")
        return ""


def _reason(error: QueueError) -> str:
    match error:
        case QueueHeld():
            return HELD
        case QueueFull():
            return FULL
        case QueueAway():
            return AWAY
    return TROUBLED
