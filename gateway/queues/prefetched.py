"""Deliveries prefetched for a gateway that has stopped receiving: it stops, or is busy."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from gateway.errors import unquoted

log = logging.getLogger(__name__)

IDLE = 1.0
"""Seconds for which a request is kept for the next receive; then it is given back."""


class Unasked:
    """Gives back prefetched deliveries when there was no receive for a while.

    ``is_left`` tells whether there are any, or may be soon.
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
        """Give nothing back while a receive is under way."""
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
        except Exception as error:  # a bug: it is tried again, or they come back by themselves
            log.error(
                "giving back prefetched requests failed in the gateway", exc_info=unquoted(error)
            )

    async def aclose(self) -> None:
        """Stop waiting; a give-back under way is completed if it is quick."""
        if self._waiting is not None:
            await asyncio.wait([self._waiting], timeout=IDLE)
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)
