"""The quarantine of a queue in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from gateway.errors import EntryGone
from gateway.message import ID_WINDOW, Clock, Message, new_id
from gateway.queue import Quarantined
from gateway.queues.options import Bounds
from gateway.queues.quarantine import check_sendable, renewed


@dataclass(frozen=True, slots=True)
class Aside:
    """A message that was put aside."""

    message: Message
    reason: str
    since: float
    aged_from: float
    """The same by a clock that nobody sets."""


class MemoryQuarantine:
    """Entries in a dictionary, within bounds; ``send`` accepts a request."""

    def __init__(
        self,
        send: Callable[[Message], Awaitable[None]],
        clock: Clock,
        monotonic: Clock,
        bounds: Bounds,
    ) -> None:
        self._send = send
        self._clock = clock
        self._monotonic = monotonic
        self._bounds = bounds
        self._kept: dict[tuple[str, str], Aside] = {}

    def __len__(self) -> int:
        self._sweep()
        return len(self._kept)

    def keep(self, message: Message, reason: str) -> None:
        """Put a request aside."""
        aside = Aside(message, reason, self._clock(), self._monotonic())
        self._kept[message.sender, message.id] = aside
        self._sweep()

    async def entries(self, id: str = "") -> AsyncIterator[Quarantined]:
        self._sweep()
        for aside in list(self._kept.values()):
            if id in ("", aside.message.id):
                yield _entry(aside)

    async def read(self, entry: Quarantined) -> Message:
        return self._found(entry).message

    async def send_again(
        self, entry: Quarantined, envelope: bytes | None = None, lifetime: float = ID_WINDOW
    ) -> str:
        check_sendable(entry, envelope)
        kept = self._found(entry).message
        now = self._clock()
        new = renewed(kept, entry, envelope, id=new_id(self._clock), expires=now + lifetime)
        # Gone before the first pause: of two who send it again, one finds it.
        await self.drop(entry)
        await self._send(new)
        return new.id

    async def drop(self, entry: Quarantined) -> None:
        self._found(entry)
        del self._kept[entry.sender, entry.id]

    def _found(self, entry: Quarantined) -> Aside:
        aside = self._kept.get((entry.sender, entry.id))
        if aside is None:
            raise EntryGone(f"{entry.id} is not in quarantine any more")
        return aside

    def _sweep(self) -> None:
        """Let the oldest entries go, until the bounds are kept."""
        size = sum(len(aside.message.body) for aside in self._kept.values())
        before = self._monotonic() - self._bounds.age
        for name, aside in list(self._kept.items()):
            if aside.aged_from >= before and size <= self._bounds.bytes:
                return
            size -= len(aside.message.body)
            del self._kept[name]


def _entry(aside: Aside) -> Quarantined:
    message = aside.message
    return Quarantined(
        id=message.id,
        sender=message.sender,
        reason=aside.reason,
        since=aside.since,
        size=len(message.body),
        service=message.target_service,
    )
