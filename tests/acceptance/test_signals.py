"""What signals and a closed terminal do to a running gateway, and to one that has only begun."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import pytest
from deployment import free_port, legacy_service, log_of, start_python
from test_expiry import http

ROOT = Path(__file__).parents[2]
ORDER = (ROOT / "tests" / "golden" / "envelopes" / "place_order_11.xml").read_bytes()
SETTINGS = """\
queue = "{queue}"

[services.warehouse]
wsdl = "{legacy}?wsdl"

[listener]
bind = "{bind}"

[gateway]
grace = {grace}
"""
pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("ctrl_c_is_heard")]

LONGEST = 120.0


class Place:
    """Settings, and where their listener is."""

    def __init__(self, folder: Path, legacy: str) -> None:
        self.bind = f"127.0.0.1:{free_port()}"
        self.settings = folder / "gateway.toml"
        self._legacy = legacy
        self.write("sqlite:///queue.db")

    def write(self, queue: str, grace: float = 1.0) -> None:
        text = SETTINGS.format(queue=queue, legacy=self._legacy, bind=self.bind, grace=grace)
        self.settings.write_text(text)

    def log(self) -> str:
        log = log_of(self.settings)
        return log.read_text("utf-8") if log.exists() else ""

    def await_log(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + LONGEST
        while self.log().count(text) < times:
            assert time.monotonic() < until, self.log()[-2000:]
            time.sleep(0.05)

    def await_ready(self) -> None:
        self.await_log("listening on")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with legacy_service() as legacy:
        yield Place(tmp_path, legacy)


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("command", ["up", "listen"])
def test_sighup_has_files_read_again_and_the_program_goes_on(place, command):
    with ended(start_python(command, place.settings)) as process:
        place.await_ready()
        process.send_signal(signal.SIGHUP)
        place.await_log("read again: ")
        assert "settings and contracts are read at the start: restart" in place.log()
        if command == "up":
            assert http(f"http://{place.bind}/warehouse", ORDER)[0] == 200
        process.terminate()
        assert process.wait(LONGEST) == 0


def test_sighup_reaches_all_processes_and_ends_none(place):
    with ended(start_python("serve", place.settings, "--processes", "2")) as process:
        place.await_log("serving warehouse", 2)
        process.send_signal(signal.SIGHUP)
        place.await_log("read again: ", 2)
        process.terminate()
        assert process.wait(LONGEST) == 0
    assert "starting another" not in place.log()


@pytest.fixture
def silent_store() -> Iterator[tuple[str, Callable[[], None]]]:
    """Give the address of what takes connections and says nothing, and what waits for the first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LONGEST)
        taken: list[socket.socket] = []
        yield (
            f"http://127.0.0.1:{server.getsockname()[1]}",
            lambda: taken.append(server.accept()[0]),
        )
        for one in taken:
            one.close()


ENDS = {signal.SIGINT: 130, signal.SIGTERM: -signal.SIGTERM}
"""The status after a signal that a program does not end well for, as the page has it."""


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("command", ["up", "serve", "listen"])
def test_a_stop_during_the_start_is_not_told_as_success(
    place, silent_store, monkeypatch, command, number
):
    url, wait_for_connection = silent_store
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    place.write(f"s3://bucket/orders?endpoint_url={url}")
    with ended(start_python(command, place.settings)) as process:
        wait_for_connection()
        process.send_signal(number)
        assert process.wait(LONGEST) == ENDS[number]
    assert "stopped before it was ready" in place.log()
    assert "Traceback" not in place.log()


def at_terminal(settings: Path, terminal: int, errors: int) -> subprocess.Popen[bytes]:
    """Start a gateway whose controlling terminal is *terminal*."""
    command = ["env", "--default-signal=HUP", "setsid", "--ctty"]
    command += [sys.executable, "-P", "-m", "gateway", "up", "-c", settings]
    return subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=errors)


def await_shown(terminal: int, text: bytes) -> None:
    shown = b""
    while text not in shown:
        assert select.select([terminal], [], [], LONGEST)[0], shown[-2000:]
        shown += os.read(terminal, 4096)


def test_a_terminal_that_is_closed_stops_the_gateway_with_its_grace(place):
    ours, theirs = os.openpty()
    with (
        log_of(place.settings).open("wb") as log,
        ended(at_terminal(place.settings, theirs, log.fileno())) as process,
    ):
        os.close(theirs)
        place.await_ready()
        os.close(ours)
        assert process.wait(LONGEST) == 0
    assert "the terminal was closed: stopping" in place.log()
    assert "Traceback" not in place.log()


def test_a_closed_terminal_that_took_the_log_stops_the_gateway_too(place):
    ours, theirs = os.openpty()
    with ended(at_terminal(place.settings, theirs, theirs)) as process:
        os.close(theirs)
        await_shown(ours, b"listening on")
        os.close(ours)
        assert process.wait(LONGEST) == 0


def test_sighup_from_an_operator_at_an_open_terminal_is_no_end(place):
    ours, theirs = os.openpty()
    with (
        log_of(place.settings).open("wb") as log,
        ended(at_terminal(place.settings, theirs, log.fileno())) as process,
    ):
        place.await_ready()
        process.send_signal(signal.SIGHUP)
        place.await_log("read again: ")
        assert process.poll() is None
    os.close(theirs)
    os.close(ours)


class Caller(threading.Thread):
    """Calls a listener on a connection that it keeps, and waits."""

    def __init__(self, bind: str) -> None:
        super().__init__(daemon=True)
        self.is_cut_off = False
        self._connection = HTTPConnection(bind, timeout=LONGEST)
        self.start()

    def run(self) -> None:
        self._connection.request("GET", "/healthz")
        self._connection.getresponse().read()
        self._connection.request("POST", "/warehouse", ORDER, {"Content-Type": "text/xml"})
        try:
            self._connection.getresponse().read()
        except (RemoteDisconnected, ConnectionError):
            self.is_cut_off = True
        finally:
            self._connection.close()


class SlowPlace(Place):
    """Settings of a service that takes longer than any test, and a grace that is as long."""

    def __init__(self, folder: Path, legacy: str, ledger: Path) -> None:
        super().__init__(folder, legacy)
        self._ledger = ledger
        self.write("sqlite:///queue.db", grace=2 * LONGEST)

    def await_executions(self, count: int) -> None:
        """Wait until the service is at work on so many calls."""
        until = time.monotonic() + LONGEST
        while not self._ledger.exists() or self._ledger.read_text("utf-8").count("\n") < count:
            assert time.monotonic() < until, self.log()[-2000:]
            time.sleep(0.05)


@pytest.fixture
def slow_place(tmp_path: Path) -> Iterator[SlowPlace]:
    ledger = tmp_path / "ledger"
    with legacy_service("--delay", str(2 * LONGEST), "--ledger", str(ledger)) as legacy:
        yield SlowPlace(tmp_path, legacy, ledger)


@pytest.mark.parametrize("number", ENDS)
def test_a_second_signal_ends_it_at_once_and_cleanly(slow_place, number):
    with ended(start_python("up", slow_place.settings)) as process:
        slow_place.await_ready()
        callers = [Caller(slow_place.bind) for _ in range(2)]
        slow_place.await_executions(2)
        process.send_signal(number)
        slow_place.await_log("2 callers wait for a reply, for 60 s at most")
        time.sleep(1.0)  # until the listener waits for those who wait
        process.send_signal(number)
        assert process.wait(LONGEST) == ENDS[number]
    for caller in callers:
        caller.join(LONGEST)
        assert caller.is_cut_off
    logged = [json.loads(line) for line in slow_place.log().splitlines()]
    assert not [line for line in logged if line["level"] == "error" or "traceback" in line]
    again = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert f"stopping: a second {again} ends it at once" in slow_place.log()
    assert "stopped at once: what was not finished stays in the queue" in slow_place.log()


@pytest.mark.parametrize("number", ENDS)
def test_a_second_signal_ends_all_processes_at_once(slow_place, number):
    with (
        ended(start_python("listen", slow_place.settings)),
        ended(start_python("serve", slow_place.settings, "--processes", "2")) as process,
    ):
        slow_place.await_log("serving warehouse", 2)
        slow_place.await_ready()
        Caller(slow_place.bind)
        slow_place.await_executions(1)
        process.send_signal(number)
        slow_place.await_log("1 request is under way, for 240 s at most")
        process.send_signal(number)
        assert process.wait(LONGEST) == ENDS[number]
    assert slow_place.log().count("ends it at once") == 1
    assert "starting another" not in slow_place.log()
    assert "Traceback" not in slow_place.log()
