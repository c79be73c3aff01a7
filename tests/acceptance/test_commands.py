"""The commands as a person types them: what they print, their exit status, no traceback ever."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import forks
import pytest
from deployment import await_health, end, free_port, log_of, start

ROOT = Path(__file__).parents[2]
ORDER = "WH-100001"
WAREHOUSE = ROOT / "wsdl" / "warehouse.wsdl"
OPERATIONS = ["GetLabel", "GetOrder", "ListOrders", "NotifyShipment", "PlaceOrder"]


def gateway(
    *arguments: object, cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, however long a loaded machine takes for it."""
    done = forks.run(arguments, cwd, environ=env)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def call(deployment, *arguments: object) -> subprocess.CompletedProcess[str]:
    return gateway("call", "-c", deployment.client, "warehouse", *arguments)


def write(folder: Path, text: str) -> Path:
    path = folder / "gateway.toml"
    path.write_text(text)
    return path


def test_a_call_shows_its_reply_to_a_person(deployment):
    done = call(deployment, "GetOrder", f"orderId={ORDER}")
    assert done.returncode == 0
    assert f'"orderId": "{ORDER}"' in done.stdout


def test_a_call_shows_its_reply_to_a_program(deployment):
    done = call(deployment, "GetOrder", f"orderId={ORDER}", "--json")
    order = json.loads(done.stdout)["reply"]
    assert (order["orderId"], order["total"]) == (ORDER, "85.00")


def test_nested_arguments_are_written_with_dots(deployment):
    address = {"street": "1", "city": "Otley", "postalCode": "LS21", "country": "GB"}
    words = [f"customer.address.{key}={value}" for key, value in address.items()]
    line = ["lines.0.sku=PAL-0001", "lines.0.quantity:=2", "lines.0.unitPrice=1.50"]
    done = call(deployment, "PlaceOrder", "customer.name=Mill", *words, *line, "--json")
    assert json.loads(done.stdout)["reply"]["total"] == "3.00"


def test_a_fault_is_shown_and_is_exit_status_1(deployment):
    done = call(deployment, "GetOrder", "orderId=WH-0", "--json")
    assert done.returncode == 1
    assert "OrderNotFound" in json.loads(done.stdout)["fault"]["detail"]


def test_a_one_way_call_says_so(deployment):
    done = call(
        deployment,
        "NotifyShipment",
        "orderId=WH-100003",
        "carrier=Rail",
        "shippedAt=2026-01-09T10:00:00Z",
    )
    assert done.returncode == 0
    assert "one-way" in done.stdout


def test_without_an_operation_all_are_listed_with_what_they_take(deployment):
    done = call(deployment)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [one.partition(" takes ")[0] for one in lines] == OPERATIONS
    assert "GetOrder takes orderId (token)" in lines
    told = json.loads(call(deployment, "--json").stdout)["operations"]
    assert list(told) == OPERATIONS
    assert list(told.values()) == lines


@pytest.mark.parametrize("name", ["get_order_11", "get_order_12"])
def test_an_envelope_from_a_file_is_sent_as_it_is(deployment, name):
    path = ROOT / "tests" / "golden" / "envelopes" / f"{name}.xml"
    done = call(deployment, "--envelope", path)
    assert done.returncode == 0
    assert "GetOrderResponse" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("GetOrde",), "has no operation 'GetOrde': did you mean GetOrder?"),
        (("GetOrder",), "argument orderId: is missing (GetOrder takes orderId (token))"),
        (("GetOrder", "orderid=1"), "did you mean orderId?"),
        (("GetOrder", "orderId.x=1"), "orderId: is one value (token), with nothing inside"),
        (("ListOrders", "limit:=[1]"), "limit: is a list, and can be there once only"),
        (("PlaceOrder", "customer=Mill"), "customer: has parts, written customer.NAME=..."),
        (("PlaceOrder", "lines=1"), "lines.0: has parts, written lines.0.NAME=..."),
        (("PlaceOrder", "customer.nam=Mill"), "customer.nam: is not known: did you mean name?"),
        (
            ("GetOrder", "nope=1"),
            "nope: is not known: there is orderId. (GetOrder takes orderId (token))",
        ),
        (("GetOrder", "orderId"), "write key=value"),
        (("GetOrder", "orderId:=}"), "is not JSON"),
        (("--envelope", "/nowhere.xml"), "cannot be read"),
    ],
)
def test_a_call_that_cannot_be_made_is_told_with_its_cure(deployment, arguments, says):
    done = call(deployment, *arguments)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())


def test_an_envelope_that_breaks_the_contract_is_refused_here(deployment, tmp_path):
    path = tmp_path / "bad.xml"
    path.write_text("<a/>")
    done = call(deployment, "--envelope", path)
    assert done.returncode == 1
    assert "root element" in done.stderr


def test_an_unknown_service_is_told(deployment):
    done = gateway("call", "-c", deployment.client, "orders", "GetOrder")
    assert done.returncode == 2
    assert "no service 'orders'" in done.stderr


def test_check_has_a_tick_for_all_that_is_right(deployment):
    done = gateway("check", "-c", deployment.private)
    assert done.returncode == 0, done.stdout
    assert "✗" not in done.stdout
    assert "takes connections" in done.stdout


@pytest.mark.parametrize(
    ("file", "mark", "says"),
    [
        ("audit.jsonl", "✓", "can be written"),
        ("nowhere/audit.jsonl", "✗", "which is not a folder: correct audit.file"),
        (".", "✗", "must name a file"),
    ],
)
def test_check_looks_whether_the_audit_log_can_be_written(folder, file, mark, says):
    audit = f'[audit]\nfile="{file}"'
    path = write(folder, f'queue="memory:"\n[services.a]\nwsdl="warehouse.wsdl"\n{audit}')
    done = gateway("check", "-c", path)
    told = " ".join((done.stdout + done.stderr).split())
    assert says in told
    assert not list(folder.glob("audit*"))
    if file != ".":
        assert f"{mark} audit audit.jsonl:" in told


CASES = {
    "no such file": ("serve", None, "there is no such file"),
    "unknown key": (
        "serve",
        'queue="memory:"\nnope=1\n[services.a]\nwsdl="a"',
        "nope: is not a key",
    ),
    "unknown queue": (
        "serve",
        'queue="amqp://x"\n[services.a]\nhost="quotes:QuoteService"',
        "is not a queue this program knows",
    ),
    "no folder": (
        "serve",
        'queue="sqlite:////nowhere/q.db"\n[services.a]\nhost="quotes:QuoteService"',
        "there is no folder",
    ),
    "no wsdl": (
        "serve",
        'queue="memory:"\n[services.a]\nwsdl="nowhere.wsdl"',
        "nowhere.wsdl is not there",
    ),
    "no backend": (
        "serve",
        'queue="memory:"\n[services.a]\nwsdl="published.wsdl"',
        "add forward =",
    ),
    "wrong operation": (
        "serve",
        'queue="memory:"\n[services.a]\nwsdl="warehouse.wsdl"\nrepeatable=["GetOrde"]',
        "did you mean GetOrder?",
    ),
    "no module": ("serve", 'queue="memory:"\n[services.a]\nhost="nowhere:Service"', "nowhere"),
    "no class": ("serve", 'queue="memory:"\n[services.a]\nhost="quotes:Nothing"', "Nothing"),
    "not its contract": (
        "serve",
        'queue="memory:"\n[services.a]\nhost="quotes:QuoteService"\nwsdl="warehouse.wsdl"',
        "has no method for GetLabel",
    ),
    "unreadable wsdl": (
        "listen",
        'queue="memory:"\n[services.a]\nwsdl="broken.wsdl"',
        "broken.wsdl",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, deployment) -> Path:
    """A folder with contracts, good and bad, and a service to host."""
    made = tmp_path_factory.mktemp("bad")
    for source in (ROOT / "wsdl").glob("warehouse.*"):
        (made / source.name).write_bytes(source.read_bytes())
    (made / "quotes.py").write_text((ROOT / "contrib/examples/quotes/quotes.py").read_text())
    (made / "broken.wsdl").write_text("<definitions")
    for query, name in (("wsdl", "published.wsdl"),):
        with urllib.request.urlopen(f"{deployment.listener}/warehouse?{query}") as response:
            text = (
                response.read()
                .decode()
                .replace(f"{deployment.listener}/warehouse?xsd=1", "warehouse.xsd")
            )
            (made / name).write_text(text)
    return made


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_run_says_why_in_a_line_and_exits_with_2(folder, case):
    command, text, says = CASES[case]
    path = folder / "nothing.toml" if text is None else write(folder, text)
    done = gateway(command, "-c", path)
    assert done.returncode == 2, done.stderr
    assert says in " ".join(done.stderr.split())


def test_several_processes_stop_together_where_none_can_work(folder):
    path = write(folder, 'queue="sqlite:///q.db"\n[services.a]\nwsdl="nowhere.wsdl"')
    done = gateway("serve", "--processes", "2", "-c", path)
    assert done.returncode == 2
    assert "nowhere.wsdl" in done.stderr


def test_a_port_that_is_taken_is_told(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        path = write(
            folder,
            f'queue="memory:"\n[services.a]\nwsdl="warehouse.wsdl"\n[listener]\nbind="{bind}"',
        )
        done = gateway("listen", "-c", path)
    assert done.returncode == 2
    assert "listener.bind" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a read-only file system needs root")
def test_a_queue_that_is_read_only_is_told(folder, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", tmp_path], check=True)
    try:
        queue = f"sqlite:///{tmp_path}/queue.db"
        path = write(folder, f'queue="{queue}"\n[services.a]\nhost="quotes:QuoteService"')
        done = gateway("serve", "-c", path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert done.returncode == 2
    assert "read-only" in done.stderr


@pytest.mark.parametrize("processes", [1, 2])
def test_serve_ends_with_0_when_it_is_told_to(deployment, processes, tmp_path):
    text = deployment.private.read_text().replace(deployment.queue, f"sqlite:///{tmp_path}/q.db")
    path = write(tmp_path, text)
    command = [
        sys.executable,
        "-P",
        "-m",
        "gateway",
        "serve",
        "-c",
        path,
        "--processes",
        str(processes),
    ]
    with log_of(path).open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    _wait_for_line(log_of(path), "serving warehouse", processes)
    process.terminate()
    assert process.wait(timeout=240) == 0
    assert "Traceback" not in log_of(path).read_text()


def _wait_for_line(path: Path, text: str, times: int = 1) -> None:
    until = time.monotonic() + 240
    while path.read_text().count(text) < times:
        assert time.monotonic() < until, path.read_text()
        time.sleep(0.05)


def test_a_process_that_dies_is_replaced(deployment, tmp_path):
    text = deployment.private.read_text().replace(deployment.queue, f"sqlite:///{tmp_path}/q.db")
    path = write(tmp_path, text)
    command = [sys.executable, "-P", "-m", "gateway", "serve", "-c", path, "--processes", "2"]
    with log_of(path).open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for_line(log_of(path), "serving warehouse", 2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        spawned = [
            one for one in children if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()
        ]
        os.kill(int(spawned[0]), signal.SIGKILL)
        _wait_for_line(log_of(path), "serving warehouse", 3)
    finally:
        end(process)


def test_up_hosts_a_service_from_its_code_alone(folder):
    bind = f"127.0.0.1:{free_port()}"
    path = write(
        folder,
        f'queue="sqlite:///hosted.db"\n[services.quotes]\nhost="quotes:QuoteService"\n[listener]\nbind="{bind}"',
    )
    process = start("up", path)
    try:
        await_health(f"http://{bind}", log_of(path))
        done = gateway("call", "-c", path, "quotes", "get_quote", "symbol=ACME", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["reply"]["currency"] == "EUR"
        with urllib.request.urlopen(f"http://{bind}/quotes?wsdl") as response:
            assert f"http://{bind}/quotes".encode() in response.read()
    finally:
        end(process)
    assert process.returncode == 0


@pytest.mark.parametrize("options", [["--once"], []])
def test_the_demo_makes_its_calls_and_ends_where_nobody_can_end_it(options):
    done = gateway("demo", *options, "--port", "0")
    assert done.returncode == 0, done.stdout
    assert "8 of 8 came back right" in done.stdout
    assert "Ctrl-C" not in done.stdout


@pytest.mark.usefixtures("ctrl_c_is_heard")
def test_the_demo_at_a_terminal_says_how_to_end_it_and_stays_until_then():
    mine, terminal = os.openpty()
    command = [sys.executable, "-P", "-m", "gateway", "demo", "--port", "0"]
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while b"until you press Ctrl-C" not in shown:
        try:
            shown += os.read(mine, 4096)
        except OSError:  # it has ended
            pytest.fail(shown.decode())
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    with open(mine, "rb", buffering=0) as left:
        while process.poll() is None:
            with contextlib.suppress(OSError):  # as when its other end is closed
                left.read(4096)
    assert process.returncode == 0


def test_a_caller_who_waits_when_the_listener_stops_learns_where_the_reply_will_be(
    deployment, tmp_path
):
    bind = f"127.0.0.1:{free_port()}"
    for source in (ROOT / "wsdl").glob("warehouse.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    text = f'queue = "sqlite:///{tmp_path}/q.db"\n[services.warehouse]\nwsdl = "warehouse.wsdl"\n'
    path = write(tmp_path, f'{text}[listener]\nbind = "{bind}"\n[gateway]\ngrace = 2.0')
    process = start("listen", path)
    try:
        await_health(f"http://{bind}", log_of(path))
        body = (ROOT / "tests" / "golden" / "envelopes" / "get_order_11.xml").read_bytes()
        connection = http.client.HTTPConnection(bind, timeout=240)
        connection.request("POST", "/warehouse", body, {"Content-Type": "text/xml"})
        time.sleep(0.5)
        process.terminate()
        response = connection.getresponse()
        connection.close()
        assert response.status == 504
        assert response.headers["Location"].startswith("/warehouse/replies/")
        assert process.wait(timeout=240) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "LocalHost"])
def test_a_service_that_leads_back_to_its_own_listener_is_refused(folder, host):
    settings = 'queue="memory:"\n[services.a]\nwsdl="warehouse.wsdl"\n'
    settings += f'forward="http://{host}:8800/a"\n[listener]\nbind="127.0.0.1:8800"'
    done = gateway("serve", "-c", write(folder, settings))
    assert done.returncode == 2
    assert "own listener" in done.stderr


def test_a_hosted_module_with_a_mistake_is_told_in_a_line(folder):
    (folder / "mistaken.py").write_text("class Broken(:\n")
    done = gateway(
        "serve", "-c", write(folder, 'queue="memory:"\n[services.a]\nhost="mistaken:Broken"')
    )
    assert done.returncode == 2
    assert "SyntaxError" in done.stderr


@pytest.mark.parametrize("command", ["serve", "listen"])
def test_a_store_that_is_down_is_told_as_such_and_another_start_may_help(tmp_path, command):
    down = "s3://our-queue?endpoint_url=http://127.0.0.1:9&region=eu-west-1"
    write(tmp_path, f'queue = "{down}"\n[services.warehouse]\nwsdl = "{WAREHOUSE}"\n')
    known = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    done = gateway(command, cwd=tmp_path, env={**os.environ, **known})
    assert done.returncode == 1
    assert "127.0.0.1:9 cannot be reached (Connection refused): start what listens" in done.stderr


def test_whoever_calls_as_none_of_the_clients_is_told_before_anything_is_sent(tmp_path):
    settings = f'queue = "sqlite:///q.db"\n[services.warehouse]\nwsdl = "{WAREHOUSE}"\n'
    (tmp_path / "gateway.toml").write_text(f'{settings}[clients.shop]\nallow = ["*"]\n')
    done = gateway("call", "warehouse", "GetOrder", "orderId=WH-1", cwd=tmp_path)
    assert done.returncode == 2
    assert "calls are sent as 'local'" in done.stderr
    assert "set client to one of shop" in done.stderr


def test_a_call_whose_reply_does_not_come_in_time_says_where_it_will_be(tmp_path):
    settings = f'queue = "sqlite:///q.db"\n[services.warehouse]\nwsdl = "{WAREHOUSE}"\n'
    (tmp_path / "gateway.toml").write_text(f"{settings}[listener]\nwait = 0.2\n")
    done = gateway("call", "warehouse", "GetOrder", "orderId=WH-100001", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"/warehouse/replies/[0-9A-Z]{26}", done.stderr)
