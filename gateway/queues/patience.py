"""When to look for a reply: as late as can be, and yet soon after it is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import monotonic

REMEMBERED = 64
EARLIEST = 0.3
"""The part of the replies of late that had come by the moment of the first look."""
SOONER = 0.9
"""What is found by the first look was there earlier: nobody knows since when."""
GROWTH = 0.1
"""How much later a look may be than what it finds, as a part of the time waited so far."""
LONGEST = 5.0
FIRST_TRIP = 0.02


class Patience:
    """Learns how long replies take to come, and how long a look takes; all in seconds.

    Every look costs, so none is made while the replies of late would not have been there yet.
    From then on a look follows the one before after two trips to the store, or after a tenth of
    the time waited.
    """

    def __init__(self) -> None:
        self._waits: deque[float] = deque(maxlen=REMEMBERED)
        self._trip = FIRST_TRIP

    def note_trip(self, seconds: float) -> None:
        """Learn how long a look took."""
        self._trip += (seconds - self._trip) / 8

    def note_reply(self, waited: float, looks: int) -> None:
        """Learn how long a caller waited for its reply, and how often it looked."""
        self._waits.append(waited * SOONER if looks == 1 else waited)

    def delays(self, wait: float) -> Iterator[float]:
        """Yield how long to sleep before each look, the last one when ``wait`` is over."""
        began = monotonic()
        delay = self._first()
        while True:
            waited = monotonic() - began
            left = wait - waited
            if delay >= left:
                yield max(0.0, left)
                return
            yield delay
            delay = min(max(self._trip, GROWTH * (monotonic() - began)), LONGEST)

    def _first(self) -> float:
        if len(self._waits) < REMEMBERED // 8:
            return self._trip
        return sorted(self._waits)[int(EARLIEST * len(self._waits))]
