"""Where a measurement takes place: a folder with a new queue, its settings, and what runs on it."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import processes
from client import Outcome, Task
from processes import HERE, Process

SETTINGS = """\
queue = "sqlite:///{folder}/queue.db"

[services.echo]
wsdl = "{wsdl}"
forward = "{backend}"
repeatable = ["Echo", "Fetch"]

[listener]
bind = "127.0.0.1:{port}"
"""
STARTING = 30.0
RELAYS = ("relay", "relay")
"""In the place of commands: two bare relays, for comparison."""


@dataclass(frozen=True, slots=True)
class Place:
    """The parts between the client and the backend, by name, and the client's two addresses."""

    parts: Mapping[str, Process]
    direct: str
    through: str
    load: Load


class Load:
    """The client's process, told what to call."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def perform(self, task: Task) -> Outcome:
        """Have the calls made. Raises RuntimeError where one did not bring its reply."""
        pipes = self._process.popen
        assert pipes.stdin is not None  # ``script`` asks for both
        assert pipes.stdout is not None
        pipes.stdin.write(json.dumps(asdict(task)) + "\n")
        pipes.stdin.flush()
        line = pipes.stdout.readline()
        if not line:
            raise RuntimeError(f"the client ended while it called {task.url}")
        outcome = Outcome(**json.loads(line))
        if outcome.wrong or not outcome.latencies:
            raise RuntimeError(f"{outcome.wrong} wrong replies from {task.url}: {outcome.sample}")
        return outcome


@contextlib.contextmanager
def place(
    folder: Path,
    *,
    commands: tuple[str, ...] = ("serve", "listen"),
    level: str = "warning",
    held: bool = False,
) -> Iterator[Place]:
    """Start a backend, a client, and commands of the gateway over a new queue; stop them all."""
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(new_home(folder))
        backend, direct = stack.enter_context(started_backend(held))
        settings, through = write_settings(home, direct)
        parts = {"backend": backend}
        if commands == RELAYS:
            through = direct
            for name in ("serve", "listen"):  # the parts of the gateway in whose place they stand
                parts[name] = stack.enter_context(processes.script("relay.py", through))
                through = address_of(parts[name])
        else:
            for command in commands:
                words = command.split()
                parts[words[0]] = stack.enter_context(processes.gateway(words, settings, level))
            await_health(through, parts)
        load = Load(stack.enter_context(processes.script("client.py")))
        yield Place(parts, direct, through, load)


@contextlib.contextmanager
def new_home(folder: Path) -> Iterator[Path]:
    """Make a folder for one queue, gone in the end."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="queue-") as home:
        yield Path(home)


@contextlib.contextmanager
def started_backend(held: bool) -> Iterator[tuple[Process, str]]:
    """Start a backend; yield it and its address."""
    with processes.script("backend.py", *(["--held"] if held else [])) as backend:
        yield backend, address_of(backend)


def address_of(process: Process) -> str:
    """Return the address that a server prints first."""
    assert process.popen.stdout is not None  # ``script`` asks for it
    return process.popen.stdout.readline().strip()


def write_settings(home: Path, backend: str) -> tuple[Path, str]:
    """Write a gateway.toml; return its path and the address of the service at the listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = home / "gateway.toml"
    wsdl = HERE / "echo.wsdl"
    settings.write_text(SETTINGS.format(folder=home, wsdl=wsdl, backend=backend, port=port))
    return settings, f"http://127.0.0.1:{port}/echo"


def await_health(through: str, parts: Mapping[str, Process]) -> None:
    """Wait until the listener answers. Raises RuntimeError."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        for part in parts.values():
            part.check_alive()
        try:
            with urllib.request.urlopen(through.replace("/echo", "/healthz")):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise RuntimeError(f"{through} did not answer in {STARTING:g} s")
