"""Commands of the gateway without their start: a process that has imported it forks one for each.

A command is a process of its own, with its folder, environment, files and exit status; what it
spares is the second that Python takes to import everything. Signals, terminals and what happens
while a command starts are tried with ``python -m gateway``.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import gateway.cli.call
import gateway.cli.commands
import gateway.cli.quarantine

PATIENCE = 240.0
"""Seconds that a command may take, at most."""


def run(
    arguments: Sequence[object],
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    text: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run ``gateway`` with arguments in a folder; standard input is empty."""
    command = {
        "arguments": [*map(str, arguments)],
        "folder": str(folder),
        "environ": dict(os.environ if environ is None else environ),
    }
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        server = _server()
        socket.send_fds(server, [json.dumps(command).encode()], [output.fileno(), errors.fileno()])
        status = int(server.recv(64))
        written = []
        for file in (output, errors):
            file.seek(0)
            written.append(file.read().decode() if text else file.read())
    return subprocess.CompletedProcess(["gateway", *command["arguments"]], status, *written)


@functools.cache
def _server() -> socket.socket:
    """Return what takes commands: one process for all of a session, started by the first."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(PATIENCE)
    process = subprocess.Popen(
        [sys.executable, "-P", __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)  # which ends it: the last that is registered runs first
    return ours


def serve(requests: socket.socket) -> None:
    """Fork a process for each command, and say how it ended, until nobody asks any more."""
    for package in (gateway.cli.call, gateway.cli.commands, gateway.cli.quarantine):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    while True:
        data, files, *_ = socket.recv_fds(requests, 1 << 20, 2)
        if not data:
            return
        child = os.fork()
        if not child:
            requests.close()
            _become(files, **json.loads(data))
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(
    files: Sequence[int], arguments: list[str], folder: str, environ: dict[str, str]
) -> NoReturn:
    """Be a command, and end as Python ends."""
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), *files)):
        os.dup2(file, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["gateway", *arguments]
    status: object = 1
    try:
        gateway.cli.main()
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
