"""The sweep: finding the requests of a bucket that no ring came for.

One message in the doorbell's queue is the token. The gateway that receives it hides it for about a
minute, lists the requests, and rings for those that have waited too long. So one gateway sweeps at
a time, and it may be any of them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Container, Sequence

from gateway.errors import QueueError, unquoted
from gateway.message import id_time
from gateway.queues.aws.sqs import Outgoing, Received
from gateway.queues.aws.sqs_pump import SqsPump
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.status import list_all
from gateway.queues.bucket.store import S3Store
from gateway.queues.doorbell.messages import TOKEN, ring
from gateway.queues.options import Sweeps
from gateway.queues.sqs.status import DELAYED, IN_FLIGHT, VISIBLE

log = logging.getLogger(__name__)

RECEIPTS = 3
"""Receipts after which the token is replaced: a redrive policy counts them."""
MISSED = (300.0, 600.0)
"""Seconds without a token after which a gateway makes one; at random between the two."""
FIRST_AT_WORK = (65.0, 130.0)
"""The same for a gateway that starts, if a message is hidden, which may be the token. Others may
receive it meanwhile, so this sometimes makes one too many; a gateway that receives both removes
one."""
FEW = 100
"""Up to so many requests are rung for, however many messages are in the queue."""
_COUNTS = (VISIBLE, IN_FLIGHT, DELAYED)


class Sweep:
    """A gateway's part in the sweeps. ``at_work`` gives the keys of its own requests."""

    def __init__(
        self,
        store: S3Store,
        keys: Keys,
        at_work: Callable[[], Container[str]],
        *,
        lease: float,
        times: Sweeps,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._keys = keys
        self._at_work = at_work
        self._monotonic = monotonic
        self._times = times
        self._token = _Token(times.surplus, monotonic)
        # A gateway that began without a claim has written one by then.
        self._patience = lease / 3 + times.margin
        self._listed: dict[str, float] = {}
        """When each request was first listed, by the monotonic clock."""
        self._rung: dict[str, float] = {}

    async def ensure(self, pump: SqsPump) -> None:
        """Make a token where there seems to be none."""
        if not self._token.may_be_missing():
            return
        within = MISSED
        try:
            counts = await _messages(pump)
            if self._token.is_overdue() or not sum(counts.values()):
                await pump.send(Outgoing(body=TOKEN, delay=self._times.settling))
            else:
                is_hidden = sum(counts.values()) > counts[VISIBLE]
                within = FIRST_AT_WORK if is_hidden else self._times.first_at_rest
        except QueueError as error:
            log.warning("no token for the sweep could be sent: %s", error)
        self._token.note_checked(within)

    async def tend(self, pump: SqsPump, received: Received) -> None:
        """Pass a token on, and sweep; delete a surplus one."""
        is_surplus = self._token.is_surplus(received)
        if not is_surplus:
            self._token.note_seen(received)
        try:
            if is_surplus:
                await pump.delete(received.handle)
            else:
                await _pass_on(pump, received, self._times.period)
                await self._look(pump)
        except QueueError as error:
            log.warning("the bucket could not be swept: %s", error)
        except Exception as error:  # a bug: the next sweep is in a minute
            log.error("a sweep of the bucket failed in the gateway", exc_info=unquoted(error))

    async def _look(self, pump: SqsPump) -> None:
        """Ring for every old request that this process does not hold."""
        found = frozenset(one.key for one in await list_all(self._store, self._keys.requests))
        late = sorted(key for key in found if self._is_late(key))
        now = self._monotonic()
        self._listed = {key: self._listed.get(key, now) for key in found}
        # Where the queue has a message for each, they wait for their turn, and are not lost.
        if len(late) > FEW and sum((await _messages(pump)).values()) >= len(found):
            return
        forgotten = self._not_rung(late, found)
        await asyncio.gather(*(self._ring(pump, key) for key in forgotten))
        self._rung |= dict.fromkeys(forgotten, self._monotonic())
        if forgotten:
            log.info("%d requests had waited for long: their bells are rung", len(forgotten))

    def _not_rung(self, late: Sequence[str], found: Container[str]) -> list[str]:
        """Return the requests that were not rung for lately. Those not ``found`` are done."""
        since = self._monotonic() - self._times.ring_again
        self._rung = {key: at for key, at in self._rung.items() if key in found and at > since}
        return [key for key in late if key not in self._rung]

    async def _ring(self, pump: SqsPump, key: str) -> None:
        try:
            outgoing = Outgoing(body=ring(key, swept=True))
            await pump.groups.send(outgoing, self._keys.client(key))
        except QueueError:
            raise
        except Exception as error:  # a bug, met by one request: the others are rung for
            log.error(
                "%s failed in the gateway: it was not rung for", key, exc_info=unquoted(error)
            )

    def _is_late(self, key: str) -> bool:
        if key in self._at_work():
            return False
        name = self._keys.name(key)
        made = id_time(name[1]) if name is not None else None
        is_old = made is not None and self._store.clock() - made > max(
            self._times.old, self._patience
        )
        return is_old or self._monotonic() - self._listed.get(key, math.inf) > self._patience


class _Token:
    """What a gateway knows about the token."""

    def __init__(self, surplus: float, monotonic: Callable[[], float]) -> None:
        self._surplus = surplus
        self._monotonic = monotonic
        self._id = ""
        self._seen = float("-inf")
        self._due = monotonic()
        self._is_new = True

    def may_be_missing(self) -> bool:
        """Tell whether none was seen for a while, or this gateway has just started."""
        return self._monotonic() >= self._due

    def is_overdue(self) -> bool:
        return not self._is_new and self.may_be_missing()

    def is_surplus(self, received: Received) -> bool:
        return received.id != self._id and self._monotonic() - self._seen < self._surplus

    def note_checked(self, within: tuple[float, float]) -> None:
        """Consider no token missing for so many seconds."""
        self._is_new = False
        self._due = self._monotonic() + random.uniform(*within)  # noqa: S311  # no secret

    def note_seen(self, received: Received) -> None:
        self._id, self._seen = received.id, self._monotonic()
        self.note_checked(MISSED)


async def _pass_on(pump: SqsPump, received: Received, period: float) -> None:
    """Hide the token until the next sweep, or put a new one in its place."""
    if received.count < RECEIPTS:
        await pump.hold(received.handle, period)
        return
    # Send first: a crash in between leaves two, and one of them is soon removed.
    await pump.send(Outgoing(body=TOKEN, delay=int(period)))
    await pump.delete(received.handle)


async def _messages(pump: SqsPump) -> dict[str, int]:
    """Return the queue's approximate message counts, by attribute. Raises QueueUnavailable."""
    said = await pump.client.attributes(pump.queue_url)
    return {name: int(n) if (n := said.get(name, "")).isdecimal() else 0 for name in _COUNTS}
