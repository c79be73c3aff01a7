"""The store fails in the middle of things, or after it has done them: calls still end once."""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import clouds
import faults
import kinds
import pytest
from answering import call_of
from deployment import ROOT, end, legacy_service, log_of, start
from faults import Call, FaultProxy, kind

from gateway.endpoint import Begin, unmarked
from gateway.endpoint import Call as Admitted
from gateway.errors import OutcomeUnknown, QueueUnavailable
from gateway.message import Message
from gateway.queue import Collected, State
from gateway.queues.options import QueueOptions, Sweeps
from gateway.queues.registry import open_queue
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings

CALLS = 8
LEASE = 6.0
USUAL = Sweeps()
SHORT = 5.0
"""Seconds; a gateway that stands still for longer, on a busy machine too, loses its calls."""
SENDER = "alice"
ONCE = "once"
REPEATABLE = "repeatable"
DOORBELLS = [name for name in kinds.KINDS if name.startswith("doorbell")]
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@dataclass
class Backend:
    """Counts what it carries out.

    ``slow`` has the seconds that a request takes, by its body, and ``until`` what it waits for.
    """

    executed: Counter[str] = field(default_factory=Counter)
    slow: dict[bytes, float] = field(default_factory=dict)
    until: dict[bytes, Callable[[], bool]] = field(default_factory=dict)

    async def admit(self, message: Message, begin: Begin = unmarked) -> Admitted:
        return call_of(message, begin)

    async def answer(self, call: Admitted) -> Message:
        message = call.message
        if message.target_service == ONCE:
            if message.interrupted:
                raise OutcomeUnknown("It was begun before.")
            await call.begin()
        self.executed[message.id] += 1
        await asyncio.sleep(self.slow.get(message.body, 0.01))
        while message.body in self.until and not self.until[message.body]():
            await asyncio.sleep(0.05)
        return Message(body=b"<Reply>%s</Reply>" % message.body, content_type="text/xml")


@asynccontextmanager
async def gateway(
    address: str, folder: Path, backend: Backend, lease: float = LEASE, sweeps: Sweeps = USUAL
) -> AsyncIterator[None]:
    """Drain a queue inside the context, as ``gateway serve`` does."""
    queue = await open_queue(address, folder, QueueOptions(lease=lease, sweeps=sweeps))
    stop = asyncio.Event()
    settings = GatewaySettings(lease=lease, attempts=100)
    running = asyncio.create_task(Gateway(queue, backend, settings).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
        await queue.aclose()


@dataclass(frozen=True)
class Bench:
    """A queue behind a proxy that can be told to fail, and a backend."""

    proxy: FaultProxy
    address: str
    folder: Path
    backend: Backend

    async def calls(self, messages: list[Message]) -> list[list[Collected]]:
        """Make calls at once; return what each collected, twice."""
        queue = await open_queue(self.address, self.folder, QueueOptions(lease=LEASE))
        try:
            for message in messages:
                await _insist(queue.send, message)
            return [[await queue.collect(SENDER, one.id, 240) for _ in "12"] for one in messages]
        finally:
            await queue.aclose()


async def _insist(send: object, message: Message) -> None:
    """Send until the queue says that it has the request: the same id is the same request."""
    for _ in range(10):
        try:
            return await send(message)  # type: ignore[operator]
        except QueueUnavailable:
            await asyncio.sleep(0.1)
    raise AssertionError("the queue never took it")


@pytest.fixture(params=kinds.KINDS)
async def bench(request, tmp_path, monkeypatch):
    address = kinds.address(request.param, request, monkeypatch)
    cloud = clouds.started(request.param.partition(" of ")[2], request)
    async with FaultProxy(cloud.s3, seed=1) as proxy:
        for service in ("S3", "SQS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", proxy.url)
        yield Bench(proxy, address.replace(cloud.s3, proxy.url), tmp_path, Backend())


def messages() -> list[Message]:
    return [
        Message(
            body=b"<Request>%d</Request>" % number,
            content_type="text/xml",
            sender=SENDER,
            target_service=REPEATABLE if number % 2 else ONCE,
        )
        for number in range(CALLS)
    ]


def wrong(message: Message, collected: list[Collected], executions: int) -> list[str]:
    """Return what is wrong with how a call ended that no gateway died under."""
    found = [f"it is {one.state}" for one in collected if one.state is not State.REPLY]
    bodies = {one.reply.body for one in collected if one.reply is not None}
    if bodies != {b"<Reply>%s</Reply>" % message.body}:
        found.append(f"it got {bodies}")
    if executions != 1:
        found.append(f"it was carried out {executions} times")
    return [f"{message.body!r} ({message.target_service}): {line}" for line in found]


def request_written(call: Call) -> bool:
    return kind("PUT", "/requests/")(call) or call.kind.startswith("SendMessage")


def claim_written(call: Call) -> bool:
    return kind("PUT", "/replies/")(call) and b'"claimed"' in call.body


def claim_renewed(call: Call) -> bool:
    return claim_written(call) and "If-Match" in call.headers


def answer_written(call: Call) -> bool:
    return kind("PUT", "/replies/")(call) and call.headers.get("x-amz-meta-gateway-state") == "done"


def claim_answered(call: Call) -> bool:
    return answer_written(call) and "If-Match" in call.headers


def rung(call: Call) -> bool:
    return (
        call.kind.startswith("SendMessage") and b"ring" in call.body and b"swept" not in call.body
    )


def request_removed(call: Call) -> bool:
    return kind("DELETE", "/requests/")(call) or call.kind.startswith("DeleteMessage")


STEPS = (request_written, claim_written, answer_written, request_removed)


@pytest.mark.parametrize(
    "fault",
    [faults.failed_after, faults.failed_before, faults.answer_lost, faults.request_lost],
    ids=lambda fault: fault.__name__,
)
async def test_a_step_that_fails_before_or_after_the_work_is_taken_once(bench, fault):
    rules = [bench.proxy.inject(fault, step, times=2) for step in STEPS]
    made = messages()
    async with gateway(bench.address, bench.folder, bench.backend):
        ended = await bench.calls(made)
    assert [rule.hits for rule in rules] == [2, 2, 2, 2]
    assert not [
        line
        for message, collected in zip(made, ended, strict=True)
        for line in wrong(message, collected, bench.backend.executed[message.id])
    ]


@pytest.mark.parametrize(
    ("fault", "chosen"),
    [
        (faults.slow_down, lambda call: True),
        (faults.failed_before, lambda call: True),
        (faults.answer_lost, lambda call: call.kind in ("PUT", "GET", "DELETE", "LIST")),
        (faults.conflict, faults.conditional()),
        (faults.conflict, faults.conditional("If-Match")),
        (faults.refused, claim_written),
        (faults.refused, claim_answered),
    ],
    ids=["SlowDown", "500", "lost", "409 absent", "409 match", "412 claim", "412 answer"],
)
async def test_a_store_that_fails_one_request_of_five_gets_every_call_answered(
    bench, fault, chosen
):
    async with gateway(bench.address, bench.folder, bench.backend):
        rule = bench.proxy.inject(fault, chosen, times=math.inf, probability=0.2)
        made = messages()
        ended = await bench.calls(made)
    assert rule.hits
    assert not [
        line
        for message, collected in zip(made, ended, strict=True)
        for line in wrong(message, collected, bench.backend.executed[message.id])
    ]


@pytest.mark.parametrize("hangs", [answer_written, claim_renewed], ids=["answer", "renewal"])
async def test_a_write_that_hangs_does_not_let_the_leases_of_others_lapse(bench, hangs):
    lasting, hanging = messages()[:2]
    bench.backend.slow |= {lasting.body: 16.0, hanging.body: 0.2}
    rule = bench.proxy.inject(
        faults.delayed(16.0), lambda call: hangs(call) and hanging.id in call.target
    )
    if hangs is claim_renewed:
        bench.backend.until[hanging.body] = lambda: rule.hits > 0
    async with gateway(bench.address, bench.folder, bench.backend, SHORT):
        calling = asyncio.create_task(bench.calls([hanging, lasting]))
        while len(bench.backend.executed) < 2:
            await asyncio.sleep(0.05)
        # Both are with the first: the second takes what that lets lapse.
        async with gateway(bench.address, bench.folder, bench.backend, SHORT):
            _, ended = await calling
    assert rule.hits == 1
    assert wrong(lasting, ended, bench.backend.executed[lasting.id]) == []


@pytest.mark.parametrize(
    ("fault", "at_most"),
    [(faults.swallowed, 1), (faults.delayed(4.0), 1), (faults.doubled, 2)],
    ids=["dropped", "late", "doubled"],
)
@pytest.mark.parametrize("bench", DOORBELLS, indirect=True)
async def test_a_bell_that_rings_late_twice_or_never_is_no_matter(bench, fault, at_most):
    # Every other second, not every minute.
    sweeps = Sweeps(period=2.0, old=2.0, surplus=0.5, settling=1, ring_again=5.0)
    rule = bench.proxy.inject(fault, rung, times=math.inf)
    made = messages()
    async with gateway(bench.address, bench.folder, bench.backend, sweeps=sweeps):
        ended = await bench.calls(made)
    assert rule.hits
    for message, collected in zip(made, ended, strict=True):
        executions = bench.backend.executed[message.id]
        assert executions <= (at_most if message.target_service == REPEATABLE else 1)
        assert wrong(message, collected, min(executions, 1)) == []


SETTINGS = """\
queue = "{queue}"

[services.warehouse]
wsdl = "{wsdl}"
forward = "{legacy}"
"""


@pytest.mark.skipif(not FAKETIME, reason="libfaketime is not here: apt-get install libfaketime")
@pytest.mark.parametrize(("gateway_clock", "client_clock"), [("+2h", "-2h"), ("-2h", "+2h")])
def test_machines_whose_clocks_are_two_hours_off_serve_and_call(
    gateway_clock, client_clock, request, tmp_path, monkeypatch
):
    # MinIO refuses whatever is signed a quarter of an hour off.
    queue = kinds.address("s3 of minio", request, monkeypatch)
    settings = tmp_path / "gateway.toml"
    with legacy_service() as legacy:
        wsdl = ROOT / "wsdl" / "warehouse.wsdl"
        settings.write_text(SETTINGS.format(queue=queue, wsdl=wsdl, legacy=legacy))
        monkeypatch.setenv("LD_PRELOAD", str(FAKETIME[0]))
        monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        monkeypatch.setenv("FAKETIME", gateway_clock)
        serving = start("serve", settings)
        try:
            monkeypatch.setenv("FAKETIME", client_clock)
            command = [sys.executable, "-P", "-m", "gateway", "call", "-c", settings, "--json"]
            done = subprocess.run(
                [*command, "warehouse", "GetOrder", "orderId=WH-100001"],
                capture_output=True,
                timeout=240,
                check=False,
            )
        finally:
            end(serving)
    assert done.returncode == 0, done.stderr.decode() + log_of(settings).read_text()
    assert json.loads(done.stdout)["reply"]["status"] == "delivered"
