"""The queue in a bucket, without a doorbell: the reply object of a request is its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.message import Clock, Message
from gateway.queue import Collected, Delivery, QueueStatus
from gateway.queues.aws.address import BucketAddress
from gateway.queues.aws.limits import CLOSING
from gateway.queues.bucket.client import BucketClient, Sent
from gateway.queues.bucket.intake import S3Intake
from gateway.queues.bucket.layout import Keys, check_format
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.quarantine import BucketQuarantine
from gateway.queues.bucket.status import bucket_status
from gateway.queues.bucket.store import S3Store
from gateway.queues.options import QueueOptions

MODE = "plain"


class S3Queue:
    """A queue in a bucket, drained by any number of gateways."""

    def __init__(self, store: S3Store, keys: Keys, options: QueueOptions) -> None:
        self.clock: Clock = store.clock
        self._store = store
        self._keys = keys
        ledger = BucketLedger(store, keys, options.reply_limit)
        self._client = BucketClient(store, keys, ledger)
        self._intake = S3Intake(store, keys, ledger, options)
        self.quarantine = BucketQuarantine(
            store, keys, self.clock, self.send, self.collect, 2 * options.limit
        )

    @classmethod
    async def open(cls, address: BucketAddress, options: QueueOptions) -> S3Queue:
        """Open the queue. Raises ConfigurationError with the cure.

        The first receive probes whether the store honours the conditions of writes: clients may
        not write where it does that.
        """
        store = await S3Store.open(address, 2 * options.concurrency)
        keys = Keys(address)
        try:
            await check_format(store, keys, MODE)
        except BaseException:
            await store.aclose()
            raise
        return cls(store, keys, options)

    async def send(self, message: Message) -> None:
        if await self._client.send(message) is not Sent.KNOWN:
            self._intake.hurry()

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        return await self._client.collect(sender, id, wait)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        return await self._intake.receive(limit, wait, shares)

    async def status(self) -> QueueStatus:
        return await bucket_status(self._store, self._keys)

    async def aclose(self) -> None:
        self._store.limits.end_within(CLOSING)
        await self._intake.aclose()
        await self._store.aclose()
