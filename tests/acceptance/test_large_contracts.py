"""Large real contracts, the whole way: what they allow arrives byte for byte, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

import pytest
from aiohttp import web
from deployment import CORPUS
from lxml import etree
from sampler import Sample, Sampler

from gateway.admission import Gate, Limits
from gateway.backends.forward.transport import ForwardBackend, ForwardSettings
from gateway.backends.redact.telltale import Telltales
from gateway.client.remote import Remote, RemoteSettings
from gateway.contract import Contract, Operation, from_documents
from gateway.contract.backend_names import places
from gateway.contract.names import (
    SOAP_BINDINGS,
    clark,
    parse,
    wsdl,
    xs,
)
from gateway.errors import Refused
from gateway.message import Message
from gateway.queues.embedded.queue import SqliteQueue
from gateway.serving.loop import Gateway
from gateway.serving.service import Policy, ServiceEndpoint
from gateway.serving.settings import GatewaySettings
from gateway.soap.envelope import Element, SoapVersion

DOCUMENT = ["gowsdl/ec2.wsdl", "gowsdl/vboxweb.wsdl", "wasabi/workday.wsdl", "wasabi/economic.wsdl"]
RPC = ["wasabi/savon295.wsdl", "wasabi/symbolic_endpoint.wsdl"]
REBOUND = "gowsdl/ec2.wsdl, bound as rpc/literal"
"""The corpus has no large contract in rpc/literal: so one of them is bound that way."""
SEED = 2006
CALLS = 40
"""How many operations of each contract are called, at most."""

PREFIXES = ("_", "a.b", "S-1", "Äé", "q")
BETWEEN = ("", "", " ", "\r\n", "\n\t", "<!-- <b> & ]]> -->", "\r\n<!--'\"-->\r\n  ")
DECLARATIONS = (
    "",
    '<?xml version="1.0" encoding="{}"?>',
    "<?xml version='1.0' encoding='{}'?>\r\n",
    "<?xml  version = '1.0'\tencoding='{}' standalone='yes' ?>\n\n<!-- first -->\r\n",
)

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of real WSDLs is not beside this"
)


@pytest.fixture(scope="module", params=[*DOCUMENT, *RPC, REBOUND])
def loaded(request: pytest.FixtureRequest) -> tuple[Contract, Element]:
    name = str(request.param)
    data = (CORPUS / name.partition(",")[0]).read_bytes()
    data = bound_as_rpc(data) if name == REBOUND else data
    contract = from_documents({"large.wsdl": data}, "large.wsdl")
    assert not contract.notes  # all of it is checked
    return contract, parse(data, name, bare=True)


@pytest.fixture
def large(loaded: tuple[Contract, Element]) -> Large:
    return Large(*loaded, Random(SEED))


def bound_as_rpc(data: bytes) -> bytes:
    """Return a document/literal contract as rpc/literal: each message gets two parts with types."""
    root = parse(data, "document")
    kinds = {node.get("name"): node.get("type", "") for node in root.iter(xs("element"))}
    for message in root.iter(wsdl("message")):
        (part,) = message
        kind = kinds[part.get("element", "").rpartition(":")[2]]
        message[:] = []
        etree.SubElement(message, wsdl("part"), name="given", type=kind)
        etree.SubElement(message, wsdl("part"), name="trace", type="xs:string")
    for soap in SOAP_BINDINGS:
        for node in root.iter(f"{{{soap}}}binding", f"{{{soap}}}operation"):
            node.set("style", "rpc")
        for node in root.iter(f"{{{soap}}}body"):
            node.set("namespace", "urn:rebound")
    return etree.tostring(root)


class Large:
    """A contract, and what makes samples of its messages from its WSDL."""

    def __init__(self, contract: Contract, root: Element, random: Random) -> None:
        self.contract = contract
        self.random = random
        self.sampler = Sampler(root.iter(xs("schema")), random)
        self._wrappers = wrappers(root)
        self._parts = parts_of_operations(root)

    def spread(self) -> list[Operation]:
        """Return operations from everywhere in the contract."""
        every = self.contract.operations
        return list(every[:: max(1, len(every) // CALLS)])[:CALLS]

    def sample(self, operation: Operation, direction: str) -> Sample:
        """Return what is in the Body of an operation's "input" or "output"."""
        parts = self._parts[operation.name, direction]
        wrapper = self._wrappers.get(operation.name)
        if wrapper is None:
            return self.sampler.element(clark(parts[0], parts[0].get("element", "")))
        kinds = {part.get("name", ""): clark(part, part.get("type", "")) for part in parts}
        return self.sampler.wrapper(wrapper + "Response" * (direction == "output"), kinds)

    def request(self, operation: Operation, payload: Element) -> Message:
        """Return a request with a payload, oddly written, as a message."""
        body, content_type = written(payload, operation.version, self.random)
        action = operation.soap_action
        is_11 = operation.version is SoapVersion.V11
        return Message(
            body=body,
            content_type=content_type if is_11 else f'{content_type}; action="{action}"',
            soap_action=action if is_11 else "",
            target_service="large",
        )


def wrappers(root: Element) -> dict[str, str]:
    """Return the name of the wrapper of each rpc style request (WSDL 1.1, section 3.5)."""
    found = {}
    for binding in root.iterchildren(wsdl("binding")):
        is_rpc = any(one.get("style") == "rpc" for one in binding.iter())
        for node in binding.iterchildren(wsdl("operation")) if is_rpc else ():
            name, body = node.get("name", ""), next(node.iter("{*}body"))
            namespace = body.get("namespace")
            found[name] = f"{{{namespace}}}{name}" if namespace else name
    return found


def parts_of_operations(root: Element) -> dict[tuple[str, str], list[Element]]:
    """Return the parts of each operation's messages, by its name, and input or output."""
    messages = {node.get("name", ""): node for node in root.iterchildren(wsdl("message"))}
    return {
        (node.get("name", ""), direction): list(
            messages[one.get("message", "").rpartition(":")[2]].iterchildren(wsdl("part"))
        )
        for node in root.iterfind(f"{wsdl('portType')}/{wsdl('operation')}")
        for direction in ("input", "output")
        for one in node.iterchildren(wsdl(direction))
    }


# Messages as nobody writes them


def written(payload: Element, version: SoapVersion, random: Random) -> tuple[bytes, str]:
    """Return an envelope around a payload, and its content type, both odd and right."""
    envelope = etree.Element(f"{{{version.namespace}}}Envelope")
    if random.random() < 0.5:
        header = etree.SubElement(envelope, f"{{{version.namespace}}}Header")
        etree.SubElement(header, "{urn:trace}Trace", {"{urn:trace}at": "\t<1>\n"}).text = "é"
    etree.SubElement(envelope, f"{{{version.namespace}}}Body").append(payload)
    declaration = random.choice(DECLARATIONS)
    charset = random.choice(("utf-8", "UTF-8", "utf-16") if declaration else ("utf-8", "UTF-8"))
    declaration = declaration.format(charset)
    text = declaration + element(envelope, {}, random) + random.choice(("", "\r\n<!-- end -->\n"))
    parameter = random.choice(("; charset={}", ';charset="{}"', " ;  charset={}")).format(charset)
    return text.encode(charset), version.media_type + parameter


def element(node: Element, scope: Mapping[str, str], random: Random) -> str:
    """Write an element: comments and breaks where there are only elements, prefixes of all kinds.

    ``scope`` has the prefix of each namespace that is declared.
    """
    new = undeclared(node, scope)
    prefixes = {uri: f"{random.choice(PREFIXES)}{len(scope) + at}" for at, uri in enumerate(new)}
    scope = {**scope, **prefixes}
    pairs = [(f"xmlns:{prefix}", uri) for uri, prefix in prefixes.items()]
    pairs += [(prefixed(str(name), scope), str(value)) for name, value in node.items()]
    random.shuffle(pairs)
    tag = prefixed(str(node.tag), scope)
    start = tag + "".join(attribute(name, value, random) for name, value in pairs)
    if len(node):
        inside = (random.choice(BETWEEN) + element(child, scope, random) for child in node)
        return f"<{start}\n>{''.join(inside)}{random.choice(BETWEEN)}</{tag}>"
    return f"<{start}>{content(node.text, random)}</{tag} >" if node.text else f"<{start}/>"


def undeclared(node: Element, scope: Mapping[str, str]) -> list[str]:
    """Return the namespaces that an element and its attributes are in, without those in scope."""
    names = (etree.QName(name).namespace for name in (str(node.tag), *map(str, node.keys())))
    return [uri for uri in dict.fromkeys(names) if uri and uri not in scope]


def prefixed(name: str, scope: Mapping[str, str]) -> str:
    qname = etree.QName(name)
    return f"{scope[qname.namespace]}:{qname.localname}" if qname.namespace else name


def attribute(name: str, value: str, random: Random) -> str:
    space, equals = random.choice((" ", "\r\n\t")), random.choice(("=", " = "))
    quote, entity = random.choice((('"', "&quot;"), ("'", "&#x27;")))
    value = escape(value, {quote: entity, "\t": "&#9;", "\n": "&#xA;"})
    return f"{space}{name}{equals}{quote}{value}{quote}"


def content(text: str, random: Random) -> str:
    if "]]>" not in text and random.random() < 0.2:
        return f"<![CDATA[{text}]]>"
    return escape(text, {"i": "&#105;"} if random.random() < 0.2 else {})


# The whole way


@dataclass
class Backend:
    """A server that keeps what it gets, and answers each request as it was told to."""

    replies: dict[bytes, tuple[bytes, str]] = field(default_factory=dict)
    seen: Counter[tuple[bytes, str | None, str | None]] = field(default_factory=Counter)

    async def answer(self, request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        self.seen[body, headers.get("Content-Type"), headers.get("SOAPAction")] += 1
        if body not in self.replies:
            return web.Response(status=404)
        reply, content_type = self.replies[body]
        return web.Response(body=reply, headers={"Content-Type": content_type})


@contextlib.asynccontextmanager
async def serving(backend: Backend) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_post("/", backend.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def remote(contract: Contract, backend: Backend, folder: Path) -> AsyncIterator[Remote]:
    """Yield the far side of a queue that a gateway drains into a backend."""
    async with serving(backend) as address:
        queue = await SqliteQueue.open(folder / "queue.db")
        telltales = Telltales(places([address]))
        limits = ForwardSettings(connect=5.0, idle=30.0, reply=64 << 20, telltales=telltales)
        forward = ForwardBackend(address, limits)
        service = ServiceEndpoint(Gate(contract, Limits()), forward, Policy(), queue.clock)
        gateway = Gateway(queue, service, GatewaySettings())
        stop = asyncio.Event()
        draining = asyncio.create_task(gateway.run(stop))
        try:
            yield Remote(queue, RemoteSettings(wait=120.0))
        finally:
            stop.set()
            await draining
            await forward.aclose()
            await queue.aclose()


def test_every_operation_takes_a_request_that_its_schema_allows(large: Large) -> None:
    gate = Gate(large.contract, Limits())
    for operation in large.contract.operations:
        message = large.request(operation, large.sample(operation, "input").root)
        try:
            assert gate.admit(message).operation == operation
        except Refused as refused:
            pytest.fail(f"{operation.port} {operation.name}: {refused}: {message.body!r}")


async def test_requests_and_replies_pass_byte_for_byte(large: Large, tmp_path: Path) -> None:
    operations, backend = large.spread(), Backend()
    sent = [large.request(one, large.sample(one, "input").root) for one in operations]
    for operation, message in zip(operations, sent, strict=True):
        reply = large.sample(operation, "output").root
        backend.replies[message.body] = written(reply, operation.version, large.random)
    async with remote(large.contract, backend, tmp_path) as call:
        replies = await asyncio.gather(*map(call, sent))
    for operation, message, got in zip(operations, sent, replies, strict=True):
        assert got is not None, operation.name
        assert (got.body, got.content_type) == backend.replies[message.body], operation.name
        assert got.correlation_id == message.id
        assert not got.is_fault
    assert backend.seen == Counter((one.body, one.content_type, header(one)) for one in sent)


def header(message: Message) -> str | None:
    """Return the SOAPAction header of a message; SOAP 1.2 has none."""
    is_12 = message.content_type.startswith(SoapVersion.V12.media_type)
    return None if is_12 else f'"{message.soap_action}"'


async def test_a_broken_request_never_reaches_the_backend(large: Large, tmp_path: Path) -> None:
    backend, broken = Backend(), []
    for operation in large.spread():
        for breaking in (add_unknown, remove_required):
            sample = large.sample(operation, "input")
            if breaking(sample, large.random):
                broken.append(large.request(operation, sample.root))
    async with remote(large.contract, backend, tmp_path) as call:
        replies = await asyncio.gather(*map(call, broken))
    for message, reply in zip(broken, replies, strict=True):
        assert reply is not None, message.body
        assert reply.is_fault, message.body
        assert b"The Body does not follow the contract" in reply.body
    assert not backend.seen


def add_unknown(sample: Sample, random: Random) -> bool:
    """Add an element that no schema declares, where there are elements of other names."""
    places = (one.getparent() for one in sample.required)
    place = random.choice([sample.root, *(one for one in places if one is not None)])
    etree.SubElement(place, "{urn:unknown}Unknown")
    return True


def remove_required(sample: Sample, random: Random) -> bool:
    """Remove an element without which the sample is not valid; tell whether it has one."""
    if not sample.required:
        return False
    removed = random.choice(sample.required)
    parent = removed.getparent()
    assert parent is not None
    parent.remove(removed)
    return True
