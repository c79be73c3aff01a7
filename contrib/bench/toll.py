"""The road between a program and its cloud: ``toll.py UPSTREAM SECONDS`` delays each request.

A process of its own, over the proxy of the tests. It prints its URL. At each line that it reads it
prints what has passed since the line before, and begins to count anew.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import uvloop
from aiohttp import web
from borrowed import Call, FaultProxy, Forward

FINAL = ("done", "none")
STATE = "x-amz-meta-gateway-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What has passed; ``stored`` has when each reply was in the store (monotonic, seconds)."""

    counts: dict[str, int]
    stored: dict[str, float]
    trip: float
    """The median of what a short request took here, in seconds: the delay, and the server."""


class Toll:
    """Counts what passes, and notes when replies are stored."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._stored: dict[str, float] = {}
        self._trips: dict[str, list[float]] = defaultdict(list)

    async def pass_on(self, call: Call, forward: Forward) -> web.Response:
        """Let a request through, as a rule of the proxy."""
        began = time.monotonic()
        self._counts[call.kind] += 1
        answer = await forward()
        now = time.monotonic()
        self._trips[call.kind].append(now - began)
        if answer.status == 200:
            self._stored |= dict.fromkeys(_replies(call), now)
        return answer

    def settle(self, latency: float) -> Passed:
        """Return what has passed, and begin anew."""
        # A receive waits for messages: it says nothing of the way.
        short = [self._trips[kind] for kind in ("GET", "SendMessageBatch", "SendMessage")]
        trips = next((trips for trips in short if trips), [0.0])
        passed = Passed(
            counts=dict(self._counts),
            stored=self._stored,
            trip=latency + statistics.median(trips),
        )
        self._counts, self._stored = Counter(), {}
        self._trips.clear()
        return passed


def _replies(call: Call) -> Iterator[str]:
    """Yield the ids of the requests whose replies a request stores."""
    if call.kind == "PUT" and call.headers.get(STATE) in FINAL:
        yield call.target.partition("?")[0].rpartition("/")[2]
    if call.kind.startswith("SendMessage"):
        said = json.loads(call.body)
        for entry in said.get("Entries", [said]):
            attribute = entry.get("MessageAttributes", {}).get("JMS_SQSCorrelationID", {})
            yield attribute.get("StringValue", "")


async def main(upstream: str, latency: float) -> None:
    """Let requests pass until the input ends."""
    toll = Toll()
    async with FaultProxy(upstream, latency=latency) as proxy:
        proxy.inject(toll.pass_on, times=math.inf)
        print(proxy.url, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(asdict(toll.settle(latency))), flush=True)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], float(sys.argv[2])))
