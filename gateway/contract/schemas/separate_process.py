"""Schemas whose checks may take long, in a separate process, which is ended if they do."""

from __future__ import annotations

import json
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from gateway.contract.operations import Operation
from gateway.contract.schemas.schema_set import NotCompiled, SchemaSet
from gateway.contract.schemas.separate_main import CheckRequest, Task, receive, send
from gateway.errors import Check, ContractError, Refused, Unchecked
from gateway.soap.envelope import Envelope

COMPILE_SECONDS = 60
COMPILE_MEMORY = 1 << 30
"""Limits for compiling the schemas of a contract, in seconds of work and bytes."""
CHECK_SECONDS = 2.0
"""Limit for one check in seconds of work, unless another is given."""
WORKERS = 4
"""Checks that a process works on at once."""
RESTART = 10.0
"""Seconds before a failed process is started again: each start compiles for seconds."""
_STANDSTILL = 60.0
"""Seconds, at least, after which a worker that neither works nor ends counts as stopped."""
_PATIENCE = 10
"""The wait for a check, as a multiple of its work time: others use the machine too."""
_STOOD_STILL = -1
_TRIES = 2
_TOO_LONG = (
    "The Body takes too long to check against the contract: "
    "send shorter values, or fewer elements in one message."
)
_STARTED = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from gateway.contract.schemas.separate_main import main; main()"
)


class ApartSchemas:
    """The schemas of a contract, compiled and checked in another process; threads may share them.

    The process ends with this object, and with this process, however that ends.
    """

    def __init__(self, documents: SchemaSet, headers: Iterable[str] = ()) -> None:
        """Start the process, and compile: blocks for as long as that takes.

        Raises NotCompiled if the schemas are invalid, another ContractError if they are too large.
        """
        self.elements = documents.elements
        self._task = Task(documents, frozenset(headers), COMPILE_SECONDS, COMPILE_MEMORY)
        self._room = threading.BoundedSemaphore(WORKERS)
        self._starting = threading.Lock()
        self._process = _Process(self._task)
        self._failed = float("-inf")
        """When the last restart failed, by the monotonic clock."""

    def validate(
        self, operation: Operation, envelope: Envelope, seconds: float = CHECK_SECONDS
    ) -> None:
        """Check Body and Header as ``Schemas`` does. Blocks, for ``seconds`` of work at most.

        Raises Refused, and Unchecked: it cannot be checked now.
        """
        request = CheckRequest(operation, etree.tostring(envelope.root, encoding="utf-8"), seconds)
        with self._room:
            verdict = self._verdict(pickle.dumps(request), seconds)
        if "text" in verdict:
            raise Refused(str(verdict["text"]), check=Check(str(verdict["check"])))
        if verdict:
            raise Refused(_TOO_LONG, check=Check.SCHEMA, reason=str(verdict["reason"]))

    def _verdict(self, request: bytes, seconds: float) -> dict[str, object]:
        """Let a worker check; a second one, if the first ended for another reason than a limit.

        Raises Unchecked.
        """
        limit = f"over limits.schema_time, {seconds:g} s"
        wait = max(_STANDSTILL, _PATIENCE * seconds)
        ended: dict[str, object] | int = 0
        trouble: Exception | None = None
        for _ in range(_TRIES):
            process = self._running()
            try:
                ended = process.ask(request, wait)
            except (EOFError, OSError) as error:  # the process is gone, or the request was not sent
                trouble = error
                continue
            if isinstance(ended, dict):
                return {"reason": "over its memory"} if "memory" in ended else ended
            if ended in (signal.SIGPROF, signal.SIGXCPU):
                return {"reason": limit}
        if trouble is not None:
            raise unchecked(trouble) from trouble
        if ended == _STOOD_STILL:
            return {"reason": f"its check stood still for {wait:g} s, twice"}
        return {"reason": "its check ended before it was done, twice"}

    def _running(self) -> _Process:
        """Return the process, or a new one if it is gone. Raises Unchecked."""
        with self._starting:
            if self._process.is_gone:
                self._process.end()
                self._process = self._restarted()
            return self._process

    def _restarted(self) -> _Process:
        if time.monotonic() - self._failed < RESTART:
            raise Unchecked("its check cannot be made now: the process for it did not start")
        try:
            return _Process(self._task)
        except (ContractError, OSError) as error:
            self._failed = time.monotonic()
            raise unchecked(error) from error


def unchecked(error: Exception) -> Unchecked:
    """Return the error for a request that cannot be checked now."""
    why = getattr(error, "strerror", None) or str(error) or "the process for it ended"
    return Unchecked(f"its check cannot be made now: {why}")


@dataclass(frozen=True, slots=True)
class _Worker:
    """A worker: its process and its socket on this side."""

    pid: int
    socket: socket.socket


class _Process:
    """The other process, once it has compiled; and its workers that are idle."""

    def __init__(self, task: Task) -> None:
        """Raises ContractError, and OSError if the process cannot be started."""
        self.is_gone = False
        self._control, theirs = socket.socketpair()
        try:
            running = _run(theirs)
        except BaseException:
            self._control.close()
            raise
        self._idle: deque[_Worker] = deque()
        self._asking = threading.Lock()
        self.end = weakref.finalize(self, _end, running, self._control, self._idle)
        self._compile(task)

    def _compile(self, task: Task) -> None:
        try:
            send(self._control, pickle.dumps(task))
            answer = json.loads(receive(self._control))
        except (EOFError, OSError) as error:
            self.end()
            raise ContractError(
                f"the schemas cannot be compiled within {task.seconds} s and "
                f"{task.memory >> 20} MiB: simplify them, or set validate = false for this service"
            ) from error
        if "error" in answer:
            self.end()
            raise NotCompiled(answer["error"])

    def ask(self, request: bytes, wait: float) -> dict[str, object] | int:
        """Let a worker check; return its verdict, or the signal that ended it.

        A worker without an answer for ``wait`` seconds is ended: that is _STOOD_STILL. Raises
        EOFError and OSError if the process itself is gone, or no worker can be made.
        """
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._forked()
        try:
            worker.socket.settimeout(wait)
            send(worker.socket, request)
            verdict: dict[str, object] = json.loads(receive(worker.socket))
        except (EOFError, OSError) as error:
            worker.socket.close()
            ended = self._ordered(b"%d" % worker.pid)
            return _STOOD_STILL if isinstance(error, TimeoutError) else ended
        self._idle.append(worker)
        return verdict

    def _forked(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                return _Worker(self._ordered(b"fork", theirs), ours)
            except BaseException:
                ours.close()
                raise

    def _ordered(self, order: bytes, *sockets: socket.socket) -> int:
        try:
            with self._asking:
                socket.send_fds(self._control, [order], [one.fileno() for one in sockets])
                return int(json.loads(receive(self._control)))
        except (EOFError, OSError):
            self.is_gone = True
            raise


def _run(control: socket.socket) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-c", _STARTED, *sys.path]
    nowhere = subprocess.DEVNULL
    with control:
        return subprocess.Popen(  # noqa: S603  # ourselves
            command, stdin=control.fileno(), stdout=nowhere, stderr=nowhere
        )


def _end(running: subprocess.Popen[bytes], control: socket.socket, idle: deque[_Worker]) -> None:
    """End the process and its workers, which see their sockets close."""
    for worker in idle:
        worker.socket.close()
    control.close()
    running.kill()
    running.wait()
