"""What a gateway knows of the requests in a bucket: who has them, and which to try next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.message import Clock
from gateway.queues.bucket.store import Listed
from gateway.queues.claims.records import Claimable, Version
from gateway.queues.fair_queuing import Turns, deal

PATIENCE = 0.5
"""Seconds that a request is left to each gateway before the next in its line may try."""
LAST_PLACE = 3
"""From this place in line on, all may try at the same time."""
LOOK_AGAIN = 5.0
"""Seconds from one look at the claim of another to the next."""
KNOWN = 256
"""Requests of a client that are remembered, of those to take first and of all others each: as many
as there is work for until the next listing. Whoever has more than that holds up no other."""
FRESH = 0.25
"""Seconds for which a listing says enough of requests that others are to take."""


@dataclass(slots=True)
class Candidate:
    """A request that was seen in a listing. Times are of the monotonic clock."""

    key: str
    seen: float
    place: int = 0
    """This gateway's place in the line of those who may take it: 0 takes it at once."""
    version: Version | None = None
    """Of the record, once that was read."""
    attempt: int = 0
    interrupted: bool = False
    """Whoever takes it from that record takes what may have reached the backend."""
    due: float = 0.0
    """Not to be tried before: the claim of another has not run out, or a delay has not ended."""
    is_tried: bool = False
    failures: int = 0
    """How often in a row the store did not give it, or did not let it be put aside."""
    trouble: str = ""
    """Why, as long as nobody knows that it is this request alone."""
    read_by_then: int = 0
    """How many requests the store had given by then."""
    lapses: float = 0.0
    """When the claim of another that it was seen with has stood still for long enough."""

    def leave(self, due: float) -> None:
        """Leave it alone until then; what its record is by then has to be looked at."""
        self.version, self.is_tried, self.interrupted = None, True, False
        self.due = due


@dataclass(eq=False)
class Backlog:
    """The requests of the last listing. ``monotonic`` measures, in seconds."""

    monotonic: Clock
    candidates: dict[str, Candidate] = field(default_factory=dict)
    listed: float = 0.0
    """When the last listing was begun."""
    turns: Turns = field(default_factory=Turns)
    shares: Mapping[str, int] = field(default_factory=dict)
    """How many requests of a client may be taken now, at most."""
    held: set[str] = field(default_factory=set)
    """Requests that this process has, by their keys."""
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
        """Take over a listing that was begun at ``began``: what is not in it is forgotten.

        It was of what comes behind ``after``, and says nothing of what comes before; nor, where it
        is not whole, of what comes behind its end. ``places`` has this gateway's place in the line
        for each. What was removed before that and is in it all the same was sent again.
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
        """Return what to try now, oldest first, clients in turns.

        What others are to take only where there is nothing else, and from the other end: the
        oldest of it is in their hands. Each gateway begins where it stands first in line.
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
        """Return in how many seconds something may become free that is not free yet."""
        now = self.monotonic()
        waits = [
            self._due(one) - now
            for key, one in self.candidates.items()
            if self._is_open(key) and self.shares.get(client_of(key), 1) > 0
        ]
        return max(0.0, min(waits, default=float("inf")))

    def hold(self, key: str) -> None:
        """Note that this process has a request, and that nobody here is to try it."""
        self.held.add(key)
        self.turns.note(client_of(key))

    def drop(self, key: str) -> None:
        """Note that this process has a request no longer."""
        self.held.discard(key)

    def finish(self, key: str) -> None:
        """Note that a request is answered and removed."""
        self.held.discard(key)
        self._finished[key] = self.monotonic()
        self.candidates.pop(key, None)

    def watch(self, candidate: Candidate, seen: Claimable) -> None:
        """Leave a request alone for a while; the record it had then is known by its version.

        The claim of another is looked at now and then meanwhile: it may be given back.
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

        What a store refuses may be all (a permission) or one object (a foreign key, an archive), so
        nothing is put aside for that. But where others were read since it failed before, it does.
        """
        is_alone = candidate.failures > 0 and candidate.read_by_then < self.read
        candidate.failures += 1
        if not is_alone:
            candidate.trouble, candidate.read_by_then = trouble, self.read
        candidate.leave(self.monotonic() + delay)
        return is_alone

    def _is_due(self, candidate: Candidate, now: float) -> bool:
        due = self._due(candidate)
        # What is another's to take is answered and removed by then, as a rule: it is tried only
        # where a listing of this moment still has it.
        is_stale = candidate.place > 0 and not due <= self.listed >= now - FRESH
        return self._is_open(candidate.key) and due <= now and not is_stale

    def _is_open(self, key: str) -> bool:
        return key not in self.held and key not in self._finished

    def _due(self, candidate: Candidate) -> float:
        if candidate.is_tried:
            return candidate.due
        return max(candidate.due, candidate.seen + PATIENCE * min(candidate.place, LAST_PLACE))


def _kind(candidate: Candidate) -> tuple[str, bool]:
    """Return whose request it is, and whether this gateway is the first to take it."""
    return client_of(candidate.key), candidate.place == 0


def _few_behind(
    end: str, candidates: Mapping[str, Candidate], counts: Counter[tuple[str, bool]]
) -> dict[str, Candidate]:
    """Return those behind a key that there is room for beside others of their kind, counted."""
    kept = {}
    for key in sorted(key for key in candidates if key > end):
        kind = _kind(candidates[key])
        counts[kind] += 1
        if counts[kind] <= KNOWN:
            kept[key] = candidates[key]
    return kept


def client_of(key: str) -> str:
    """Return whose request a key names."""
    return key.rpartition(".")[2]
