"""Clients, with real processes and real programs: their secrets, and their rights everywhere."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import zeep
from deployment import ROOT, await_health, end, free_port, legacy_service, log_of, start
from test_commands import gateway
from test_other_languages import CLIENTS, LANGUAGES, go_without, is_installed

from gateway.client.remote import Remote, RemoteSettings
from gateway.errors import FaultCode
from gateway.message import Message
from gateway.queues.registry import open_queue

GOLDEN = ROOT / "tests" / "golden" / "envelopes"
SETTINGS = """\
queue = "sqlite:///queue.db"

[services.warehouse]
wsdl = "{legacy}?wsdl"
repeatable = ["GetOrder", "ListOrders", "GetLabel"]

[listener]
bind = "{bind}"

[gateway]
grace = 2.0

[clients.shop]
allow = ["warehouse.GetOrder", "warehouse.List*"]

[clients.back-office]
allow = ["warehouse.*"]
"""


@dataclass(frozen=True)
class Guarded:
    folder: Path
    address: str
    secrets: dict[str, str]
    ledger: Path

    @property
    def log(self) -> str:
        return log_of(self.folder / "gateway.toml").read_text("utf-8")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """``gateway up`` at debug level, with two clients whose secrets the command line made."""
    folder = tmp_path_factory.mktemp("guarded")
    settings, bind = folder / "gateway.toml", f"127.0.0.1:{free_port()}"
    with legacy_service("--ledger", str(folder / "ledger")) as legacy:
        settings.write_text(SETTINGS.format(legacy=legacy, bind=bind))
        made = {name: add(settings, name) for name in ("shop", "back-office")}
        process = start("up", settings, "--log-level", "debug")
        try:
            await_health(f"http://{bind}", log_of(settings))
            yield Guarded(folder, f"http://{bind}/warehouse", made, folder / "ledger")
        finally:
            end(process)


def add(settings: Path, name: str) -> str:
    done = gateway("client", "add", name, "-c", settings)
    assert done.returncode == 0
    return done.stdout.strip()


def curl(guarded: Guarded, *options: str, envelope: str = "get_order_11") -> tuple[int, bytes]:
    command = [
        *("curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *options),
        *("-H", "Content-Type: text/xml", "--data-binary", f"@{GOLDEN / envelope}.xml"),
    ]
    done = subprocess.run([*command, guarded.address], capture_output=True, check=True)
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


def session(guarded: Guarded, name: str) -> requests.Session:
    made = requests.Session()
    made.auth = (name, guarded.secrets[name])
    return made


def test_curl_comes_in_with_either_kind_of_credentials(guarded: Guarded):
    secret = guarded.secrets["shop"]
    for options in (("-u", f"shop:{secret}"), ("-H", f"Authorization: Bearer {secret}")):
        status, body = curl(guarded, *options)
        assert status == 200
        assert b"orderId" in body
    assert curl(guarded)[0] == 401
    assert curl(guarded, "-u", "shop:wrong")[0] == 401


def test_zeep_reads_the_contract_and_calls_what_it_may(guarded: Guarded):
    transport = zeep.Transport(session=session(guarded, "shop"))
    client = zeep.Client(f"{guarded.address}?wsdl", transport=transport)
    assert client.service.GetOrder("WH-100001").status == "delivered"
    with pytest.raises(zeep.exceptions.Fault, match="may not call this operation"):
        client.service.GetLabel("WH-100001")
    transport.session.close()


def test_a_client_of_another_language_calls_with_basic_credentials(guarded: Guarded):
    (php,) = (one for one in LANGUAGES if one.folder == "php")
    if not is_installed(php):
        go_without("the client for php")
    credentials = {"SOAP_LOGIN": "back-office", "SOAP_PASSWORD": guarded.secrets["back-office"]}
    done = subprocess.run(
        [*php.command, f"{guarded.address}?wsdl", "1.1", "with credentials"],
        cwd=CLIENTS / php.folder,
        env={**os.environ, "LC_ALL": "C.UTF-8", **credentials},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["order"]["orderId"] == "WH-100002"


@pytest.mark.parametrize(
    ("sender", "envelope", "may"),
    [
        ("shop", "get_order_11", True),
        ("shop", "place_order_11", False),
        ("back-office", "place_order_11", True),
        ("local", "get_order_11", False),
        ("stranger", "get_order_11", False),
    ],
)
async def test_the_gateway_asks_again_whoever_writes_into_the_queue(
    guarded: Guarded, sender: str, envelope: str, may: bool
):
    before = guarded.ledger.read_text() if guarded.ledger.exists() else ""
    queue = await open_queue("sqlite:///queue.db", guarded.folder)
    try:
        remote = Remote(queue, RemoteSettings(sender=sender, wait=120.0))
        body = (GOLDEN / f"{envelope}.xml").read_bytes()
        message = Message(body=body, content_type="text/xml", target_service="warehouse")
        reply = await remote(message)
    finally:
        await queue.aclose()
    assert reply is not None
    assert reply.is_fault is not may
    if not may:
        assert f"<faultcode>soap:{FaultCode.CLIENT}".encode() in reply.body
        assert guarded.ledger.read_text() == before
        assert f"{message.id} quarantined" in guarded.log


def test_a_call_from_the_command_line_has_the_rights_of_its_client(guarded: Guarded):
    own = guarded.folder / "shop.toml"
    own.write_text('client = "shop"\n' + (guarded.folder / "gateway.toml").read_text())
    call = ("call", "-c", own, "--json", "warehouse")
    done = gateway(*call, "GetOrder", "orderId=WH-100001")
    assert json.loads(done.stdout)["reply"]["orderId"] == "WH-100001"
    done = gateway(*call, "GetLabel", "orderId=WH-100001")
    assert done.returncode == 1
    assert "may not call" in json.loads(done.stdout)["fault"]["message"]


def test_a_call_in_the_name_of_nobody_is_refused_before_it_is_sent(guarded: Guarded):
    done = gateway("call", "-c", guarded.folder / "gateway.toml", "warehouse", "GetOrder")
    assert done.returncode == 2
    assert "set client to one of shop, back-office" in done.stderr


def test_no_secret_is_in_the_log_of_the_gateway(guarded: Guarded):
    canary = "cAnArY0123456789"
    assert curl(guarded, "-u", f"shop:{canary}")[0] == 401
    assert curl(guarded, "-u", f"shop:{guarded.secrets['shop']}")[0] == 200
    log = guarded.log
    assert "not let in" in log
    for secret in (canary, *guarded.secrets.values()):
        assert secret not in log
    assert guarded.secrets["shop"] not in (guarded.folder / "credentials.txt").read_text()


# The commands


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(SETTINGS.format(legacy="http://127.0.0.1:9", bind="127.0.0.1:0"))
    return path


def test_a_secret_is_shown_once_and_only_its_hash_is_kept(settings: Path):
    done = gateway("client", "add", "shop", "-c", settings)
    secret = done.stdout.strip()
    assert (len(secret), len(done.stdout.split())) == (43, 1)
    assert secret not in done.stderr
    kept = settings.with_name("credentials.txt")
    assert secret not in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    listed = gateway("client", "list", "-c", settings).stdout
    assert "shop: " in listed
    assert "may call warehouse.GetOrder, warehouse.List*" in listed
    assert "back-office: no secret" in listed
    assert secret not in listed


def test_a_client_without_a_table_gets_its_secret_and_the_table_to_add(settings: Path):
    done = gateway("client", "add", "depot", "-c", settings)
    assert done.returncode == 0
    assert '[clients.depot]\nallow = ["warehouse.*"]' in done.stderr
    assert "depot: " in gateway("client", "list", "-c", settings).stdout


def test_one_secret_is_taken_away_by_its_mark_and_all_without_it(settings: Path):
    for _ in range(3):
        gateway("client", "add", "shop", "-c", settings)
    gateway("client", "add", "back-office", "-c", settings)
    kept = settings.with_name("credentials.txt")
    mark = kept.read_text().split("sha256:")[2][:8]
    assert gateway("client", "remove", "shop", mark, "-c", settings).returncode == 0
    assert kept.read_text().count("shop sha256:") == 2
    assert mark not in kept.read_text()
    assert gateway("client", "remove", "shop", "-c", settings).returncode == 0
    assert kept.read_text().count("sha256:") == 1
    done = gateway("client", "remove", "shop", "-c", settings)
    assert (done.returncode, "shop has no secret" in done.stderr) == (2, True)


def test_secrets_that_are_made_at_the_same_time_are_all_kept(settings: Path):
    command = [sys.executable, "-P", "-m", "gateway", "client", "add", "shop", "-c", settings]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(4)]
    for process in running:
        process.communicate()
        assert process.returncode == 0
    assert settings.with_name("credentials.txt").read_text().count("sha256:") == 4


@pytest.mark.parametrize("name", ["", "a b", "a.b", "x" * 65])
def test_a_name_that_is_none_is_refused(settings: Path, name: str):
    done = gateway("client", "add", "-c", settings, "--", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert not settings.with_name("credentials.txt").exists()


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        ("shop sha256:zz 2026-01-01\n", 0o600, "line 1 is not a credential"),
        ("# head\nmy-secret-password\n", 0o600, "line 2 is not a credential"),
        ("", 0o666, "users other than its owner can write to it"),
    ],
)
def test_a_file_of_credentials_that_cannot_be_used_is_told(
    settings: Path, content: str, mode: int, says: str
):
    kept = settings.with_name("credentials.txt")
    kept.write_text(content)
    kept.chmod(mode)
    for command in (("client", "list"), ("client", "add", "shop")):
        done = gateway(*command, "-c", settings)
        assert done.returncode == 2
        assert says in done.stderr
        assert "my-secret" not in done.stderr
    assert kept.read_text() == content
    assert says in gateway("check", "-c", settings).stdout


def test_check_tells_what_each_client_may_call_and_a_slip_of_the_pen(guarded: Guarded):
    path = guarded.folder / "gateway.toml"
    told = gateway("check", "-c", path).stdout
    assert "client    shop:  operations that it may call: 2 of warehouse" in told
    assert "client    back-office:  operations that it may call: 5 of warehouse" in told
    assert "its certificate is ignored" not in told
    vain = guarded.folder / "vain.toml"
    named = '[clients.shop]\ncertificate = "shop.example.com"\n'
    vain.write_text(path.read_text().replace("[clients.shop]\n", named))
    told = gateway("check", "-c", vain).stdout
    assert "! client    shop:  its certificate is ignored: set listener.tls" in told
    wrong = guarded.folder / "wrong.toml"
    wrong.write_text(path.read_text().replace("warehouse.GetOrder", "warehouse.GetOrdr"))
    done = gateway("check", "-c", wrong)
    assert done.returncode == 1
    assert "did you mean warehouse.GetOrder" in done.stdout


def test_nobody_listens_elsewhere_without_clients_and_tls(guarded: Guarded):
    path, wrong = guarded.folder / "gateway.toml", guarded.folder / "wide.toml"
    wrong.write_text(path.read_text().replace('bind = "127.0.0.1:', 'bind = "0.0.0.0:'))
    for command in ("listen", "up"):
        done = gateway(command, "-c", wrong)
        assert done.returncode == 2
        assert "without TLS, others can read messages and secrets" in done.stdout + done.stderr
    assert "unsafe_no_tls" in gateway("check", "-c", wrong).stdout


@pytest.fixture
def on_s3(settings: Path) -> Path:
    text = settings.read_text().replace("sqlite:///queue.db", "s3://our-queue/q?region=eu-west-1")
    settings.write_text(text)
    return settings


def test_the_policy_of_a_listener_has_its_clients_and_no_others(on_s3: Path):
    done = gateway("policy", "listener", "-c", on_s3)
    assert done.returncode == 0
    resources = [one for part in json.loads(done.stdout)["Statement"] for one in part["Resource"]]
    places = {one.partition(":::")[2] for one in resources}
    assert places == {
        "our-queue/q/format.json",
        "our-queue/q/contracts/*",
        *(f"our-queue/q/requests/*.{name}" for name in ("shop", "back-office")),
        *(f"our-queue/q/replies/{name}/*" for name in ("shop", "back-office")),
    }
    assert gateway("policy", "listener", "shop", "-c", on_s3).returncode == 2


def test_nothing_is_granted_to_a_client_whose_request_would_be_refused(on_s3: Path):
    done = gateway("grant", "nobody", "--length", "10", "-c", on_s3)
    assert done.returncode == 2
    assert "there is no client 'nobody' in the settings" in done.stderr


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("warehouse.GetLabel", "may not call warehouse.GetLabel"),
        ("depot", "may not call anything of depot"),
    ],
)
def test_nothing_is_granted_that_the_client_may_not_call(on_s3: Path, target: str, said: str):
    on_s3.write_text(f"{on_s3.read_text()}\n[services.depot]\nwsdl = 'warehouse.wsdl'\n")
    done = gateway("grant", "shop", target, "--length", "10", "-c", on_s3)
    assert done.returncode == 2
    assert f"clients.shop.allow: it {said}" in done.stderr
