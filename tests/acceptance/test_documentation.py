"""The documentation is true: its examples run, its links lead somewhere, its tables are complete.

CONTRIBUTING.md, "Documentation", says how a page is written so that it can be run.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType

import pytest
import servers
import typer.main
from deployment import CORPUS, ROOT, free_port
from test_other_languages import LANGUAGES, go_without, is_installed

from gateway.cli.application import app
from gateway.errors import AddressingCode, FaultCode, NotSecured
from gateway.settings import Settings, from_values
from gateway.settings.values import keys_of, tables_in
from gateway.soap.envelope import WSSE

README = ROOT / "README.md"
DOCS = ROOT / "docs"
FIRST_CALL = DOCS / "tutorial" / "first-call.md"
ALONE = (
    README,
    DOCS / "tutorial" / "host-a-service.md",
    DOCS / "tutorial" / "from-a-wsdl.md",
    DOCS / "tutorial" / "inside-a-program.md",
    DOCS / "how-to" / "be-a-service.md",
    DOCS / "how-to" / "wrap-a-public-contract.md",
    DOCS / "how-to" / "s3-on-premises.md",
    DOCS / "how-to" / "several-machines.md",
)
CONTINUES = [
    DOCS / "how-to" / f"{name}.md"
    for name in (
        "call-from-zeep",
        "call-from-a-stub",
        "outcome-unknown",
        "read-the-log",
        "quarantine",
        "audit-log",
        "long-calls",
        "clients",
        "log-in-to-the-backend",
        "ask-for-ws-security",
        "several-processes",  # the last: it stops what the others use
    )
]
"""Pages that begin where the first tutorial ends."""
WEB = {
    "http://b2b.wsdot.wa.gov/ferries/schedule/Default.asmx?WSDL": CORPUS / "gowsdl" / "ferry.wsdl",
}
"""Documents that a page has its reader fetch, and the copies that the tests read instead."""
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
PORTS = ("8123", "8800", "9000")
PATIENCE = 240.0

STEP = re.compile(
    r"^```(?P<kind>\w+)(?P<running> running)?(?:=(?P<port>\d+))?\n(?P<text>.*?)^```$"
    r"|^<!-- (?P<mark>stop|needs|cloud|web): (?P<of>.*?) -->$",
    re.MULTILINE | re.DOTALL,
)
FILE_NAME = re.compile(r"(?:#|<!--|<\?php //) ([\w/.-]+\.\w+)(?: -->)?$")
LOOSE = {
    r"\.\.\.": r".*?",
    r"\b01[0-9A-Z]{24}\b": r"01[0-9A-Z]{24}",
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": r"\d{4}-\d\d-\d\dT[\d:.]+Z",
    r"\b\d{4}-\d\d-\d\d\b": r"\d{4}-\d\d-\d\d",
    r"\d\d:\d\d:\d\d": r"\d\d:\d\d:\d\d",
    r"\d+\.\d ms": r"\d+\.\d ms",
    r"\b(?:pending|working)\b": r"(?:pending|working)",
    r"\s+": r"\s+",
}
"""What an excerpt shows, and what it stands for."""


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Step:
    """A block of a page, or a mark: of what its reader stops here, or has."""

    kind: str
    text: str
    running: bool = False
    port: str | None = None

    @property
    def file_name(self) -> str | None:
        found = FILE_NAME.match(self.text.partition("\n")[0])
        return found[1] if found else None


def steps(page: Path) -> Iterator[Step]:
    for found in STEP.finditer(page.read_text("utf-8")):
        if found["mark"] is not None:
            yield Step(found["mark"], found["of"])
        else:
            yield Step(found["kind"], found["text"], bool(found["running"]), found["port"])


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, and what it prints."""
    lines = text.splitlines()
    while lines:
        command = lines.pop(0).removeprefix("$ ")
        while not is_whole(command):
            command += f"\n{lines.pop(0)}"
        printed = []
        while lines and not lines[0].startswith("$ "):
            printed.append(lines.pop(0))
        yield command, "\n".join(printed)


def is_whole(command: str) -> bool:
    """Tell whether a shell would not ask for another line."""
    try:
        shlex.split(command)
    except ValueError:
        return False
    return not command.endswith("\\")


def pattern(excerpt: str) -> re.Pattern[str]:
    """Return what an excerpt of an output stands for."""
    tokens = re.split(f"({'|'.join(LOOSE)})", excerpt.strip())
    parts = (
        next((loose for seen, loose in LOOSE.items() if re.fullmatch(seen, token)), None)
        or re.escape(token)
        for token in tokens
    )
    return re.compile(rf"\s*{''.join(parts)}\s*", re.DOTALL)


def compared(command: str, excerpt: str, output: str) -> str:
    return f"$ {command}\nthe page says:\n{excerpt}\nwhat came out:\n{output}"


class Terminal:
    """A command in a terminal of its own, and what it has printed there."""

    def __init__(self, command: str, folder: Path, environment: dict[str, str]) -> None:
        self.command = command
        self._printed = bytearray()
        ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, args=(ours,))
        self._reader.start()

    def _read(self, ours: int) -> None:
        with contextlib.suppress(OSError):  # how the end of a terminal is told
            while part := os.read(ours, 65536):
                self._printed += part
        os.close(ours)

    @property
    def printed(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._printed.decode("utf-8", "replace"))

    def finish(self) -> str:
        """Wait for the end; return what was printed."""
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return self.printed

    def press_ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.finish()


class Reader:
    """Does what a page says, in a folder, with free ports in the place of those it names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = {port: str(free_port()) for port in PORTS}
        self._running: list[Terminal] = []
        self._web: dict[str, str] = {}
        self._clouds = contextlib.ExitStack()
        programs = (Path(sys.executable).parent, servers.MINIO.parent, os.environ["PATH"])
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, programs)),
            "CHECKOUT": str(ROOT),
            "COLUMNS": "100",
            "TERM": "dumb",
            "XDG_CONFIG_HOME": str(folder / ".config"),
        }
        self._let_mypy_find_the_gateway(folder / ".config" / "mypy")

    def _let_mypy_find_the_gateway(self, folder: Path) -> None:
        """Have mypy take the checkout for an installed package, which is what a reader has."""
        folder.mkdir(parents=True)
        silent = "[mypy-gateway.*]\nfollow_imports = silent\nignore_errors = True\n"
        (folder / "config").write_text(f"[mypy]\nmypy_path = {ROOT}\n{silent}")

    def read(self, page: Path) -> None:
        """Take every step of a page. Raises AssertionError where something else comes of it."""
        for step in steps(page):
            if step.kind == "stop":
                self._stop(self._local(step.text))
            elif step.kind == "needs":
                self._require(step.text)
            elif step.kind == "web":
                self._store(step.text)
            elif step.kind == "cloud":
                self._enter(step.text)
            elif step.kind == "console":
                for command, printed in commands(self._local(step.text)):
                    self._start(command, printed, step) if step.running else self._run(
                        command, printed
                    )
            elif step.file_name is not None:
                self._write(self._folder / step.file_name, self._local(step.text))

    def close(self) -> None:
        while self._running:
            self._running.pop().press_ctrl_c()
        self._clouds.close()

    def _require(self, name: str) -> None:
        """Skip, or fail in CI, where a server or a client's language is not installed."""
        if name in servers.SERVERS:
            servers.require(name)
        else:
            (language,) = (one for one in LANGUAGES if one.folder == name)
            if not is_installed(language):
                go_without(name, language.optional)

    def _store(self, address: str) -> None:
        """Have a stored copy of a document of the web read in the document's place."""
        if not WEB[address].exists():
            pytest.skip(f"no copy of {address} is beside this, and tests fetch nothing")
        self._web[address] = str(WEB[address])

    def _enter(self, name: str) -> None:
        """Start a server, and have every command find it, as if it were AWS."""
        servers.require(name)
        folder = self._folder / f".{name}"
        folder.mkdir()
        cloud = self._clouds.enter_context(servers.SERVERS[name].start(folder))
        self._environment |= servers.environment(cloud)

    def _local(self, text: str) -> str:
        for told, here in (*self._ports.items(), *self._web.items()):
            text = text.replace(told, here)
        return text

    def _write(self, path: Path, text: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        if path.name == "gateway.toml" and "[listener]" not in text:
            self._add_port(path)

    def _run(self, command: str, printed: str) -> None:
        if command.startswith("export "):
            # For the commands that follow: each has a shell of its own.
            self._environment |= (one.split("=", 1) for one in shlex.split(command)[1:])
            return
        if command.startswith("cd "):
            self._folder = (self._folder / command.removeprefix("cd ")).resolve(strict=True)
            return
        output = Terminal(command, self._folder, self._environment).finish()
        fits = pattern(printed).fullmatch(output) is not None
        assert fits, compared(command, printed, output)
        if command.startswith("gateway new "):
            self._add_port(self._folder / shlex.split(command)[2] / "gateway.toml")

    def _add_port(self, settings: Path) -> None:
        """Add to settings what a reader need not write: the default port may be taken here."""
        with settings.open("a", encoding="utf-8") as file:
            file.write(f'\n[listener]\nbind = "127.0.0.1:{self._ports["8800"]}"\n')

    def _start(self, command: str, printed: str, step: Step) -> None:
        # exec: Ctrl-C goes to the command itself, not to a shell that waits for it.
        terminal = Terminal(f"exec {command}", self._folder, self._environment)
        self._running.append(terminal)
        expected = pattern(printed)

        def is_up() -> bool:
            assert terminal.process.poll() is None, terminal.printed
            listens = step.port is None or is_open(self._ports[step.port])
            return listens and expected.search(terminal.printed) is not None

        assert wait_until(is_up), compared(command, printed, terminal.printed)

    def _stop(self, command: str) -> None:
        (terminal,) = (one for one in self._running if one.command.startswith(f"exec {command}"))
        self._running.remove(terminal)
        terminal.press_ctrl_c()
        assert terminal.process.returncode == 0, terminal.printed


def is_open(port: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(port))):
        return True
    return False


def wait_until(holds: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def after_first_call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A reader who has done the first tutorial, and left everything running."""
    with contextlib.closing(Reader(tmp_path_factory.mktemp("first-call"))) as reader:
        reader.read(FIRST_CALL)
        yield reader


@pytest.mark.parametrize("page", ALONE, ids=shown)
def test_what_a_page_tells_its_reader_to_do_comes_out_as_it_says(page: Path, tmp_path: Path):
    with contextlib.closing(Reader(tmp_path)) as reader:
        reader.read(page)


@pytest.mark.parametrize("page", CONTINUES, ids=shown)
def test_a_how_to_works_where_the_first_tutorial_ends(page: Path, after_first_call: Reader):
    assert "(../tutorial/first-call.md) ends" in page.read_text("utf-8")
    after_first_call.read(page)


def test_a_page_that_says_something_wrong_is_caught(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("```console\n$ echo one 01M84FZA6DC47Q4KET1PEE8YNJ\ntwo ...\n```\n")
    with pytest.raises(AssertionError, match="echo one"):
        Reader(tmp_path).read(page)


def test_every_page_with_a_console_is_run():
    with_console = {page for page in PAGES if any(step.kind == "console" for step in steps(page))}
    assert with_console == {FIRST_CALL, *ALONE, *CONTINUES}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_python_block_is_a_file_that_its_page_uses(page: Path):
    blocks = list(steps(page))
    for block in blocks:
        if block.kind == "python":
            assert block.file_name is not None, block.text
            used = re.compile(rf"\b{Path(block.file_name).stem}\b")
            assert any(used.search(other.text) for other in blocks if other is not block)


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_toml_block_is_accepted_by_the_settings(page: Path):
    least = {"queue": "memory:", "services": {"orders": {"wsdl": "orders.wsdl"}}}
    for step in steps(page):
        if step.kind == "toml":
            from_values({**least, **tomllib.loads(step.text)}, ROOT, shown(page))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_between_pages_leads_somewhere(page: Path):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)", prose(page)):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}{anchor}"


def prose(page: Path) -> str:
    return STEP.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as repository hosts make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {
        "#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings
    }


def test_every_page_is_in_the_list_of_pages():
    index = DOCS / "README.md"
    linked = re.findall(r"\]\(([\w/-]+\.md)\)", index.read_text("utf-8"))
    assert {DOCS / target for target in linked} == set(DOCS.rglob("*.md")) - {index}


def test_the_readme_has_the_two_commands_and_ci_runs_the_second():
    demo, tests = (step.text.strip() for step in steps(README) if step.kind == "sh")
    install = "python3 -m venv .venv && .venv/bin/pip install -q"
    assert demo == f"{install} . && .venv/bin/gateway demo"
    assert tests == f"{install} tox && .venv/bin/tox"
    assert tests in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def tables_of(table: type[object], prefix: str = "") -> Iterator[tuple[str, type[object]]]:
    """Yield every table of the settings, by its name in the reference."""
    yield prefix or "Top level", table
    for name, field in keys_of(table).items():
        path = f"{prefix}.{name}".lstrip(".")
        is_named = getattr(field.annotation, "__origin__", None) is dict
        for part in tables_in(field.annotation):
            yield from tables_of(part, f"{path}.NAME" if is_named else path)


def sections(page: Path) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    _, *parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {title.strip("`[]"): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of the rows of every table in a text, without the heads."""
    for line in re.findall(r"^\| (`.*) \|$", text, re.MULTILINE):
        yield [cell.strip() for cell in line.split(" | ")]


TABLES = dict(tables_of(Settings))


def test_the_reference_has_a_section_for_every_table_of_the_settings():
    described = sections(DOCS / "reference" / "settings.md")
    assert set(TABLES) == set(described) - {"What has no setting"}


@pytest.mark.parametrize("name", TABLES)
def test_every_setting_is_in_the_reference_with_its_type_and_default(name: str):
    section = sections(DOCS / "reference" / "settings.md")[name].partition("\n### ")[0]
    described = {cells[0].strip("`"): tuple(cells[1:3]) for cells in rows(section)}
    fields = keys_of(TABLES[name])
    # What has a section of its own needs no row.
    prefix = "" if name == "Top level" else f"{name}."
    own = {key for key in fields if f"{prefix}{key}" in TABLES} | {"folder"}
    own |= {key for key in fields if f"{prefix}{key}.NAME" in TABLES and prefix}
    assert set(described) == set(fields) - own
    for key, (kind, default) in described.items():
        assert kind == kind_of(fields[key].annotation), key
        expected = fields[key].get_default(call_default_factory=True)
        if fields[key].is_required():
            assert default == "required", key
        elif expected is None:
            assert default == "none", key
        else:
            value = tomllib.loads(f"value = {default.strip('`')}")["value"]
            assert (tuple(value) if isinstance(value, list) else value) == expected, key


def kind_of(annotation: object) -> str:
    """Return a type as the reference calls it."""
    names = {str: "string", int: "integer", float: "float", bool: "boolean"}
    if isinstance(annotation, type) and annotation in names:
        return names[annotation]
    arguments = [one for one in getattr(annotation, "__args__", ()) if one is not NoneType]
    origin = getattr(annotation, "__origin__", None)
    if origin is dict:
        return "table"
    if origin is tuple:
        return "list of strings"
    return " or ".join(kind_of(one) for one in arguments)


def test_every_command_and_option_is_in_the_reference():
    built = dict(commands_of(typer.main.get_command(app), "gateway"))
    described = {
        title: set(re.findall(r"`(-[\w-]+)`", "".join(cells[0] for cells in rows(text))))
        for title, text in sections(DOCS / "reference" / "command-line.md").items()
    }
    assert described == built


def commands_of(command: object, name: str) -> Iterator[tuple[str, set[str]]]:
    """Yield a command and all that are in it, by their names, with the options of each."""
    options, inside = options_of(command), getattr(command, "commands", {})
    if options or not inside:
        yield name, options
    for word, one in inside.items():
        yield from commands_of(one, f"{name} {word}")


def options_of(command: object) -> set[str]:
    """Return the options that help shows: old names of some still work, and are hidden."""
    named = (
        parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.hidden
    )
    return {option for parameter in named for option in parameter.opts} - {"--help"}


def test_every_code_of_ws_addressing_is_in_the_reference():
    text = sections(DOCS / "reference" / "faults.md")["Codes of WS-Addressing"]
    assert {cells[0].strip("`") for cells in rows(text)} == {code.value for code in AddressingCode}


def test_the_code_of_ws_security_is_in_the_reference():
    text = sections(DOCS / "reference" / "faults.md")["The code of WS-Security"]
    assert f"`{NotSecured.subcode}`" in text
    assert f"`{WSSE}`" in text


def test_every_fault_code_of_the_gateway_is_in_the_reference():
    text = sections(DOCS / "reference" / "faults.md")["Codes"]
    assert {cells[0].strip("`") for cells in rows(text)} == {code.value for code in FaultCode}
