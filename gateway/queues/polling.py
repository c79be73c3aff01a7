"""When to look for a reply: as late as can be, and yet soon after it is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import monotonic

EARLY = 0.15
"""The part of the replies that the first look is to find: the others come after it."""
STEP = 0.06
"""How fast the first look follows the replies."""
HURRY = 0.4
"""How fast it follows them where several in a row were there already."""
IN_A_ROW = 5
RECENT = 20
"""Replies that are remembered: before the soonest of them no look was of use."""
NEARLY = 0.9
GROWTH = 0.1
"""How much later a reply may be seen than it came, as a part of the time waited."""
LONGEST = 5.0
FIRST_TRIP = 0.02


SPARSE_FIRST = 1.0
SPARSE_LONGEST = 15.0


def sparse(wait: float) -> Iterator[float]:
    """Yield how long to sleep before each look for what may be nowhere: few looks, the last late.

    In seconds; the first look is at once.
    """
    began, delay = monotonic(), SPARSE_FIRST
    yield 0.0
    while (left := wait - (monotonic() - began)) > 0:
        yield min(delay, left)
        delay = min(2 * delay, SPARSE_LONGEST)


class Patience:
    """Learns how long replies take to come, and how long a look takes; all in seconds.

    Every look costs, so none is made while the replies of late would not have been there yet. From
    then on looks follow so that a reply is seen within two trips to the store after it came, or
    within a tenth of the time waited.
    """

    def __init__(self) -> None:
        self._first = FIRST_TRIP
        self._trip = FIRST_TRIP
        self._at_once = 0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def note_trip(self, seconds: float) -> None:
        """Learn how long a look took."""
        self._trip += (seconds - self._trip) / 8

    def note_reply(self, waited: float, looks: int) -> None:
        """Learn how long a caller waited for its reply, and how often it looked.

        The first look moves to the moment by which one in seven has come: six times as far back
        where it found a reply as forth where it came too early.
        """
        self._recent.append(waited)
        if looks == 1:
            self._at_once += 1
            step = HURRY if self._at_once >= IN_A_ROW else STEP
            self._first = max(self._first * (1 - step * (1 - EARLY)), FIRST_TRIP)
            return
        self._at_once = 0
        later = self._first * (1 + STEP * EARLY)
        if len(self._recent) == RECENT:
            later = max(later, NEARLY * min(self._recent))
        self._first = min(later, LONGEST, waited)

    def delays(self, wait: float) -> Iterator[float]:
        """Yield how long to sleep before each look, the last one when ``wait`` is over."""
        began = monotonic()
        delay = self._first
        while True:
            waited = monotonic() - began
            left = wait - waited
            if delay >= left:
                yield max(0.0, left)
                return
            yield delay
            # The look itself takes a trip, and half of one passes until its answer is here.
            later = GROWTH * (monotonic() - began) - 1.5 * self._trip
            delay = min(max(self._trip / 2, later), LONGEST)
