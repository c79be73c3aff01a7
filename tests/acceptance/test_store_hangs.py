"""A store that takes connections and never answers: everybody is told so in time, and it goes on.

The bounds are wide, for the machine may be busy: without limits each of these took minutes.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import clouds
import faults
import kinds
import pytest
from deployment import free_port, legacy_service, log_of, start
from faults import FaultProxy
from test_expiry import http

ROOT = Path(__file__).parents[2]
ORDER = (ROOT / "tests" / "golden" / "envelopes" / "place_order_11.xml").read_bytes()
KINDS = ["s3 of ministack", "doorbell of ministack", "sqs of ministack"]
SETTINGS = """\
queue = "{queue}"

[services.warehouse]
wsdl = "{legacy}?wsdl"
repeatable = true

[listener]
bind = "{bind}"
wait = 3.0

[gateway]
grace = 1.0
lease = 10.0
"""
LONGEST = 120.0
"""Seconds that a test waits for what takes ten or so."""


@dataclass(frozen=True)
class Place:
    """A gateway and listener whose store can stand still."""

    settings: Path
    url: str
    proxy: FaultProxy
    process: subprocess.Popen[bytes]

    def hang(self) -> None:
        self.proxy.inject(faults.silent, times=math.inf)

    def health(self) -> tuple[int, bytes]:
        status, body, _ = http(f"{self.url}/healthz")
        return status, body

    def await_health(self, wanted: int) -> None:
        until = time.monotonic() + LONGEST
        while (found := self.health())[0] != wanted:
            assert time.monotonic() < until, found
            time.sleep(0.2)

    def await_reply(self) -> None:
        """Call until there is a reply in time: a busy machine is slow, too."""
        until = time.monotonic() + LONGEST
        while (answer := http(f"{self.url}/warehouse", ORDER))[0] != 200:
            assert time.monotonic() < until, answer

    def await_log(self, text: str) -> None:
        until = time.monotonic() + LONGEST
        while text not in self.log():
            assert time.monotonic() < until, self.log()[-2000:]
            time.sleep(0.2)

    def log(self) -> str:
        return log_of(self.settings).read_text("utf-8")


@pytest.fixture(params=KINDS)
def place(request, tmp_path, monkeypatch) -> Iterator[Place]:
    address = kinds.address(request.param, request, monkeypatch)
    cloud = clouds.started("ministack", request)
    bind, settings = f"127.0.0.1:{free_port()}", tmp_path / "gateway.toml"
    with faults.proxied(cloud.s3) as proxy, legacy_service() as legacy:
        for service in ("S3", "SQS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", proxy.url)
        queue = address.replace(cloud.s3, proxy.url)
        settings.write_text(SETTINGS.format(queue=queue, legacy=legacy, bind=bind))
        process = start("up", settings)
        try:
            place = Place(settings, f"http://{bind}", proxy, process)
            place.await_log("listening on")
            yield place
        finally:
            proxy.heal()
            process.kill()
            process.wait()


@pytest.mark.timeout(900)
def test_a_store_that_stands_still_is_told_of_in_time_and_everything_goes_on_after_it(place):
    place.await_reply()
    place.hang()
    command = [sys.executable, "-P", "-m", "gateway", "status", "-c", place.settings]
    status = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    place.await_health(503)
    assert b"does not answer" in place.health()[1]
    began = time.monotonic()
    code, fault, _ = http(f"{place.url}/warehouse", ORDER)
    # A request that S3 did not take for certain may be there: that is told apart from a refusal.
    assert (code, b"Server.Timeout" in fault) == (504, True), fault
    assert time.monotonic() - began < LONGEST / 2
    _, told = status.communicate(timeout=LONGEST)
    assert status.returncode == 1
    assert "no answer" in told
    assert "check that it is healthy" in " ".join(told.split())
    place.await_log("has not answered for")

    place.proxy.heal()
    place.await_health(200)
    place.await_reply()
    for text in ("has not answered for", "answers again"):
        told = [line for line in place.log().splitlines() if text in line]
        places = {
            line.partition('"message": "')[2].split(" has ")[0].split(" answers ")[0]
            for line in told
        }
        # S3 and SQS; on a machine that is busy they may stand still for a moment once more.
        assert 1 <= len(places) <= 2, told
        assert len(told) <= 2 * len(places), told


@pytest.mark.timeout(600)
def test_a_gateway_whose_store_stands_still_ends_soon_after_its_grace(place):
    place.await_reply()
    place.hang()
    place.await_health(503)
    place.process.terminate()
    assert place.process.wait(timeout=LONGEST / 2) == 0
    assert "Traceback" not in place.log()
