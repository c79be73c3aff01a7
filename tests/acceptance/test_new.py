"""``gateway new``, as a person types it: a folder that works at once, or none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import forks
import pytest
from deployment import CORPUS

ROOT = Path(__file__).parents[2]
WAREHOUSE = ROOT / "wsdl" / "warehouse.wsdl"
EPCIS = CORPUS / "gowsdl" / "epcis" / "EPCglobal-epcis-query-1_2.wsdl"


def gateway(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = forks.run(arguments, folder)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server, and the folder that it serves."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def test_a_new_folder_passes_the_check_at_once(tmp_path):
    made = gateway(tmp_path, "new", "stock", "--wsdl", WAREHOUSE)
    assert made.returncode == 0, made.stderr
    assert files_in(tmp_path / "stock") >= {"gateway.toml", "wsdl/stock.wsdl", "wsdl/warehouse.xsd"}
    assert made.stdout.splitlines()[-3:] == ["  cd stock", "  gateway check", "  gateway up"]
    checked = gateway(tmp_path / "stock", "check")
    assert checked.returncode == 0, checked.stdout
    assert "GetLabel, GetOrder, ListOrders, NotifyShipment, PlaceOrder" in checked.stdout


def test_a_new_service_is_hosted_typed_and_tested_at_once(tmp_path):
    made = gateway(tmp_path, "new", "my-stock", "--host", "--wsdl", WAREHOUSE)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "my-stock"
    written = {"my_stock_base.py", "my_stock_client.py", "my_stock_service.py", "test_my_stock.py"}
    assert files_in(folder) >= written
    checked = gateway(folder, "check")
    assert checked.returncode == 0, checked.stdout
    assert "hosted here, by my_stock_service:Warehouse" in checked.stdout
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "1 passed" in tested.stdout


def test_what_is_filled_in_answers_the_generated_client(tmp_path):
    gateway(tmp_path, "new", "stock", "--host", "--wsdl", WAREHOUSE)
    folder = tmp_path / "stock"
    (folder / "stock_service.py").write_text(FILLED_IN)
    (folder / "call.py").write_text(CALL)
    serving = subprocess.Popen([sys.executable, "-P", "-m", "gateway", "serve"], cwd=folder)
    try:
        called = subprocess.run(
            [sys.executable, "call.py"], cwd=folder, capture_output=True, text=True, timeout=240
        )
    finally:
        serving.terminate()
        serving.wait(240)
    assert called.stdout.splitlines() == ["b'PNG' WH-1 local", "WH-2 is not there"], called.stderr


FILLED_IN = """
from gateway.stubs import current_request
from stock_base import GetLabelResponse, OrderNotFound, OrderNotFoundFault, WarehouseService


class Warehouse(WarehouseService):
    def get_label(self, order_id: str, *, call_key: str | None = None) -> GetLabelResponse:
        if order_id != "WH-1":
            detail = OrderNotFound(order_id=order_id, hint="")
            raise OrderNotFoundFault("Client", "There is no such order.", detail=detail)
        kind = f"{order_id} {current_request().sender}"
        return GetLabelResponse(label=b"PNG", mime_type=kind)
"""
CALL = """
from stock_client import OrderNotFoundFault, WarehouseClient

with WarehouseClient("sqlite:///queue.db") as warehouse:
    got = warehouse.get_label("WH-1")
    print(got.label, got.mime_type)
    try:
        warehouse.get_label("WH-2")
    except OrderNotFoundFault as fault:
        print(fault.detail.order_id, "is not there")
"""


ENCODED = CORPUS / "wasabi" / "rpc_operation.wsdl"


@pytest.mark.skipif(not ENCODED.exists(), reason="the corpus of real WSDLs is not beside this")
def test_what_has_no_stub_is_forwarded_and_not_hosted(tmp_path):
    hosted = gateway(tmp_path, "new", "old", "--host", "--wsdl", ENCODED)
    assert hosted.returncode == 2
    assert "can be hosted from a stub: ExampleOperation is rpc/encoded" in hosted.stderr
    assert list(tmp_path.iterdir()) == []
    made = gateway(tmp_path, "new", "old", "--wsdl", ENCODED)
    assert made.returncode == 0, made.stderr
    assert "old has 1 operation. Next:" in made.stdout
    assert files_in(tmp_path / "old") == {"gateway.toml", "wsdl/old.wsdl"}


def test_what_was_filled_in_is_never_written_over(tmp_path):
    gateway(tmp_path, "new", "stock", "--host", "--wsdl", WAREHOUSE)
    folder, own = tmp_path / "stock", tmp_path / "stock" / "stock_service.py"
    own.write_text(FILLED_IN)
    wsdl = folder / "wsdl" / "stock.wsdl"
    wsdl.write_text(wsdl.read_text().replace('name="GetLabel"', 'name="FetchLabel"'))
    stubs = ("stubs", "wsdl/stock.wsdl", "--service", "stock_service.py")
    base = (folder / "stock_base.py").read_text()
    shown = gateway(folder, *stubs, "--diff")
    assert shown.returncode == 1
    assert "+    def fetch_label(" in shown.stdout
    assert (folder / "stock_base.py").read_text() == base
    written = gateway(folder, *stubs)
    assert written.returncode == 0, written.stderr
    assert "'not implemented' until stock_service.py has it: fetch_label" in written.stderr
    assert "can be removed from stock_service.py: get_label" in written.stderr
    assert own.read_text() == FILLED_IN
    assert "    def fetch_label(" in (folder / "stock_base.py").read_text()
    assert gateway(folder, *stubs, "--diff").returncode == 0


def test_a_contract_that_is_newer_than_the_stub_is_served_all_the_same(tmp_path):
    gateway(tmp_path, "new", "stock", "--host", "--wsdl", WAREHOUSE)
    wsdl = tmp_path / "stock" / "wsdl" / "stock.wsdl"
    wsdl.write_text(wsdl.read_text().replace('name="GetLabel"', 'name="FetchLabel"'))
    checked = gateway(tmp_path / "stock", "check")
    assert checked.returncode == 0
    assert "has no method for FetchLabel: callers get a fault that says so" in checked.stdout


def test_a_generated_class_needs_its_contract(tmp_path):
    gateway(tmp_path, "new", "stock", "--host", "--wsdl", WAREHOUSE)
    settings = tmp_path / "stock" / "gateway.toml"
    settings.write_text(settings.read_text().replace("wsdl = ", "# wsdl = "))
    checked = gateway(tmp_path / "stock", "check")
    assert checked.returncode == 1
    assert 'needs its contract: add wsdl = "path"' in checked.stdout


@pytest.mark.parametrize("name", ["my-service.py", "service.txt", "class.d/2nd.py", "import.py"])
def test_a_service_needs_the_name_of_a_module(tmp_path, name):
    made = gateway(tmp_path, "stubs", WAREHOUSE, "--service", name)
    assert made.returncode == 2
    assert "is not the name of a Python module" in made.stderr


def test_the_contract_may_be_at_an_address_with_all_that_it_imports(tmp_path, site):
    url, folder = site
    for name in ("warehouse.wsdl", "warehouse.xsd"):
        (folder / name).write_bytes((ROOT / "wsdl" / name).read_bytes())
    made = gateway(tmp_path, "new", "stock", "--wsdl", f"{url}/warehouse.wsdl")
    assert made.returncode == 0, made.stderr
    assert gateway(tmp_path / "stock", "check").returncode == 0


def test_the_queue_that_is_named_is_in_the_settings(tmp_path):
    gateway(tmp_path, "new", "stock", "--wsdl", WAREHOUSE, "--queue", "s3://our-bucket/stock")
    assert 'queue = "s3://our-bucket/stock"' in (tmp_path / "stock" / "gateway.toml").read_text()


@pytest.mark.parametrize("name", ["../stock", "a/b", "1st", "-x", "", "a b", "x" * 65])
def test_a_name_that_no_service_can_have_is_refused(tmp_path, name):
    made = gateway(tmp_path, "new", "--wsdl", WAREHOUSE, "--", name)
    assert made.returncode == 2
    assert "is not a name for a service" in made.stderr
    assert files_in(tmp_path) == set()


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "stock").mkdir()
    made = gateway(tmp_path, "new", "stock", "--wsdl", WAREHOUSE)
    assert made.returncode == 2
    assert "stock exists already, and is left as it is" in made.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / "stock"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--wsdl", "missing.wsdl"), "missing.wsdl is not there"),
        (("--wsdl", ROOT / "setup.cfg"), "not well-formed XML"),
        (("--wsdl", WAREHOUSE.with_suffix(".xsd")), "not a WSDL 1.1 document"),
        (("--wsdl", "http://127.0.0.1:1/x?wsdl"), "does not answer"),
        (("--wsdl", WAREHOUSE, "--queue", "amqp://x"), "is not a queue this program knows"),
    ],
    ids=["missing", "no XML", "no WSDL", "no answer", "no queue"],
)
def test_what_cannot_be_used_is_told_in_a_line_and_leaves_nothing(tmp_path, options, reason):
    made = gateway(tmp_path, "new", "stock", *options)
    assert made.returncode == 2
    assert reason in made.stderr
    assert len(made.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_an_import_leads_to_has_to_be_named(tmp_path, site):
    url, folder = site
    host = url.removeprefix("http://")
    (folder / "warehouse.xsd").write_bytes(WAREHOUSE.with_suffix(".xsd").read_bytes())
    leading = WAREHOUSE.read_text().replace(
        'schemaLocation="warehouse.xsd"', f'schemaLocation="{url}/warehouse.xsd"'
    )
    (tmp_path / "w.wsdl").write_text(leading)
    refused = gateway(tmp_path, "new", "stock", "--wsdl", "w.wsdl")
    assert refused.returncode == 2
    assert f"name the host {host} (--contract-host HOST" in refused.stderr
    made = gateway(tmp_path, "new", "stock", "--wsdl", "w.wsdl", "--contract-host", host)
    assert made.returncode == 0, made.stderr
    assert host not in (tmp_path / "stock" / "wsdl" / "stock.wsdl").read_text()


def test_files_above_the_wsdl_need_their_folder_to_be_named(tmp_path):
    inner = tmp_path / "contract" / "services"
    inner.mkdir(parents=True)
    schema = WAREHOUSE.with_suffix(".xsd").read_bytes()
    (tmp_path / "contract" / "warehouse.xsd").write_bytes(schema)
    text = WAREHOUSE.read_text().replace('="warehouse.xsd"', '="../warehouse.xsd"')
    (inner / "w.wsdl").write_text(text)
    refused = gateway(tmp_path, "new", "stock", "--wsdl", inner / "w.wsdl")
    assert refused.returncode == 2
    assert "--contract-folder FOLDER" in refused.stderr
    made = gateway(
        tmp_path,
        *("new", "stock", "--wsdl", inner / "w.wsdl", "--contract-folder", tmp_path / "contract"),
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    made = gateway(tmp_path, "new", "stock", "--wsdl", WAREHOUSE)
    tmp_path.chmod(0o700)
    assert made.returncode == 2
    assert "no folder can be made here" in made.stderr


@pytest.mark.skipif(not EPCIS.exists(), reason="the corpus of real WSDLs is not beside this")
def test_a_contract_of_several_folders_and_schemas_is_saved_whole(tmp_path):
    made = gateway(tmp_path, "new", "epcis", "--wsdl", EPCIS)
    assert made.returncode == 0, made.stderr
    assert gateway(tmp_path / "epcis", "check").returncode == 0


EVIL = (
    '"]\n[services.evil]\nwsdl = "wsdl/stock.wsdl"\nforward = "http://192.0.2.1/"\n'
    '[listener]\nbind = "0.0.0.0:80"\n#'
)


def test_a_contract_cannot_write_settings_by_its_names(tmp_path):
    evil = EVIL.replace("\n", "&#10;").replace('"', "&quot;")
    text = WAREHOUSE.read_text().replace('operation name="', f'operation name="{evil}')
    (tmp_path / "evil.wsdl").write_text(text)
    (tmp_path / "warehouse.xsd").write_bytes((WAREHOUSE.parent / "warehouse.xsd").read_bytes())
    made = gateway(tmp_path, "new", "stock", "--wsdl", "evil.wsdl")
    assert made.returncode == 2
    assert "/evil.wsdl:73: the name of a wsdl:operation" in made.stderr
    assert "is not a name (NCName" in made.stderr
    assert len(made.stderr.splitlines()) == 1
    assert not (tmp_path / "stock").exists()


def test_an_odd_contract_has_its_folder_all_the_same(tmp_path):
    """Documentation of nothing that is seen, numbers that are none, a value like a page."""
    schema = (WAREHOUSE.parent / "warehouse.xsd").read_text()
    schema = schema.replace("How far an order has come.", "\u200b")
    before, name, after = schema.partition('<xs:simpleType name="OrderStatus">')
    after = after.replace('"xs:string"', '"xs:int"', 1)
    after = after.replace('value="picking"', f'value="{"A" * 50_000}"', 1)
    (tmp_path / "warehouse.xsd").write_text(before + name + after)
    (tmp_path / "warehouse.wsdl").write_bytes(WAREHOUSE.read_bytes())
    made = gateway(tmp_path, "new", "stock", "--host", "--wsdl", "warehouse.wsdl")
    assert made.returncode == 0, made.stderr
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "stock",
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "1 passed" in tested.stdout
    client = (tmp_path / "stock" / "stock_client.py").read_text()
    assert '    RECEIVED = "received"' in client
    assert f"    {'A' * 200} = " in client
