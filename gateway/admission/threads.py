"""A gate on an event loop: slow checks run in threads, and do not hold up other requests."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gateway.admission.gate import Gate
from gateway.contract import WORKERS
from gateway.contract.operations import Operation
from gateway.endpoint import Call, Refusal
from gateway.errors import FaultError
from gateway.message import Message

# Parsing this many bytes blocks the event loop for about a millisecond; larger bodies go to a
# thread, where lxml releases the GIL. Validation that may take long goes to a process (is_slow).
INLINE = 64 << 10

# One thread: each has its own copy of the compiled schemas, and large ones take 50 MB.
_ADMISSION = ThreadPoolExecutor(1, thread_name_prefix="admission")

_Work = tuple["Future[None]", Callable[[], None]]


class FairPool:
    """Threads for the work of clients, one piece at a time for each client.

    So a client with slow work holds up itself, and others only if there are as many such clients
    as threads.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[_Work]] = {}
        """The further work of each client that has, or waits for, a thread."""

    def take(self, client: str, work: Callable[[], None]) -> Future[None]:
        """Do work when it is the client's turn; work that is cancelled before is skipped.

        Cancelling does not stop work under way, and the client's turn lasts until it ends.
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
    except BaseException as error:  # noqa: BLE001  # the waiter raises it
        found.set_exception(error)
    else:
        found.set_result(None)


_CHECKS = FairPool(WORKERS, "schema-check")
"""The threads that wait for slow checks: one at a time for each client."""


async def admit(gate: Gate, message: Message) -> Call | Refusal:
    """Let a gate check a request. Raises Unchecked."""
    is_slow = gate.is_slow(message)
    if len(message.body) <= INLINE:
        found = _checked(gate, message, is_slow)
    else:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_ADMISSION, _checked, gate, message, is_slow)
    if not is_slow or isinstance(found, Refusal):
        return found
    call = found
    try:
        await asyncio.wrap_future(_CHECKS.take(message.sender, lambda: gate.validate(call)))
    except FaultError as error:
        return _refusal(error, message, call.operation)
    return call


def _checked(gate: Gate, message: Message, is_slow: bool) -> Call | Refusal:
    """Make all checks of a request, except the schema's where that is slow."""
    operation = None
    try:
        call = gate.read(message)
        operation = call.operation
        call = gate.check(call)
        if not is_slow:
            gate.validate(call)
    except FaultError as error:
        return _refusal(error, message, operation)
    return call


def _refusal(error: FaultError, message: Message, operation: Operation | None) -> Refusal:
    service = message.target_service
    if operation is None:
        return Refusal(error=error, service=service)
    name, one_way = operation.name, operation.one_way
    return Refusal(error=error, service=service, operation=name, one_way=one_way)
