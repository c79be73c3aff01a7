"""The code of the separate process for checks that may take long.

It compiles the schemas once, without threads, and forks for each requested worker: a worker costs a
millisecond, and may be ended at any time. All of them end with the process that started them, when
their sockets close. ``separate_process`` is the other side.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import signal
import socket
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

from lxml import etree

from gateway.contract.operations import Operation
from gateway.contract.schemas.check import Schemas
from gateway.contract.schemas.schema_set import NotCompiled, SchemaSet
from gateway.errors import Refused
from gateway.soap.envelope import checked_before

ROOM = 256 << 20
"""Bytes of memory that a check may take, in addition to its message's."""
TREE = 64
"""Memory for the tree of a message and its check, at most, as a multiple of its size."""
_NO_MEMORY = ("SCHEMAP_INTERNAL", "ERR_NO_MEMORY")
_LENGTH = struct.Struct("!I")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Task:
    """The work of the process, and its limits for compiling."""

    documents: SchemaSet
    headers: frozenset[str]
    seconds: int
    memory: int


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """A message to check: its envelope, and the limit in seconds of work."""

    operation: Operation
    envelope: bytes
    seconds: float


def main() -> None:
    """Compile; then fork and end workers, by orders from the socket on standard input."""
    for number in _SIGNALS:  # a terminal sends them to all processes; the socket tells the end
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=0)
    with contextlib.suppress(EOFError, OSError):
        schemas = _compiled(control, pickle.loads(receive(control)))  # noqa: S301  # of our parent
        while schemas is not None:
            _obey(control, schemas)


def _compiled(control: socket.socket, task: Task) -> Schemas | None:
    """Compile within the task's limits; the kernel ends this process at the time limit."""
    forever = resource.getrlimit(resource.RLIMIT_CPU)
    used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + task.seconds, forever[1]))
    _limit_memory(_grown() + task.memory)
    try:
        schemas = Schemas(task.documents, task.headers)
    except NotCompiled as error:
        if not _is_short_of_memory(error.__cause__):
            send(control, json.dumps({"error": str(error)}).encode())
        return None
    except MemoryError:
        return None  # as at the time limit: without an answer
    resource.setrlimit(resource.RLIMIT_CPU, forever)
    send(control, b"{}")
    return schemas


def _is_short_of_memory(error: BaseException | None) -> bool:
    """True if libxml2 ran out of memory, which it reports as an error of the schema."""
    entries = list(error.error_log) if isinstance(error, etree.XMLSchemaParseError) else []
    return not entries or any(one.type_name in _NO_MEMORY for one in entries)


def _grown() -> int:
    """Return the size of this process's address space in bytes."""
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit_memory(most: int) -> None:
    """Let this process grow to so many bytes, and no further."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _obey(control: socket.socket, schemas: Schemas) -> None:
    """Fork a worker for a received socket; or end one, and answer with the signal that ended it."""
    order, descriptors, _, _ = socket.recv_fds(control, 16, 1)
    if not order:
        raise EOFError
    if not descriptors:
        send(control, json.dumps(_ended(int(order))).encode())
        return
    pid = os.fork()
    if pid == 0:
        control.close()
        _work(descriptors[0], schemas)
    os.close(descriptors[0])
    send(control, json.dumps(pid).encode())


def _ended(pid: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _work(descriptor: int, schemas: Schemas) -> NoReturn:
    """Check one message after the other until the socket closes."""
    try:
        size = _grown()
        with socket.socket(fileno=descriptor) as asked:
            while True:
                request: CheckRequest = pickle.loads(receive(asked))  # noqa: S301  # of our parent
                send(asked, json.dumps(_verdict(schemas, request, size)).encode())
    finally:
        os._exit(0)  # no clean-up of the forked process may run twice


def _verdict(schemas: Schemas, request: CheckRequest, size: int) -> dict[str, Any]:
    """Check a message, in a process that began with this size.

    The kernel ends it if that takes too long (setitimer(2)). The time is CPU time of this process.
    """
    _limit_memory(size + ROOM + TREE * len(request.envelope))
    signal.setitimer(signal.ITIMER_PROF, request.seconds)
    try:
        schemas.validate(request.operation, checked_before(request.envelope))
    except Refused as error:
        return {"text": error.text, "check": error.check}
    except MemoryError:
        return {"memory": True}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return {}


def send(to: socket.socket, data: bytes) -> None:
    """Send a message: its length in four bytes, then so many bytes. Blocks; raises OSError."""
    to.sendall(_LENGTH.pack(len(data)) + data)


def receive(source: socket.socket) -> bytes:
    """Return the next message. Blocks; raises EOFError at the end, and OSError."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    return _exactly(source, length)


def _exactly(source: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = source.recv(min(length - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
