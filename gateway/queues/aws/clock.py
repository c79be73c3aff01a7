"""A server's clock, read from the Date headers of its answers: the machine's may be hours off."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from gateway.message import apart

log = logging.getLogger(__name__)

AGE = 300.0
"""Seconds after which a reading of the server's clock is discarded: clocks drift."""
FAR = 300.0
"""Seconds by which the machine's clock may be off before a warning is logged."""


class ServerClock:
    """Seconds since the epoch by the server's clock; by the machine's until it has answered.

    A Date header holds whole seconds, so one reading may be late by up to a second. The most
    advanced of the last minutes is late by much less.
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
        """Learn from the Date header of an answer; ignore one that cannot be read."""
        if date == self._last:
            return  # a repeated date adds nothing, and parsing takes a while
        self._last = date
        try:
            offset = parsedate_to_datetime(date).timestamp() - self._monotonic()
        except (ValueError, OverflowError):
            return
        if not self._is_known and abs(offset - self._offset) > FAR:
            off = apart(self._offset - offset)
            log.warning("this machine's clock is %s the server's; the server's time is used", off)
        is_old = self._monotonic() - self._seen > AGE
        if offset > self._offset or is_old or not self._is_known:
            self._offset, self._seen, self._is_known = offset, self._monotonic(), True
