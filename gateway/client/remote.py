"""The client side of a queue, as an endpoint: send, then collect."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from gateway.errors import (
    IdOfAnotherTime,
    NoReplyYet,
    QueueAway,
    QueueBroken,
    QueueError,
    QueueUnavailable,
    Unsure,
)
from gateway.message import ID_WINDOW, Message, new_id
from gateway.queue import Checkable, Collected, Queue, State

ACCEPTING = 10.0
"""Seconds that a queue may take to accept a request, even if its caller waits for less."""
LAST_LOOK = 2.0
"""Seconds for the last look for a reply, which begins when the wait ends."""
CLOCK = (
    "the queue refuses the id that was made for the request: {reason}. Set the clock of this "
    "machine right, and that of the queue."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Time limits in seconds, and the client's name for requests."""

    wait: float = 60.0
    lifetime: float = ID_WINDOW
    sender: str = "local"
    accepting: float = ACCEPTING
    last_look: float = LAST_LOOK


class Remote:
    """Calls through a queue. A request is carried out even if nobody waits for it any more.

    The queue's store may hang: nothing here takes longer than the caller's wait and LAST_LOOK. A
    reply that comes at the end of the wait is still found by that look.
    """

    def __init__(self, queue: Queue, settings: RemoteSettings) -> None:
        self.sender = settings.sender
        self._queue = queue
        self._settings = settings

    def new_id(self) -> str:
        """Return an id for a request that is sent soon, by the queue's clock."""
        return new_id(self._queue.clock)

    async def __call__(self, message: Message) -> Message | None:
        """Send a request and wait for its reply; None for a one-way operation.

        Its id is one of ``new_id``. Raises NoReplyYet when the wait ends, Refused,
        QueueUnavailable.
        """
        until = time.monotonic() + self._settings.wait
        await self.post(message)
        try:
            left = max(0.0, until - time.monotonic())
            collected = await self.collect(message.id, left, message.sender)
        except QueueBroken as error:
            text = f"the request was taken, and may be lost: {error}"
            raise NoReplyYet(text, id=message.id) from error
        except QueueError as error:
            # It was accepted: a caller told otherwise would send it once more, as another request.
            raise NoReplyYet(f"the request is in the queue, but {error}", id=message.id) from error
        if collected.state in (State.REPLY, State.DONE):
            return collected.reply
        raise NoReplyYet(
            f"no reply in {self._settings.wait:g} s; the request is {collected.state}",
            id=message.id,
        )

    async def post(self, message: Message) -> None:
        """Do what ``send`` does. Raises NoReplyYet if the queue may have it."""
        try:
            await self.send(message)
        except (Unsure, QueueBroken) as error:
            raise NoReplyYet(f"the request may be in the queue: {error}", id=message.id) from error

    async def send(self, message: Message) -> None:
        """Send a request, and wait only until the queue has it.

        It is sent in the name of its ``sender``, if the caller has set that. Its id is one of
        ``new_id``: if the queue refuses it for its time, a clock was changed, and the request is
        correct. Raises QueueUnavailable then; Unsure, or QueueBroken, if the queue may have it.
        """
        expires = message.expires
        if expires is None:
            expires = self._queue.clock() + self._settings.lifetime
        sender = message.sender or self._settings.sender
        longest = max(self._settings.wait, self._settings.accepting)
        limit = asyncio.timeout(longest)
        try:
            async with limit:
                await self._queue.send(replace(message, sender=sender, expires=expires))
        except IdOfAnotherTime as error:
            raise QueueUnavailable(CLOCK.format(reason=error.reason)) from error
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Unsure(
                f"the queue did not say in {longest:g} s that it has the request"
            ) from error

    async def collect(self, id: str, wait: float, sender: str = "") -> Collected:
        """Return the state of a request, waiting up to ``wait`` seconds for its reply.

        Raises QueueAway if the queue does not answer in that time.
        """
        longest = wait + self._settings.last_look
        limit = asyncio.timeout(longest)
        try:
            async with limit:
                return await self._queue.collect(sender or self._settings.sender, id, wait)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise QueueAway(f"the queue gave no answer in {longest:g} s") from error

    async def check(self) -> None:
        """Check that requests can be sent, where the queue can tell without one.

        Raises QueueUnavailable, QueueBroken.
        """
        if isinstance(self._queue, Checkable):
            await self._queue.check()
