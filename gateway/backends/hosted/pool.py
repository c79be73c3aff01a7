"""Threads for code that blocks, and may never return."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from gateway.errors import Unreached

Result = TypeVar("Result")

PATIENCE = 5.0
"""Seconds that closing waits for running work."""


class Threads(Generic[Result]):
    """A fixed number of daemon threads that do work in the order of its arrival.

    Not ``concurrent.futures``, whose threads the interpreter joins at exit: one stuck call would
    keep the process from ending. Each piece of work runs in an empty context: it sees none of its
    caller's context variables, and leaves none to the next.
    """

    def __init__(self, count: int, name: str) -> None:
        self._work: SimpleQueue[tuple[Future[Result], Callable[[], Result]] | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{number}", daemon=True)
            for number in range(1, count + 1)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Return the work's result, or raise its exception; Unreached if it never began.

        If the wait is cancelled, work that has not begun is skipped. Work that has begun goes on,
        since no thread can be stopped from outside; its result is dropped.
        """
        if self._closed:
            raise Unreached("The backend is closed.")
        future: Future[Result] = Future()
        self._work.put((future, work))
        return await asyncio.wrap_future(future)

    async def close(self, patience: float = PATIENCE) -> None:
        """Begin nothing more, and wait up to ``patience`` seconds for running work.

        Work that runs longer is left behind, and ends with the process.
        """
        self._closed = True
        self._send_back()
        for _ in self._threads:
            self._work.put(None)
        await asyncio.to_thread(self._join, time.monotonic() + patience)

    def _send_back(self) -> None:
        """Fail the work that waits for a thread: there may never be one."""
        with contextlib.suppress(Empty):
            while (item := self._work.get_nowait()) is not None:
                if item[0].set_running_or_notify_cancel():
                    item[0].set_exception(Unreached("The backend was closed."))

    def _join(self, deadline: float) -> None:
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            self._do(*item)
            del item  # or an idle thread would keep the last message alive

    def _do(self, future: Future[Result], work: Callable[[], Result]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(contextvars.Context().run(work))
        except BaseException as error:  # noqa: BLE001 - passed on to the waiter
            future.set_exception(error)
