"""``gateway demo``: the whole way, shown on one machine with real processes."""

from __future__ import annotations

import contextlib
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
import zeep
import zeep.exceptions
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.cli import streams
from gateway.client import QueueTransport
from gateway.errors import GatewayError

PRIVATE = """\
# The private side: `gateway serve`. Only this machine knows where the service is.
queue = "sqlite:///{queue}"

[services.warehouse]
wsdl = "{legacy}?wsdl"                 # forwards to the address that the WSDL names
repeatable = ["GetOrder", "ListOrders", "GetLabel"]
"""
CLIENT = """\
# The callers' side: `gateway listen` and `gateway call`. No address of the service is here.
queue = "sqlite:///{queue}"

[services.warehouse]
wsdl = "warehouse.wsdl"

[listener]
bind = "127.0.0.1:{port}"
"""
STARTING = 120.0
"""Seconds that each process may take to start, at most: on a machine that compiles meanwhile."""
PORT = 8800
ORDER = "WH-100001"
EXPRESS = "WH-100004"


@dataclass(frozen=True, slots=True)
class Row:
    """A call that was made: what, by which way, what came back, and whether that was right."""

    call: str
    way: str
    came_back: str
    milliseconds: float
    is_right: bool


def demo(
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Make the calls, then end: status 0 if all replies were right."
        ),
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the listener listens, if it is free.")
    ] = PORT,
) -> None:
    """Start a legacy SOAP service, a queue, a gateway and a listener; call it all the way.

    Then, at a terminal, everything stays up for you to call, until Ctrl-C. Elsewhere it ends.
    """
    console = streams.console()
    once = once or not sys.stdout.isatty()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        listener = _start_all(stack, folder, _free_port(port), console)
        rows = list(_calls(folder, listener))
        _show(rows, console)
        if once:
            raise typer.Exit(0 if all(row.is_right for row in rows) else 1)
        with contextlib.suppress(KeyboardInterrupt):
            _show_how(folder, listener, console)
            signal.pause()
        console.print("\nstopping")


def _free_port(wanted: int) -> int:
    """Return the wanted port, or another where something listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for port in (wanted, 0):
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                break
        chosen: int = probe.getsockname()[1]
        return chosen


def _start_all(stack: contextlib.ExitStack, folder: Path, port: int, console: Console) -> str:
    """Start the four parts, telling each; return the listener's address."""
    with console.status("starting the legacy service"):
        legacy = _start_legacy(stack)
    console.print(f"[bold]legacy service[/]  {legacy}   only the gateway knows it")
    private, client = folder / "private", folder / "client"
    _write(private, PRIVATE.format(queue=folder / "queue.db", legacy=legacy))
    _write(client, CLIENT.format(queue=folder / "queue.db", port=port))
    for name in ("warehouse.wsdl", "warehouse.xsd"):
        (client / name).write_bytes(files("gateway.wsdl").joinpath(name).read_bytes())
    console.print(f"[bold]queue[/]           {folder / 'queue.db'}")
    _start(stack, "-m", "gateway", "serve", "-c", private / "gateway.toml", log=private / "log")
    console.print("[bold]gateway[/]         serves it from the queue, with no port of its own")
    listener = f"http://127.0.0.1:{port}"
    _start(stack, "-m", "gateway", "listen", "-c", client / "gateway.toml", log=client / "log")
    with console.status("starting the listener"):
        _await_health(listener, client / "log")
    console.print(f"[bold]listener[/]        {listener}   puts HTTP calls into the queue\n")
    return f"{listener}/warehouse"


def _write(folder: Path, settings: str) -> None:
    folder.mkdir()
    (folder / "gateway.toml").write_text(settings)


def _start(
    stack: contextlib.ExitStack, *arguments: str | Path, log: Path
) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        command = [sys.executable, "-P", *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start_legacy(stack: contextlib.ExitStack) -> str:
    """Start the legacy service; return the address that it says it listens on."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gateway.demo.legacy", "--port", "0"], stdout=subprocess.PIPE
    )
    stack.callback(_end, process)
    assert process.stdout is not None  # asked for above
    stack.callback(process.stdout.close)
    line = process.stdout.readline().decode()
    if "http://" not in line:
        raise GatewayError("the legacy service of the demo did not start")
    return line.split()[-1]


def _await_health(listener: str, log: Path) -> None:
    until = time.monotonic() + STARTING
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(f"{listener}/healthz"):  # noqa: S310
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise GatewayError(f"the listener did not start: {log.read_text('utf-8', 'replace')[-500:]}")


def _calls(folder: Path, listener: str) -> Iterator[Row]:
    """Make each call, and yield what came of it."""
    with zeep.Client(f"{listener}?wsdl") as client:
        yield from _calls_by_http(client)
    transport = QueueTransport(f"sqlite:///{folder / 'queue.db'}", "warehouse")
    with zeep.Client(str(folder / "client" / "warehouse.wsdl"), transport=transport) as client:
        yield from _calls_by_queue(client)


def _calls_by_http(client: zeep.Client) -> Iterator[Row]:
    soap11, soap12 = (_port(client, version) for version in ("Soap11", "Soap12"))
    http = "HTTP listener"
    yield _timed("GetOrder", http, lambda: soap11.GetOrder(ORDER), lambda o: o.orderId == ORDER)
    yield _timed(
        "GetOrder (SOAP 1.2)",
        http,
        lambda: soap12.GetOrder(EXPRESS),
        lambda o: o.orderId == EXPRESS,
    )
    yield _timed(
        "GetLabel", http, lambda: soap11.GetLabel(ORDER), lambda label: len(label.label) > 0
    )
    yield _timed("GetOrder", http, lambda: soap11.GetOrder("WH-0"), _is_not_found)


def _calls_by_queue(client: zeep.Client) -> Iterator[Row]:
    service = client.service
    queue = "queue itself"
    yield _timed(
        "ListOrders", queue, lambda: service.ListOrders(limit=3), lambda orders: len(orders) == 3
    )
    yield _timed(
        "PlaceOrder (at most once)",
        queue,
        lambda: service.PlaceOrder(**_order()),
        lambda placed: placed.total == 50,
    )
    yield _timed("GetOrder", queue, lambda: service.GetOrder("WH-0"), _is_not_found)
    yield _timed(
        "NotifyShipment (one-way)",
        queue,
        lambda: service.NotifyShipment(ORDER, "Rail", "2026-01-09T10:00:00Z"),
        lambda nothing: nothing is None,
    )


def _port(client: zeep.Client, kind: str) -> Any:
    (service,) = client.wsdl.services.values()
    name = next(port for port in service.ports if port.endswith(kind))
    return client.bind(service.name, name)


def _order() -> dict[str, Any]:
    address = {"street": "1 Weir Lane", "city": "Otley", "postalCode": "LS21 1AA", "country": "GB"}
    return {
        "customer": {"name": "Mill & Sons", "address": address},
        "lines": [{"sku": "PAL-0001", "quantity": 4, "unitPrice": "12.50"}],
        "note": "from the demo",
    }


def _is_not_found(outcome: Any) -> bool:
    return isinstance(outcome, zeep.exceptions.Fault) and "OrderNotFound" in str(
        zeep.wsdl.utils.etree_to_string(outcome.detail)
    )


def _timed(call: str, way: str, make: Callable[[], Any], is_right: Callable[[Any], bool]) -> Row:
    began = time.monotonic()
    try:
        outcome = make()
    except zeep.exceptions.Error as error:
        outcome = error
    milliseconds = 1000 * (time.monotonic() - began)
    return Row(call, way, _described(outcome), milliseconds, is_right(outcome))


def _described(outcome: Any) -> str:
    """Return in a few words what came back."""
    match outcome:
        case None:
            return "accepted"
        case zeep.exceptions.Fault():
            return f"fault: {outcome.message}"
        case Exception():
            return f"{type(outcome).__name__}: {outcome}"
        case list():
            return f"{len(outcome)} orders"
    shown = [str(outcome[name]) for name in ("orderId", "status", "total") if name in outcome]
    return ", ".join(shown) or f"{len(outcome.label)} bytes of {outcome.mimeType}"


def _show(rows: list[Row], console: Console) -> None:
    table = Table("", "call", "way", "came back", "ms", title="Calls through the queue and back")
    for row in rows:
        mark = "[green]✓[/]" if row.is_right else "[red]✗[/]"
        cells = (row.call, row.way, row.came_back)
        table.add_row(mark, *map(escape, cells), f"{row.milliseconds:.1f}")
    console.print(table)
    right = sum(row.is_right for row in rows)
    console.print(f"{right} of {len(rows)} came back right.\n")


def _show_how(folder: Path, listener: str, console: Console) -> None:
    """Show how to make the calls by hand, in words that can be copied."""
    settings = folder / "client" / "gateway.toml"
    console.print("[bold]Call it yourself[/], from another terminal:\n")
    console.print(
        f"""curl -s -H 'Content-Type: text/xml' {listener} -d \\
 '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>
  <GetOrder xmlns="urn:example:warehouse:types"><orderId>{ORDER}</orderId></GetOrder>
  </Body></Envelope>'

{sys.executable} -c "
import zeep
print(zeep.Client('{listener}?wsdl').service.GetOrder('{ORDER}'))"

{_command()} call warehouse GetOrder orderId={ORDER} -c {settings}
""",
        markup=False,
    )
    console.print(f"All files are in {folder}.")
    console.print("[bold]Everything stays up until you press Ctrl-C here.[/]")


def _command() -> str:
    """The command that starts this program in a shell where its environment is not active."""
    beside = Path(sys.executable).with_name("gateway")
    command = [str(beside)] if beside.exists() else [sys.executable, "-m", "gateway"]
    return shlex.join(command)
