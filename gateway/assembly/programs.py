"""The programs that run until a stop is requested: a gateway, a listener, or both."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.assembly.contracts import Loaded
from gateway.assembly.originals import keeping_faults
from gateway.assembly.parts import gateway, listener, opened_with_events
from gateway.assembly.summary import SHOWN, say_checks, slow_checks
from gateway.errors import QueueBroken, StoppedEarly
from gateway.listening.tls import keep_fresh
from gateway.settings import Settings

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests to a running program: to stop, or to read its files again."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    reread: asyncio.Event = field(default_factory=asyncio.Event)
    """Read certificates and secrets again."""
    ready: Callable[[str], None] = lambda url: None
    """Called once it runs, with the listener's address; empty where there is none."""


async def serve(settings: Settings, loaded: Mapping[str, Loaded], asked: Asked) -> None:
    """Drain the queue until a stop is requested.

    Raises ConfigurationError, StoppedEarly, QueueBroken.
    """
    say_checks(settings, {name: one.contract for name, one in loaded.items()})
    async with contextlib.AsyncExitStack() as stack:
        opening = stack.enter_async_context(opened_with_events(settings))
        queue, events = await _unless_stopped(asked.stop, opening)
        keep = await stack.enter_async_context(keeping_faults(settings))
        daemon = await stack.enter_async_context(gateway(settings, loaded, queue, events, keep))
        _say_ready(settings, loaded)
        keeping = asyncio.ensure_future(keep_fresh((), asked.reread))
        stack.callback(keeping.cancel)
        asked.ready("")
        with _broken_alone():
            await daemon.run(asked.stop)


async def listen(settings: Settings, loaded: Mapping[str, Loaded], asked: Asked) -> None:
    """Listen for HTTP until a stop is requested. Raises ConfigurationError, StoppedEarly."""
    say_checks(settings, {name: one.contract for name, one in loaded.items()})
    async with contextlib.AsyncExitStack() as stack:
        opening = stack.enter_async_context(opened_with_events(settings))
        queue, events = await _unless_stopped(asked.stop, opening)
        front = listener(settings, loaded, queue, events, asked.reread)
        await front.run(asked.stop, asked.ready)


async def up(settings: Settings, loaded: Mapping[str, Loaded], asked: Asked) -> None:
    """Do both in one process. Raises ConfigurationError, StoppedEarly, QueueBroken.

    The listener stops first: waiting callers still get replies from the gateway.
    """
    say_checks(settings, {name: one.contract for name, one in loaded.items()})
    drained = asyncio.Event()
    async with contextlib.AsyncExitStack() as stack:
        opening = stack.enter_async_context(opened_with_events(settings))
        queue, events = await _unless_stopped(asked.stop, opening)
        keep = await stack.enter_async_context(keeping_faults(settings))
        daemon = await stack.enter_async_context(gateway(settings, loaded, queue, events, keep))
        # Before any request is taken: this may raise.
        front = listener(settings, loaded, queue, events, asked.reread)
        _say_ready(settings, loaded)
        listens = asyncio.Event()

        def ready(url: str) -> None:
            listens.set()
            asked.ready(url)

        async def drain() -> None:
            # Not before: a port that is taken ends this program, and would end what it had begun.
            await listens.wait()
            await daemon.run(drained)

        draining = asyncio.create_task(drain())
        listening = asyncio.create_task(front.run(asked.stop, ready))
        both = (listening, draining)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            asked.stop.set()
            await asyncio.wait([listening])
            drained.set()
            listens.set()  # or it never did, and nothing is taken any more
            await asyncio.wait([draining])
        finally:  # if cancelled before: resources are closed only after both have ended
            for one in both:
                one.cancel()
            await asyncio.wait(both)
        with _broken_alone():
            draining.result()
        listening.result()


@contextlib.contextmanager
def _broken_alone() -> Iterator[None]:
    """Raise the QueueBroken in a group of errors in place of the group."""
    try:
        yield
    except ExceptionGroup as group:
        if (broken := group.subgroup(QueueBroken)) is None:
            raise
        raise next(_leaves(broken)) from group


def _leaves(group: BaseException) -> Iterator[BaseException]:
    if not isinstance(group, BaseExceptionGroup):
        yield group
        return
    for one in group.exceptions:
        yield from _leaves(one)


async def _unless_stopped(stop: asyncio.Event, beginning: Coroutine[object, object, T]) -> T:
    """Return the result of ``beginning``. Raises StoppedEarly if a stop is requested before."""
    begun = asyncio.ensure_future(beginning)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({begun, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        if not begun.done():
            begun.cancel()
            await asyncio.wait({begun})
    if begun.cancelled():
        raise StoppedEarly("stopped before it was ready")
    return begun.result()


def _say_ready(settings: Settings, loaded: Mapping[str, Loaded]) -> None:
    for name, one in loaded.items():
        # Not where it is: not everyone who reads the log needs to know; gateway check says it.
        log.info("serving %s, %s", name, "hosted here" if one.hosted else "forwarded")
        for note in one.notes:
            log.warning("%s: %s", name, note)
        slow = slow_checks(settings, one.contract)
        for line in slow[:SHOWN]:
            log.warning("%s: %s", name, line)
        if len(slow) > SHOWN:
            log.warning("%s: and %d more: gateway check has them", name, len(slow) - SHOWN)
