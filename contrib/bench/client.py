"""The load: a process that reads tasks, a JSON line each, and prints what came of them.

The same code calls the backend and the listener, so that only the way between them differs.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import count

import aiohttp
import uvloop
from envelopes import headers, is_reply, request


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to call: by so many callers at once, until either limit is reached."""

    url: str
    operation: str
    callers: int
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a task; times in seconds, ``cpu`` that of this process."""

    latencies: list[float]
    wrong: int
    """Calls that did not bring their own reply; the first of them is in ``sample``."""
    sample: str
    seconds: float
    cpu: float


class Caller:
    """Makes the calls of one task."""

    def __init__(self, session: aiohttp.ClientSession, task: Task) -> None:
        self._session = session
        self._task = task
        self._numbers = count()
        self._headers = headers(task.operation)
        self._until = time.perf_counter() + task.seconds
        self.latencies: list[float] = []
        self.wrong: list[str] = []

    async def call(self) -> None:
        """Call, one after another, until a limit is reached."""
        while (number := next(self._numbers)) < self._task.calls:
            body = request(self._task.operation, number)
            began = time.perf_counter()
            if began > self._until:
                return
            async with self._session.post(
                self._task.url, data=body, headers=self._headers
            ) as response:
                reply = await response.read()
            self.latencies.append(time.perf_counter() - began)
            if response.status != 200 or not is_reply(reply, self._task.operation, number):
                self.wrong.append(f"HTTP {response.status}: {reply[:400]!r}")


async def perform(task: Task) -> Outcome:
    """Make the calls; connections are new, and stay open throughout."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=90)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        caller = Caller(session, task)
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(task.callers):
                group.create_task(caller.call())
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Outcome(
        latencies=caller.latencies,
        wrong=len(caller.wrong),
        sample=next(iter(caller.wrong), ""),
        seconds=seconds,
        cpu=cpu,
    )


def main() -> None:
    """Do each task as it comes, until the input ends."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            outcome = runner.run(perform(Task(**json.loads(line))))
            print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
