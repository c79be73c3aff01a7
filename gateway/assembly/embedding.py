"""A gateway, a listener, or both inside another asyncio program.

They do what the commands of the same names do. Signals, the event loop and the log's destination
are left to the program.
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
    """A gateway or listener that runs until its ``async with`` block ends."""

    url: str
    """The listener's address, without a final ``/``; empty without a listener."""
    _asked: Asked = field(repr=False)

    def reread(self) -> None:
        """Read certificates and secrets again, as the commands do on SIGHUP."""
        self._asked.reread.set()


def serve(settings: Settings) -> contextlib.AbstractAsyncContextManager[Running]:
    """Drain the queue while the block runs, as ``gateway serve`` does.

    The block begins once the queue is open. At its end nothing new is taken, and requests under way
    are finished within ``gateway.grace``. A gateway that cannot go on cancels the block, and its
    error leaves the ``async with``. Raises ConfigurationError, QueueUnavailable, QueueBroken.
    """
    return _running(programs.serve, settings, Role(serves=True))


def listen(settings: Settings) -> contextlib.AbstractAsyncContextManager[Running]:
    """Listen for HTTP while the block runs, as ``gateway listen`` does.

    The block begins once calls are accepted. At its end, callers that wait still get their replies,
    within ``gateway.grace``. If the queue cannot be used any more, the next call notices that, and
    ends the block. Raises the errors of ``serve``.
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
    """Wait for the end of a program, and raise its error.

    A cancellation meanwhile (some libraries cancel repeatedly) ends the program at once, but is
    raised only after that: resources must not be closed while the program uses them.
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
            raise  # another cancellation came as well
    finally:
        is_over = True
        if was_cut:  # even if the block turned it into another error
            block.uncancel()
