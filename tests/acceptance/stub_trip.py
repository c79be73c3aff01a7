"""A contract's operations, called the whole way: client stub, queue, service stub, and back."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.util
import math
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import requests
from instances import Instances
from lxml import etree
from meaning import difference

from gateway.admission import Gate, Limits
from gateway.backends.hosted.service import HostedBackend
from gateway.contract import Contract
from gateway.contract.operations import Operation
from gateway.endpoint import Call
from gateway.generate.contract.reading import read
from gateway.generate.model import Model
from gateway.generate.python.client import ClientOptions, render
from gateway.generate.python.service import ServiceNames, render_base
from gateway.message import Message
from gateway.queues.embedded.queue import SqliteQueue
from gateway.serving.loop import Gateway
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.settings import GatewaySettings
from gateway.soap.envelope import Element
from gateway.stubs import SoapFault, current_request
from gateway.stubs.exchange import result

LARGE = 16 << 20


@dataclass
class Seen:
    """What came to the service in one call, and what left it."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    request: bytes = b""
    reply: bytes = b""


class Recording:
    """A backend that hands on to another, and keeps what that replied."""

    def __init__(self, backend: HostedBackend, seen: Seen) -> None:
        self._backend = backend
        self._seen = seen

    async def invoke(self, call: Call) -> Message | None:
        reply = await self._backend.invoke(call)
        self._seen.reply = b"" if reply is None else reply.body
        return reply


class RoundTrip:
    """The stubs of one port, with a queue and a gateway between them."""

    def __init__(self, contract: Contract, port: str, folder: Path, random: Random) -> None:
        self.model: Model = read(contract, port)
        self.instances = Instances(contract, random)
        self.seen = Seen()
        self.outcome: Any = None
        """What the service returns next, or raises."""
        options = ClientOptions(source="contract.wsdl", service="trip")
        names = ServiceNames.of(self.model, "trip_service")
        self.client_module = imported(folder, "trip_client", render(self.model, options))
        base = imported(folder, "trip_base", render_base(self.model, names, "contract.wsdl"))
        self.layout = base._LAYOUT
        self.base = getattr(base, names.base)
        self._contract = contract
        self._folder = folder
        self.operations = {
            one.name: one
            for one in contract.operations
            if (one.service, one.port) == (self.model.port.service, self.model.port.name)
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[Any]:
        """Serve from a queue in a thread; yield a client of that queue."""
        ready, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready, stop)))
        thread.start()
        assert ready.wait(240)
        name = f"{self.model.port.class_name}Client"
        try:
            with getattr(self.client_module, name)(self._address) as client:
                yield client
        finally:
            stop.set()
            thread.join()

    @property
    def _address(self) -> str:
        return f"sqlite:///{self._folder / 'queue.db'}"

    async def _serve(self, ready: threading.Event, stop: threading.Event) -> None:
        queue = await SqliteQueue.open(self._folder / "queue.db")
        hosted = HostedBackend(self._filled(), name="trip", threads=1)
        gate = Gate(self._contract, Limits(request=LARGE))
        service = ServiceEndpoint(gate, Recording(hosted, self.seen), Policy(), queue.clock)
        gateway = Gateway(queue, service, GatewaySettings())
        stopping = asyncio.Event()
        draining = asyncio.create_task(gateway.run(stopping))
        ready.set()
        await asyncio.to_thread(stop.wait)
        stopping.set()
        await draining
        await hosted.aclose()
        await queue.aclose()

    def _filled(self) -> type:
        """Return the generated base, every operation of it filled in."""
        methods = {one.method: self._method() for one in self.model.operations}
        return type("Filled", (self.base,), methods)

    def _method(self) -> Any:
        def method(service: object, **arguments: Any) -> Any:
            self.seen.arguments = arguments
            self.seen.request = current_request().body
            if isinstance(self.outcome, SoapFault):
                raise self.outcome
            return self.outcome

        return method

    def arguments(self, name: str, payloads: list[Element]) -> dict[str, Any]:
        """Return what the service stub reads from a request."""
        (served,) = (one for one in self.base.__served__() if one.name == name)
        body = etree.Element("Body")
        body.extend(payloads)
        blocks = [self.instances.header(tag) for tag in sorted(served.headers)]
        first = body[0] if len(body) else etree.SubElement(body, "nothing")
        return dict(served.read(first, blocks))

    def value(self, name: str, payloads: list[Element]) -> Any:
        """Return what a client returns for a reply."""
        response = requests.Response()
        response.status_code = 200
        response._content = envelope_of(payloads)
        response.headers["Content-Type"] = "text/xml"
        return result(self.layout, name, response)


def imported(folder: Path, name: str, source: str) -> ModuleType:
    """Write a module and import it, in the place of an earlier one of the same name."""
    path = folder / f"{name}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def envelope_of(payloads: list[Element]) -> bytes:
    soap = "{http://schemas.xmlsoap.org/soap/envelope/}"
    envelope = etree.Element(f"{soap}Envelope")
    etree.SubElement(envelope, f"{soap}Body").extend(payloads)
    return etree.tostring(envelope, encoding="utf-8")


def payloads_of(body: bytes) -> list[Element]:
    root = etree.fromstring(body, etree.XMLParser(huge_tree=True))
    found = root.find("{*}Body")
    assert found is not None
    return list(found)


@dataclass(frozen=True)
class Trial:
    """What came of calling an operation once; all are empty where all is well."""

    invalid: str = ""
    """What the contract's own schemas say of the request, or the reply."""
    unequal: str = ""
    """Where values came back as others."""
    rewritten: str = ""
    """Where the XML says something else than the sample that its values were read from."""

    @property
    def passed(self) -> bool:
        return not self.invalid and not self.unequal


def tried(trip: RoundTrip, client: Any, operation: Operation) -> Trial:
    """Call an operation with a sampled request, and have it reply with a sampled reply.

    Raises LookupError where no sample can be made.
    """
    request = trip.instances.message(operation, "input")
    reply = [] if operation.one_way else trip.instances.message(operation, "output")
    for payload in (*request, *reply):
        assert not trip.instances.errors(payload), etree.tostring(payload)
    written = [
        [etree.fromstring(etree.tostring(one, encoding="utf-8")) for one in each]
        for each in (request, reply)
    ]
    arguments = trip.arguments(operation.name, written[0])
    outcome = None if operation.one_way else trip.value(operation.name, written[1])
    trip.outcome, trip.seen.arguments, trip.seen.request, trip.seen.reply = outcome, {}, b"", b""
    (method,) = (one.method for one in trip.model.operations if one.name == operation.name)
    given = converted(arguments, trip.client_module)
    returned = getattr(client, method)(**given)
    return judged(trip, arguments, outcome, returned, (request, reply), operation.one_way)


def judged(
    trip: RoundTrip,
    arguments: Mapping[str, Any],
    outcome: Any,
    returned: Any,
    samples: tuple[list[Element], list[Element]],
    one_way: bool,
) -> Trial:
    if one_way:
        wait_until_seen(trip)
    sent = payloads_of(trip.seen.request)
    replied = [] if one_way else payloads_of(trip.seen.reply)
    invalid = next((e for one in (*sent, *replied) if (e := trip.instances.errors(one))), "")
    unequal = unlike(arguments, trip.seen.arguments, "request")
    if not one_way:
        unequal = unequal or unlike(outcome, returned, "reply")
    request, reply = samples
    pairs = [*zip(request, sent, strict=False), *zip(reply, replied, strict=False)]
    rewritten = next((told for one, other in pairs if (told := difference(one, other))), "")
    return Trial(invalid, unequal, rewritten)


def wait_until_seen(trip: RoundTrip) -> None:
    """Wait for a one-way call to be carried out: its caller does not."""
    for _ in range(2000):
        if trip.seen.request:
            return
        threading.Event().wait(0.01)
    raise AssertionError("a one-way call was not carried out")


def converted(value: Any, module: ModuleType) -> Any:
    """Return the same values as instances of another module's classes; what was nil stays nil."""
    if dataclasses.is_dataclass(value) and hasattr(module, type(value).__name__):
        kind = getattr(module, type(value).__name__)
        fields = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        made = kind(**{name: converted(one, module) for name, one in fields.items()})
        if hasattr(value, "_nils"):
            made._nils = value._nils
        return made
    if isinstance(value, list):
        return [converted(one, module) for one in value]
    if isinstance(value, dict):
        return {name: converted(one, module) for name, one in value.items()}
    if hasattr(module, type(value).__name__) and hasattr(value, "value"):
        return getattr(module, type(value).__name__)(value.value)
    return value


def unlike(one: Any, other: Any, path: str) -> str:
    """Return where two values first differ, whatever module their classes are of; or nothing."""
    if isinstance(one, etree._Element) and isinstance(other, etree._Element):
        told = difference(one, other)
        return f"{path}{told}" if told else ""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = sorted({*one, *other})
        return next(
            (t for n in names if (t := unlike(one.get(n), other.get(n), f"{path}.{n}"))), ""
        )
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{path}: {len(one)} are {len(other)}"
        pairs = enumerate(zip(one, other, strict=True))
        return next((t for at, (a, b) in pairs if (t := unlike(a, b, f"{path}[{at}]"))), "")
    if dataclasses.is_dataclass(one) and type(one).__name__ == type(other).__name__:
        names = [each.name for each in dataclasses.fields(one)]
        return next(
            (t for n in names if (t := unlike(getattr(one, n), getattr(other, n), f"{path}.{n}"))),
            "",
        )
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return "" if math.isnan(other) else f"{path}: NaN is {other}"
    return "" if one == other else f"{path}: {one!r} is {other!r}"
