"""The gateway: takes requests from a queue, gets them answered, and settles each one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.endpoint import Endpoint
from gateway.errors import (
    FaultCode,
    GatewayError,
    LeaseLost,
    QueueBroken,
    QueueError,
    QueueUnavailable,
    Unsure,
    unquoted,
)
from gateway.message import Message, Unreadable
from gateway.observe.events import (
    Events,
    Outcome,
    RequestLost,
    RequestReceived,
    RequestReturned,
    RequestSettled,
    Subject,
)
from gateway.queue import Delivery, Queue, let_go, reason_code
from gateway.serving.leases import Renewals, Work
from gateway.serving.quotas import Shares
from gateway.serving.settings import GatewaySettings
from gateway.serving.verdict import LONGEST_DELAY, Completed, Rejected, Retry, Verdict
from gateway.serving.walk import Walk

log = logging.getLogger(__name__)

RECEIVE_WAIT = 20.0
FIRST_PAUSE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictLimits:
    """How long verdicts wait that the queue does not take, and requests that go back; seconds."""

    telling: float = 10.0
    """For which such a verdict holds a place of ``concurrency``."""
    kept: int = 1000
    """Verdicts, at most, that then wait without a place until the queue takes them."""
    kept_bytes: int = 64 << 20
    """Bytes of them and their requests together."""
    kept_for: float = 24 * 3600.0
    """Until a verdict that the queue does not take is given up."""
    longest_pause: float = 30.0
    longest_delay: float = LONGEST_DELAY
    """For which a request goes back, at most."""
    over_share: float = 2.0
    """For which a request goes back that a queue hands out over its client's share."""


USUAL = VerdictLimits()


class Gateway:
    """Drains a queue into an endpoint."""

    def __init__(
        self,
        queue: Queue,
        endpoint: Endpoint,
        settings: GatewaySettings,
        *,
        events: Events | None = None,
        shares: Shares | None = None,
        limits: VerdictLimits = USUAL,
    ) -> None:
        """``events`` hear what happens to each request."""
        self._events = events or Events()
        self._walk = Walk(
            endpoint, settings.attempts, settings.lease, self._events, limits.longest_delay
        )
        self._settings = settings
        self._limits = limits
        self._shares = shares or Shares({})
        self._receiver = _Receiver(queue, self._shares)
        self._working: set[Work] = set()
        self._kept: set[Work] = set()
        self._freed = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; then finish requests under way, within the grace time.

        Requests not finished by then come back from the queue. Raises QueueBroken.
        """
        async with asyncio.TaskGroup() as group:
            renewals = Renewals(self._settings.lease, lambda: self._working | self._kept)
            renewing = group.create_task(renewals.run(group))
            taking = group.create_task(self._take(group))
            await stop.wait()
            taking.cancel()
            await asyncio.wait([taking])
            await self._drain()
            renewing.cancel()

    async def _take(self, group: asyncio.TaskGroup) -> None:
        """Begin to work on deliveries as they come, no more at a time than there is room for."""
        while True:
            for delivery in await self._next():
                work = Work.on(delivery, self._events.clock())
                work.is_over = not self._shares.begin(delivery.message.sender)
                self._working.add(work)
                work.task = group.create_task(self._process(work))

    async def _next(self) -> Sequence[Delivery]:
        while (room := self._settings.concurrency - len(self._working)) == 0:
            self._freed.clear()
            await self._freed.wait()
        return await self._receiver.receive(room)

    async def _drain(self) -> None:
        works = self._working | self._kept
        tasks = [work.task for work in works if work.task is not None]
        if not tasks:
            return
        grace = self._settings.grace
        what = "1 request is" if len(tasks) == 1 else f"{len(tasks)} requests are"
        log.info("stopping: %s under way, for %g s at most", what, grace)
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            what = "1 request goes" if len(late) == 1 else f"{len(late)} requests go"
            log.warning("stopping: %s back to the queue, not finished in %g s", what, grace)

    async def _process(self, work: Work) -> None:
        delivery = work.delivery
        if RequestReceived in self._events.wanted:
            self._events.tell(RequestReceived(work.subject))
        try:
            over_share = self._limits.over_share
            verdict = Retry(over_share, counts=False) if work.is_over else await self._walk(work)
            await self._settle(work, verdict)
        except LeaseLost:
            log.warning("%s lease lost: another gateway has it", delivery.message.id)
            self._lose(work, is_stored=False)
        except asyncio.CancelledError:
            if not work.lease_lost:
                raise
            log.warning("%s lease lost at work: stopped", delivery.message.id)
            self._lose(work, is_stored=work.may_be_settled)  # perhaps, and that ended the lease
        except QueueBroken:
            raise
        except (
            Exception
        ) as error:  # a bug: this request comes again, and the loop goes on with others
            log.error(
                "%s failed in the gateway, not settled: it comes again",
                delivery.message.id,
                exc_info=unquoted(error),
            )
            let_go(delivery)
        finally:
            self._leave(work)
            self._kept.discard(work)

    def _lose(self, work: Work, *, is_stored: bool) -> None:
        was_settled = work.is_recorded and not is_stored
        event = RequestLost(work.subject, was_settled, self._events.clock())
        with contextlib.suppress(QueueUnavailable):  # the other gateway tells of it as well
            self._events.precede(event)
        self._events.tell(event)

    async def _settle(self, work: Work, verdict: Verdict) -> None:
        """Give the queue the verdict; while it cannot take that, keep it and try again.

        The audit log comes first: a crash in between leaves a line too many, but never an answer
        without one. After a while the place goes to others; the lease is renewed all the same.
        """
        began, id, limits = time.monotonic(), work.delivery.message.id, self._limits
        delays = _delays(work, limits)
        end = _end(work.subject, verdict, self._events.clock())
        in_doubt, work.may_be_settled = False, True
        while (error := await self._tell(work, verdict, end)) is not None:
            waited, delay = time.monotonic() - began, next(delays)
            if delay == FIRST_PAUSE:
                log.warning("%s %s; the verdict waits", id, error)
            longest = limits.kept_for if work.kept else limits.telling
            if waited >= longest and not self._keep(work, verdict):
                log.error("%s its verdict is let go: the request comes back, as begun", id)
                let_go(work.delivery)
                return
            in_doubt = work.may_be_settled = in_doubt or isinstance(error, Unsure)
            await asyncio.sleep(delay)
            work.may_be_settled = True
        if work.kept:
            log.warning("%s is settled, after %.0f s", id, time.monotonic() - began)

    async def _tell(
        self, work: Work, verdict: Verdict, end: RequestSettled | RequestReturned
    ) -> QueueUnavailable | None:
        """Settle a request and tell of it; return why the queue does not take that now."""
        try:
            if not work.is_recorded:
                self._events.precede(end)
                work.is_recorded = isinstance(end, RequestSettled)
            await _settled(work.delivery, verdict)
        except QueueUnavailable as error:
            return error
        self._events.tell(end)
        return None

    def _keep(self, work: Work, verdict: Verdict) -> bool:
        """Let a verdict wait without a place; tell whether there is room, and time left."""
        size = _size(work.delivery.message) + _size(getattr(verdict, "reply", None))
        total, limits = sum(one.kept for one in self._kept) + size, self._limits
        if work.kept or len(self._kept) >= limits.kept or total > limits.kept_bytes:
            return False
        work.kept = size
        self._kept.add(work)
        self._leave(work)
        return True

    def _leave(self, work: Work) -> None:
        """Free the place of a request, and its part of its client's share."""
        if work in self._working:
            self._working.discard(work)
            if not work.is_over:
                self._shares.end(work.delivery.message.sender)
            self._freed.set()


class _Receiver:
    """Receives from a queue; logs once that it fails, and once that it works again."""

    def __init__(self, queue: Queue, shares: Shares) -> None:
        self._queue = queue
        self._shares = shares
        self._trouble = ""

    async def receive(self, room: int) -> Sequence[Delivery]:
        shares = self._shares.left()
        # A wait without a result may have had no answer; an immediate look always has one.
        wait = 0.0 if self._trouble else RECEIVE_WAIT
        try:
            if self._trouble or all(shares.values()):
                found = await self._queue.receive(room, wait, shares)
            else:
                found = await _receive_until_freed(self._queue, room, self._shares)
        except QueueUnavailable as error:
            if str(error) != self._trouble:
                log.warning("%s; trying again", error)
            self._trouble = str(error)
            await asyncio.sleep(1.0)
            return ()
        except GatewayError:
            raise
        except Exception as error:  # a bug: its cause may be gone the next time
            if type(error).__name__ != self._trouble:
                log.error("receiving failed in the gateway; trying again", exc_info=unquoted(error))
            self._trouble = type(error).__name__
            await asyncio.sleep(1.0)
            return ()
        if self._trouble:
            log.warning("the queue gives requests again")
            self._trouble = ""
        return found


async def _receive_until_freed(queue: Queue, room: int, shares: Shares) -> Sequence[Delivery]:
    """Receive while a client is at its limit, until it has a share again."""
    shares.freed.clear()
    wait = min(RECEIVE_WAIT, shares.soonest())
    receiving = asyncio.ensure_future(queue.receive(room, wait, shares.left()))
    freed = asyncio.ensure_future(shares.freed.wait())
    try:
        await asyncio.wait({receiving, freed}, return_when=asyncio.FIRST_COMPLETED)
        receiving.cancel()
        await asyncio.wait({receiving})
    except asyncio.CancelledError:
        receiving.cancel()
        await asyncio.wait({receiving})
        await _give_back(receiving)
        raise
    finally:
        freed.cancel()
    return () if receiving.cancelled() else receiving.result()


async def _give_back(received: asyncio.Future[Sequence[Delivery]]) -> None:
    """Give back deliveries that nobody here waits for any more."""
    if received.cancelled() or received.exception() is not None:
        return
    for delivery in received.result():
        with contextlib.suppress(QueueError):  # it comes back by itself, then
            await delivery.retry(0.0, counts=False)


def _delays(work: Work, limits: VerdictLimits) -> Iterator[float]:
    """Yield the seconds before each further attempt: more, once the verdict holds no place."""
    delay = FIRST_PAUSE
    while True:
        yield delay
        delay = min(2 * delay, limits.longest_pause if work.kept else limits.telling / 2)


def _size(message: Message | Unreadable | None) -> int:
    return 1 + (len(message.body) if isinstance(message, Message) else 0)


def _end(subject: Subject, verdict: Verdict, at: float) -> RequestSettled | RequestReturned:
    match verdict:
        case Retry(delay, _):
            return RequestReturned(subject, delay, at)
        case Rejected(reason, _):
            is_late = reason_code(reason) == FaultCode.EXPIRED
            outcome = Outcome.EXPIRED if is_late else Outcome.QUARANTINED
            return RequestSettled(subject, outcome, reason, at)
        case Completed(None):
            return RequestSettled(subject, Outcome.DONE, "", at)
        case Completed(Message(is_fault=True)):
            return RequestSettled(subject, Outcome.FAULT, "", at)
        case Completed():
            return RequestSettled(subject, Outcome.REPLY, "", at)


async def _settled(delivery: Delivery, verdict: Verdict) -> None:
    """Settle a delivery by its verdict. Raises LeaseLost, QueueUnavailable."""
    match verdict:
        case Completed(reply):
            await delivery.answer(reply)
        case Retry(delay, counts):
            await delivery.retry(delay, counts=counts)
        case Rejected(reason, reply):
            await delivery.quarantine(reason, reply)
