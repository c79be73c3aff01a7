"""A kind of queue of one's own: for one program, in a journal of JSON lines.

Each line holds the newest state of one request or two; what comes last counts. A line that a crash
has torn was never accepted. It is an example: the journal is never made shorter.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gateway.errors import ConfigurationError, EntryGone, IdTaken, LeaseLost, QueueUnavailable
from gateway.message import ID_WINDOW, Message, Unreadable, check_identity, digest, new_id
from gateway.queue import Collected, Quarantined, QueueStatus, State
from gateway.queues.kind import Abilities, Kind, Reach
from gateway.queues.options import QueueOptions
from gateway.queues.quarantine import check_sendable, renewed

Key = tuple[str, str]
LOOK = 0.1
"""Seconds between two looks for leases that ran out and delays that ended."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """All that is known of a request."""

    message: Message
    attempt: int = 0
    has_begun: bool = False
    is_settled: bool = False
    reply: Message | None = None
    reason: str = ""
    """Why it is kept aside; empty where it is not."""
    since: float = 0.0

    @property
    def key(self) -> Key:
        return self.message.sender, self.message.id


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def read_message(values: Any) -> Message | None:
    return values and Message(**values | {"body": base64.b64decode(values["body"])})


class JournalQueue:
    """Every change is on the disk before anybody is told of it, and only then in memory."""

    def __init__(self, path: Path, lease: float) -> None:
        self.clock: Callable[[], float] = time.time
        self.known: dict[Key, Entry] = {}
        self.held: dict[Key, tuple[object, float]] = {}
        """Who has a request, or nobody, and until when by ``time.monotonic``."""
        self.changed = asyncio.Condition()
        self._lease = lease
        try:
            self._journal = path.open("a+", encoding="utf-8")
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"queue: {path}: {error.strerror}: name another") from error
        self._journal.seek(0)
        for line in self._journal:
            for values in json.loads(line) if line.endswith("\n") else ():
                messages = {name: read_message(values[name]) for name in ("message", "reply")}
                entry = Entry(**values | messages)
                self.known[entry.key] = entry

    async def write(self, *entries: Entry) -> None:
        """Make new states durable, then visible; ``changed`` is held. Raises QueueUnavailable."""

        def append() -> None:
            lines = json.dumps([asdict(one) for one in entries], default=encoded)
            self._journal.write(f"{lines}\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())

        try:
            await asyncio.to_thread(append)
        except OSError as error:
            raise QueueUnavailable(f"the journal cannot be written: {error.strerror}") from error
        self.known.update({one.key: one for one in entries})
        self.changed.notify_all()

    async def send(self, message: Message) -> None:
        check_identity(message, self.clock())
        async with self.changed:
            known = self.known.get((message.sender, message.id))
            if known is None:
                await self.write(self._new(message))
            elif digest(known.message) != digest(message):
                raise IdTaken

    def _new(self, message: Message) -> Entry:
        return Entry(message=replace(message, arrived=self.clock()))

    async def receive(
        self, limit: int, wait: float, shares: Mapping[str, int] | None = None
    ) -> Sequence[JournalDelivery]:
        until = time.monotonic() + wait
        async with self.changed:
            while not (taken := self._take(limit, shares or {})) and time.monotonic() < until:
                await self._wait(min(until, time.monotonic() + LOOK))
            return taken

    def _take(self, limit: int, shares: Mapping[str, int]) -> list[JournalDelivery]:
        now, taken, counts = time.monotonic(), list[JournalDelivery](), Counter[str]()
        for key, entry in list(self.known.items()):  # in the order of their arrival
            is_free = not entry.is_settled and self.held.get(key, (None, 0.0))[1] <= now
            if is_free and len(taken) < limit and counts[key[0]] < shares.get(key[0], limit):
                counts[key[0]] += 1
                message = replace(entry.message, interrupted=entry.has_begun)
                self.known[key] = replace(entry, message=message, attempt=entry.attempt + 1)
                taken.append(JournalDelivery(self, self.known[key]))
                self.held[key] = (taken[-1], now + self._lease)
        return taken

    async def collect(self, sender: str, id: str, wait: float) -> Collected:
        until = time.monotonic() + wait
        async with self.changed:
            while (found := self._look((sender, id))).state in (State.PENDING, State.WORKING):
                if time.monotonic() >= until:
                    break
                await self._wait(until)
            return found

    def _look(self, key: Key) -> Collected:
        if (entry := self.known.get(key)) is None:
            return Collected(State.UNKNOWN)
        if not entry.is_settled:
            return Collected(State.WORKING if self._is_at_work(key) else State.PENDING)
        return Collected(State.REPLY if entry.reply else State.DONE, entry.reply)

    def _is_at_work(self, key: Key) -> bool:
        holder, ends = self.held.get(key, (None, 0.0))
        return holder is not None and ends > time.monotonic()

    async def _wait(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self.changed.wait()

    async def status(self) -> QueueStatus:
        now, open_ = self.clock(), [one for one in self.known.values() if not one.is_settled]
        held = sum(map(self._is_at_work, self.held))
        return QueueStatus(
            waiting=len(open_) - held,
            in_flight=held,
            oldest=max((now - (one.message.arrived or now) for one in open_), default=None),
            quarantined=sum(bool(one.reason) for one in self.known.values()),
        )

    async def aclose(self) -> None:
        self._journal.close()

    @property
    def quarantine(self) -> JournalQueue:
        return self  # the four verbs below

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        for one in list(self.known.values()):
            if one.reason and id in ("", one.message.id):
                yield Quarantined(
                    id=one.message.id,
                    sender=one.message.sender,
                    reason=one.reason,
                    since=one.since,
                    size=len(one.message.body),
                    service=one.message.target_service,
                )

    async def read(self, entry: Quarantined) -> Message:
        return self._aside(entry).message

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        check_sendable(entry, envelope)
        async with self.changed:
            kept, expires = self._aside(entry), self.clock() + lifetime
            again = renewed(kept.message, entry, envelope, id=new_id(), expires=expires)
            # In one line: after a crash both have happened, or neither.
            await self.write(self._new(again), replace(kept, reason=""))
        return again.id

    async def drop(self, entry: Quarantined) -> None:
        async with self.changed:
            await self.write(replace(self._aside(entry), reason=""))

    def _aside(self, entry: Quarantined) -> Entry:
        found = self.known.get((entry.sender, entry.id))
        if found is None or not found.reason:
            raise EntryGone(f"{entry.id} is not in quarantine any more")
        return found


class JournalDelivery:
    """A request under a lease: who is not its holder any more has lost it."""

    is_contested = False

    def __init__(self, queue: JournalQueue, entry: Entry) -> None:
        self.message: Message | Unreadable = entry.message
        self.attempt = entry.attempt
        self._queue = queue
        self._key = entry.key

    @contextlib.asynccontextmanager
    async def _held(self) -> AsyncIterator[Entry]:
        async with self._queue.changed:
            holder, ends = self._queue.held.get(self._key, (None, 0.0))
            if holder is not self or ends <= time.monotonic():
                raise LeaseLost("the lease ran out, or the request was settled")
            yield self._queue.known[self._key]

    async def answer(self, reply: Message | None) -> None:
        await self.quarantine("", reply)

    async def quarantine(self, reason: str, reply: Message | None) -> None:
        async with self._held() as entry:
            now = self._queue.clock()
            settled = replace(entry, is_settled=True, reply=reply, reason=reason, since=now)
            await self._queue.write(settled)
            del self._queue.held[self._key]

    async def retry(self, delay: float, *, counts: bool = True) -> None:
        async with self._held() as entry:
            attempt, begun = entry.attempt - (not counts), entry.message.interrupted
            await self._queue.write(replace(entry, attempt=attempt, has_begun=begun))
            self._queue.held[self._key] = (None, time.monotonic() + delay)

    async def extend(self, lease: float) -> None:
        async with self._held() as entry:
            if not entry.has_begun:
                await self._queue.write(replace(entry, has_begun=True))
            self._queue.held[self._key] = (self, time.monotonic() + lease)

    def let_go(self) -> None:
        if self._queue.held.get(self._key, (None,))[0] is self:
            del self._queue.held[self._key]


def abilities(address: str, folder: Path, options: QueueOptions) -> Abilities:
    return Abilities(
        reach=Reach.PROCESS, callers="this process only", is_fair=False, quarantine="for ever"
    )


async def opened(address: str, folder: Path, options: QueueOptions) -> JournalQueue:
    return JournalQueue(folder / address.removeprefix("journal:"), options.lease)


JOURNAL = Kind(form="journal:NAME", abilities=abilities, open=opened)
