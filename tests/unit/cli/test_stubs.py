"""``gateway stubs``: what a person is told, and what is left alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import forks
import pytest

ROOT = Path(__file__).parents[3]
WAREHOUSE = ROOT / "wsdl" / "warehouse.wsdl"
GOLDEN = ROOT / "tests" / "golden" / "stubs"


FAR = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><types>
<schema xmlns="http://www.w3.org/2001/XMLSchema">
<import namespace="urn:a" schemaLocation="{address}"/></schema></types></definitions>
"""


def stubs(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forks.run(["stubs", *arguments], folder)


def test_a_client_is_written_and_other_ports_are_told(tmp_path):
    done = stubs(tmp_path, str(WAREHOUSE), "--client", "client.py", "--service-name", "shop")
    assert done.stdout == "written  client.py  5 operations of port WarehouseSoap11\n"
    assert done.stderr == "! other ports, to be chosen with --port: WarehouseSoap12\n"
    text = (tmp_path / "client.py").read_text()
    golden = (GOLDEN / "warehouse_client.py").read_text()
    assert text == golden.replace('_service = "warehouse"', '_service = "shop"')
    again = stubs(tmp_path, str(WAREHOUSE), "--client", "client.py", "--service-name", "shop")
    assert again.stdout.startswith("unchanged  client.py")


def test_what_is_not_expressed_is_told_with_its_operations(tmp_path):
    done = stubs(tmp_path, str(GOLDEN / "calculator.wsdl"), "--client", "client.py")
    assert done.returncode == 0
    assert "! Old is rpc/encoded, and left out\n" in done.stderr
    done = stubs(tmp_path, str(GOLDEN / "everything.wsdl"), "--client", "other.py")
    assert "! Mixed is mixed content: text between its elements is lost (Mix)\n" in done.stderr
    assert "- Mixed is mixed content" in (tmp_path / "other.py").read_text()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([str(WAREHOUSE)], "name what to write: --client FILE, --service FILE, or both."),
        (["nowhere.wsdl", "--client", "c.py"], "nowhere.wsdl is not there"),
        ([str(WAREHOUSE), "--client", "c.py", "--port", "x"], "name one of WarehouseSoap11, "),
        ([str(WAREHOUSE), "--client", "mine.py"], "mine.py was not written by gateway stubs"),
        (["http://127.0.0.1:9/x?wsdl", "--client", "c.py"], "does not answer"),
        (
            [str(WAREHOUSE), "--client", "a-b.py"],
            "a-b.py is not the name of a Python module: name a file",
        ),
        ([str(WAREHOUSE), "--service", "gateway.py"], "name a file like gateway_client.py."),
        (["far.wsdl", "--client", "c.py"], "name the host other.example with --host"),
        (["encoded.wsdl", "--client", "c.py"], "is rpc/encoded, and left out (Add, Reset, Old)"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_with_status_2(tmp_path, arguments, told):
    (tmp_path / "mine.py").write_text("mine = True\n")
    encoded = (GOLDEN / "calculator.wsdl").read_text().replace('use="literal"', 'use="encoded"')
    (tmp_path / "encoded.wsdl").write_text(encoded)
    far = FAR.format(address="http://other.example/a.xsd")
    (tmp_path / "far.wsdl").write_text(far)
    done = stubs(tmp_path, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "mine.py").read_text() == "mine = True\n"
    assert not list(tmp_path.glob("[!m]*.py"))
