"""Rates and latencies: through the gateway and directly, one after the other in each round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from client import Task
from machine import busy_seconds, cores, fsync_costs, percentile
from place import RELAYS, Place, place

CALLERS = 32
FSYNCS = {"Echo": 2, "EchoOnce": 3}
"""fsyncs one after another on the way of a call: send and answer; at most once, also begin."""
UNLIMITED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured; times in seconds."""

    rounds: int
    seconds: float
    single_calls: int
    fsyncs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to measure: which commands, how they log, which operation."""

    name: str
    operation: str = "Echo"
    commands: tuple[str, ...] = ("serve", "listen")
    level: str = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load on one way: calls a second, and each part's CPU seconds for a call."""

    rate: float
    cpu: dict[str, float]
    others: float
    """The part of the machine's CPU that went to whatever is not measured, the kernel among it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One round: the way and the direct one, right after each other."""

    direct: Run
    through: Run

    @property
    def ratio(self) -> float:
        return self.through.rate / self.direct.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One caller: latencies, directly and through, and fsyncs of the same rounds; in seconds."""

    operation: str
    direct: list[float]
    through: list[float]
    fsyncs: list[float]

    def beyond_fsyncs(self) -> float:
        """Return what the median is above the direct one and the fsyncs on the way."""
        above = statistics.median(self.through) - statistics.median(self.direct)
        return above - FSYNCS[self.operation] * percentile(self.fsyncs, 50)


WAYS = (
    Way(name="serve + listen, quiet log"),
    Way(name="serve + listen, default log", level="info"),
    Way(name="at most once, quiet log", operation="EchoOnce"),
    Way(name="at most once, default log", operation="EchoOnce", level="info"),
    Way(name="up (one process)", commands=("up",)),
    Way(name="serve --processes 2 + listen", commands=("serve --processes 2", "listen")),
    Way(name="two bare HTTP relays", commands=RELAYS),
)


def rates(way: Way, effort: Effort, folder: Path) -> list[Pair]:
    """Measure a way and the direct one in turns."""
    with place(folder, commands=way.commands, level=way.level) as here:
        _warm_up(here, way.operation)
        return [
            Pair(
                direct=_loaded(here, here.direct, way.operation, effort.seconds),
                through=_loaded(here, here.through, way.operation, effort.seconds),
            )
            for _ in range(effort.rounds)
        ]


def single(operation: str, effort: Effort, folder: Path) -> Single:
    """Measure one caller both ways in turns, and what fsyncs cost meanwhile."""
    measured = Single(operation=operation, direct=[], through=[], fsyncs=[])
    with place(folder) as here:
        _warm_up(here, operation)
        for _ in range(effort.rounds):
            measured.direct.extend(_alone(here, here.direct, operation, effort))
            measured.fsyncs.extend(fsync_costs(folder, effort.fsyncs))
            measured.through.extend(_alone(here, here.through, operation, effort))
    return measured


def _warm_up(here: Place, operation: str) -> None:
    """Wait for the gateway too: the first call is answered when it is there."""
    for url in (here.direct, here.through):
        _loaded(here, url, operation, 1.0)


def _loaded(here: Place, url: str, operation: str, seconds: float) -> Run:
    before = {name: part.cpu() for name, part in here.parts.items()}
    began, busy = time.perf_counter(), busy_seconds()
    outcome = here.load.perform(
        Task(url=url, operation=operation, callers=CALLERS, calls=UNLIMITED, seconds=seconds)
    )
    calls = len(outcome.latencies)
    busy, took = busy_seconds() - busy, time.perf_counter() - began
    used = {name: part.cpu() - before[name] for name, part in here.parts.items()}
    others = (busy - outcome.cpu - sum(used.values())) / (took * cores())
    # A direct call goes past the gateway: what that uses meanwhile is not the call's.
    passed = ("backend",) if url == here.direct else tuple(used)
    cpu = {"client": outcome.cpu / calls, **{name: used[name] / calls for name in passed}}
    return Run(rate=calls / outcome.seconds, cpu=cpu, others=max(0.0, others))


def _alone(here: Place, url: str, operation: str, effort: Effort) -> Sequence[float]:
    task = Task(url=url, operation=operation, callers=1, calls=effort.single_calls, seconds=30.0)
    return here.load.perform(task).latencies
