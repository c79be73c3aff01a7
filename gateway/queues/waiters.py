"""Those in this process who wait for replies: all of them are served by one look at what is new."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

from gateway.errors import GatewayError
from gateway.queue import Collected, State
from gateway.queues import sqlite_replies as replies
from gateway.queues.bells import Bell

Name = tuple[str, str]
Read = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]

LOOK = 0.5
"""Seconds between two looks, rung or not: a ring is only a hint."""


class Waiters:
    """Waits for replies, however many: the cost of a look is that of the replies that are new."""

    def __init__(self, read: Read, bell: Bell) -> None:
        self._read = read
        self._bell = bell
        self._waiting: dict[Name, set[asyncio.Future[Collected]]] = {}
        self._seen: int | None = None  # the last reply looked at; None while nobody waits
        self._watch = asyncio.create_task(self._watching())

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return what ``Queue.collect`` returns."""
        name = (sender, id)
        future: asyncio.Future[Collected] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, set()).add(future)
        try:
            # Waiting comes first, then the look: a reply in between is found by one of them.
            found = await self._look(name)
            if wait <= 0 or found.state not in (State.PENDING, State.WORKING):
                return found
            async with asyncio.timeout(wait):
                return await future
        except TimeoutError:
            return await self._look(name)
        finally:
            self._forget(name, future)

    async def aclose(self) -> None:
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        for future in self._unserved():
            future.cancel()
        self._bell.close()

    async def _look(self, name: Name) -> Collected:
        def job(connection: sqlite3.Connection) -> tuple[int, Collected]:
            return replies.last_reply(connection), replies.look(connection, *name)

        last, found = await self._read(job)
        if self._seen is None:
            self._seen = last
        collected: Collected = found
        return collected

    def _forget(self, name: Name, future: asyncio.Future[Collected]) -> None:
        futures = self._waiting[name]
        futures.discard(future)
        if not futures:
            del self._waiting[name]
        if not self._waiting:
            self._seen = None

    async def _watching(self) -> None:
        while True:
            await self._bell.wait(LOOK)
            self._bell.clear()
            if self._seen is None:
                continue
            try:
                await self._serve(self._seen)
            except GatewayError as error:
                for future in self._unserved():
                    future.set_exception(error)

    async def _serve(self, seen: int) -> None:
        names = list(self._waiting)
        last, found = await self._read(
            lambda connection: replies.replies_after(connection, seen, names)
        )
        if self._seen is not None:
            self._seen = max(self._seen, last)
        for name, collected in found.items():
            for future in self._waiting.get(name, ()):
                if not future.done():
                    future.set_result(collected)

    def _unserved(self) -> list[asyncio.Future[Collected]]:
        return [one for futures in self._waiting.values() for one in futures if not one.done()]
