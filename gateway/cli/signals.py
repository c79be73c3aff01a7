"""What signals ask of a program: to stop, or to read its files again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from gateway.assembly import Asked

log = logging.getLogger(__name__)

STOPPING = (signal.SIGTERM, signal.SIGINT)


class Signals:
    """Passes signals on to a program, inside its running loop.

    The second one that asks for a stop ends the process at once. SIGHUP has files read again, but
    where it tells that the terminal was closed: then it asks for a stop. ``stops_with_terminal`` is
    false where another process, which has the same terminal, sees to that.
    """

    def __init__(self, stopping: Sequence[int], *, stops_with_terminal: bool = True) -> None:
        self.stopped_by: int = 0
        """The signal that asked for a stop; 0 for none."""
        self._stopping = stopping
        # nohup has it ignored: then the program outlives its terminal.
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._terminal_counts = stops_with_terminal and not is_ignored
        self._had_terminal = has_terminal()

    def listen(self, asked: Asked) -> None:
        loop = asyncio.get_running_loop()
        for number in self._stopping:
            loop.add_signal_handler(number, self._stop, asked, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up, asked)

    def _stop(self, asked: Asked, number: int) -> None:
        if asked.stop.is_set():
            sys.exit(128 + number)
        self.stopped_by = number
        asked.stop.set()

    def _hang_up(self, asked: Asked) -> None:
        if asked.stop.is_set():
            return
        if not self._had_terminal or has_terminal():
            asked.reread.set()
        elif self._terminal_counts:
            log.warning("the terminal was closed: stopping")
            self._stop(asked, signal.SIGHUP)


def has_terminal() -> bool:
    """Tell whether this process has a controlling terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def end_by(number: int) -> None:
    """End as a process does that a signal has killed: whoever started it is to see that."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
