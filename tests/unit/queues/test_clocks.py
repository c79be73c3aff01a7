"""Clocks that jump, and machines that start anew: nothing is forgotten too soon, nothing waits."""

from __future__ import annotations

import contextlib
import logging
import random
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from gateway.errors import Refused
from gateway.message import Message, new_id
from gateway.queue import State
from gateway.queues.embedded import store as sqlite_store
from gateway.queues.embedded.group_commit import Periods
from gateway.queues.embedded.queue import SqliteQueue
from gateway.queues.embedded.steady_clock import EVERY, Uptime, of_this_machine
from gateway.queues.memory import MemoryQueue
from gateway.queues.options import Bounds

HOUR = 3600.0
DAY = 24 * HOUR
REPLY = Message(body=b"<reply/>", content_type="text/xml")


class Machine:
    """A machine whose clock can be wrong, and that can be off."""

    def __init__(self) -> None:
        self.true = time.time()
        self.wrong = 0.0
        self.up = 1000.0
        self.boot = 1

    def clock(self) -> float:
        return self.true + self.wrong

    def uptime(self) -> Uptime:
        return Uptime(str(self.boot), lambda: self.up)

    def spend(self, seconds: float) -> None:
        self.true += seconds
        self.up += seconds

    def start_anew(self, off: float) -> None:
        self.true += off
        self.up = 5.0
        self.boot += 1


def request(machine: Machine, **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "body": b"<a/>"}
    return Message(**({"id": new_id(machine.clock)} | values | fields))  # type: ignore[arg-type]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.db"


TIDY = Periods(dead=0.0, sweep=-1.0)
"""Each look sweeps."""


async def opened(machine: Machine, path: Path, **options: object) -> SqliteQueue:
    return await SqliteQueue.open(path, clock=machine.clock, uptime=machine.uptime(), **options)


@pytest.fixture(params=["memory", "sqlite"])
async def queue(request, machine, path):
    """One queue, on that machine; each receive sweeps."""
    if request.param == "memory":
        found = MemoryQueue(clock=machine.clock, monotonic=lambda: machine.up)
    else:
        found = await opened(machine, path, periods=TIDY)
    yield found
    await found.aclose()


async def served(queue) -> list[str]:
    """Answer what waits; return the ids."""
    deliveries = await queue.receive(100, 0)
    for delivery in deliveries:
        await delivery.answer(REPLY)
    return [delivery.message.id for delivery in deliveries]


async def hours(machine: Machine, queue, number: int) -> None:
    """Let hours pass, with a look in each: the embedded queue notes the time as it goes."""
    for _ in range(number):
        machine.spend(HOUR)
        await served(queue)


async def test_a_reply_stays_when_the_clock_is_days_ahead_for_a_second(machine, queue):
    await queue.send(sent := request(machine))
    await served(queue)
    machine.wrong = 49 * HOUR
    await queue.send(request(machine))
    await served(queue)
    machine.wrong = 0.0
    await queue.send(sent)
    assert await served(queue) == []
    assert (await queue.collect("alice", sent.id, 0)).state is State.REPLY


async def test_a_reply_goes_after_two_days_and_not_before(machine, queue):
    await queue.send(sent := request(machine))
    await served(queue)
    await hours(machine, queue, 47)
    assert (await queue.collect("alice", sent.id, 0)).state is State.REPLY
    await hours(machine, queue, 3)
    await queue.send(request(machine))  # the queue in memory sweeps when one comes
    assert (await queue.collect("alice", sent.id, 0)).state is State.UNKNOWN


async def test_an_id_of_a_swept_reply_is_refused_whatever_the_clock_says(machine, queue):
    await queue.send(sent := request(machine))
    await served(queue)
    await hours(machine, queue, 51)
    await queue.send(request(machine))
    machine.wrong = -51 * HOUR
    with pytest.raises(Refused, match="too old") as refused:
        await queue.send(sent)
    assert "clock" in refused.value.reason
    assert sent.id not in await served(queue)


async def test_replies_from_when_the_clock_was_a_year_ahead_leave_today_alone(machine, queue):
    machine.wrong = 365 * DAY
    for _ in range(4):
        await queue.send(request(machine))
        await hours(machine, queue, 24)
    machine.wrong = 0.0
    await queue.send(sent := request(machine))
    assert await served(queue) == [sent.id]


async def test_a_reply_whose_id_is_still_accepted_stays_however_old_it_is(machine, queue):
    machine.wrong = 10 * DAY
    await queue.send(sent := request(machine))
    await served(queue)
    machine.wrong = 0.0
    await hours(machine, queue, 5 * 24)
    await queue.send(request(machine))
    assert (await queue.collect("alice", sent.id, 0)).state is State.REPLY


@pytest.mark.parametrize("seed", range(6))
async def test_nothing_whose_reply_may_have_been_swept_is_executed(machine, queue, seed):
    """Whatever the clock does: the promise, as a walk through all that may happen."""
    choose = random.Random(seed)
    sent: list[Message] = []
    executed: Counter[str] = Counter()
    answered: dict[str, float] = {}
    for _ in range(100):
        machine.wrong = choose.choice([0.0, machine.wrong, choose.uniform(-5 * DAY, 5 * DAY)])
        machine.spend(choose.choice([1.0, HOUR, choose.uniform(0, DAY)]))
        ahead = choose.uniform(-DAY, DAY)
        sent.append(request(machine, id=new_id(lambda ahead=ahead: machine.clock() + ahead)))
        for message in [sent[-1], *choose.choices(sent, k=5)]:
            with contextlib.suppress(Refused):
                await queue.send(message)
        for id in await served(queue):
            executed[id] += 1
            answered[id] = machine.up
    assert len(executed) > 40
    assert set(executed.values()) == {1}
    young = [id for id, up in answered.items() if up > machine.up - 2 * DAY]
    for id in young:
        assert (await queue.collect("alice", id, 0)).state is State.REPLY


async def test_time_stands_still_from_one_boot_to_the_next(machine, path):
    queue = await opened(machine, path, periods=TIDY)
    await queue.send(sent := request(machine))
    await served(queue)
    for _ in range(10):
        await queue.aclose()
        machine.start_anew(off=5 * DAY)
        machine.wrong = 0.0
        queue = await opened(machine, path, periods=TIDY)
        await served(queue)
        assert (await queue.collect("alice", sent.id, 0)).state is State.REPLY
    await hours(machine, queue, 50)
    assert (await queue.collect("alice", sent.id, 0)).state is State.UNKNOWN
    await queue.aclose()


async def test_all_processes_of_a_boot_have_one_time_and_it_goes_on_without_them(machine, path):
    first = await opened(machine, path)
    machine.spend(HOUR)
    second = await opened(machine, path)
    assert second._file.steady() == first._file.steady()
    await first.aclose()
    await second.aclose()
    machine.spend(DAY)
    third = await opened(machine, path)
    assert third._file.steady() == first._file.steady()
    await third.aclose()


async def test_a_clock_that_began_anew_is_known_without_the_name_of_a_boot(machine, path):
    nameless = Uptime("", lambda: machine.up)
    queue = await SqliteQueue.open(path, clock=machine.clock, uptime=nameless)
    before = queue._file.steady()
    await queue.aclose()
    machine.start_anew(off=DAY)
    queue = await SqliteQueue.open(path, clock=machine.clock, uptime=nameless)
    assert queue._file.steady() == before
    await queue.aclose()


def test_this_machine_says_which_boot_it_is():
    assert len(of_this_machine().boot) == 36


async def test_marks_of_time_do_not_pile_up(machine, path):
    queue = await opened(machine, path, periods=TIDY, bounds=Bounds(days=3))
    for _ in range(20):
        await hours(machine, queue, 24)
    await queue.aclose()
    with contextlib.closing(sqlite3.connect(path)) as file:
        (marks,) = file.execute("SELECT count(*) FROM marks").fetchone()
    assert marks <= 3 * 24 + 2 < 3 * DAY / EVERY


async def test_requests_do_not_wait_for_a_clock_that_was_set_back(machine, path):
    """Nor do they change their order, nor is a delay of theirs other than it was to be."""
    queue = await opened(machine, path)
    before = [request(machine) for _ in range(3)]
    for message in before:
        await queue.send(message)
    (delayed,) = await queue.receive(1, 0)
    await delayed.retry(20.0)
    machine.wrong = -2 * HOUR
    machine.spend(1.0)
    await queue.send(after := request(machine))
    machine.spend(1.0)
    assert await served(queue) == [before[1].id, before[2].id, after.id]
    machine.spend(17.0)
    assert await served(queue) == []
    machine.spend(2.0)
    assert await served(queue) == [before[0].id]
    await queue.aclose()


async def test_the_age_of_the_oldest_request_is_true_when_the_clock_was_set(machine, path):
    queue = await opened(machine, path)
    machine.spend(1.0)
    await queue.send(request(machine))
    for wrong in (-2 * HOUR, 2 * HOUR):
        machine.wrong = wrong
        machine.spend(60.0)
        (delivery,) = await queue.receive(1, 0)
        await delivery.retry(0)
    assert (await queue.status()).oldest == pytest.approx(120.0)
    await queue.aclose()


async def test_the_age_of_the_oldest_request_has_the_time_that_the_machine_was_off(machine, path):
    queue = await opened(machine, path)
    machine.spend(EVERY / 2)  # since the last note of the time
    await queue.send(request(machine))
    await queue.aclose()
    machine.start_anew(off=10 * HOUR)
    queue = await opened(machine, path)
    machine.spend(60.0)
    assert (await queue.status()).oldest == pytest.approx(10 * HOUR + 60)
    await queue.aclose()


async def test_what_was_put_off_is_due_when_the_machine_starts_anew(machine, path):
    queue = await opened(machine, path)
    await queue.send(sent := request(machine))
    machine.spend(EVERY / 2)  # since the last note of the time
    await (await queue.receive(1, 0))[0].retry(30.0)
    await queue.aclose()
    machine.start_anew(off=60.0)
    queue = await opened(machine, path)
    assert await served(queue) == [sent.id]
    await queue.aclose()


async def test_a_clock_that_is_set_is_told_in_the_log_by_how_much(machine, path, caplog):
    queue = await opened(machine, path)
    with caplog.at_level(logging.WARNING):
        for wrong in (0.0, -2 * HOUR, -2 * HOUR, 0.5):
            machine.wrong = wrong
            queue._tidying.looked = float("-inf")
            await queue.receive(1, 0)
    told = [record.getMessage() for record in caplog.records]
    assert [" set back by 7200 s" in told[0], " set ahead by 7200 s" in told[1]] == [True, True]
    assert len(told) == 2
    await queue.aclose()


@pytest.fixture(params=["memory", "sqlite"])
async def bounded(request, machine, path):
    bounds = Bounds(days=10)
    if request.param == "memory":
        found = MemoryQueue(clock=machine.clock, monotonic=lambda: machine.up, bounds=bounds)
    else:
        found = await opened(machine, path, periods=TIDY, bounds=bounds)
    yield found
    await found.aclose()


async def test_entries_of_the_quarantine_age_by_time_that_has_passed(machine, bounded):
    await bounded.send(sent := request(machine))
    await (await bounded.receive(1, 0))[0].quarantine("Client: no", REPLY)
    machine.wrong = 400 * DAY
    await bounded.receive(1, 0)
    assert [entry.id async for entry in bounded.quarantine.entries()] == [sent.id]
    machine.wrong = -400 * DAY
    await hours(machine, bounded, 241)
    assert [entry.id async for entry in bounded.quarantine.entries()] == []


async def test_a_file_of_version_1_is_made_into_one_of_today(machine, path):
    queue = await opened(machine, path, periods=TIDY)
    await queue.send(answered := request(machine))
    await served(queue)
    await queue.send(waiting := request(machine))
    await queue.aclose()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as file:
        for table in ("pace", "marks", "swept"):
            file.execute(f"DROP TABLE {table}")
        file.execute("CREATE INDEX answered ON replies(answered)")
        file.execute("UPDATE requests SET due=due+7200, properties='{}'")  # its clock was ahead
        file.execute("PRAGMA user_version=1")
    queue = await opened(machine, path, periods=TIDY)
    assert (await queue.status()).oldest == 0.0
    assert await served(queue) == [waiting.id]
    assert (await queue.collect("alice", answered.id, 0)).state is State.REPLY
    await hours(machine, queue, 50)
    assert (await queue.collect("alice", answered.id, 0)).state is State.UNKNOWN
    await queue.aclose()
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (sqlite_store.VERSION,)
        names = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
    assert "answered" not in names
