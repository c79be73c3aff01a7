"""What calls through a bucket or SQS cost, and how fast they are: the measurements."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from borrowed import Cloud
from caller import Calls
from cloud import CONCURRENCY, WARM_UP, Fleet, fleet, new_queue
from prices import MONTH, SQS_ALONE, dollars

GATEWAYS = 4
CALLERS = 24
FAST = 0.02
SLOW = 0.5
MEETING = {"plain S3": 35.0}
"""Seconds until gateways know of each other, where they share the work out among them."""
SETTLING = 30.0
"""Seconds without calls until a gateway counts as idle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is measured; ``idle`` in seconds."""

    calls: int
    alone: int
    slow_rounds: int
    idle: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How long a caller waited, in all and from its request being sent, and how long it did so
    after its reply was stored; in seconds."""

    whole: float
    waited: float
    late: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Calls on a kind of queue: requests of all gateways and of the client, seconds of CPU."""

    kind: str
    operation: str
    callers: int
    gateways: Mapping[str, int]
    client: Mapping[str, int]
    cpu: float
    client_cpu: float
    seconds: float
    trip: float
    replies: Sequence[Reply]

    @property
    def calls(self) -> int:
        return len(self.replies)

    def cost(self) -> tuple[float, float]:
        """Return the dollars for a million calls: of the gateways, of the client."""
        return dollars(self.gateways) / self.calls, dollars(self.client) / self.calls

    def in_time(self) -> float:
        """Return the part of the callers who had their reply within two round trips, or a tenth
        of the time they had waited, whichever is more."""
        kept = sum(one.late <= max(2 * self.trip, one.waited / 10) for one in self.replies)
        return kept / self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """The requests of one gateway that had nothing to do for so many seconds."""

    kind: str
    requests: Mapping[str, int]
    seconds: float

    def monthly(self) -> Mapping[str, float]:
        """Return the requests of a month at this rate."""
        return {kind: n * MONTH / self.seconds for kind, n in self.requests.items()}

    def cost(self) -> float:
        """Return the dollars for a month."""
        return dollars(self.monthly(), SQS_ALONE) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Calls a second of one gateway, and of some."""

    kind: str
    one: float
    many: float

    @property
    def ratio(self) -> float:
        return self.many / self.one


def busy(kind: str, effort: Effort, cloud: Cloud, folder: Path) -> Iterator[Run]:
    """Measure calls by many callers, of both operations, and then by one who is alone."""
    with _warm_fleet(kind, cloud, folder, GATEWAYS, FAST) as here:
        for operation in ("Echo", "EchoOnce"):
            task = Calls(operation=operation, callers=CALLERS, calls=effort.calls)
            # What is learned of the other operation is forgotten first.
            here.perform(Calls(operation=operation, callers=CALLERS, calls=WARM_UP))
            yield _run(here, kind, task)
        here.perform(Calls(operation="Echo", callers=1, calls=effort.alone // 2))
        yield _run(here, kind, Calls(operation="Echo", callers=1, calls=effort.alone))


def scaling(kind: str, effort: Effort, cloud: Cloud, folder: Path) -> Scaling:
    """Measure one gateway and four, with a slow backend and callers enough for all."""
    rates = []
    for gateways in (1, GATEWAYS):
        slots = CONCURRENCY * gateways
        with _warm_fleet(kind, cloud, folder, gateways, SLOW) as here:
            task = Calls(operation="Echo", callers=2 * slots, calls=slots * effort.slow_rounds)
            rates.append(task.calls / here.perform(task).seconds)
    return Scaling(kind=kind, one=rates[0], many=rates[1])


def idle(kinds: Sequence[str], effort: Effort, cloud: Cloud, folder: Path) -> Sequence[Idle]:
    """Measure a gateway of each kind, all at the same time."""
    with contextlib.ExitStack() as stack:
        fleets = {
            kind: stack.enter_context(_new_fleet(kind, cloud, folder, 1, FAST)) for kind in kinds
        }
        time.sleep(SETTLING)
        for one in fleets.values():
            one.to_gateways.passed()
        began = time.monotonic()
        time.sleep(effort.idle)
        took = time.monotonic() - began
        return [
            Idle(kind=kind, requests=one.to_gateways.passed().counts, seconds=took)
            for kind, one in fleets.items()
        ]


@contextlib.contextmanager
def _new_fleet(
    kind: str, cloud: Cloud, folder: Path, gateways: int, takes: float
) -> Iterator[Fleet]:
    """Start a fleet on a new queue, and have it work once."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        queue = new_queue(cloud, kind)
        with fleet(Path(name), cloud, queue, gateways=gateways, takes=takes) as made:
            made.perform(Calls(operation="Echo", callers=gateways, calls=gateways))
            yield made


@contextlib.contextmanager
def _warm_fleet(
    kind: str, cloud: Cloud, folder: Path, gateways: int, takes: float
) -> Iterator[Fleet]:
    """Start a fleet whose gateways know each other, and whose client knows what to expect."""
    with _new_fleet(kind, cloud, folder, gateways, takes) as made:
        time.sleep(MEETING.get(kind, 0.0))
        made.perform(Calls(operation="Echo", callers=2 * CONCURRENCY, calls=WARM_UP * gateways))
        yield made


def _run(here: Fleet, kind: str, task: Calls) -> Run:
    for one in (here.to_gateways, here.to_client):
        one.passed()
    before = here.cpu()
    answered = here.perform(task)
    cpu = here.cpu() - before
    gateways, client = here.to_gateways.passed(), here.to_client.passed()
    missing = Counter(call.id for call in answered.calls if call.id not in gateways.stored)
    if missing:
        raise RuntimeError(f"{len(missing)} replies came, and nobody saw them stored")
    return Run(
        kind=kind,
        operation=task.operation,
        callers=task.callers,
        gateways=gateways.counts,
        client=client.counts,
        cpu=cpu,
        client_cpu=answered.cpu,
        seconds=answered.seconds,
        trip=client.trip,
        replies=[
            Reply(
                whole=call.got - call.began,
                waited=call.got - call.sent,
                late=call.got - gateways.stored[call.id],
            )
            for call in answered.calls
        ],
    )
