"""The programs that run until they are told to stop: a gateway, a listener, or both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from gateway.assembly.contracts import Loaded, load_contracts
from gateway.assembly.parts import gateway, listener, opened_places
from gateway.assembly.posture import SHOWN, say_checks, slow_checks
from gateway.settings import Settings

log = logging.getLogger(__name__)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Drain the queue until told to stop. Raises ConfigurationError, QueueBroken."""
    loaded = load_contracts(settings)
    say_checks(settings, {name: one.contract for name, one in loaded.items()})
    async with (
        opened_places(settings) as (queue, audit),
        gateway(settings, loaded, queue, audit) as daemon,
    ):
        _say_ready(settings, loaded)
        await daemon.run(stop)


async def listen(settings: Settings, stop: asyncio.Event) -> None:
    """Offer the services over HTTP until told to stop. Raises ConfigurationError."""
    loaded = load_contracts(settings)
    say_checks(settings, {name: one.contract for name, one in loaded.items()})
    async with opened_places(settings) as (queue, audit):
        await listener(settings, loaded, queue, audit).run(stop)


async def up(settings: Settings, stop: asyncio.Event) -> None:
    """Do both in one process. Raises ConfigurationError, QueueBroken.

    The listener stops first: callers who wait still get what the gateway has begun.
    """
    loaded = load_contracts(settings)
    say_checks(settings, {name: one.contract for name, one in loaded.items()})
    drained = asyncio.Event()
    async with (
        opened_places(settings) as (queue, audit),
        gateway(settings, loaded, queue, audit) as daemon,
    ):
        front = listener(settings, loaded, queue, audit)  # before anything is taken: it may refuse
        _say_ready(settings, loaded)
        draining = asyncio.create_task(daemon.run(drained))
        listening = asyncio.create_task(front.run(stop))
        await asyncio.wait([draining, listening], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        try:
            await listening
        finally:
            drained.set()
            await draining


def _say_ready(settings: Settings, loaded: Mapping[str, Loaded]) -> None:
    for name, one in loaded.items():
        # Not where it is: who reads a log need not know that, and gateway check says it.
        log.info("serving %s, %s", name, "hosted here" if one.hosted else "forwarded")
        for note in one.notes:
            log.warning("%s: %s", name, note)
        slow = slow_checks(settings, one.contract)
        for line in slow[:SHOWN]:
            log.warning("%s: %s", name, line)
        if len(slow) > SHOWN:
            log.warning("%s: and %d more: gateway check has them", name, len(slow) - SHOWN)
