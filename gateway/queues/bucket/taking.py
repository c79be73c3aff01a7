"""Taking requests out of a bucket: finding out whether one is free, and claiming it."""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import replace

from gateway.errors import LeaseLost, QueueAway, QueueError, QueueUnavailable, unquoted
from gateway.message import Clock, Message, Unreadable
from gateway.queues.bucket.backlog import Backlog, Candidate
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.requests import ObjectEntry, Requests, StrayObject
from gateway.queues.bucket.store import S3Store
from gateway.queues.claims.basket import give_back
from gateway.queues.claims.delivery import ClaimDelivery, Entry, Standing, finish, renewed
from gateway.queues.claims.records import (
    Claim,
    Claimable,
    Claimed,
    Released,
    claimable,
    new_token,
    request_digest,
)
from gateway.queues.options import QueueOptions

log = logging.getLogger(__name__)

AWAY = 5.0
"""Seconds, at most, before a request is tried again that a store in trouble did not give."""
STRAY_REST = 60.0
"""Seconds before an object that is not a request, and cannot be put aside, is tried again."""


class Taker:
    """Claims requests for one gateway, each before it is read."""

    def __init__(
        self,
        store: S3Store,
        keys: Keys,
        ledger: BucketLedger,
        backlog: Backlog,
        options: QueueOptions,
    ) -> None:
        self.clock: Clock = store.clock
        self._keys = keys
        self._ledger = ledger
        self._backlog = backlog
        self._lease = options.lease
        self._requests = Requests(store, keys, options.limit)
        self._tell = options.put_aside
        self._taken: dict[ClaimDelivery, Candidate] = {}

    async def take(self, candidate: Candidate) -> ClaimDelivery | None:
        """Claim a request if it is free; None where it is not. Raises QueueUnavailable.

        A request that the store does not give, although it gives others, raises that once; then it
        is tried again after pauses, and holds up no other. After an unexpected error it is left for
        a lease. The backlog holds the request meanwhile, so that nothing else here tries it.
        """
        delivery = None
        try:
            delivery = await self._take(candidate)
        except LeaseLost:
            # Another was faster: the next try reads the record.
            candidate.leave(candidate.due)
        except QueueUnavailable as error:
            rest = _rest(error, candidate, self._lease)
            if not self._backlog.put_off(candidate, str(error), rest):
                raise
            log.debug("%s is left for a while: %s", candidate.key, error)
        except QueueError:
            raise
        except Exception as error:  # a bug, met by one request: the others go on
            log.error(
                "%s failed in the gateway: it is left for a lease",
                candidate.key,
                exc_info=unquoted(error),
            )
            candidate.is_tried, candidate.due = True, time.monotonic() + self._lease
        finally:
            if delivery is None:
                self._backlog.drop(candidate.key)
        return delivery

    async def _take(self, candidate: Candidate) -> ClaimDelivery | None:
        name = self._keys.name(candidate.key)
        if name is None:
            return await self._take_stray(candidate)
        entry = ObjectEntry(self._requests, self._ledger, candidate.key, name)
        if self._is_doubtful(candidate) and not await self._is_free(candidate, entry):
            return None
        standing = self._standing(candidate)
        claimed = Claimed(standing.claim)
        standing.version = await self._ledger.write(name, claimed, candidate.version)
        standing.is_claimed = True
        try:
            async with renewed(entry, standing):
                message = await entry.read(interrupted=standing.claim.interrupted)
        except QueueUnavailable:
            with contextlib.suppress(LeaseLost, QueueUnavailable):
                unread = Released(replace(standing.claim, attempt=candidate.attempt))
                await self._ledger.write(name, unread, standing.version)
            raise
        if message is None:
            # Its record stays: someone removed the request by hand, so that nobody answers it.
            log.warning("%s is gone", candidate.key)
            self._backlog.finish(candidate.key)
            return None
        self._backlog.note_read(candidate)
        standing.claim = replace(standing.claim, digest=request_digest(message))
        return self._delivery(candidate, entry, message, standing)

    async def _take_stray(self, candidate: Candidate) -> ClaimDelivery:
        stray = StrayObject(self._requests, candidate.key)
        message = await stray.read(interrupted=False)
        return self._delivery(candidate, stray, message, self._standing(candidate))

    def _standing(self, candidate: Candidate) -> Standing:
        claim = Claim(
            token=new_token(),
            lease=self._lease,
            attempt=candidate.attempt + 1,
            interrupted=candidate.interrupted,
        )
        return Standing(claim, None, time.monotonic())

    def _delivery(
        self, candidate: Candidate, entry: Entry, message: Message | Unreadable, standing: Standing
    ) -> ClaimDelivery:
        delivery = ClaimDelivery(self, entry, message, standing)
        self._taken[delivery] = candidate
        return delivery

    def _is_doubtful(self, candidate: Candidate) -> bool:
        """Tell whether reading the record costs less than a claim that may fail."""
        if candidate.version is None:
            return candidate.place > 0 or candidate.is_tried
        return time.monotonic() < candidate.lapses

    async def _is_free(self, candidate: Candidate, entry: Entry) -> bool:
        """Tell whether a request may be claimed now; if not, note when to try again."""
        record = await self._ledger.look(entry.name)
        if record is None:
            return True
        if record.is_final:
            await finish(entry, record, self._tell)
            self._backlog.finish(candidate.key)
            return False
        seen = claimable(record, self.clock())
        self._backlog.watch(candidate, seen)
        return seen.delay == 0

    async def put_off(self, delivery: ClaimDelivery, delay: float) -> None:
        """Offer a released request to all gateways again, after a delay."""
        self._leave(self._taken.pop(delivery), delivery.standing, delay)

    def ended(self, delivery: ClaimDelivery) -> None:
        """Note how a delivery ended: an unfinished one comes again."""
        candidate = self._taken.pop(delivery, None)
        if candidate is None:
            return  # it was given back
        if delivery.standing.is_settled and not delivery.standing.owed:
            self._backlog.finish(candidate.key)
            return
        self._leave(
            candidate, delivery.standing, 0.0 if delivery.entry.ledger.remembers else STRAY_REST
        )

    def _leave(self, candidate: Candidate, standing: Standing, delay: float) -> None:
        """Have a request come again after a delay; a released one is claimed without a read.

        The known version of a claim that was not released may be out of date.
        """
        if standing.version is None or standing.is_claimed:
            candidate.leave(time.monotonic() + delay)
        else:
            claim = standing.claim
            seen = Claimable(standing.version, claim.attempt, claim.interrupted, delay)
            self._backlog.watch(candidate, seen)
        self._backlog.drop(candidate.key)

    async def give_back(self) -> None:
        """Give back unsettled deliveries: others get them at once."""
        await give_back(self._taken)


def _rest(error: QueueUnavailable, candidate: Candidate, lease: float) -> float:
    """Return the seconds before a request is tried again that the store did not give."""
    if not isinstance(error, QueueAway):
        return lease  # refused until somebody mends that
    return min(lease, AWAY, 2.0 ** min(candidate.failures, 10))
