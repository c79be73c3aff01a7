"""The waiters for replies in this process: one look at the new replies serves all of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.queue import Collected, State
from gateway.queues.embedded import replies
from gateway.queues.embedded.wake_up import WakeUp

Name = tuple[str, str]
Waiter = asyncio.Future[Collected | None]
"""A waiter; its result is None when the wait runs out."""
Read = Callable[[Callable[[sqlite3.Connection], Any]], Awaitable[Any]]

MOST_EXPECTED = 10_000
"""Sent requests that nobody waits for yet, at most; one-way ones stay among them."""


class Waiters:
    """Waits for any number of replies: a look costs as much as there are new replies."""

    def __init__(self, read: Read, bell: WakeUp, look: float) -> None:
        """``look`` is how many seconds are between two looks, rung or not."""
        self._read = read
        self._look_every = look
        self._bell = bell
        self._waiting: dict[Name, set[Waiter]] = {}
        self._expected: dict[Name, bool] = {}  # whether it is certain that it was sent just now
        self._seen: int | None = None  # the last reply looked at; None while nobody waits
        self._since = 0  # where looking began, from when on no reply was passed over
        self._watch = asyncio.create_task(self._watching())

    def expect(self, name: Name) -> None:
        """Watch for the reply to a request that is about to be sent.

        Its waiter need not look first, then: that costs as much as the rest of the wait.
        """
        self._expected[name] = False
        if len(self._expected) > MOST_EXPECTED:
            del self._expected[next(iter(self._expected))]

    def was_sent(self, name: Name, last: int | None) -> None:
        """Note that an expected request was sent after the reply of the sequence ``last``.

        None: it was not sent, or was there before, and its reply may be there already.
        """
        if last is not None and self._seen is None:
            self._watch_from(last)
        if last is None or self._since > last:
            self._expected.pop(name, None)
        elif name in self._expected:
            self._expected[name] = True

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        """Return what ``Queue.collect`` returns."""
        name, loop = (sender, id), asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        self._waiting.setdefault(name, set()).add(waiter)
        # Not asyncio.timeout: it takes four times as long, and nothing here is to be cancelled.
        end = loop.call_later(max(0.0, wait), _end, waiter)
        try:
            # The waiter was registered first: a reply in between is found by it or by the look.
            if wait <= 0 or not self._expected.get(name):
                found = await self._look(name)
                if wait <= 0 or found.state not in (State.PENDING, State.WORKING):
                    return found
            return await waiter or await self._look(name)
        finally:
            end.cancel()
            self._forget(name, waiter)

    async def aclose(self) -> None:
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        for future in _unserved(self._waiting):
            future.cancel()
        self._bell.close()

    async def _look(self, name: Name) -> Collected:
        def job(connection: sqlite3.Connection) -> tuple[int, Collected]:
            return replies.last(connection), replies.look(connection, *name)

        while True:
            last, found = await self._read(job)
            collected: Collected = found
            if self._seen is None:
                self._watch_from(last)
            # If the watch began meanwhile, that may have been after the reply that was missing.
            if self._since <= last or collected.state not in (State.PENDING, State.WORKING):
                return collected

    def _watch_from(self, last: int) -> None:
        """Begin to watch for replies after one."""
        self._seen = self._since = last
        self._bell.ring()  # a ring in between was ignored

    def _forget(self, name: Name, waiter: Waiter) -> None:
        waiters = self._waiting[name]
        waiters.discard(waiter)
        if not waiters:
            del self._waiting[name]
            self._expected.pop(name, None)
        if not self._waiting and not self._expected:
            self._seen = None

    async def _watching(self) -> None:
        while True:
            await self._bell.wait(self._look_every)
            self._bell.clear()
            if self._seen is None:
                continue
            try:
                await self._serve(self._seen)
            except Exception as error:  # noqa: BLE001  # the waiters get it; the watch goes on
                for future in _unserved(self._waiting):
                    future.set_exception(error)

    async def _serve(self, seen: int) -> None:
        def is_wanted(name: Name) -> bool:
            return name in self._waiting or name in self._expected

        last, found = await self._read(
            lambda connection: replies.after(connection, seen, is_wanted)
        )
        if self._seen is not None:
            self._seen = max(self._seen, last)
        for name, collected in found.items():
            self._expected.pop(name, None)
            for waiter in self._waiting.get(name, ()):
                if not waiter.done():
                    waiter.set_result(collected)


def _end(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _unserved(waiting: Mapping[Name, set[Waiter]]) -> list[Waiter]:
    return [one for waiters in waiting.values() for one in waiters if not one.done()]
