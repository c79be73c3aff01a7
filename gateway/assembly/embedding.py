"""A gateway, a listener, or both inside of somebody else's asyncio program.

They do what the commands of the same names do, but for what belongs to a process: signals, the
event loop, and where the log goes are the program's own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.assembly import programs
from gateway.assembly.contracts import Loaded, load_contracts
from gateway.assembly.programs import Asked
from gateway.assembly.summary import Role, say_summary
from gateway.errors import StoppedEarly
from gateway.settings import Settings

Program = Callable[[Settings, Mapping[str, Loaded], Asked], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Running:
    """What runs until its ``async with`` block ends."""

    url: str
    """Where the listener is reached, without a ``/`` at its end; empty where there is none."""
    _asked: Asked = field(repr=False)

    def reread(self) -> None:
        """Have certificates and secrets read again, as SIGHUP does with the commands."""
        self._asked.reread.set()


def serve(settings: Settings) -> contextlib.AbstractAsyncContextManager[Running]:
    """Drain the queue while the block runs, as ``gateway serve`` does.

    Enters once the queue is open. At the end of the block nothing new is taken, and what was begun
    is finished, within ``gateway.grace``. A gateway that cannot go on cancels the block, and its
    error leaves the ``async with``. Raises ConfigurationError, QueueUnavailable, QueueBroken.
    """
    return _running(programs.serve, settings, Role(serves=True))


def listen(settings: Settings) -> contextlib.AbstractAsyncContextManager[Running]:
    """Listen for HTTP while the block runs, as ``gateway listen`` does.

    Enters once calls are taken. At the end callers who wait still get their replies, within
    ``gateway.grace``. That the queue cannot be used any more is noticed by the next call, which
    ends the block. Raises what ``serve`` does.
    """
    return _running(programs.listen, settings, Role(listens=True))


def up(settings: Settings) -> contextlib.AbstractAsyncContextManager[Running]:
    """Serve and listen while the block runs, as ``gateway up`` does: see ``serve``, ``listen``."""
    return _running(programs.up, settings, Role(serves=True, listens=True))


@contextlib.asynccontextmanager
async def _running(program: Program, settings: Settings, role: Role) -> AsyncIterator[Running]:
    say_summary(settings, role)
    loaded = await asyncio.to_thread(load_contracts, settings)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asked = Asked(ready=ready.set_result)
    work = asyncio.ensure_future(program(settings, loaded, asked))
    try:
        ends: set[asyncio.Future[Any]] = {work, ready}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if ready.done():
            with _cancelled_with(work):
                yield Running(ready.result(), asked)
    finally:
        asked.stop.set()
        with contextlib.suppress(StoppedEarly):  # then the block was cancelled before it began
            await _ended(work)


async def _ended(work: asyncio.Future[None]) -> None:
    """Wait for the end of a program, and raise what it raises.

    Who is cancelled meanwhile, and some libraries do that again and again, has it end at once, and
    waits all the same: what it uses must not be closed under it.
    """
    was_hurried = False
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            if not was_hurried:
                work.cancel()
            was_hurried = True
    if was_hurried:
        raise asyncio.CancelledError
    work.result()


@contextlib.contextmanager
def _cancelled_with(work: asyncio.Future[None]) -> Iterator[None]:
    """Cancel the block when the work ends before it, and end that cancellation with the block."""
    block = asyncio.current_task()
    assert block is not None
    is_over, was_cut = False, False

    def cut(_: asyncio.Future[None]) -> None:
        nonlocal was_cut
        if not is_over:
            was_cut = block.cancel()

    work.add_done_callback(cut)
    try:
        yield
    except asyncio.CancelledError:
        if not was_cut or block.cancelling() > 1:
            raise  # it was somebody else, too
    finally:
        is_over = True
        if was_cut:  # also where the block made another error of it
            block.uncancel()
