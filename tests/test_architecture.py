"""The layers, and the homes of the libraries: the code departs from neither.

A module imports from lower layers only; inside one package imports may run sideways, never in a
circle. A library is imported by its home alone, so that it can be replaced there.
"""

from __future__ import annotations

import ast
import configparser
import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    # The vocabulary: what everything is told in.
    {"gateway.limits", "gateway.sockets"},
    {"gateway.errors"},
    {
        "gateway.secrets",
        "gateway.soap.jms_uri",
        "gateway.soap.multipart",
        "gateway.soap.wellformed",
    },
    {"gateway.soap.jms"},
    {"gateway.message"},
    {"gateway.soap"},
    {"gateway.queue"},
    # The contract of a service.
    {
        "gateway.contract.names",
        "gateway.contract.operations",
        "gateway.contract.backend_names",
        "gateway.contract.notes",
    },
    {
        "gateway.contract.bindings",
        "gateway.contract.documents",
        "gateway.contract.border",
        "gateway.contract.no_operation",
    },
    {"gateway.contract.schemas", "gateway.contract.zeep_model"},
    {"gateway.contract"},
    {"gateway.endpoint"},
    # Queues: what all have in common, then AWS, then each kind on those below it.
    {
        "gateway.queues.foreign_text",
        "gateway.queues.forgotten_ids",
        "gateway.queues.request_age",
        "gateway.queues.options",
        "gateway.queues.polling",
        "gateway.queues.quarantine",
        "gateway.queues.fair_queuing",
        "gateway.queues.prefetched",
    },
    {"gateway.queues.aws", "gateway.queues.embedded", "gateway.queues.memory"},
    {"gateway.queues.claims"},
    {"gateway.queues.bucket"},
    {"gateway.queues.sqs"},
    {"gateway.queues.doorbell"},
    {"gateway.queues", "gateway.observe.events", "gateway.observe.audit.chain"},
    {"gateway.observe.lines", "gateway.observe.audit"},
    {"gateway.observe"},
    # What a request meets on its way.
    {"gateway.admission.wss"},
    {
        "gateway.admission.addressing",
        "gateway.admission.references",
        "gateway.admission.rights",
        "gateway.admission.structure",
        "gateway.admission.wire",
    },
    {"gateway.admission.gate"},
    {"gateway.admission.threads"},
    {"gateway.admission"},
    {"gateway.backends.login", "gateway.backends.service_class"},
    {"gateway.backends.answers"},
    {"gateway.backends.redact"},
    {"gateway.backends.forward", "gateway.backends.hosted"},
    {"gateway.backends"},
    {"gateway.client"},
    {"gateway.serving.settings"},
    {
        "gateway.serving.breaker",
        "gateway.serving.quotas",
        "gateway.serving.leases",
        "gateway.serving.verdict",
    },
    {"gateway.serving.intake", "gateway.serving.service"},
    {"gateway.serving.walk"},
    {"gateway.serving.loop"},
    {"gateway.serving"},
    {"gateway.listening.settings"},
    {
        "gateway.listening.answers",
        "gateway.listening.health",
        "gateway.listening.connection_room",
        "gateway.listening.tls",
        "gateway.listening.waiting",
    },
    {
        "gateway.listening.authentication",
        "gateway.listening.connections",
        "gateway.listening.origin",
        "gateway.listening.pages",
        "gateway.listening.refusals",
        "gateway.listening.concurrency",
    },
    {"gateway.listening"},
    {"gateway.testing"},
    # Beside the walk: stubs and what writes them, and what AWS must hold.
    {"gateway.stubs", "gateway.provision"},
    {"gateway.generate.model", "gateway.generate.naming"},
    {"gateway.generate.python"},
    {"gateway.generate"},
    # What people write and type.
    {"gateway.settings"},
    {"gateway.assembly"},
    {
        "gateway.cli.log",
        "gateway.cli.notes",
        "gateway.cli.options",
        "gateway.cli.signals",
        "gateway.cli.streams",
    },
    {"gateway.cli.outcome", "gateway.cli.running"},
    {"gateway.cli.supervisor"},
    {"gateway.cli.call", "gateway.cli.quarantine"},
    {"gateway.cli.commands"},
    {"gateway.cli"},
    {"gateway.__main__"},
]
"""The lowest first. A package stands for all that is in it and has no layer of its own."""

APART = {"gateway.demo"}
"""The demo's legacy service: somebody else's program, which knows nothing of the gateway."""

HOMES = {
    "aiohttp": {"gateway.backends.forward", "gateway.listening", "gateway.queues.aws.http"},
    # What a value may be, noted beside its type.
    "annotated_types": {
        "gateway.limits",
        "gateway.listening.settings",
        "gateway.provision.desired",
        "gateway.queues.options",
        "gateway.serving.quotas",
        "gateway.serving.settings",
    },
    # expat, where bytes have to be found in a document again.
    "xml": {"gateway.soap.envelope", "gateway.soap.spans", "gateway.soap.wellformed"},
    "boto3": {"gateway.provision", "gateway.queues.aws.account"},
    "botocore": {"gateway.provision", "gateway.queues.aws", "gateway.queues.bucket.published"},
    "cryptography": {"gateway.admission.wss.x509"},
    "jinja2": {"gateway.generate.python.templating"},
    "lxml": {
        "gateway.soap",
        "gateway.contract",
        "gateway.admission.wss",
        "gateway.backends.redact",
        "gateway.backends.hosted",
        "gateway.backends.forward.security",
        "gateway.client",
        "gateway.stubs",
        "gateway.generate",
        "gateway.cli.call",
        "gateway.demo",
    },
    "pydantic": {"gateway.settings"},
    "pydantic_core": {"gateway.settings"},
    "pytest": {"gateway.testing"},
    "requests": {
        "gateway.contract.documents.fetching",
        "gateway.backends.forward.transport",
        "gateway.client",
        "gateway.stubs.exchange",
        "gateway.cli.call",
    },
    "rich": {"gateway.cli"},
    "spyne": {"gateway.backends.hosted.spyne_compat"},
    "sqlite3": {"gateway.queues"},
    "tomllib": {"gateway.settings"},
    "typer": {"gateway.cli"},
    "uvloop": {"gateway.cli"},
    "xmlsec": {"gateway.backends.forward.security"},
    "zeep": {
        "gateway.contract.zeep_model",
        "gateway.backends.forward",
        "gateway.client",
        "gateway.stubs.client",
        "gateway.stubs.exchange",
        "gateway.cli.call",
        "gateway.cli.commands.demo",
    },
}
"""A module's name covers what is inside it."""

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "gateway").rglob("*.py")
}


@functools.cache
def imports(name: str) -> frozenset[str]:
    """Return what a module imports, wherever in it; of ours, modules and not names in them."""
    return frozenset(_imports(name))


def _imports(name: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (inside & set(MODULES)) or {node.module}


def is_in(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def place(name: str) -> tuple[int, str]:
    """Return the layer of a module, and the name under which it has it."""
    found = [(n, one) for n, places in enumerate(LAYERS) for one in places if is_in(name, one)]
    return max(found, key=lambda one: len(one[1]))


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
    mine = place(name)
    for one in ours - {"gateway"}:
        assert not is_apart(one), f"{name} imports {one}, which is somebody else's program"
        theirs = place(one)
        assert theirs == mine or theirs[0] < mine[0], f"{name} imports {one} of a higher layer"


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


def nodes(name: str) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(MODULES[name].read_text("utf-8")))


BESIDE = {"gateway.backends.service_class"}
"""``current_request`` is promised to the methods of services, which get nothing but values."""


def test_nothing_travels_beside_the_stages_of_a_request():
    users = {name for name in MODULES if any("contextvars" in one for one in imports(name))}
    # The pool runs each call in an empty context, so that no variable passes to code of others.
    assert users == BESIDE | {"gateway.backends.hosted.pool"}


ERRORS = {
    node.name
    for node in nodes("gateway.errors")
    if isinstance(node, ast.ClassDef) and node.name[0].isupper()
}


def made_errors(function: ast.AST) -> Iterator[str]:
    """Yield the names that errors have in a function: those that are caught, and those it makes."""
    for node in ast.walk(function):
        if isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        if isinstance(node, ast.arg) and ast.unparse(node.annotation or node).endswith("Error"):
            yield node.arg
        if isinstance(node, ast.Assign) and ast.unparse(node.value).partition("(")[0] in ERRORS:
            yield from (one.id for one in node.targets if isinstance(one, ast.Name))


def changed(node: ast.AST) -> list[ast.expr]:
    """Return what a statement assigns to."""
    match node:
        case ast.Assign(targets=targets):
            return targets
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [target]
    return []


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"gateway.cli.supervisor"}))
def test_no_log_gets_the_text_of_an_error_of_others(name):
    """It quotes what it failed on: a traceback goes through ``gateway.errors.unquoted``."""
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "log.exception":
            pytest.fail(f"{name}, line {node.lineno}: log.error(..., exc_info=unquoted(error))")
        if isinstance(node, ast.keyword) and node.arg == "exc_info" and not is_apart(name):
            assert ast.unparse(node.value).startswith("unquoted("), f"{name}, line {node.lineno}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_error_is_changed_on_its_way(name):
    for function in nodes(name):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        errors = set(made_errors(function)) - {"self"}
        for target in (one for node in ast.walk(function) for one in changed(node)):
            is_of_error = isinstance(target, ast.Attribute) and ast.unparse(target.value) in errors
            assert not is_of_error, f"{name}, line {target.lineno}: {ast.unparse(target)}"


def test_every_dependency_has_a_home():
    lines = (ROOT / "setup.cfg").read_text().partition("install_requires =")[2].splitlines()[1:]
    names = [line.split()[0].replace("-", "_") for line in lines[: lines.index("")]]
    assert set(names) <= set(HOMES), "a dependency that no module is the home of"
    assert len(names) <= 12


def test_what_is_said_to_contributors_of_layers_is_so():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| \d+ \| (.*?) \|", text, re.MULTILINE)
    told = {name: n for n, row in enumerate(rows) for name in re.findall(r"`(\w+)/?`", row)}
    rooms = {one.split(".")[1]: n for n, places in enumerate(LAYERS) for one in places}
    assert set(rooms) == set(told)
    order = [told[room] for room, _ in sorted(rooms.items(), key=lambda one: one[1])]
    assert order == sorted(order)


def test_a_name_of_a_class_stands_for_one_thing():
    """Also of one that no other module imports: readers search for names in the whole package."""
    homes: dict[str, list[str]] = defaultdict(list)
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(name)
    assert {one: found for one, found in homes.items() if len(found) > 1} == {}


def test_every_room_says_what_it_is():
    for name, path in MODULES.items():
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), name


def test_a_wheel_has_every_package():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(settings["options"]["packages"].split()) == packages | {"gateway.wsdl"}


def test_a_unit_starts_no_server_of_a_queue():
    for path in (ROOT / "tests" / "unit").rglob("*.py"):
        found = re.findall(r"^(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE)
        assert not {"clouds", "kinds", "servers"} & {*found}, f"{path} belongs into tests/stores"
