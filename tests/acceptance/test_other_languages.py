"""SOAP clients of other languages call the warehouse through the listener, as they are.

``contrib/clients/install.sh`` installs what they need. Each program makes the same calls, from the
WSDL that the listener publishes, and prints what it got as JSON.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deployment import ROOT, Deployment
from servers import JAVA

CLIENTS = ROOT / "contrib" / "clients"
GOLDEN = ROOT / "tests" / "golden" / "envelopes"
SECONDS = 300
SENDER = {"1.1": "Client", "1.2": "Sender"}


@dataclass(frozen=True)
class Language:
    """A client program, in a folder of its own.

    ``{build}`` in a command is a folder into which ``build.sh`` has put what it made of the WSDL.
    """

    folder: str
    command: tuple[str, ...]
    probe: tuple[str, ...]
    """A command that succeeds where the client's library is installed."""
    versions: tuple[str, ...] = ("1.1", "1.2")
    declared: str = ""
    """What it reports as the code of a declared fault, where its library does not tell the code."""
    optional: str = ""
    """Why CI may go without it."""


LANGUAGES = (
    Language(
        folder="php",
        command=("php", "client.php"),
        probe=("php", "-r", "exit(extension_loaded('soap') ? 0 : 1);"),
    ),
    Language(
        folder="node",
        command=("node", "client.mjs"),
        probe=("node", "--input-type=module", "-e", "import 'soap'"),
    ),
    Language(
        folder="perl",
        command=("perl", "client.pl"),
        probe=("perl", "-MSOAP::Lite", "-e1"),
    ),
    Language(
        folder="suds",
        command=("/usr/bin/python3", "-I", "client.py"),
        probe=("/usr/bin/python3", "-I", "-c", "import suds"),
        versions=("1.1",),
    ),
    Language(
        folder="java",
        command=(*JAVA, "-cp", "{build}/classes:build/lib/*", "Client"),
        probe=(*JAVA, "-cp", "build/lib/*", "com.sun.tools.ws.WsImport", "-version"),
        declared="declared",
        optional="install.sh installs no JDK and no Maven",
    ),
    Language(
        folder="gsoap",
        command=("{build}/client-{version}",),
        probe=("wsdl2h", "-V"),
    ),
)
CALLERS = [
    pytest.param(language, version, id=f"{language.folder}-{version}")
    for language in LANGUAGES
    for version in language.versions
]


@functools.cache
def is_installed(language: Language) -> bool:
    if shutil.which(language.probe[0]) is None:
        return False
    return run(language, language.probe).returncode == 0


def run(language: Language, command: tuple[str, ...]) -> subprocess.CompletedProcess[bytes]:
    # Java reads its arguments, and others write their output, in the encoding of the locale.
    surroundings = {**os.environ, "LC_ALL": "C.UTF-8"}
    folder = CLIENTS / language.folder
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, timeout=SECONDS
    )


def go_without(what: str, optional: str = "") -> None:
    """Skip a test; in CI, where everything is to be tested, fail it."""
    reason = f"{what} is not installed: run contrib/clients/install.sh"
    if os.environ.get("CI") == "true" and not optional:
        pytest.fail(reason)
    pytest.skip(f"{reason} ({optional})" if optional else reason)


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("builds")


def built(language: Language, wsdl: str, builds: Path) -> Path:
    """Return the folder of what a client's ``build.sh`` makes, the first time."""
    folder = builds / language.folder
    if (CLIENTS / language.folder / "build.sh").exists() and not folder.exists():
        done = run(language, ("./build.sh", wsdl, str(folder)))
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return folder


def report_of(
    language: Language, version: str, note: str, deployment: Deployment, builds: Path
) -> Any:
    """Run a client program; return what it reports."""
    wsdl = f"{deployment.listener}/warehouse?wsdl"
    folder = built(language, wsdl, builds)
    command = tuple(part.format(build=folder, version=version) for part in language.command)
    done = run(language, (*command, wsdl, version, note))
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return json.loads(done.stdout)


def expected(language: Language, version: str, note: str) -> dict[str, Any]:
    """Return what a client is to report, but for the number of the order that it placed."""
    return {
        "order": {
            "orderId": "WH-100002",
            "status": "shipped",
            "customer": "Kaufhaus Übersee",
            "city": "Bremen",
            "total": "89.90",
            "note": "Fragile <glass>",
            "courier": "Swift",
        },
        "unknown": {
            "code": language.declared or SENDER[version],
            "text": "There is no order WH-404404.",
            "orderId": "WH-404404",
        },
        "refused": {
            "code": SENDER[version],
            "text": "The Body does not follow the contract: element GetOrder/orderId: "
            "its value does not match the pattern of its type.",
            "orderId": None,
        },
        "listed": ["WH-100005"],
        "placed": {
            "total": "38.20",
            "customer": "Żak & Söhne",
            "note": note,
            "gifts": [False, True],
        },
        "label": {
            "text": "^XA^CI28\n^FO40,40^FDKaufhaus Übersee^FS\n^FO40,90^FDHafenstraße 7^FS\n"
            "^FO40,140^FD28195 Bremen^FS\n^FO40,220^BCN,100^FDWH-100002^FS\n^XZ\n",
            "mimeType": "application/zpl",
        },
        "notified": True,
    }


def executions_of(deployment: Deployment, line: str) -> int:
    """Wait until an execution is in the ledger; return how many there are."""
    until = time.monotonic() + 240
    while line not in deployment.executions() and time.monotonic() < until:
        time.sleep(0.05)
    return deployment.executions().count(line)


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize(("language", "version"), CALLERS)
def test_a_client_of_another_language_works_unchanged(
    language: Language, version: str, deployment: Deployment, builds: Path
) -> None:
    if not is_installed(language):
        go_without(f"the client for {language.folder}", language.optional)
    note = f"{language.folder} {version}: ½ <of> & “all”"
    report = report_of(language, version, note, deployment, builds)
    number = report["placed"].pop("orderId")
    assert report == expected(language, version, note)
    assert executions_of(deployment, f"PlaceOrder\t{note}") == 1
    assert executions_of(deployment, f"NotifyShipment\t{number}") == 1


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-H", "Transfer-Encoding: chunked"),
        ("-H", "Expect: 100-continue", "--expect100-timeout", "20"),
        ("--http1.0",),
    ],
    ids=["plain", "chunked", "expect", "http1.0"],
)
@pytest.mark.parametrize(
    ("envelope", "content_type"),
    [("get_order_11", "text/xml"), ("get_order_12", "application/soap+xml")],
)
def test_curl_posts_an_envelope_from_a_file(
    deployment: Deployment, envelope: str, content_type: str, options: tuple[str, ...]
) -> None:
    if shutil.which("curl") is None:
        go_without("curl")
    command = [
        *("curl", "--silent", "--show-error", "--fail", "--max-time", "15", *options),
        *("-H", f"Content-Type: {content_type}; charset=utf-8"),
        *("--data-binary", f"@{GOLDEN / envelope}.xml", f"{deployment.listener}/warehouse"),
    ]
    done = subprocess.run(command, capture_output=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"<t:orderId>WH-" in done.stdout
