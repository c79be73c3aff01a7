"""What the daemons hold in memory: with a long queue, and while a large reply passes."""

from __future__ import annotations

import asyncio
import signal
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import processes
from backend import LARGE
from client import Task
from envelopes import CONTENT_TYPE, NAMESPACE, headers, request
from place import new_home, place, started_backend, write_settings
from processes import Process

from gateway.client.remote import Remote, RemoteSettings
from gateway.message import Message
from gateway.queue import State
from gateway.queues.registry import open_queue

HOLDING = 3.0
"""Seconds that a gateway looks at a long queue while its backend holds every answer back."""
DRAINING = 120.0
LAST = 256
"""Replies waited for to know that all are there: more than a gateway works on at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A queue filled while no gateway ran, then drained; memory in bytes."""

    waiting: int
    start: int
    """Resident size of a gateway over an empty queue."""
    held: int
    """The most while the backend held every answer back."""
    drained: int
    """The most until the queue was empty."""
    fill_rate: float
    drain_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeReply:
    """The most that each daemon held above what it held before, while one reply passed; bytes."""

    size: int
    more: dict[str, int]
    seconds: float


def backlog(waiting: int, folder: Path) -> Backlog:
    """Fill a queue, start a gateway on it whose backend does not answer, then let it answer."""
    with new_home(folder) as home, started_backend(held=True) as (backend, address):
        settings, _ = write_settings(home, address)
        start = _resident_when_empty(settings)
        return asyncio.run(_fill_and_drain(settings, backend, waiting, start))


def _resident_when_empty(settings: Path) -> int:
    with processes.gateway(["serve"], settings, "warning") as serve:
        time.sleep(HOLDING)
        return serve.resident()


async def _fill_and_drain(settings: Path, backend: Process, waiting: int, start: int) -> Backlog:
    queue = await open_queue(f"sqlite:///{settings.parent}/queue.db", settings.parent)
    try:
        remote = Remote(queue, RemoteSettings())
        began = time.monotonic()
        ids = await _fill(remote, waiting)
        filled = time.monotonic() - began
        with processes.gateway(["serve"], settings, "warning") as serve:
            await asyncio.sleep(HOLDING)
            held = serve.peak()
            began = time.monotonic()
            backend.popen.send_signal(signal.SIGUSR1)
            await _all_answered(remote, ids[-LAST:])
            drained = time.monotonic() - began
            await _all_answered(remote, ids)
            return Backlog(
                waiting=waiting,
                start=start,
                held=held,
                drained=serve.peak(),
                fill_rate=waiting / filled,
                drain_rate=waiting / drained,
            )
    finally:
        await queue.aclose()


async def _fill(remote: Remote, waiting: int) -> Sequence[str]:
    """Send so many requests, many at once, so that they share their fsyncs."""
    messages = [
        Message(
            body=request("Echo", number),
            content_type=CONTENT_TYPE,
            soap_action=f"{NAMESPACE}/Echo",
            target_service="echo",
        )
        for number in range(waiting)
    ]
    await asyncio.gather(*(remote.send(message) for message in messages))
    return [message.id for message in messages]


async def _all_answered(remote: Remote, ids: Sequence[str]) -> None:
    """Wait for the replies to all. Raises RuntimeError where one is missing, or is a fault."""
    async with asyncio.timeout(DRAINING):
        for id in ids:
            collected = await remote.collect(id, DRAINING)
            reply = collected.reply
            if collected.state is not State.REPLY or reply is None or reply.is_fault:
                raise RuntimeError(f"{id} ended as {collected}")


def large_reply(folder: Path) -> LargeReply:
    """Call for one reply of 50 MB through all parts."""
    with place(folder) as here:
        here.load.perform(
            Task(url=here.through, operation="Echo", callers=1, calls=10, seconds=30.0)
        )
        daemons = {name: here.parts[name] for name in ("serve", "listen")}
        for daemon in daemons.values():
            daemon.forget_peak()
        before = {name: daemon.resident() for name, daemon in daemons.items()}
        call = urllib.request.Request(here.through, request("Fetch", 1), headers("Fetch"))
        began = time.monotonic()
        with urllib.request.urlopen(call, timeout=90) as response:
            size = len(response.read())
        took = time.monotonic() - began
        if size < LARGE:
            raise RuntimeError(f"{size} bytes came of a reply of {LARGE}")
        more = {name: daemon.peak() - before[name] for name, daemon in daemons.items()}
        return LargeReply(size=size, more=more, seconds=took)
