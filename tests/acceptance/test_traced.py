"""A whole daemon, watched by strace: no message has it open or dial what a good one does not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import attacks
import pytest
from attacks import ALL, INNOCENT, Attack
from deployment import ROOT, await_health, end, free_port, legacy_service

from gateway.message import Message, new_id
from gateway.queue import State
from gateway.queues.embedded.queue import SqliteQueue

CALLS = (
    "connect,sendto,sendmsg,sendmmsg,bind,execve,open,openat,openat2,creat,stat,lstat,newfstatat,"
    "statx,access,faccessat,faccessat2,readlink,readlinkat,unlink,unlinkat,rename,renameat2,mkdir,"
    "mkdirat,symlink,link,truncate,chmod"
)
"""Every call of the system that names a file or an address."""
SETTINGS = """\
queue = "sqlite:///queue.db"

[services.warehouse]
wsdl = "warehouse.wsdl"
forward = "{backend}"

[services.legacy]
wsdl = "legacy.wsdl"
forward = "{backend}"

[listener]
bind = "{bind}"
"""
_LINE = re.compile(r"^(\d+) +([\d.]+) (\w+)\((.*)$")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ADDRESS = re.compile(r"\{sa_family=[^}]*\}")
SETTLING = 0.3
"""Seconds in which a message that was answered may still have something opened.

Only what passes is waited for, and the last: what another has opened late is new as well, and is
found in the span of the next.
"""


def refused_to_trace() -> str:
    """Return why no process can be traced here; empty where one can."""
    if shutil.which("strace") is None:
        return "strace is not here: contrib/servers/install.sh installs it"
    done = subprocess.run(["strace", "-D", "-o", "/dev/null", "true"], capture_output=True)
    return "" if done.returncode == 0 else "strace may not trace here: the system forbids ptrace"


@dataclass
class Site:
    """A ``gateway up`` that is traced."""

    url: str
    folder: Path
    log: Path
    _seen: list[tuple[float, str]] = field(default_factory=list)
    """What was named, and when, in the part of the log that was read so far."""
    _read: int = 0

    def touched(self, began: float, ended: float) -> set[str]:
        """Return the files and addresses that were named in a span of time."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            whole, end_of_line, _ = log.read().rpartition(b"\n")
        self._read += len(whole) + len(end_of_line)
        for found in map(_LINE.match, whole.decode("utf-8", "replace").splitlines()):
            if found:
                self._seen += ((float(found[2]), one) for one in targets(found[3], found[4]))
        return {target for moment, target in self._seen if began <= moment < ended}

    def post(self, attack: Attack) -> None:
        headers = {"Content-Type": attack.content_type, "SOAPAction": f'"{attack.soap_action}"'}
        if attack.encoding:
            headers["Content-Encoding"] = attack.encoding
        url = f"{self.url}/{attack.service}"
        asked = urllib.request.Request(url, attack.body, headers)
        try:
            urllib.request.urlopen(asked, timeout=240).close()
        except urllib.error.HTTPError as error:
            error.close()

    async def queue_up(self, queue: SqliteQueue, attack: Attack) -> None:
        message = Message(
            body=attack.body,
            content_type=attack.content_type,
            content_encoding=attack.encoding,
            soap_action=attack.soap_action,
            target_service=attack.service,
            sender="local",
            id=new_id(),
        )
        await queue.send(message)
        collected = await queue.collect("local", message.id, 240)
        assert collected.state is State.REPLY, attack.file


def targets(call: str, rest: str) -> Iterator[str]:
    """Yield what a call names: addresses of the network, or the paths of files."""
    if call in ("connect", "sendto", "sendmsg", "sendmmsg", "bind"):
        yield from (f"{call} {address}" for address in _ADDRESS.findall(rest))
    else:
        yield from (path for path in _PATH.findall(rest.partition(" = ")[0])[:2] if path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    reason = refused_to_trace()
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    folder = tmp_path_factory.mktemp("traced")
    for path in (*(ROOT / "wsdl").glob("warehouse.*"), attacks.CORPUS / "legacy.wsdl"):
        (folder / path.name).write_bytes(path.read_bytes())
    bind = f"127.0.0.1:{free_port()}"
    with legacy_service() as backend, (folder / "output").open("wb") as output:
        (folder / "gateway.toml").write_text(SETTINGS.format(backend=backend, bind=bind))
        # As a grandchild: what is started, and ended, is the gateway itself.
        strace = ["strace", "-D", "-f", "-ttt", "-s", "400", "-e", f"trace={CALLS}"]
        command = [sys.executable, "-P", "-m", "gateway", "up"]
        process = subprocess.Popen(
            [*strace, "-o", folder / "calls", *command], cwd=folder, stdout=output, stderr=output
        )
        try:
            await_health(f"http://{bind}", folder / "output")
            yield Site(f"http://{bind}", folder, folder / "calls")
        finally:
            end(process)


GOOD = [one for one in ALL if one.verdict == "passes"]
REFUSED = [
    INNOCENT,
    *(one for one in ALL if one.file in ("size-over.xml", "xinclude.xml", "gzip-bomb.xml")),
]
"""What the daemon opens, looks at and dials by itself, for a good message and for a bad one: Python
loads a module when it is first used, and a large message is kept in another place."""


async def test_no_attack_has_a_daemon_open_or_dial_what_a_good_message_does_not(site: Site) -> None:
    began = time.time()
    queue = await SqliteQueue.open(site.folder / "queue.db")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(queue.aclose)
        for one in [*GOOD, *REFUSED] * 2:
            await asyncio.to_thread(site.post, one)
            await site.queue_up(queue, one)
        await asyncio.sleep(1.0)
        usual = site.touched(0.0, time.time())
        check_usual(site, began)
        moments = []
        for attack in ALL:
            moments.append(time.time())
            if not attack.queue_only:
                await asyncio.to_thread(site.post, attack)
            await site.queue_up(queue, attack)
            if attack.verdict == "passes" or attack is ALL[-1]:
                await asyncio.sleep(SETTLING)
        for attack, (before, after) in zip(ALL, pairwise([*moments, time.time()]), strict=True):
            touched = site.touched(before, after)
            assert touched - usual == set(), f"{attack.file}, or the one before"
            if attack.verdict != "passes":
                assert dialled(touched) == set(), f"{attack.file}, or the one before"


def dialled(touched: set[str]) -> set[str]:
    return {one for one in touched if one.startswith(("connect", "send"))}


def check_usual(site: Site, began: float) -> None:
    """Hold that the trace sees what it is to see: else nothing new would be no proof."""
    seen = site.touched(began, time.time())
    assert any("sin_port" in one for one in dialled(seen)), "the service behind was not dialled"
    whole = site.touched(0.0, time.time())
    assert any(one.endswith("queue.db") for one in whole)
    assert any(one.endswith("warehouse.xsd") for one in whole)
