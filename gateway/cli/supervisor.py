"""Several serving processes on one machine: started, replaced when one dies, stopped together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from gateway import assembly
from gateway.cli import outcome
from gateway.cli.log import LogLevel, log_to_stderr
from gateway.cli.running import run_until_stopped
from gateway.cli.signals import AT_ONCE, STOPPING, Signals, end_by, has_terminal, say_stopping
from gateway.errors import ConfigurationError, GatewayError
from gateway.settings import Settings

log = logging.getLogger(__name__)

LOOK = 0.5
RESTART = 1.0
"""Seconds before a process that died is started again: one that dies at once must not spin."""
MISCONFIGURED = 2


def supervise(settings: Settings, level: LogLevel, count: int) -> None:
    """Keep ``count`` processes serving until SIGTERM or SIGINT; exits with 2 where none can."""
    log_to_stderr(level)
    assembly.say_summary(settings, assembly.Role(serves=True))  # once for all of them
    children: list[SpawnProcess] = []
    told = _Told.listen(children)  # first: a signal may come while they are started
    children += [_start(settings, level) for _ in range(count)]
    while not told.stopping and not _is_hopeless(children):
        wait([child.sentinel for child in children], LOOK)
        told.note_hang_up()
        # In place: what signals are passed on to are these.
        children[:] = [_kept_alive(one, settings, level, bool(told.stopping)) for one in children]
    status = MISCONFIGURED if _is_hopeless(children) else 0
    if told.stopping:
        say_stopping(told.stopping[0])
    _end(children, told.stopping)
    if told.stopping and all(child.exitcode == -signal.SIGTERM for child in children):
        end_by(told.stopping[0])  # none of them was ready
    sys.exit(status)


@dataclass(frozen=True, slots=True)
class _Told:
    """The signals that have come."""

    children: Sequence[SpawnProcess]
    stopping: list[int]
    hung_up: list[int]
    has_terminal: bool
    """Whether the end of a terminal is the end of this process, too."""

    @classmethod
    def listen(cls, children: Sequence[SpawnProcess]) -> _Told:
        is_detached = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        told = cls(children, [], [], has_terminal() and not is_detached)
        for number in STOPPING:
            signal.signal(number, lambda number, frame: told.stopping.append(number))
        signal.signal(signal.SIGHUP, lambda number, frame: told.hung_up.append(number))
        return told

    def note_hang_up(self) -> None:
        """Have the children read their files again, or end where the terminal was closed."""
        if not self.hung_up:
            return
        self.hung_up.clear()
        if self.has_terminal and not has_terminal():
            log.warning("the terminal was closed: stopping")
            self.stopping.append(signal.SIGHUP)
        else:
            _pass_on(self.children)


def _pass_on(children: Iterable[SpawnProcess]) -> None:
    for child in children:
        if child.pid is not None and child.exitcode is None:
            os.kill(child.pid, signal.SIGHUP)


def _is_hopeless(children: Iterable[SpawnProcess]) -> bool:
    """True where a process ended in a way that another would end in as well."""
    return any(child.exitcode == MISCONFIGURED for child in children)


def _end(children: Sequence[SpawnProcess], stopping: Sequence[int]) -> None:
    """Stop the processes, and wait until they have ended; a second signal ends them at once."""
    for child in children:
        child.terminate()
    while alive := [child for child in children if child.exitcode is None]:
        if len(stopping) > 1:
            _end_at_once(alive)
            end_by(stopping[1])
        wait([child.sentinel for child in alive], LOOK)


def _end_at_once(children: Sequence[SpawnProcess]) -> None:
    """Kill the processes: what they have is given back as after a crash."""
    log.warning(AT_ONCE)
    for child in children:
        child.kill()
    for child in children:
        child.join()


def _start(settings: Settings, level: LogLevel) -> SpawnProcess:
    # Spawned, not forked: locks and threads of this process must not live on in another.
    context = multiprocessing.get_context("spawn")
    given = (settings, level, outcome.shows_tracebacks())
    child = context.Process(target=_serve, args=given, name="gateway-serve")
    child.start()
    return child


def _kept_alive(
    child: SpawnProcess, settings: Settings, level: LogLevel, stopping: bool
) -> SpawnProcess:
    if child.exitcode is None or child.exitcode == MISCONFIGURED or stopping:
        return child
    log.error("process %d ended with status %d: starting another", child.pid or 0, child.exitcode)
    time.sleep(RESTART)
    return _start(settings, level)


def _serve(settings: Settings, level: LogLevel, tracebacks: bool) -> None:
    """Serve in a child: until the supervisor says stop, or is gone itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor passes it on
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it can be heeded
    signals = Signals((signal.SIGTERM,), is_supervised=True)
    log_to_stderr(level)
    if tracebacks:
        outcome.show_tracebacks()
    parent = multiprocessing.parent_process()
    sentinel = parent.sentinel if parent is not None else None
    try:
        loaded = assembly.load_contracts(settings)
        run_until_stopped(partial(assembly.serve, settings, loaded), signals, sentinel)
    except GatewayError as error:
        log.error("%s", error, exc_info=error if outcome.has_traceback(error) else None)
        sys.exit(MISCONFIGURED if isinstance(error, ConfigurationError) else 1)
