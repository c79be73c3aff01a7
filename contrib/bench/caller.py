"""Calls through a queue: ``caller.py ADDRESS`` reads tasks, a JSON line each, and prints results.

It is one client, with the queue open once for all of its callers, as a listener has it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

import uvloop
from envelopes import CONTENT_TYPE, NAMESPACE, is_reply, request

from gateway.client.remote import Remote, RemoteSettings
from gateway.message import Message
from gateway.queue import Queue
from gateway.queues.registry import open_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What to call: so often in all, by so many callers at once."""

    operation: str
    callers: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that was answered; times are of the monotonic clock, in seconds."""

    id: str
    began: float
    sent: float
    got: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of calls; ``cpu`` is that of this process, in seconds."""

    calls: list[Call]
    seconds: float
    cpu: float


class Caller:
    """Makes the calls of one task."""

    def __init__(self, queue: Queue, task: Calls) -> None:
        self._remote = Remote(queue, RemoteSettings())
        self._task = task
        self._numbers = count()
        self.calls: list[Call] = []

    async def call(self) -> None:
        """Call, one after another. Raises RuntimeError at a wrong reply."""
        operation = self._task.operation
        while (number := next(self._numbers)) < self._task.calls:
            message = Message(
                body=request(operation, number),
                content_type=CONTENT_TYPE,
                soap_action=f"{NAMESPACE}/{operation}",
                target_service="echo",
            )
            began = time.monotonic()
            await self._remote.send(message)
            sent = time.monotonic()
            collected = await self._remote.collect(message.id, 60.0)
            self.calls.append(Call(id=message.id, began=began, sent=sent, got=time.monotonic()))
            if collected.reply is None or not is_reply(collected.reply.body, operation, number):
                raise RuntimeError(f"call {number} ended as {collected}")


async def perform(queue: Queue, task: Calls) -> Answered:
    """Make the calls of a task."""
    caller = Caller(queue, task)
    began, cpu = time.monotonic(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(task.callers):
            group.create_task(caller.call())
    return Answered(
        calls=caller.calls, seconds=time.monotonic() - began, cpu=time.process_time() - cpu
    )


async def main(address: str) -> None:
    """Do each task as it comes, until the input ends."""
    queue = await open_queue(address, Path())
    try:
        while line := await asyncio.to_thread(sys.stdin.readline):
            answered = await perform(queue, Calls(**json.loads(line)))
            print(json.dumps(asdict(answered)), flush=True)
    finally:
        await queue.aclose()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
