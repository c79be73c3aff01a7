"""A few threads for work that takes long: clients take turns, and each has one of them at most."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_Work = tuple["Future[None]", Callable[[], None]]


class FairPool:
    """Work of clients, side by side; that of one client is done one after the other.

    So a client whose work takes long holds up itself, and others only where there are as many of
    its kind as threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Work]] = {}
        """Of each client whose turn it is, or that waits for it: what comes behind."""

    def take(self, client: str, work: Callable[[], None]) -> Future[None]:
        """Have work done when it is the client's turn; what is cancelled before is left out.

        Work under way goes on when its future is cancelled, and the turn lasts until it ends.
        """
        found: Future[None] = Future()
        with self._lock:
            if client in self._waiting:
                self._waiting[client].append((found, work))
                return found
            self._waiting[client] = deque()
        self._pool.submit(self._do, client, (found, work))
        return found

    def _do(self, client: str, work: _Work) -> None:
        _done(*work)
        with self._lock:
            if not self._waiting[client]:
                del self._waiting[client]
                return
            following = self._waiting[client].popleft()
        self._pool.submit(self._do, client, following)


def _done(found: Future[None], work: Callable[[], None]) -> None:
    if not found.set_running_or_notify_cancel():
        return
    try:
        work()
    except BaseException as error:  # noqa: BLE001  # whoever waits raises it
        found.set_exception(error)
    else:
        found.set_result(None)
