"""Several serving processes on one machine: started, replaced when one dies, stopped together."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from gateway import assembly
from gateway.cli.running import LogLevel, log_to_stderr, run_until_stopped
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
    assembly.say_posture(settings, assembly.Role(serves=True))  # once for all of them
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: stopping.append(number))
    children = [_start(settings, level) for _ in range(count)]
    while not stopping and not _is_hopeless(children):
        wait([child.sentinel for child in children], LOOK)
        children = [_kept_alive(child, settings, level, bool(stopping)) for child in children]
    status = MISCONFIGURED if _is_hopeless(children) else 0
    _end(children)
    sys.exit(status)


def _is_hopeless(children: Iterable[SpawnProcess]) -> bool:
    """Tell whether a process ended in a way that another would end in as well."""
    return any(child.exitcode == MISCONFIGURED for child in children)


def _end(children: Sequence[SpawnProcess]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        child.join()


def _start(settings: Settings, level: LogLevel) -> SpawnProcess:
    # Spawned, not forked: locks and threads of this process must not live on in another.
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_serve, args=(settings, level), name="gateway-serve")
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


def _serve(settings: Settings, level: LogLevel) -> None:
    """Serve in a child: until the supervisor says stop, or is gone itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor passes it on
    log_to_stderr(level)
    parent = multiprocessing.parent_process()
    sentinel = parent.sentinel if parent is not None else None
    try:
        run_until_stopped(partial(assembly.serve, settings), (signal.SIGTERM,), sentinel)
    except GatewayError as error:
        log.error("%s", error)
        sys.exit(MISCONFIGURED if isinstance(error, ConfigurationError) else 1)
