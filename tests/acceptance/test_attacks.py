"""Attacks, sent every way that a request can come: each gets its fault, and nothing else happens.

The service behind counts its calls; after each attack a good request is served.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import io
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import attacks
import fuzz_target
import kinds
import pytest
import wsse
from aiohttp import ClientSession, web
from attacks import ALL, INNOCENT, Attack
from deployment import ROOT
from lxml import etree

from gateway import assembly
from gateway.admission import Gate, Limits
from gateway.assembly import parts
from gateway.errors import FaultError
from gateway.message import Message, new_id
from gateway.observe.events import Events
from gateway.queue import State
from gateway.settings import Settings, from_values
from gateway.soap.envelope import SoapVersion
from gateway.soap.jms import decoded

ANSWER = 20.0
"""Seconds in which each attack is answered, on a machine that has other work, too: those that work
by time take minutes where they work."""
GROWTH = 64 << 20
"""Bytes that the process may grow by, at the peak."""
LOCAL = {"memory": "memory:", "sqlite": "sqlite:///queue.db"}
LISTENER = "listener"
REPLY = f'<e:Envelope xmlns:e="{SoapVersion.V11.namespace}"><e:Body><done/></e:Body></e:Envelope>'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a request: the innermost code of its fault, or ``passes``."""

    code: str
    text: str
    version: SoapVersion
    body: bytes


class Way:
    """One way in, with all that is behind it, on an event loop in a thread of its own."""

    def __init__(self, is_http: bool, settings: Settings) -> None:
        self.calls = 0
        self._is_http = is_http
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stack = contextlib.AsyncExitStack()

    def __enter__(self) -> Way:
        self._thread.start()
        self._run(self._open())
        return self

    def __exit__(self, *exception: object) -> None:
        self._run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, attack: Attack, body: bytes | None = None) -> Outcome:
        """Send an attack, and return what became of it; with the bytes of before, if given."""
        send = self._post if self._is_http else self._queue_up
        return self._run(send(attack, attack.body if body is None else body))

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(240)

    async def _open(self) -> None:
        enter = self._stack.enter_async_context
        backend = await enter(_serving(self._backend()))
        services = {
            name: {"wsdl": str(path), "forward": backend, "repeatable": True}
            for name, path in (
                ("warehouse", ROOT / "wsdl" / "warehouse.wsdl"),
                ("legacy", attacks.CORPUS / "legacy.wsdl"),
            )
        }
        secured = {**services["warehouse"], "wss": wsse.wss()}
        services[attacks.SECURED] = secured
        values = self._settings.model_dump(exclude={"services", "folder"}, exclude_defaults=True)
        settings = from_values({**values, "services": services}, self._settings.folder, "it")
        loaded = assembly.load_contracts(settings)
        self._queue = await enter(assembly.opened_queue(settings))
        gateway = await enter(parts.gateway(settings, loaded, self._queue, Events()))
        stop = asyncio.Event()
        running = asyncio.ensure_future(gateway.run(stop))
        self._stack.push_async_callback(_ended, stop, running)
        self._client = settings.client
        if self._is_http:
            listener = parts.listener(settings, loaded, self._queue, Events())
            self._address = await enter(_serving(listener.application()))
            self._http = await enter(ClientSession(skip_auto_headers=("Content-Type",)))

    def _backend(self) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            self.calls += 1
            return web.Response(text=REPLY, content_type="text/xml")

        application = web.Application(client_max_size=16 << 20)
        application.router.add_post("/{any:.*}", answer)
        return application

    async def _post(self, attack: Attack, body: bytes) -> Outcome:
        headers = {"Content-Type": attack.content_type}
        if attack.soap_action:
            headers["SOAPAction"] = f'"{attack.soap_action}"'
        if attack.encoding:
            headers["Content-Encoding"] = attack.encoding
        address = f"{self._address}{attack.service}"
        async with self._http.post(address, data=io.BytesIO(body), headers=headers) as response:
            return _outcome(await response.read())

    async def _queue_up(self, attack: Attack, body: bytes) -> Outcome:
        message = Message(
            body=body,
            content_type=attack.content_type,
            content_encoding=attack.encoding,
            soap_action=attack.soap_action,
            target_service=attack.service,
            sender=self._client,
            id=new_id(),
        )
        await self._queue.send(message)
        collected = await self._queue.collect(self._client, message.id, 30)
        assert collected.state is State.REPLY, collected
        return _outcome(collected.reply.body)


@contextlib.asynccontextmanager
async def _serving(application: web.Application) -> AsyncIterator[str]:
    """Serve an application on a free port of the loopback interface; yield its address."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://{}:{}/".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


async def _ended(stop: asyncio.Event, running: asyncio.Future[None]) -> None:
    stop.set()
    await running


def _outcome(body: bytes) -> Outcome:
    root = etree.fromstring(body)
    version = next(one for one in SoapVersion if one.namespace in root.tag)
    code = root.findtext(".//faultcode")
    if version is SoapVersion.V12:
        values = [one.text for one in root.iter(f"{{{version.namespace}}}Value")]
        code = values[-1].replace("Sender", "Client") if values else None
    text = root.findtext(".//faultstring") or root.findtext(".//{*}Reason/{*}Text") or ""
    return Outcome((code or "passes").rpartition(":")[2], text, version, body)


@pytest.fixture(scope="module", params=[LISTENER, *LOCAL, *kinds.KINDS])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    kind = request.param
    with pytest.MonkeyPatch.context() as patch:
        here = kind == LISTENER or kind in LOCAL
        address = LOCAL.get(kind, "memory:") if here else kinds.address(kind, request, patch)
        folder = tmp_path_factory.mktemp("attacks")
        values = {"queue": address, "services": {"unused": {"wsdl": "unused.wsdl"}}}
        with Way(kind == LISTENER, from_values(values, folder, "it")) as opened:
            assert opened.ask(INNOCENT).code == "passes"
            yield opened


def is_sent(attack: Attack, way: Way) -> bool:
    return not (way._is_http and attack.queue_only)


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.file)
def test_an_attack_gets_its_fault_and_the_next_good_request_is_served(
    way: Way, attack: Attack
) -> None:
    if not is_sent(attack, way):
        with pytest.raises(ValueError, match=r"\r\n|character"):
            way.ask(attack)
        return
    body = attack.body if attack.twice else None
    if body is not None:
        assert way.ask(attack, body).code == "passes"
    before = way.calls
    with peak() as growth:
        began = time.monotonic()
        outcome = way.ask(attack, body)
        took = time.monotonic() - began
    passes = attack.verdict == "passes"
    check(way, attack, outcome)
    assert way.calls == before + passes, "the service behind was called"
    assert took < ANSWER
    assert growth() < GROWTH
    assert way.ask(INNOCENT).code == "passes"
    assert way.calls == before + passes + 1


def check(way: Way, attack: Attack, outcome: Outcome) -> None:
    """Compare what an attack came to with what the table says of it."""
    if way._is_http and attack.encoding:
        assert "content encoding" in outcome.text  # the listener takes none
        return
    assert outcome.code in attack.verdict.split("|"), outcome.text
    assert not attack.says or re.search(attack.says, outcome.text), outcome.text
    is_12 = attack.content_type.startswith("application/soap+xml")
    assert (outcome.version is SoapVersion.V12) == is_12
    for secret in (b"/etc/", b"127.0.0.1", b"canary", b"libxml", b"lxml", b"expat", b".py"):
        assert secret not in outcome.body


@contextlib.contextmanager
def peak() -> Iterator[Any]:
    """Yield what tells, afterwards, how far this process grew at the peak, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, after = memory("VmRSS"), 0
    yield lambda: after - before
    after = memory("VmHWM")


def memory(name: str) -> int:
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)[1])


def test_every_file_is_in_the_table_and_every_row_has_its_file():
    assert attacks.files() == {attack.file for attack in ALL}
    assert len({attack.attack for attack in ALL}) == len(ALL)


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.file)
def test_an_operator_sees_which_check_an_attack_failed(attack: Attack) -> None:
    assert reason_of(attack) == attack.reason


@functools.cache
def gates() -> dict[str, Gate]:
    warehouse, legacy = fuzz_target.gates()
    return {"warehouse": warehouse, "legacy": legacy, attacks.SECURED: wsse.gate()}


def reason_of(attack: Attack) -> str:
    """Return the reason code that the gate gives; empty where it lets a message in."""
    gate = gates()[attack.service]
    try:
        body = decoded(attack.body, attack.encoding, Limits().request)
        for _ in range(1 + attack.twice):
            message = Message(
                body=body, content_type=attack.content_type, soap_action=attack.soap_action
            )
            gate.admit(message)
    except FaultError as error:
        return error.reason_code
    return ""


ADMITTING = """
import os
import attacks
import wsse
from fuzz_target import gates
from gateway.errors import Refused
from gateway.message import Message
from gateway.soap.envelope import fault

warehouse, legacy = gates()
chosen = {"legacy": legacy, attacks.SECURED: wsse.gate()}

def admit(gate, message):
    try:
        gate.admit(message)
    except Refused as error:
        fault(error, message)

messages = [
    (
        one.file,
        chosen.get(one.service, warehouse),
        Message(body=one.body, content_type=one.content_type, soap_action=one.soap_action),
    )
    for one in attacks.ALL
]
for _, gate, message in messages:
    admit(gate, message)
for file, gate, message in messages:
    os.write(1, f"begin {file}".encode())
    admit(gate, message)
    os.write(1, f"end {file}".encode())
"""
"""Twice: what Python loads when it is first used is loaded before anything is looked at."""


def test_no_attack_has_a_file_opened_or_a_connection_made(tmp_path: Path) -> None:
    """Every call of the system that opens, connects or looks, by strace."""
    if shutil.which("strace") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("strace is not here: contrib/servers/install.sh installs it")
        pytest.skip("strace is not here: contrib/servers/install.sh installs it")
    log = tmp_path / "calls"
    calls = "trace=%network,open,openat,openat2,stat,lstat,access,readlink,newfstatat,execve,write"
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}/tests/acceptance:{ROOT}/tests/fuzz"}
    command = ["strace", "-f", "-s", "200", "-e", calls, "-o", log, sys.executable, "-c", ADMITTING]
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=240)
    _, *parts_of_log = log.read_text("utf-8", "replace").split('write(1, "begin ')
    # Of two processes that call at once, strace tells the beginning of a call, and later its end.
    begun = r'", \d+(?:\) += \d+| <unfinished \.\.\.>)\n'
    between = [re.split(begun + r'|\d+ +write\(1, "end ', part) for part in parts_of_log]
    assert [file for file, *_ in between] == [attack.file for attack in ALL]
    for file, made, *_ in between:
        # What is said to the process that checks costly patterns goes over a pair of sockets that
        # was there before, and names no address.
        said = r"((<\.\.\. )?(sendto|recvfrom|sendmsg|recvmsg)\b|<\.\.\. write resumed>)"
        # Whether the settings' own files have changed is looked at once a second, whatever comes.
        looked = r"(newfstatat\([^\"]*\"[^\"]*/wsse-\w+/|<\.\.\. newfstatat resumed>)"
        usual = re.compile(rf"\d+ +({said}|{looked})")
        named = [line for line in made.splitlines() if "sa_family" in line or not usual.match(line)]
        assert named == [], file
