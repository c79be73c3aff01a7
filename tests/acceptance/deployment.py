"""A whole deployment of real processes: legacy service, queue, gateway and listener."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import forks
from forks import Running

ROOT = Path(__file__).parents[2]
CORPUS = next(
    (up / "shared" / "corpus" for up in ROOT.parents if (up / "shared").is_dir()), ROOT / "none"
)
"""Real WSDLs, where somebody has put them beside this; what needs them skips elsewhere."""
STARTING = 240.0
"""Seconds that a process may take to start, at most."""

PRIVATE = """\
queue = "{queue}"

[services.warehouse]
wsdl = "{legacy}?wsdl"
repeatable = ["GetOrder", "ListOrders", "GetLabel"]

[gateway]
grace = 5.0
"""
CLIENT = """\
queue = "{queue}"

[services.warehouse]
wsdl = "warehouse.wsdl"

[listener]
bind = "{bind}"
wait = 30.0
hosts = ["soap.example"]

[gateway]
grace = 1.0
"""


class Deployment:
    """The running processes, and where everything is."""

    def __init__(self, folder: Path, queue: str = "") -> None:
        self.folder = folder
        self.private = folder / "private" / "gateway.toml"
        self.client = folder / "client" / "gateway.toml"
        self.ledger = folder / "ledger"
        self.queue = queue or f"sqlite:///{folder / 'queue.db'}"
        self.legacy = ""
        self.listener = ""
        self._gateway: Running | None = None

    def executions(self) -> list[str]:
        """Return what the legacy service carried out so far: ``OPERATION TAB KEY`` each."""
        return self.ledger.read_text("utf-8").splitlines()

    def start_gateway(self) -> Running:
        """Start ``gateway serve``: it needs no readiness check, since requests wait for it."""
        assert self._gateway is None
        self._gateway = start("serve", self.private)
        return self._gateway

    def stop_gateway(self) -> None:
        """End ``gateway serve``, if it runs: what it has begun, it finishes."""
        process, self._gateway = self._gateway, None
        if process is not None:
            end(process)

    def kill_gateway(self) -> None:
        """End ``gateway serve`` as a power cut does."""
        assert self._gateway is not None
        process, self._gateway = self._gateway, None
        process.kill()
        process.wait()

    @contextlib.contextmanager
    def without_gateway(self) -> Iterator[None]:
        """Have no gateway running inside the context, unless it starts one."""
        self.stop_gateway()
        try:
            yield
        finally:
            if self._gateway is None:
                self.start_gateway()


@contextlib.contextmanager
def deployed(folder: Path, queue: str = "") -> Iterator[Deployment]:
    """Start everything on a queue, by default an embedded one in the folder; end it afterwards."""
    made = Deployment(folder, queue)
    with contextlib.ExitStack() as stack:
        made.legacy = stack.enter_context(legacy_service("--ledger", str(made.ledger)))
        bind = f"127.0.0.1:{free_port()}"
        made.listener = f"http://{bind}"
        for path, settings in ((made.private, PRIVATE), (made.client, CLIENT)):
            path.parent.mkdir()
            path.write_text(settings.format(queue=made.queue, legacy=made.legacy, bind=bind))
        for name in ("warehouse.wsdl", "warehouse.xsd"):
            (made.client.parent / name).write_bytes((ROOT / "wsdl" / name).read_bytes())
        stack.callback(end, start("listen", made.client))
        await_health(made.listener, log_of(made.client))
        made.start_gateway()
        stack.callback(made.stop_gateway)
        # A call waits for its reply from the listener's start on, and a busy machine takes a while.
        await_line(log_of(made.private), "serving ")
        yield made


@contextlib.contextmanager
def legacy_service(*options: str) -> Iterator[str]:
    """Run the demo's legacy service on a free port; yield its address."""
    command = [sys.executable, "-P", "-m", "gateway.demo.legacy", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), line
        yield line.split()[-1]
    finally:
        end(process)
        process.stdout.close()


def start(command: str, settings: Path, *options: str) -> Running:
    """Start ``gateway COMMAND``; what it logs goes into a file beside its settings."""
    with log_of(settings).open("ab") as output:
        return forks.start([command, "-c", settings, *options], output=output)


def start_python(command: str, settings: Path, *options: str) -> subprocess.Popen[bytes]:
    """Do the same with a Python of its own, as a shell does."""
    with log_of(settings).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "gateway", command, "-c", settings, *options],
            stdout=output,
            stderr=output,
        )


def log_of(settings: Path) -> Path:
    """Return where ``start`` has a process log to."""
    return settings.with_name("log")


def end(process: Running | subprocess.Popen[str]) -> None:
    """Ask a process to end, and wait until it has."""
    process.terminate()
    try:
        process.wait(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


def await_health(listener: str, log: Path) -> None:
    """Wait until a listener says that it is of use."""
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{listener}/healthz", timeout=5).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"the listener did not start: {log.read_text('utf-8')[-2000:]}")


def await_line(log: Path, part: str) -> None:
    """Wait until something is in a log."""
    until = time.monotonic() + STARTING
    while part not in (told := log.read_text("utf-8")):
        assert time.monotonic() < until, f"{part!r} is not in the log: {told[-2000:]}"
        time.sleep(0.05)


def free_port() -> int:
    """Return a port of the loopback interface on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
