"""When to look for a reply: as late as possible, yet soon after it is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from time import monotonic as of_the_machine

from gateway.message import Clock

EARLY = 0.15
"""The part of the replies that the first look should find; the others come later."""
STEP = 0.06
"""How fast the first look adapts to the replies."""
HURRY = 0.4
"""How fast it adapts after several replies in a row that were there already."""
IN_A_ROW = 5
RECENT = 20
"""Replies that are remembered: a look before the earliest of them would have been useless."""
NEARLY = 0.9
GROWTH = 0.1
"""How much later a reply may be seen than it came, as a part of the time waited."""
LONGEST = 5.0
FIRST_TRIP = 0.02


SPARSE_FIRST = 1.0
SPARSE_LONGEST = 15.0


def sparse(wait: float, monotonic: Clock = of_the_machine) -> Iterator[float]:
    """Yield the seconds to sleep before each look for a reply that may never come: few looks.

    The first look is at once, the last when ``wait`` is over.
    """
    began, delay = monotonic(), SPARSE_FIRST
    yield 0.0
    while (left := wait - (monotonic() - began)) > 0:
        yield min(delay, left)
        delay = min(2 * delay, SPARSE_LONGEST)


class Patience:
    """Learns how long replies take, and how long a look takes; all in seconds.

    Every look costs, so there is none before recent replies would have come. From then on looks
    follow so that a reply is seen within two round trips after it came, or within a tenth of the
    time waited.
    """

    def __init__(self, monotonic: Clock = of_the_machine) -> None:
        self._monotonic = monotonic
        self._first = FIRST_TRIP
        self._trip = FIRST_TRIP
        self._at_once = 0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def note_trip(self, seconds: float) -> None:
        """Learn how long a look took."""
        self._trip += (seconds - self._trip) / 8

    def note_reply(self, waited: float, looks: int) -> None:
        """Learn how long a caller waited for its reply, and how often it looked.

        The first look moves to the moment by which one in seven has come: backwards, where it found
        a reply, by six times as much as forwards, where it came too early.
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
        """Yield the seconds to sleep before each look, the last one when ``wait`` is over."""
        began = self._monotonic()
        delay = self._first
        while True:
            waited = self._monotonic() - began
            left = wait - waited
            if delay >= left:
                yield max(0.0, left)
                return
            yield delay
            # The look itself takes a round trip, and its answer half of one.
            later = GROWTH * (self._monotonic() - began) - 1.5 * self._trip
            delay = min(max(self._trip / 2, later), LONGEST)
