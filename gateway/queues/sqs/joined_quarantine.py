"""The quarantine of a queue on SQS with a bucket: that in the bucket, and the dead letters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from gateway.message import ID_WINDOW, Message
from gateway.queue import Quarantine, Quarantined
from gateway.queues.bucket.quarantine import BucketQuarantine
from gateway.queues.sqs.quarantine import PLACE, SqsQuarantine


class JoinedQuarantine:
    """The entries in the bucket, then those of the dead-letter queue, where there is one."""

    def __init__(
        self, bucket: BucketQuarantine, letters: SqsQuarantine, url: Callable[[], Awaitable[str]]
    ) -> None:
        """``url`` returns the URL of the dead-letter queue, empty where there is none."""
        self._url = url
        self._bucket = bucket
        self._letters = letters

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        async for entry in self._bucket.entries(id):
            yield entry
        if await self._url():
            async for entry in self._letters.entries(id):
                yield entry

    async def read(self, entry: Quarantined) -> Message:
        return await self._of(entry).read(entry)

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        return await self._of(entry).send_again(entry, envelope, lifetime)

    async def drop(self, entry: Quarantined) -> None:
        await self._of(entry).drop(entry)

    def _of(self, entry: Quarantined) -> Quarantine:
        return self._letters if entry.place == PLACE else self._bucket
