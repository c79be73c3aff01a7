"""The audit log of real processes: what it has of each call, and that it is whole after kills."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import forks
import pytest
from deployment import ROOT, await_health, end, free_port, legacy_service, log_of, start

GOLDEN = ROOT / "tests" / "golden" / "envelopes"
SETTINGS = """\
queue = "sqlite:///queue.db"

[services.warehouse]
wsdl = "{legacy}?wsdl"
repeatable = ["GetOrder"]

[listener]
bind = "{bind}"

[audit]
file = "audit.jsonl"
"""
CANARY = "canary-4711"


def verify(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return forks.run(["audit", "verify", *names], folder)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def post(url: str, body: bytes, content_type: str = "text/xml; charset=utf-8") -> int:
    made = urllib.request.Request(url, body, {"Content-Type": content_type})
    try:
        with urllib.request.urlopen(made, timeout=240) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Settings with an audit log; the folder, and where the listener is to be."""
    bind = f"127.0.0.1:{free_port()}"
    with legacy_service() as legacy:
        (tmp_path / "gateway.toml").write_text(SETTINGS.format(legacy=legacy, bind=bind))
        yield tmp_path, f"http://{bind}"


@contextlib.contextmanager
def up(folder: Path, url: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start("up", folder / "gateway.toml")
    try:
        await_health(url, log_of(folder / "gateway.toml"))
        yield process
    finally:
        if process.poll() is None:
            end(process)


def test_each_call_has_its_line_and_no_line_has_its_content(site):
    folder, url = site
    good = (GOLDEN / "get_order_11.xml").read_bytes()
    refused = good.replace(b"</", f"<!--{CANARY}--></".encode(), 1).replace(b"WH-", b"W ")
    with up(folder, url):
        assert post(f"{url}/warehouse", good) == 200
        assert post(f"{url}/warehouse", refused) == 500
        assert post(f"{url}/nobody", good) == 404
        assert post(f"{url}/warehouse", b"x" * ((1 << 20) + 1)) == 413
        assert post(f"{url}/no/such/place", good) == 404
    found = lines(folder / "audit.jsonl")
    assert [line["event"] for line in found] == [
        "start",
        "settled",
        *["refused"] * 4,
        "stop",
    ]
    settled, by_gate, unknown, large, nowhere = found[1:6]
    assert (settled["service"], settled["operation"]) == ("warehouse", "GetOrder")
    assert (settled["verdict"], settled["client"], settled["attempts"]) == ("reply", "local", 1)
    assert settled["sha256"] == hashlib.sha256(good).hexdigest()
    assert (by_gate["verdict"], by_gate["code"]) == ("refused", "Client.schema")
    assert by_gate["operation"] == "GetOrder"
    assert by_gate["sha256"] == hashlib.sha256(refused).hexdigest()
    assert (unknown["service"], unknown["code"]) == ("nobody", "Client.service")
    assert (large["size"], large["sha256"], large["code"]) == ((1 << 20) + 1, None, "Client.size")
    assert (nowhere["code"], nowhere["service"]) == ("HTTP 404", "no/such/place")
    text = (folder / "audit.jsonl").read_text()
    assert CANARY not in text
    assert "Envelope" not in text
    done = verify(folder, "audit.jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "7 lines: every chain is whole"


def test_the_log_names_a_hash_by_which_an_end_that_was_cut_is_found(site):
    folder, url = site
    with up(folder, url):
        post(f"{url}/warehouse", (GOLDEN / "get_order_11.xml").read_bytes())
    logged = [line["message"] for line in lines(log_of(folder / "gateway.toml"))]
    (said,) = [one for one in logged if one.startswith("the audit log ends at line 3, ")]
    head = said.rpartition(" ")[2]
    assert verify(folder, "audit.jsonl", "--holds", head).returncode == 0
    whole = (folder / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "audit.jsonl").write_bytes(b"".join(whole[:-1]))
    done = verify(folder, "audit.jsonl", "--holds", head)
    assert done.returncode == 1
    assert "no line has this hash: it was changed, or the end is cut off" in done.stderr
    assert done.stdout.splitlines()[-1] == "2 lines: NOT WHOLE"


def test_what_was_changed_is_told_with_file_and_line_and_status_1(site):
    folder, url = site
    with up(folder, url):
        post(f"{url}/warehouse", (GOLDEN / "get_order_11.xml").read_bytes())
    path = folder / "audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"verdict":"reply"', b'"verdict":"fault"'))
    done = verify(folder, "audit.jsonl")
    assert done.returncode == 1
    assert done.stderr == (
        "audit.jsonl, line 3 does not carry the hash of the line before it: number 2 was changed\n"
    )


def test_after_kill_9_every_answered_call_has_its_line_and_the_chain_is_whole(site):
    folder, url = site
    good = (GOLDEN / "get_order_11.xml").read_bytes()
    answered = 0
    for _ in range(3):
        with up(folder, url) as process:
            for _ in range(10):
                answered += post(f"{url}/warehouse", good) == 200
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    found = lines(folder / "audit.jsonl")
    assert answered == 30
    assert sum(line.get("verdict") == "reply" for line in found) == answered
    assert verify(folder, "audit.jsonl").returncode == 0


def test_each_of_several_processes_has_a_chain_of_its_own(site):
    folder, _ = site
    command = [sys.executable, "-P", "-m", "gateway", "serve", "--processes", "2"]
    with (folder / "log").open("ab") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
    try:
        names = ["audit.jsonl", "audit-2.jsonl"]
        until = time.monotonic() + 120
        while not all((folder / name).exists() for name in names):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        end(process)
    done = verify(folder, *names)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("chain ") == 3  # two of them, and the summary
