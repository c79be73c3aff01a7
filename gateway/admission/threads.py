"""A gate at work on an event loop: what takes long is done in threads, and holds up no other."""

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

# Parsing this many bytes holds the event loop for about a millisecond; more than that goes to a
# thread, where lxml lets others run. What may take long to validate goes to a process (is_slow).
INLINE = 64 << 10

# One thread: each has its own copy of the compiled schemas, and large ones take 50 MB.
_ADMISSION = ThreadPoolExecutor(1, thread_name_prefix="admission")

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


_CHECKS = FairPool(WORKERS, "schema-check")
"""Where it is waited for checks that may take long: one at a time for each client."""


async def admit(gate: Gate, message: Message) -> Call | Refusal:
    """Have a gate check a request. Raises Unchecked."""
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
    """Check all of a request, but the schema where that is slow."""
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
