"""The layers, and the homes of the libraries: the code departs from neither.

A module imports from lower layers only; inside one package imports may run sideways, never in a
circle. A library is imported by its home alone, so that it can be replaced there.
"""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    {"gateway.reasons"},
    {"gateway.errors"},
    {"gateway.credentials"},
    {
        "gateway.jms_uri",
        "gateway.multipart",
        "gateway.places",
        "gateway.secret",
        "gateway.sockets",
        "gateway.fair_pool",
        "gateway.wellformed",
        "gateway.wording",
    },
    {"gateway.soapjms"},
    {"gateway.message"},
    {"gateway.soap", "gateway.lifespan"},
    {
        "gateway.queue",
        "gateway.endpoint",
        "gateway.glimpse",
        "gateway.header_blocks",
        "gateway.contract",
    },
    {
        "gateway.queues",
        "gateway.backend",
        "gateway.served",
        "gateway.remote",
        "gateway.attendance",
        "gateway.verdict",
        "gateway.renewals",
        "gateway.audit",
        "gateway.quotas",
    },
    {"gateway.admission", "gateway.backends", "gateway.client_calls"},
    {
        "gateway.service",
        "gateway.daemon",
        "gateway.listener_answers",
        "gateway.listener_room",
        "gateway.listener_tls",
        "gateway.client",
        "gateway.provision",
        "gateway.stubs",
    },
    {
        "gateway.listener_audit",
        "gateway.listener_auth",
        "gateway.listener_connections",
        "gateway.listener_door",
        "gateway.listener_health",
        "gateway.listener_pages",
        "gateway.listener_share",
        "gateway.listener_waits",
        "gateway.binding",
    },
    {"gateway.listener", "gateway.stub"},
    {"gateway.settings"},
    {"gateway.assembly"},
    {"gateway.cli"},
    {"gateway.__main__"},
]
"""The lowest first. A package stands for all that is in it."""

APART = {"gateway.demo"}
"""The demo's legacy service: somebody else's program, which knows nothing of the gateway."""

HOMES = {
    "aiohttp": {
        "gateway.backends.forward",
        "gateway.listener",
        "gateway.listener_answers",
        "gateway.listener_audit",
        "gateway.listener_auth",
        "gateway.listener_connections",
        "gateway.listener_door",
        "gateway.listener_health",
        "gateway.listener_pages",
        "gateway.listener_share",
        "gateway.queues.aws_http",
    },
    # expat, where bytes have to be found in a document again.
    "xml": {
        "gateway.admission.wss_cut",
        "gateway.backends.addressing",
        "gateway.soap",
        "gateway.wellformed",
    },
    "boto3": {"gateway.provision", "gateway.queues.aws"},
    "botocore": {
        "gateway.provision",
        "gateway.queues.aws",
        "gateway.queues.aws_http",
        "gateway.queues.published",
    },
    "cryptography": {"gateway.admission.x509"},
    "jinja2": {"gateway.stubs.templating"},
    "lxml": {
        "gateway.soap",
        "gateway.glimpse",
        "gateway.contract",
        "gateway.admission.wss_header",
        "gateway.admission.wss_signature",
        "gateway.admission.wss_types",
        "gateway.backends.fault_tree",
        "gateway.backends.faults",
        "gateway.backends.hosted",
        "gateway.backends.wss",
        "gateway.client",
        "gateway.stub",
        "gateway.stubs",
        "gateway.cli.call",
        "gateway.demo",
    },
    "pydantic": {"gateway.settings"},
    "pydantic_core": {"gateway.settings"},
    "requests": {
        "gateway.contract.fetching",
        "gateway.backends.answers",
        "gateway.backends.forward",
        "gateway.client",
        "gateway.stub.exchange",
        "gateway.cli.call",
    },
    "rich": {"gateway.cli"},
    "spyne": {"gateway.backends.spyne_compat"},
    "sqlite3": {"gateway.queues"},
    "tomllib": {"gateway.settings"},
    "typer": {"gateway.cli"},
    "uvloop": {"gateway.cli"},
    "xmlsec": {"gateway.backends.wss"},
    "zeep": {
        "gateway.contract.zeep_model",
        "gateway.backends.forward",
        "gateway.backends.wss",
        "gateway.client",
        "gateway.stub.client",
        "gateway.stub.exchange",
        "gateway.cli.call",
        "gateway.cli.demo",
    },
}
"""A module's name covers what is inside it, and, for ``hosted``, its parts beside it."""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "gateway").rglob("*.py")
}


def imports(name: str) -> Iterator[str]:
    """Yield what a module imports, wherever in it; of ours, modules and not names in them."""
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (inside & set(MODULES)) or {node.module}


def is_in(name: str, place: str) -> bool:
    return name == place or name.startswith((f"{place}.", f"{place}_"))


def layer(name: str) -> int:
    places = [(place, n) for n, places in enumerate(LAYERS) for place in places]
    found = [
        (len(place), n) for place, n in places if name == place or name.startswith(f"{place}.")
    ]
    return max(found)[1]


def is_apart(name: str) -> bool:
    return any(is_in(name, place) for place in APART)


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"gateway"}))
def test_a_module_imports_from_lower_layers_only(name):
    ours = {
        one for one in imports(name) if one.split(".")[0] == "gateway" and one != "gateway.wsdl"
    }
    if is_apart(name):
        assert all(is_apart(one) for one in ours)
        return
    package = name.split(".")[:2]
    for one in ours:
        assert not is_apart(one), f"{name} imports {one}, which is somebody else's program"
        is_sideways = one.split(".")[:2] == package
        assert is_sideways or layer(one) < layer(name), f"{name} imports {one} of a higher layer"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_by_its_home_alone(library):
    for name in MODULES:
        if library in {one.split(".")[0] for one in imports(name)}:
            assert any(is_in(name, home) for home in HOMES[library]), f"{name} imports {library}"


@pytest.mark.parametrize("library", HOMES)
def test_a_home_is_lived_in(library):
    for home in HOMES[library]:
        users = [name for name in MODULES if is_in(name, home)]
        assert any(library in {one.split(".")[0] for one in imports(name)} for name in users), home


def test_no_module_is_in_a_circle():
    seen: dict[str, set[str]] = {}

    def reach(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join((*path, name))}"
        if name not in seen:
            seen[name] = {one for one in imports(name) if one in MODULES and one != name}
            for one in seen[name]:
                reach(one, (*path, name))

    for name in MODULES:
        reach(name, ())


def test_every_dependency_has_a_home():
    lines = (ROOT / "setup.cfg").read_text().partition("install_requires =")[2].splitlines()[1:]
    names = [line.split()[0] for line in lines[: lines.index("")]]
    assert set(names) <= set(HOMES), "a dependency that no module is the home of"
    assert len(names) <= 12


def test_what_is_said_to_contributors_of_layers_is_so():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| \d+ \| (.*) \|$", text, re.MULTILINE)
    told = {name: n for n, row in enumerate(rows) for name in re.findall(r"`(\w+)/?`", row)}
    parts = [one.removeprefix("gateway.") for places in LAYERS for one in sorted(places)]
    places = ["listener" if one.startswith("listener_") else one for one in parts]
    assert set(places) == set(told)
    assert [told[one] for one in places] == sorted(told[one] for one in places)


def test_a_wheel_has_every_package():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(settings["options"]["packages"].split()) == packages | {"gateway.wsdl"}
