"""The queue in a bucket with a doorbell: an SQS queue tells gateways of each new request.

Clients need the bucket alone. Those with permission ring themselves; for the others S3's
notification does; and a sweep once a minute finds requests that neither rang for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence

from gateway.errors import QueueBroken, QueueUnavailable
from gateway.message import Clock, Message
from gateway.queue import Collected, Delivery, QueueStatus
from gateway.queues.aws.address import BucketAddress
from gateway.queues.aws.limits import CLOSING
from gateway.queues.aws.sqs import (
    LONGEST_DELAY,
    NotAllowed,
    Outgoing,
    QueueMissing,
    Received,
    SqsClient,
)
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.backlog import client_of
from gateway.queues.bucket.client import BucketClient, Sent
from gateway.queues.bucket.layout import RINGS, Keys, check_format
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.probe import check_conditions
from gateway.queues.bucket.quarantine import BucketQuarantine
from gateway.queues.bucket.store import S3Store
from gateway.queues.claims.delivery import HIDDEN
from gateway.queues.claims.intake import LeasedIntake
from gateway.queues.doorbell.entry import Porter
from gateway.queues.doorbell.fair_queuing import FairQueuing
from gateway.queues.doorbell.messages import ring
from gateway.queues.doorbell.sweep import Sweep
from gateway.queues.options import QueueOptions
from gateway.queues.sqs.status import doorbell_status

log = logging.getLogger(__name__)

MODE = "doorbell"
RING_LIMIT = 3.0
"""Seconds that a sender waits for its ring, at most: a ring only makes things faster."""
NOT_ALLOWED = 600.0
"""Seconds before a client that may not ring tries again."""
DOWN = 5.0


class DoorbellQueue:
    """A queue in a bucket, drained by any number of gateways. Open it with ``open``."""

    def __init__(self, store: S3Store, keys: Keys, bell: Bell, options: QueueOptions) -> None:
        self.clock: Clock = store.clock
        self._store = store
        self._keys = keys
        self._bell = bell
        self._options = options
        self._client = BucketClient(store, keys, BucketLedger(store, keys, options.reply_limit))
        self._gateway: _Gateway | None = None
        self.quarantine = BucketQuarantine(
            store, keys, self.clock, self.send, self.collect, 2 * options.limit
        )

    @classmethod
    async def open(cls, address: BucketAddress, options: QueueOptions) -> DoorbellQueue:
        """Open the queue; nothing is sent to SQS yet: a client may have no permission for it.

        Raises ConfigurationError with the cure.
        """
        store = await S3Store.open(address, 2 * options.concurrency)
        keys = Keys(address)
        try:
            await check_format(store, keys, MODE)
            client = await SqsClient.open(address.access, 2 * options.concurrency)
        except BaseException:
            await store.aclose()
            raise
        return cls(store, keys, Bell(client, address.doorbell, options), options)

    async def send(self, message: Message) -> None:
        rings = await self._bell.is_within_reach()
        sent = await self._client.send(message, {RINGS: "1"} if rings else None)
        if rings and sent is not Sent.KNOWN:
            key = self._keys.request((message.sender, message.id))
            await self._bell.ring(key, again=sent is Sent.WAITS)

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        return await self._client.collect(sender, id, wait)

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[Delivery]:
        async with self._bell.opening:
            if self._gateway is None:
                pump = await self._bell.required()
                await check_conditions(self._store, self._keys)
                self._gateway = _Gateway(self._store, self._keys, pump, self._options)
        return await self._gateway.receive(limit, wait, shares or {})

    async def status(self) -> QueueStatus:
        pump = await self._bell.pump()
        return await doorbell_status(pump.client, pump.queue_url, self._store, self._keys)

    async def aclose(self) -> None:
        for service in (self._store, self._bell.client):
            service.limits.end_within(CLOSING)
        if self._gateway is not None:
            await self._gateway.aclose()
        await self._bell.aclose()
        await self._store.aclose()


class Bell:
    """The SQS queue of a doorbell, by its name or URL."""

    def __init__(self, client: SqsClient, queue: str, options: QueueOptions) -> None:
        self.opening = asyncio.Lock()  # held while a gateway's part is opened
        self.client = client
        self._queue = queue
        self._lease = options.lease
        self._margin = options.sweeps.margin
        self._pump: SqsPump | None = None
        self._silent_until = 0.0

    async def pump(self) -> SqsPump:
        """Return the queue's pump. Raises QueueMissing, QueueUnavailable."""
        if self._pump is None:
            url = await self.client.queue_url(self._queue)
            # Another call may have made it meanwhile: there is one pump for all.
            self._pump = self._pump or SqsPump(self.client, url, HIDDEN * self._lease)
        return self._pump

    async def required(self) -> SqsPump:
        """Return the pump for a gateway, which needs it. Raises QueueBroken as well."""
        try:
            return await self.pump()
        except (NotAllowed, QueueMissing) as error:
            raise QueueBroken(f"the doorbell cannot be used: {error}") from error

    async def is_within_reach(self) -> bool:
        """Tell whether a ring is worth trying: a client may have permissions for S3 alone."""
        if time.monotonic() < self._silent_until:
            return False
        with self._failing("the doorbell cannot be reached"):
            async with asyncio.timeout(RING_LIMIT):
                await self.pump()
        return self._pump is not None

    async def ring(self, key: str, *, again: bool = False) -> None:
        """Ring for a request. It is in the bucket: without the ring it is found later.

        The rings of a client are a message group, for fair queuing. ``again`` is for a request that
        was there already, and that a gateway may have taken on its first ring: this ring is
        delayed until that gateway must have written its claim.
        """
        with self._failing(f"{key} is in the bucket, but the doorbell was not rung"):
            async with asyncio.timeout(RING_LIMIT):
                pump = await self.pump()
                delay = math.ceil(self._lease / 3 + self._margin) if again else 0
                outgoing = Outgoing(body=ring(key, swept=again), delay=min(delay, LONGEST_DELAY))
                await pump.groups.send(outgoing, client_of(key))

    @contextlib.contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """Do not ring for a while after a failure: a ring only makes things faster."""
        try:
            yield
        except (NotAllowed, QueueMissing) as error:
            log.info("requests are left to S3's notification and the sweep: %s", error)
            self._silent_until = time.monotonic() + NOT_ALLOWED
        except (QueueUnavailable, TimeoutError) as error:
            reason = str(error) or f"no answer in {RING_LIMIT:g} s"
            log.warning("%s: %s", what, reason)
            self._silent_until = time.monotonic() + DOWN

    async def aclose(self) -> None:
        if self._pump is not None:
            await self._pump.aclose()
        await self.client.aclose()


class _Gateway:
    """The half of a queue that only a gateway needs."""

    def __init__(self, store: S3Store, keys: Keys, pump: SqsPump, options: QueueOptions) -> None:
        porter = Porter(store, keys, pump, options, self._tend)
        at_work = porter.known.at_work
        self._pump = pump
        self._sweep = Sweep(store, keys, lambda: at_work, lease=options.lease, times=options.sweeps)
        self._fair = FairQueuing(store, keys, porter.ledger, options, at_work)
        self._intake = LeasedIntake(
            pump, store.clock, options, self._fair.watching(porter.open, pump.client.clock)
        )
        self._sweeping: set[asyncio.Task[None]] = set()

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int]
    ) -> Sequence[Delivery]:
        await self._sweep.ensure(self._pump)
        return await self._fair.receive(self._intake.receive, limit, wait, shares)

    async def _tend(self, token: Received) -> None:
        """Sweep in a separate task, so that a long listing holds up no request."""
        task = asyncio.create_task(self._sweep.tend(self._pump, token))
        self._sweeping.add(task)
        task.add_done_callback(self._sweeping.discard)

    async def aclose(self) -> None:
        for task in self._sweeping:
            task.cancel()
        await asyncio.gather(*self._sweeping, return_exceptions=True)
        await self._fair.aclose()
        await self._intake.give_back()
