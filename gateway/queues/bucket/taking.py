"""Taking requests out of a bucket: finding out whether one is free, and claiming it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from functools import partial

from gateway.errors import LeaseLost, QueueAway, QueueError, QueueUnavailable
from gateway.message import Message, Unreadable
from gateway.queue import Delivery
from gateway.queues.bucket.backlog import Backlog, Candidate, Seen
from gateway.queues.bucket.claim_records import (
    Claim,
    Register,
    Registers,
    RegisterState,
    new_token,
)
from gateway.queues.bucket.delivery import (
    Desk,
    Ending,
    ForeignDelivery,
    Hold,
    Removal,
    S3Delivery,
    request_digest,
)
from gateway.queues.bucket.layout import Keys, Name, from_object
from gateway.queues.bucket.renewal import renewed
from gateway.queues.bucket.store import S3Store
from gateway.queues.options import QueueOptions
from gateway.queues.quarantine import ID_TAKEN

log = logging.getLogger(__name__)

MARGIN = 1.0
"""Seconds longer than its lease that the claim of another must have stood still."""
AWAY = 5.0
"""Seconds for which a request is left, at most, that a store in trouble does not give."""


class Taker:
    """Claims requests for one gateway."""

    def __init__(
        self,
        store: S3Store,
        keys: Keys,
        registers: Registers,
        backlog: Backlog,
        options: QueueOptions,
    ) -> None:
        self._store = store
        self._keys = keys
        self._backlog = backlog
        self._lease = options.lease
        # One that is over the limit by less is refused with the fault that says so.
        self._limit = 2 * options.limit
        self._desk = Desk(registers, Removal(store, keys), store.clock)
        self._put_aside = options.put_aside
        self._deliveries: dict[str, S3Delivery] = {}

    async def take(self, candidate: Candidate) -> Delivery | None:
        """Claim a request if it is free; None where it is not. Raises QueueUnavailable.

        Where the store gives others, and not this one, that is raised once: it is left for a while,
        again and again, and holds up nobody. What fails in a way that nobody foresaw is left for a
        lease. The backlog holds a request for as long as this takes: nobody else here tries it
        meanwhile.
        """
        name = self._keys.name(candidate.key)
        if name is None:
            return ForeignDelivery(self._desk, candidate.key, partial(self._over, candidate))
        delivery = None
        try:
            delivery = await self._take(candidate, name)
        except LeaseLost:
            # Somebody was faster: what stands there now is looked at next time.
            candidate.etag, candidate.is_tried, candidate.interrupted = None, True, False
        except QueueUnavailable as error:
            rest = _rest(error, candidate, self._lease)
            if not self._backlog.put_off(candidate, str(error), rest):
                raise
            log.debug("%s is left for a while: %s", candidate.key, error)
        except QueueError:
            raise
        except Exception:  # a bug, met by one request: the others go on
            log.exception("%s failed in the gateway: it is left for a lease", candidate.key)
            candidate.is_tried, candidate.due = True, time.monotonic() + self._lease
        finally:
            if delivery is None:
                self._backlog.drop(candidate.key)
        return delivery

    async def _take(self, candidate: Candidate, name: Name) -> Delivery | None:
        if self._is_doubtful(candidate) and not await self._is_free(candidate, name):
            return None
        claim = Claim(
            token=new_token(),
            lease=self._lease,
            attempt=candidate.attempt + 1,
            interrupted=candidate.interrupted,
        )
        written = time.monotonic()
        etag = await self._desk.registers.claim(name, claim, candidate.etag)
        hold = Hold(claim, etag, written)
        try:
            return await self._begin(candidate, name, hold)
        except QueueUnavailable:
            with contextlib.suppress(LeaseLost, QueueUnavailable):
                given_back = replace(claim, attempt=candidate.attempt)
                await self._desk.registers.release(name, given_back, hold.etag, 0.0)
            raise

    def _is_doubtful(self, candidate: Candidate) -> bool:
        """Tell whether a look at the register costs less than a claim that may fail."""
        if candidate.etag is None:
            return candidate.place > 0 or candidate.is_tried
        return time.monotonic() < candidate.lapses

    async def _is_free(self, candidate: Candidate, name: Name) -> bool:
        """Tell whether a request may be claimed now; if not, note when to try again."""
        register = await self._desk.registers.look(name)
        if register is None:
            return True
        if register.is_final:
            await self._finish(candidate.key, name, register)
            return False
        if register.state is RegisterState.RELEASED:
            delay = register.delay(self._store.clock())
            seen = Seen(register.etag, register.attempt, register.interrupted)
        else:
            # A claim is the mark of a beginning, too: who takes it over cannot know better.
            seen = Seen(register.etag, register.attempt, interrupted=True)
            self._backlog.watch(candidate, seen, register.lease + MARGIN, is_claim=True)
            return False
        self._backlog.watch(candidate, seen, delay)
        return delay == 0

    async def _finish(self, key: str, name: Name, register: Register) -> None:
        """Remove a request that has its reply, and do what whoever answered it left undone."""
        other = await self._other(key, name, register)
        if other is not None:
            self._put_aside(other, ID_TAKEN)
            await self._desk.removal.put_aside(key, ID_TAKEN)
        elif register.quarantined:
            await self._desk.removal.put_aside(key, register.quarantined)
        else:
            await self._desk.removal.remove(key)
        self._backlog.finish(key)

    async def _other(self, key: str, name: Name, register: Register) -> Message | Unreadable | None:
        """Return a request that has other bytes than the one that was answered under its id."""
        stored = await self._store.get(key, self._limit) if register.digest else None
        if stored is None:
            return None
        message = from_object(stored, name)
        return message if request_digest(message) != register.digest else None

    async def _begin(self, candidate: Candidate, name: Name, hold: Hold) -> Delivery | None:
        async with renewed(self._desk.registers, name, hold):
            stored = await self._store.get(candidate.key, self._limit)
        if stored is None:
            # Its register stays: whoever removed the request by hand meant nobody to answer it.
            log.warning("%s is gone", candidate.key)
            self._backlog.finish(candidate.key)
            return None
        self._backlog.note_read(candidate)
        message = from_object(stored, name, interrupted=hold.claim.interrupted)
        hold.claim = replace(hold.claim, digest=request_digest(message))
        settled = partial(self._over, candidate)
        delivery = S3Delivery(self._desk, candidate.key, name, message, hold, settled)
        self._deliveries[candidate.key] = delivery
        return delivery

    def _over(self, candidate: Candidate, ending: Ending) -> None:
        """Note how a delivery ended."""
        self._deliveries.pop(candidate.key, None)
        if ending.is_final:
            self._backlog.finish(candidate.key)
            return
        candidate.etag, candidate.is_tried, candidate.interrupted = None, True, False
        if ending.etag:
            seen = Seen(ending.etag, ending.attempt, ending.interrupted)
            self._backlog.watch(candidate, seen, ending.delay)
        else:
            candidate.due = time.monotonic() + ending.delay
        self._backlog.drop(candidate.key)

    async def give_back(self) -> None:
        """Give back what was taken and not settled: others have it at once."""
        await asyncio.gather(*map(_abandon, list(self._deliveries.values())))


def _rest(error: QueueUnavailable, candidate: Candidate, lease: float) -> float:
    """Return for how many seconds to leave a request that the store did not give."""
    if not isinstance(error, QueueAway):
        return lease  # it is refused until somebody mends that
    return min(lease, AWAY, 2.0 ** min(candidate.failures, 10))


async def _abandon(delivery: S3Delivery) -> None:
    try:
        await delivery.abandon()
    except (LeaseLost, QueueUnavailable) as error:
        log.warning("%s not given back: %s", delivery.message.id, error)
    except QueueError:
        raise
    except Exception:  # a bug, met by one request: the others are given back
        log.exception("%s failed in the gateway: not given back", delivery.message.id)
