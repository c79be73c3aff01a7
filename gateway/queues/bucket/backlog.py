"""A gateway's view of the requests in a bucket: who holds them, and which to try next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.message import Clock
from gateway.queues.bucket.store import Listed
from gateway.queues.claims.records import Claimable, Version
from gateway.queues.fair_queuing import Turns, deal

PATIENCE = 0.5
"""Seconds that each gateway has for a request before the next in line may try."""
LAST_PLACE = 3
"""From this place in line on, all may try at the same time."""
LOOK_AGAIN = 5.0
"""Seconds between two looks at the claim of another gateway."""
KNOWN = 256
"""Requests remembered for each client: so many of those that this gateway is the first to take, and
so many of the others. That is enough work until the next listing; a client with more requests does
not hold up others."""
FRESH = 0.25
"""Seconds for which a listing is recent enough to try requests that other gateways take first."""


@dataclass(slots=True)
class Candidate:
    """A request seen in a listing. Times are by the monotonic clock."""

    key: str
    seen: float
    place: int = 0
    """This gateway's place in the line of those who may take it: 0 takes it at once."""
    version: Version | None = None
    """Of its claim record, once that was read."""
    attempt: int = 0
    interrupted: bool = False
    """By that record, it may have reached the backend."""
    due: float = 0.0
    """Not to be tried before: another's claim has not expired, or a delay has not ended."""
    is_tried: bool = False
    failures: int = 0
    """How many times in a row the store did not give it, or did not let it be put aside."""
    trouble: str = ""
    """Why that failed, as long as it is not known that this request alone fails."""
    read_by_then: int = 0
    """How many requests the store had given when it failed."""
    lapses: float = 0.0
    """When the claim of another that it was seen with expires, unless it is renewed."""

    def leave(self, due: float) -> None:
        """Leave it alone until then; its record has to be read again then."""
        self.version, self.is_tried, self.interrupted = None, True, False
        self.due = due


@dataclass(eq=False)
class Backlog:
    """The requests of the last listing. ``monotonic`` is a clock, in seconds."""

    monotonic: Clock
    candidates: dict[str, Candidate] = field(default_factory=dict)
    listed: float = 0.0
    """When the last listing was begun."""
    turns: Turns = field(default_factory=Turns)
    shares: Mapping[str, int] = field(default_factory=dict)
    """How many requests of a client may be taken now, at most."""
    held: set[str] = field(default_factory=set)
    """The keys of the requests that this process holds."""
    read: int = 0
    """How many requests the store has given."""
    _finished: dict[str, float] = field(default_factory=dict)

    def note(
        self,
        listed: Sequence[Listed],
        places: Sequence[int],
        began: float,
        *,
        after: str = "",
        is_whole: bool,
    ) -> None:
        """Take over a listing that was begun at ``began``: requests not in it are forgotten.

        It starts behind the key ``after``, and says nothing of earlier keys; nor, unless it
        ``is_whole``, of keys behind its end. ``places`` has this gateway's place in line for each
        request. One that was finished before ``began`` and is listed all the same was sent again.
        """
        now = self.monotonic()
        self.listed = began
        self._finished = {key: at for key, at in self._finished.items() if at >= began}
        fresh = {key: one for key, one in self.candidates.items() if key <= after}
        counts = Counter(_kind(one) for one in fresh.values())
        for one, place in zip(listed, places, strict=True):
            known = self.candidates.get(one.key)
            kind = (client_of(one.key), place == 0)
            counts[kind] += 1
            if known is not None or counts[kind] <= KNOWN:
                fresh[one.key] = known or Candidate(one.key, seen=now)
                fresh[one.key].place = place
        if listed and not is_whole:
            fresh |= _few_behind(listed[-1].key, self.candidates, counts)
        self.candidates = fresh

    def choose(self, limit: int) -> list[Candidate]:
        """Return the requests to try now, oldest first, with fair queuing between clients.

        Requests that other gateways take first are tried only where there is nothing else, and
        newest first: the others are busy with the oldest. Those with a better place in line come
        before the rest.
        """
        now = self.monotonic()
        due = [one for one in self.candidates.values() if self._is_due(one, now)]
        own = [one for one in due if one.place == 0 or one.is_tried]
        others = due[::-1]
        others.sort(key=lambda one: one.place)
        by_client: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in own or others:
            by_client[client_of(candidate.key)].append(candidate)
        in_turn = {client: by_client[client] for client in self.turns.order(by_client)}
        return [one for _, one in deal(in_turn, limit, self.shares)]

    def next_due(self) -> float:
        """Return the seconds until another request may become free."""
        now = self.monotonic()
        waits = [
            self._due(one) - now
            for key, one in self.candidates.items()
            if self._is_open(key) and self.shares.get(client_of(key), 1) > 0
        ]
        return max(0.0, min(waits, default=float("inf")))

    def hold(self, key: str) -> None:
        """Note that this process holds a request: nothing else here may try it."""
        self.held.add(key)
        self.turns.note(client_of(key))

    def drop(self, key: str) -> None:
        """Note that this process no longer holds a request."""
        self.held.discard(key)

    def finish(self, key: str) -> None:
        """Note that a request is answered and removed."""
        self.held.discard(key)
        self._finished[key] = self.monotonic()
        self.candidates.pop(key, None)

    def watch(self, candidate: Candidate, seen: Claimable) -> None:
        """Leave a request alone for a while, and remember the version of its record.

        The claim of another is read now and then meanwhile: it may be given back.
        """
        candidate.trouble = ""
        now = self.monotonic()
        is_known = seen.is_claim and candidate.version == seen.version
        candidate.lapses = candidate.lapses if is_known else now + seen.delay
        candidate.version, candidate.attempt = seen.version, seen.attempt
        candidate.interrupted = seen.interrupted
        candidate.due = (
            min(candidate.lapses, now + LOOK_AGAIN) if seen.is_claim else candidate.lapses
        )
        candidate.is_tried = True

    def note_read(self, candidate: Candidate) -> None:
        """Note that the store gave a request."""
        self.read += 1
        candidate.failures, candidate.trouble = 0, ""

    def put_off(self, candidate: Candidate, trouble: str, delay: float) -> bool:
        """Leave a request that the store did not give; tell whether it is known to fail alone.

        A store may refuse everything (a permission) or one object (a foreign key, an archive), so
        nothing is put aside for that. If others were read since it last failed, it fails alone.
        """
        is_alone = candidate.failures > 0 and candidate.read_by_then < self.read
        candidate.failures += 1
        if not is_alone:
            candidate.trouble, candidate.read_by_then = trouble, self.read
        candidate.leave(self.monotonic() + delay)
        return is_alone

    def _is_due(self, candidate: Candidate, now: float) -> bool:
        due = self._due(candidate)
        # Requests that others take first are usually answered and removed by then: they are tried
        # only while a recent listing still has them.
        is_stale = candidate.place > 0 and not due <= self.listed >= now - FRESH
        return self._is_open(candidate.key) and due <= now and not is_stale

    def _is_open(self, key: str) -> bool:
        return key not in self.held and key not in self._finished

    def _due(self, candidate: Candidate) -> float:
        if candidate.is_tried:
            return candidate.due
        return max(candidate.due, candidate.seen + PATIENCE * min(candidate.place, LAST_PLACE))


def _kind(candidate: Candidate) -> tuple[str, bool]:
    """Return the client of a request, and whether this gateway is the first in line for it."""
    return client_of(candidate.key), candidate.place == 0


def _few_behind(
    end: str, candidates: Mapping[str, Candidate], counts: Counter[tuple[str, bool]]
) -> dict[str, Candidate]:
    """Return candidates behind the key ``end``, up to KNOWN of a kind with those in ``counts``."""
    kept = {}
    for key in sorted(key for key in candidates if key > end):
        kind = _kind(candidates[key])
        counts[kind] += 1
        if counts[kind] <= KNOWN:
            kept[key] = candidates[key]
    return kept


def client_of(key: str) -> str:
    """Return the client in a request's key."""
    return key.rpartition(".")[2]
