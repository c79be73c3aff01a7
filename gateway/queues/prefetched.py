"""What was taken for a gateway that does not ask any more: it stops, or has enough to do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from gateway.errors import unquoted

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds that a request is kept for whoever asks next; then others are to have it."""


class Unasked:
    """Gives back what is left over, once nobody has asked for a while.

    ``is_left`` tells whether there is anything, or will be.
    """

    def __init__(
        self, is_left: Callable[[], bool], give_back: Callable[[], Awaitable[None]]
    ) -> None:
        self._is_left = is_left
        self._give_back = give_back
        self._asking = 0
        self._waiting: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Hold back for as long as somebody asks."""
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking and self._is_left() and (not self._waiting or self._waiting.done()):
                self._waiting = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        while not self._asking and self._is_left():
            await asyncio.sleep(IDLE)
            if not self._asking:
                await self._give_back_all()

    async def _give_back_all(self) -> None:
        try:
            await self._give_back()
        except Exception as error:  # a bug: what is left is tried again, or comes back by itself
            log.error(
                "giving back what nobody asks for failed in the gateway", exc_info=unquoted(error)
            )

    async def aclose(self) -> None:
        """Stop waiting; what is being given back just now is still given back."""
        if self._waiting is not None:
            await asyncio.wait([self._waiting], timeout=IDLE)
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
