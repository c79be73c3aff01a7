"""The example of a kind of queue of one's own: installed as pip does, judged, and served from."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import deployment
import pytest
from deployment import ROOT

EXAMPLE = ROOT / "contrib" / "examples" / "journal_queue"
SETTINGS = """\
queue = "journal:{folder}/orders.journal"

[services.warehouse]
wsdl = "{legacy}?wsdl"

[listener]
bind = "127.0.0.1:{port}"
"""
GET_ORDER = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    b'<GetOrder xmlns="urn:example:warehouse:types"><orderId>WH-100001</orderId></GetOrder>'
    b"</s:Body></s:Envelope>"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example, beside the gateway that is here."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for path in (*EXAMPLE.glob("*.py"), EXAMPLE / "pyproject.toml"):  # pip builds beside them
        (source / path.name).write_bytes(path.read_bytes())
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
    subprocess.run([*pip, str(source)], check=True)
    return site


def test_it_passes_the_suite_as_its_page_says(site):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE)],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert " failed" not in done.stdout


def test_a_gateway_serves_from_it_and_what_was_answered_outlives_a_kill(
    site, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(site))
    port = deployment.free_port()
    settings = tmp_path / "gateway.toml"
    with deployment.legacy_service() as legacy:
        settings.write_text(SETTINGS.format(folder=tmp_path, legacy=legacy, port=port))
        process = deployment.start("up", settings)
        listener = f"http://127.0.0.1:{port}"
        deployment.await_health(listener, deployment.log_of(settings))
        sent = urllib.request.Request(
            f"{listener}/warehouse", data=GET_ORDER, headers={"Content-Type": "text/xml"}
        )
        with urllib.request.urlopen(sent, timeout=deployment.STARTING) as answer:
            assert b"delivered" in answer.read()
        process.kill()
        process.wait()
    log = deployment.log_of(settings).read_text("utf-8")
    assert "queue callers: this process only" in log
    told = subprocess.run(
        [sys.executable, "-P", "-m", "gateway", "status", "-c", str(settings), "--json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert '"depth": 0' in told
    assert "<orderId>" not in log
