"""Signals: they ask a program to stop, or to read its files again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from gateway.assembly import Asked

log = logging.getLogger(__name__)

STOPPING = (signal.SIGTERM, signal.SIGINT)
AGAIN = "stopping: a second %s ends it at once"
AT_ONCE = "stopped at once: what was not finished stays in the queue"


class Signals:
    """Passes signals on to a program, inside its running loop.

    The second one that asks for a stop ends the process at once. SIGHUP has files read again, but
    where it tells that the terminal was closed: then it asks for a stop. One that ``is_supervised``
    leaves the terminal, and what is said at it, to another process, which has the same one.
    """

    def __init__(self, stopping: Sequence[int], *, is_supervised: bool = False) -> None:
        self.stopped_by: int = 0
        """The signal that asked for a stop; 0 for none."""
        self._stopping = stopping
        # nohup has it ignored: then the program outlives its terminal.
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._terminal_counts = not is_supervised and not is_ignored
        self._had_terminal = has_terminal()
        self._is_supervised = is_supervised

    def listen(self, asked: Asked) -> None:
        loop = asyncio.get_running_loop()
        for number in self._stopping:
            loop.add_signal_handler(number, self._stop, asked, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up, asked)

    def _stop(self, asked: Asked, number: int) -> None:
        if asked.stop.is_set():
            if not self._is_supervised:
                log.warning(AT_ONCE)
            end_at_once(number)
        self.stopped_by = number
        if not self._is_supervised:
            say_stopping(number)
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
    """True where this process still has its controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def say_stopping(number: int) -> None:
    """Say that a second signal ends the program at once."""
    if number in STOPPING:
        log.info(AGAIN, "Ctrl-C" if number == signal.SIGINT else "SIGTERM")


def end_by(number: int) -> NoReturn:
    """End by a signal, so that the parent process sees which one it was.

    By SIGINT with the status of a shell's, 130, which the command line makes of KeyboardInterrupt;
    by others as a process does that they have killed.
    """
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    _die_of(number)
    sys.exit(128 + number)


def end_at_once(number: int) -> NoReturn:
    """End as ``end_by`` does, but now: nothing that runs is told, and nothing is tidied up.

    An exception would be thrown into whatever the loop has just called, and a library that does not
    foresee it there logs a traceback.
    """
    logging.shutdown()
    if number != signal.SIGINT:
        _die_of(number)
    os._exit(128 + number)


def _die_of(number: int) -> None:
    """Die of a signal; return where that cannot be: in a container, to its first process."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
