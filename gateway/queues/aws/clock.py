"""The clock of a server, read from the dates of its answers: the machine's own may be hours off."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from gateway.message import apart

log = logging.getLogger(__name__)

AGE = 300.0
"""Seconds after which what was seen of the server's clock is forgotten: clocks drift."""
FAR = 300.0
"""Seconds by which the machine's clock may be off before the log tells it."""


class ServerClock:
    """Seconds since the epoch, as the server has them; by the machine's clock before it answered.

    A date holds whole seconds only, so the latest one is late by up to a second. The most advanced
    of the last minutes is late by much less.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._offset = clock() - monotonic()
        self._seen = -AGE
        self._is_known = False
        self._last = ""

    def __call__(self) -> float:
        return self._monotonic() + self._offset

    def note(self, date: str) -> None:
        """Learn from the Date header of an answer; one that cannot be read is passed over."""
        if date == self._last:
            return  # the later of two says less, and reading one takes a while
        self._last = date
        try:
            offset = parsedate_to_datetime(date).timestamp() - self._monotonic()
        except (ValueError, OverflowError):
            return
        if not self._is_known and abs(offset - self._offset) > FAR:
            off = apart(self._offset - offset)
            log.warning("this machine's clock is %s the server's, and times go by that", off)
        is_old = self._monotonic() - self._seen > AGE
        if offset > self._offset or is_old or not self._is_known:
            self._offset, self._seen, self._is_known = offset, self._monotonic(), True
