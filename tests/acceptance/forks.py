"""Commands of the gateway without their start: a process that has imported it forks one for each.

A command is a process of its own, with its folder, environment, files, signals and exit status;
what it spares is the second of CPU that Python takes to import everything. What happens while a
command starts, terminals, and what Python reads at its start are tried with ``python -m gateway``.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

PRELOADED = ("gateway.cli.call", "gateway.cli.commands", "gateway.cli.quarantine")
"""Packages whose modules are the commands: with them, all is imported that there is."""

PATIENCE = 240.0
"""Seconds that a command may take, at most."""
BEFORE = ("LD_", "PYTHON", "LC_", "LANG")
"""How the names of variables begin that count when Python starts, and not afterwards."""


class Process:
    """A command that runs: what tests need of ``subprocess.Popen``."""

    def __init__(self, arguments: Sequence[str], control: socket.socket) -> None:
        self.args = ["gateway", *arguments]
        self.returncode: int | None = None
        self._control = control
        self.pid = int(control.recv(64))

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        status = self._ended(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.send_signal(signal.SIGKILL)

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._control.settimeout(timeout)
            try:
                self.returncode = int(self._control.recv(64))
            except (BlockingIOError, TimeoutError):
                return None
            self._control.close()
        return self.returncode


Running = Process | subprocess.Popen[bytes]


def run(
    arguments: Sequence[object],
    folder: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    text: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run ``gateway`` with arguments to its end; standard input is empty."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = start(arguments, folder, environ=environ, output=output, errors=errors)
        status = process.wait(PATIENCE)
        written = []
        for file in (output, errors):
            file.seek(0)
            written.append(file.read().decode() if text else file.read())
    return subprocess.CompletedProcess(process.args, status, *written)


def start(
    arguments: Sequence[object],
    folder: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    output: IO[bytes],
    errors: IO[bytes] | None = None,
) -> Running:
    """Start ``gateway`` with arguments, in this folder or another; standard input is empty.

    Where a variable counts that Python reads at its start, Python is started.
    """
    environ = dict(os.environ if environ is None else environ)
    words = [*map(str, arguments)]
    server = _server()
    if _before(environ) != server.before:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gateway", *words],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors or output,
        )
    command = {"arguments": words, "folder": str(folder or Path.cwd()), "environ": environ}
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE)
    files = [output.fileno(), (errors or output).fileno(), theirs.fileno()]
    socket.send_fds(server.requests, [json.dumps(command).encode()], files)
    theirs.close()
    return Process(words, ours)


def _before(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(BEFORE)}


@dataclass(frozen=True)
class _Server:
    requests: socket.socket
    before: Mapping[str, str]
    """What its Python has read at its start."""


@functools.cache
def _server() -> _Server:
    """Return what takes commands: one process for all of a session, started by the first."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)  # which ends it: the last that is registered runs first
    return _Server(ours, _before(os.environ))


def serve(requests: socket.socket) -> None:
    """Fork a process for each command, until nobody asks any more."""
    for name in PRELOADED:
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__, f"{name}."):
            importlib.import_module(module.name)
    gc.freeze()  # so that what is shared stays so
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who watch
    while True:
        data, files, *_ = socket.recv_fds(requests, 1 << 20, 3)
        if not data:
            return
        if not os.fork():
            requests.close()
            _watch(files, **json.loads(data))
        for file in files:
            os.close(file)


def _watch(files: Sequence[int], **command: object) -> NoReturn:
    """Fork a command; say what its id is, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    child = os.fork()
    if not child:
        _become(files, **command)  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for file in files[:2]:
        os.close(file)
    with socket.socket(fileno=files[2]) as control:
        control.send(str(child).encode())
        _, status = os.waitpid(child, 0)
        control.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(
    files: Sequence[int], arguments: list[str], folder: str, environ: dict[str, str]
) -> NoReturn:
    """Be a command, and end as Python ends."""
    os.close(files[2])
    for number, file in enumerate(files[:2], 1):
        os.dup2(file, number)
    for file in files[:2]:
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv = ["gateway", *arguments]
    status: object = 1
    try:
        importlib.import_module("gateway.cli").main()
    except SystemExit as ended:
        status = ended.code or 0
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else 1)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
