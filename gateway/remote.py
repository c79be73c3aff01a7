"""The far side of a queue, as an endpoint: send, then collect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.errors import NoReplyYet, QueueError
from gateway.message import ID_WINDOW, Message
from gateway.queue import Checkable, Collected, Queue, State


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """How long things may take, in seconds, and the name that requests are sent under."""

    wait: float = 60.0
    lifetime: float = ID_WINDOW
    sender: str = "local"


class Remote:
    """Calls through a queue. A request is executed even where nobody waits for it any more."""

    def __init__(self, queue: Queue, settings: RemoteSettings) -> None:
        self.sender = settings.sender
        self._queue = queue
        self._settings = settings

    async def __call__(self, message: Message) -> Message | None:
        """Send a request and wait for its reply; None where there is none to come.

        Raises NoReplyYet when the wait runs out, Refused, QueueUnavailable.
        """
        await self.send(message)
        try:
            collected = await self.collect(message.id, self._settings.wait, message.sender)
        except QueueError as error:
            # It was taken: whoever were told otherwise would send it once more, as another one.
            raise NoReplyYet(f"the request is in the queue, but {error}", id=message.id) from error
        if collected.state in (State.REPLY, State.DONE):
            return collected.reply
        raise NoReplyYet(
            f"no reply in {self._settings.wait:g} s; the request is {collected.state}",
            id=message.id,
        )

    async def send(self, message: Message) -> None:
        """Send a request, without waiting for more than that the queue has it.

        It is sent in the name of its ``sender``, where whoever calls has found out who that is.
        """
        expires = message.expires or self._queue.clock() + self._settings.lifetime
        sender = message.sender or self._settings.sender
        await self._queue.send(replace(message, sender=sender, expires=expires))

    async def collect(self, id: str, wait: float, sender: str = "") -> Collected:
        """Return how far a request is, waiting up to so many seconds for its reply."""
        return await self._queue.collect(sender or self._settings.sender, id, wait)

    async def check(self) -> None:
        """Look whether the queue takes requests, where that can be known without sending one.

        Raises QueueUnavailable, QueueBroken.
        """
        if isinstance(self._queue, Checkable):
            await self._queue.check()
