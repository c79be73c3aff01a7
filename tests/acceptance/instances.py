"""Random messages of the operations of a contract, from its own schemas; and what they validate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random

from lxml import etree
from sampler import Sampler

from gateway.contract import Contract
from gateway.contract.documents.gathering import linked
from gateway.contract.names import (
    SOAP_BINDINGS,
    clark,
    wsdl,
    xs,
)
from gateway.contract.operations import Operation
from gateway.contract.schemas.schema_set import Wrapper, schema_set, schemas_by_namespace
from gateway.soap.envelope import Element

DIRECTIONS = ("input", "output")


class Instances:
    """Makes what may stand in the Body of each operation, and in its headers and faults."""

    def __init__(self, contract: Contract, random: Random, *, mixed: bool = True) -> None:
        """``mixed``: with text between elements, where the contract allows it."""
        self.contract = contract
        documents = contract.documents
        schemas = list(schemas_of(contract))
        self.sampler = Sampler(schemas, random, full=True, mixed=mixed)
        self._roots = [linked(one, bare=True) for one in documents.values() if not one.is_schema]
        # Looked up once for each message: a contract may have thousands of operations.
        self._ports = dict(_ports(self._roots))
        self._named = dict(_declared(self._roots))
        self._operations: dict[Element, dict[str, list[Element]]] = {}
        # The gateway compiles the wrappers of rpc requests; here those of the replies count too.
        self._schema = schema_set(documents, self._wrappers()).compile()

    def message(self, operation: Operation, direction: str) -> list[Element]:
        """Return what is in the Body of one message. Raises LookupError."""
        if self._is_rpc(operation):
            return [self.sampler.wrapper(*self._rpc(operation, direction)).root]
        parts, body = self._parts(operation, direction), self._body(operation, direction)
        listed = body.get("parts")
        chosen = list(parts) if listed is None else listed.split()
        elements = [clark(parts[name], parts[name].get("element", "")) for name in chosen]
        return [self.sampler.element(name).root for name in elements]

    def header(self, name: str) -> Element:
        """Return an instance of a global element."""
        return self.sampler.element(name).root

    def errors(self, element: Element) -> str:
        """Return what the contract's own schemas find wrong with an element; empty for nothing."""
        if self._schema.validate(element):
            return ""
        return str(self._schema.error_log[0].message)

    def _wrappers(self) -> Iterator[Wrapper]:
        for operation in self.contract.operations:
            for direction in DIRECTIONS[: 1 if operation.one_way else 2]:
                if not operation.encoded and self._is_rpc(operation):
                    name, kinds = self._rpc(operation, direction)
                    yield Wrapper(name, tuple(kinds.items()))

    def _rpc(self, operation: Operation, direction: str) -> tuple[str, Mapping[str, str]]:
        """Return the name of an rpc message's wrapper, and the types of its parts."""
        parts, body = self._parts(operation, direction), self._body(operation, direction)
        listed = body.get("parts")
        chosen = list(parts) if listed is None else listed.split()
        local = operation.name + "Response" * (direction == "output")
        namespace = body.get("namespace")
        kinds = {name: clark(parts[name], parts[name].get("type", "")) for name in chosen}
        return (f"{{{namespace}}}{local}" if namespace else local), kinds

    def _parts(self, operation: Operation, direction: str) -> Mapping[str, Element]:
        """Return the parts of a message, without those that its soap:header elements take."""
        abstract = self._abstract(operation)
        given = abstract.find(wsdl(direction))
        assert given is not None
        message = self._named["message", _qname(given, "message")]
        parts = {part.get("name", ""): part for part in message.iterfind(wsdl("part"))}
        bound = self._bound(operation).find(wsdl(direction))
        for node in [] if bound is None else bound.iter("{*}header"):
            same = _qname(node, "message") == _qname(given, "message")
            if same and etree.QName(node).namespace in SOAP_BINDINGS:
                parts.pop(node.get("part", ""), None)
        return parts

    def _body(self, operation: Operation, direction: str) -> Element:
        bound = self._bound(operation).find(wsdl(direction))
        found = None if bound is None else next(bound.iter("{*}body"), None)
        if found is None:
            raise LookupError(f"no soap:body for the {direction}")
        return found

    def _is_rpc(self, operation: Operation) -> bool:
        bound = self._bound(operation)
        binding = bound.getparent()
        assert binding is not None
        styles = (
            mark.get("style")
            for node in (bound, binding)
            for mark in node
            if etree.QName(mark).namespace in SOAP_BINDINGS
        )
        return next((style for style in styles if style), "document") == "rpc"

    def _abstract(self, operation: Operation) -> Element:
        binding = self._bound(operation).getparent()
        assert binding is not None
        port_type = self._named["portType", _qname(binding, "type")]
        return self._operation(port_type, operation.name)

    def _bound(self, operation: Operation) -> Element:
        port = self._ports[operation.service, operation.port]
        binding = self._named["binding", _qname(port, "binding")]
        return self._operation(binding, operation.name)

    def _operation(self, parent: Element, name: str) -> Element:
        if parent not in self._operations:
            by_name = self._operations[parent] = {}
            for one in parent.iterfind(wsdl("operation")):
                by_name.setdefault(one.get("name", ""), []).append(one)
        found = self._operations[parent].get(name, [])
        if len(found) != 1:
            raise LookupError(f"{len(found)} declarations of {name}")
        return found[0]


def _ports(roots: list[Element]) -> Iterator[tuple[tuple[str, str], Element]]:
    """Yield the ports under the names of their services and their own."""
    for root in roots:
        for service in root.iterfind(wsdl("service")):
            for port in service.iterfind(wsdl("port")):
                yield (service.get("name", ""), port.get("name", "")), port


def _declared(roots: list[Element]) -> Iterator[tuple[tuple[str, str], Element]]:
    """Yield messages, port types and bindings, each under what it is and its name."""
    for root in roots:
        for what in ("message", "portType", "binding"):
            for node in root.iterfind(wsdl(what)):
                yield (what, f"{{{root.get('targetNamespace')}}}{node.get('name')}"), node


def _qname(node: Element, attribute: str) -> str:
    """Return what an attribute names; without a prefix or a default, the document's own."""
    own = node.getroottree().getroot().get("targetNamespace")
    return clark(node, node.get(attribute, ""), own)


def schemas_of(contract: Contract) -> Iterator[Element]:
    """Yield the schemas of a contract; those without a namespace in that of their includer."""
    for namespace, schemas in schemas_by_namespace(contract.documents).items():
        for schema in schemas:
            if not namespace or schema.get("targetNamespace"):
                yield schema
                continue
            scope = {**schema.nsmap, None: namespace}
            lent = etree.Element(xs("schema"), dict(schema.attrib), nsmap=scope)
            lent.set("targetNamespace", namespace)
            lent.extend(list(schema))
            # Prefixes are looked up by node: written and read again, each has the new scope.
            yield etree.fromstring(etree.tostring(lent), etree.XMLParser(huge_tree=True))
