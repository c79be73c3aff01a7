"""Whose rings fill the queue of a doorbell, and how long they have waited in it."""

from __future__ import annotations

from collections import Counter, deque

from gateway.queues.bucket.backlog import client_of

LATE = 2.0
"""Seconds that a ring has waited where more come than are worked on."""
WINDOW = 100
"""Rings received last that are judged by."""
FEW = 10
"""Late rings that tell nothing yet."""
MOST = 0.75
"""The part of the rings that is late where the queue is full, and is of those who fill it."""
NOISY = 0.1
"""The part of the late rings from which on a client counts among those who fill the queue; AWS
takes the same for its fair queues."""


class Crowd:
    """What a gateway knows by the rings that it received last, by keys."""

    def __init__(self) -> None:
        self.received = 0
        """Rings so far."""
        self._last: deque[tuple[str, bool]] = deque(maxlen=WINDOW)
        self._late = 0

    def note(self, key: str, waited: float) -> None:
        """Note a ring, and how many seconds it was in the queue."""
        is_late = waited >= LATE
        forgotten = self._last[0][1] if len(self._last) == WINDOW else False
        self.received += 1
        self._late += is_late - forgotten
        self._last.append((key, is_late))

    def noisy(self) -> frozenset[str]:
        """Return the clients whose requests others wait behind; empty where nobody waits for long.

        Empty also where so many clients fill the queue that none of them is to blame.
        """
        if self._late < max(FEW, MOST * len(self._last)):
            return frozenset()
        late = Counter(client_of(key) for key, is_late in self._last if is_late)
        noisy = {one: n for one, n in late.items() if n >= NOISY * late.total()}
        return frozenset(noisy if sum(noisy.values()) >= MOST * late.total() else ())

    def frontier(self) -> str:
        """Return the youngest key among the rings: what is older was received, or will be soon."""
        return max((key for key, _ in self._last), default="")
