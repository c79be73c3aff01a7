"""Gateways that share a queue are killed, paused and stopped at random; is each promise kept?

``python chaos.py`` tries every kind of queue with a few thousand requests, and prints a table. The
tests run a small one of each. What is checked is said in ``history`` and by ``_left_behind``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kinds
import servers
from botocore.exceptions import ClientError
from deployment import end, legacy_service, log_of, start
from history import OUTCOME_UNKNOWN, Ended, History, Look, rewritten, violations
from servers import Cloud
from test_crashes import about, request

from gateway.client.remote import Remote, RemoteSettings
from gateway.errors import QueueUnavailable
from gateway.message import Message
from gateway.queue import Collected, State
from gateway.queues.registry import open_queue

CONCURRENCY = 16
SENDER = "local"
QUIET = ("quiet-1", "quiet-2")
"""Clients of a run with a crowd that send little, behind all that the other one sent at once."""
CROWD = 0.85
"""The part of the calls that the crowd sends, and, in seconds, how long it takes for that."""
AHEAD = "is taken ahead of its turn"
"""What a gateway with a doorbell logs of those that it does not leave to their rings."""
UP = 2.0
"""Seconds that the gateways have before the first fault."""
HEALED = 240.0
"""Seconds after the last fault in which everything must have come to its end."""
LOOK = 0.3
COLLECTS = 2
"""How often each caller collects its reply."""
LOOKS = 3
"""How often a caller looks for its reply, or sends its request, while the queue does not answer."""

SETTINGS = """\
queue = "{queue}"

[services.warehouse]
wsdl = "{legacy}?wsdl"
repeatable = ["GetOrder"]

[gateway]
concurrency = {concurrency}
attempts = 100
lease = {lease}
# Shorter than a call takes: whoever is told to stop leaves some unfinished.
grace = 0.2
"""


class Fault(StrEnum):
    """What befalls a gateway. KILL is ``kill -9``; PAUSE a SIGSTOP for longer than its lease;
    STOP a SIGTERM. After KILL and STOP it is started again."""

    KILL = "kill"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run: how many gateways and calls, how fast, how long one takes, which faults."""

    gateways: int
    calls: int
    rate: float
    """Calls that are sent in a second."""
    delay: float
    """Seconds that the backend takes for a call."""
    faults: tuple[Fault, ...]
    seed: int
    concurrency: int = CONCURRENCY
    """Calls that a gateway has at work at a time."""
    lease: float = 2.0
    """Seconds; a gateway that stands still for longer, on a busy machine too, loses its calls."""
    has_crowd: bool = False
    """Whether one client sends most of the calls at once, and others at the pace come after it."""

    @property
    def span(self) -> float:
        """Return about how many seconds the run takes, without what the faults cost."""
        at_once = self.gateways * self.concurrency / self.delay
        return self.calls / (at_once if self.has_crowd else self.rate)

    @property
    def patience(self) -> float:
        """Return how many seconds a call waits: one of a crowd is sent before all faults."""
        faulty = 2 * self.span if self.has_crowd else 0.0
        return HEALED + self.lease + faulty

    def sent(self, number: int) -> tuple[str, float]:
        """Return who sends a call, and after how many seconds; the first is number 1."""
        behind = number - int(CROWD * self.calls)
        if not self.has_crowd:
            return SENDER, (number - 1) / self.rate
        if behind <= 0:
            return SENDER, CROWD * number / self.calls
        return QUIET[number % len(QUIET)], CROWD + behind / self.rate

    def blows(self) -> list[list[tuple[float, Fault]]]:
        """Return for each gateway when, in seconds, which fault befalls it: what the seed says."""
        chance = random.Random(self.seed)
        blows: list[list[tuple[float, Fault]]] = [[] for _ in range(self.gateways)]
        for fault in self.faults:
            moment = UP + chance.uniform(0, self.span - UP)
            blows[chance.randrange(self.gateways)].append((moment, fault))
        return [sorted(some) for some in blows]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that has ended: how it did, the id of its request, the digests of what it got.

    A look that found no reply yet has no digest: that the reply is late is no broken promise.
    """

    ended: Ended
    sender: str
    id: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run; ``violations`` has a line for each promise that was broken."""

    calls: tuple[Call, ...]
    executed: Counter[str]
    seconds: float
    violations: list[str]
    ahead: int
    """Requests that were taken ahead of their rings."""

    @property
    def late(self) -> int:
        """Return how many callers looked in vain, for as long as the plan says, at least once."""
        return sum(len(call.digests) < COLLECTS for call in self.calls)

    @property
    def unknown(self) -> int:
        return sum(OUTCOME_UNKNOWN in call.ended.faults for call in self.calls)

    @property
    def repeated(self) -> int:
        return sum(count > 1 for count in self.executed.values())


class Shelf:
    """A queue's bucket, seen from outside of the product."""

    def __init__(self, cloud: Cloud, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme == "sqs":
            parts = urlsplit(parse_qs(parts.query)["replies"][0])
        self._s3 = servers.client(cloud, "s3")
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/") + "/"

    def listed(self, folder: str) -> dict[str, str]:
        """Return the ETags of all objects in a folder, by the rest of their keys."""
        start = f"{self._prefix}{folder}/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=start
        )
        found = [one for page in pages for one in page.get("Contents", [])]
        return {one["Key"].removeprefix(start): one["ETag"] for one in found}

    def look(self, key: str) -> Look:
        """Return what a reply object is now."""
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=f"{self._prefix}replies/{key}")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            return Look("gone")
        return Look(head["Metadata"].get("gateway-state", ""), head["ETag"])

    def digest(self, key: str) -> str:
        """Return the SHA-256 of a reply object's body."""
        got: Any = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}replies/{key}")
        return hashlib.sha256(got["Body"].read()).hexdigest()

    def close(self) -> None:
        self._s3.close()


@dataclass(frozen=True, slots=True)
class Observer:
    """Looks at all reply objects again and again, and remembers each that has changed."""

    shelf: Shelf
    seen: dict[str, list[Look]] = field(default_factory=lambda: defaultdict(list))

    async def run(self) -> None:
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK)

    def look(self) -> None:
        listed = self.shelf.listed("replies")
        for key in {*listed, *self.seen}:
            looks = self.seen[key]
            if not looks or looks[-1].etag != listed.get(key, ""):
                looks.append(self.shelf.look(key))


async def run(
    folder: Path, address: str, cloud: Cloud, plan: Plan, told: Callable[[int], None] = lambda _: _
) -> Outcome:
    """Run a plan on the queue of an address; ``told`` is told of each call that has ended."""
    ledger = folder / "ledger"
    shelf = Shelf(cloud, address)
    observer = Observer(shelf)
    began = time.monotonic()
    with (
        contextlib.closing(shelf),
        legacy_service("--ledger", str(ledger), "--delay", str(plan.delay)) as legacy,
    ):
        places = [
            _settings(folder / f"gateway-{n}", address, legacy, plan) for n in range(plan.gateways)
        ]
        watching = asyncio.create_task(observer.run())
        calls, failed = await _called(address, folder, places, plan, shelf, told)
        watching.cancel()
        failed += failures(await asyncio.gather(watching, return_exceptions=True))
        observer.look()
        executed = Counter(line.partition("\t")[2] for line in ledger.read_text().splitlines())
        under_way = plan.concurrency * len(plan.faults)
        history = History(tuple(call.ended for call in calls), executed, under_way)
        broken = failed + violations(history) + _left_behind(shelf, observer, calls)
        broken += [line for place in places for line in _bugs(log_of(place))]
    return Outcome(
        calls=tuple(calls),
        executed=executed,
        seconds=time.monotonic() - began,
        violations=broken,
        ahead=sum(log_of(place).read_text("utf-8").count(AHEAD) for place in places),
    )


def _settings(folder: Path, address: str, legacy: str, plan: Plan) -> Path:
    folder.mkdir()
    path = folder / "gateway.toml"
    path.write_text(
        SETTINGS.format(
            queue=address, legacy=legacy, concurrency=plan.concurrency, lease=plan.lease
        )
    )
    return path


async def _called(
    address: str,
    folder: Path,
    places: Sequence[Path],
    plan: Plan,
    shelf: Shelf,
    told: Callable[[int], None],
) -> tuple[list[Call], list[str]]:
    """Send all calls, at their pace, while the gateways suffer; return how each ended.

    And a line for all that failed beside them: it ends no run, or nothing of it would be told.
    """
    queue = await open_queue(address, folder)
    remote = Remote(queue, RemoteSettings(sender=SENDER))
    gateways = [Sufferer(place, plan.lease) for place in places]
    over = asyncio.Event()
    suffering = [
        asyncio.create_task(one.suffer(blows, over))
        for one, blows in zip(gateways, plan.blows(), strict=True)
    ]
    try:
        calls = await asyncio.gather(
            *(_call(remote, plan, n, told) for n in range(1, plan.calls + 1)),
            return_exceptions=True,
        )
        over.set()
        suffered = await asyncio.gather(*suffering, return_exceptions=True)
        await _emptied(shelf)
    finally:
        await asyncio.gather(*(asyncio.to_thread(one.end) for one in gateways))
        await queue.aclose()
    failed = failures([*calls, *suffered])
    return [one for one in calls if isinstance(one, Call)], failed


def failures(results: Iterable[object]) -> list[str]:
    """Return a line for each result that is an error, but for what was cancelled."""
    errors = [one for one in results if isinstance(one, Exception)]
    return [f"the run itself failed: {error!r}" for error in errors]


async def _call(remote: Remote, plan: Plan, number: int, told: Callable[[int], None]) -> Call:
    sender, after = plan.sent(number)
    await asyncio.sleep(after)
    key, repeatable, message = request(number)
    await sent(remote, replace(message, sender=sender))
    # More than once: it must not change.
    got = [await collected(remote, message.id, plan.patience, sender) for _ in range(COLLECTS)]
    told(number)
    replies = [one.reply for one in got if one.state is State.REPLY and one.reply is not None]
    endings = [about(reply, key, number) for reply in replies]
    ended = Ended(
        key=key,
        repeatable=repeatable,
        replies=tuple(text for kind, text in endings if kind == "reply"),
        faults=tuple(text for kind, text in endings if kind == "fault"),
    )
    final = [one for one in got if one.state in (State.REPLY, State.DONE)]
    return Call(ended, sender, message.id, tuple(map(_digest, final)))


async def sent(remote: Remote, message: Message) -> None:
    """Send a request as a caller does: once more where the queue does not say that it has it.

    Where it never says so the call goes on: that it has no end is for the judge.
    """
    for _ in range(LOOKS):
        with contextlib.suppress(QueueUnavailable):
            await remote.send(message)
            return


async def collected(remote: Remote, id: str, patience: float, sender: str) -> Collected:
    """Look for a reply as a caller does: once more where the queue does not answer in time."""
    for _ in range(LOOKS):
        with contextlib.suppress(QueueUnavailable):
            return await remote.collect(id, patience, sender)
    return Collected(State.PENDING)


def _digest(collected: Collected) -> str:
    body = b"" if collected.reply is None else collected.reply.body
    return hashlib.sha256(body).hexdigest()


class Sufferer:
    """A gateway that faults befall, one after the other."""

    def __init__(self, settings: Path, lease: float) -> None:
        self._settings = settings
        self._lease = lease
        self._log = log_of(settings)
        self._log.touch()
        self._start()

    def _start(self) -> None:
        self._logged = self._log.stat().st_size
        self._process = start("serve", self._settings)

    async def suffer(self, blows: Iterable[tuple[float, Fault]], over: asyncio.Event) -> None:
        """Have each fault befall it in its time, until all calls are ``over``."""
        began = time.monotonic()
        for moment, fault in blows:
            await asyncio.sleep(began + moment - time.monotonic())
            while not (self._is_at_work() or over.is_set()):
                await asyncio.sleep(0.1)
            if not over.is_set():
                await self._befallen(fault)

    def _is_at_work(self) -> bool:
        """Tell whether the process has answered calls: before that no fault can harm."""
        return b" answered in " in self._log.read_bytes()[self._logged :]

    async def _befallen(self, fault: Fault) -> None:
        if fault is Fault.PAUSE:
            self._process.send_signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(self._lease + 2)
            finally:
                self._process.send_signal(signal.SIGCONT)
            return
        if fault is Fault.KILL:
            self._process.kill()
        else:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, 20)
        self._process.kill()
        self._start()

    def end(self) -> None:
        end(self._process)


async def _emptied(shelf: Shelf) -> None:
    """Wait until no request is left; what is left in the end is told by ``_left_behind``."""
    until = time.monotonic() + HEALED
    while time.monotonic() < until and await asyncio.to_thread(shelf.listed, "requests"):
        await asyncio.sleep(LOOK)


def _left_behind(shelf: Shelf, observer: Observer, calls: Sequence[Call]) -> list[str]:
    """Return what is wrong with the bucket in the end."""
    found = [f"{key}: a request is left" for key in shelf.listed("requests")]
    by_key = {f"{call.sender}/{call.id}": call for call in calls}
    for key, looks in observer.seen.items():
        found += rewritten(key, looks)
        if key not in by_key:
            found.append(f"{key}: a reply to nothing")
        elif looks[-1].state == "done" and set(by_key[key].digests) - {shelf.digest(key)}:
            found.append(f"{key}: the caller saw another reply than is stored")
    found += [f"{key}: no reply is stored" for key in by_key.keys() - observer.seen.keys()]
    aside = set(shelf.listed("quarantine"))
    faults = {f"{call.id}.{call.sender}" for call in calls if call.ended.faults}
    return found + [f"{key}: in quarantine, or its fault is not" for key in aside ^ faults]


def _bugs(log: Path) -> list[str]:
    """Return what a gateway logged that only a bug can explain."""
    lines = log.read_text("utf-8").splitlines()
    return [line for line in lines if "Traceback" in line or "never retrieved" in line]


def _with_faults(plan: Plan) -> Plan:
    """Return a plan with a fault for every other second of its run."""
    chance = random.Random(plan.seed)
    return replace(plan, faults=tuple(chance.choices(list(Fault), k=int(plan.span / 2))))


def large(calls: int, seed: int) -> Plan:
    """Return a plan in which the gateways keep up with what is sent."""
    return _with_faults(Plan(gateways=4, calls=calls, rate=25.0, delay=0.4, faults=(), seed=seed))


def crowded(calls: int, seed: int) -> Plan:
    """Return a plan in which most calls of some clients wait behind those of another."""
    return _with_faults(
        Plan(
            gateways=2,
            calls=calls,
            rate=8.0,
            delay=1.0,
            faults=(),
            seed=seed,
            concurrency=8,
            has_crowd=True,
        )
    )


def _try(kind: str, plan: Plan) -> Outcome:
    """Run a large plan on a kind of queue, with progress on standard error."""
    calls = plan.calls
    ended: list[int] = []

    def told(number: int) -> None:
        ended.append(number)
        if len(ended) % 50 == 0 or len(ended) == calls:
            print(f"\r{kind}: {len(ended)} of {calls}", end="", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        place = folder / "server"
        place.mkdir()
        cloud = stack.enter_context(servers.SERVERS[kind.partition(" of ")[2]].start(place))
        os.environ.update(servers.environment(cloud))
        address = kinds.KINDS[kind].format(
            s3=cloud.s3,
            sqs=cloud.sqs,
            bucket=servers.fresh_bucket(cloud),
            queue=servers.fresh_queue(cloud).rpartition("/")[2] if cloud.sqs else "",
        )
        outcome = asyncio.run(run(folder, address, cloud, plan, told))
    print(file=sys.stderr)
    for line in outcome.violations:
        print(f"{kind}: {line}", file=sys.stderr)
    return outcome


def main() -> int:
    """Try the kinds asked for, and print what came of it; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", help="only those queues that begin so: s3, doorbell, sqs")
    parser.add_argument("--server", help="only on this server: ministack, minio")
    parser.add_argument("--requests", type=int, default=2000, help="for each kind (2000)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the faults (1)")
    parser.add_argument(
        "--crowd", action="store_true", help="one client sends most at once, two others a few"
    )
    parser.add_argument(
        "--calm", action="store_true", help="no faults: then nothing may be carried out twice"
    )
    given = parser.parse_args()
    chosen = [
        kind
        for kind in kinds.KINDS
        if kind.startswith(given.kind or "") and kind.endswith(given.server or "")
    ]
    if not chosen:
        parser.error(f"there is no such queue: choose from {', '.join(kinds.KINDS)}")
    plan = (crowded if given.crowd else large)(given.requests, given.seed)
    plan = replace(plan, faults=()) if given.calm else plan
    outcomes = {kind: _try(kind, plan) for kind in chosen}
    names = f"{'calls':>7}{'late':>6}{'ahead':>7}{'unknown':>9}{'repeated':>10}"
    heads = f"{names}{'seconds':>9}{'broken':>8}"
    print(f"{'queue':24}{heads}")
    for kind, it in outcomes.items():
        counts = f"{len(it.calls):7}{it.late:6}{it.ahead:7}{it.unknown:9}{it.repeated:10}"
        print(f"{kind:24}{counts}{it.seconds:9.0f}{len(it.violations):8}")
    return 1 if any(it.violations for it in outcomes.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
