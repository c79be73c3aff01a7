"""One port, as the WSDL documents of a contract describe it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

from gateway.contract.names import SOAP_BINDINGS, clark, component, wsdl
from gateway.generate.contract.declarations import in_namespace, paragraphs
from gateway.soap.envelope import Element

_MIME = "{http://schemas.xmlsoap.org/wsdl/mime/}part"


@dataclass(frozen=True, slots=True)
class MessagePart:
    """A part of a message: an element, or a type, in Clark notation."""

    name: str
    element: str = ""
    type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """The Body and the Header of a request or a reply."""

    parts: tuple[MessagePart, ...]
    headers: tuple[MessagePart, ...] = ()
    namespace: str = ""
    """That of the wrapper element of an rpc message."""
    encoded: bool = False
    has_attachments: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PortOperation:
    """An operation of a binding, and what its port type says of it."""

    name: str
    is_rpc: bool
    request: Payload
    reply: Payload | None
    faults: tuple[tuple[str, MessagePart], ...]
    documentation: str

    def every_part(self) -> Iterator[MessagePart]:
        """Yield the parts of all its messages, headers and faults."""
        for payload in (self.request, self.reply):
            if payload is not None:
                yield from (*payload.parts, *payload.headers)
        yield from (part for _, part in self.faults)


class WsdlTree:
    """The top level of all WSDL documents of a contract, by name."""

    def __init__(self, roots: Iterable[Element]) -> None:
        self._nodes: dict[tuple[str, str], Element] = {}
        for root in roots:
            namespace = root.get("targetNamespace", "")
            for kind in ("message", "portType", "binding", "service"):
                for node in root.iterchildren(wsdl(kind)):
                    name = in_namespace(namespace, node.get("name", ""))
                    self._nodes.setdefault((kind, name), node)

    def port(self, service: str, port: str) -> tuple[Element, Element]:
        """Return the elements of a service and of its port, by their local names."""
        named = (node for (kind, _), node in self._nodes.items() if kind == "service")
        found = (
            (node, one)
            for node in named
            for one in node.iterchildren(wsdl("port"))
            if (node.get("name"), one.get("name")) == (service, port)
        )
        return next(found)

    def operations(self, port: Element) -> Iterator[PortOperation]:
        """Yield the operations of a port; of several with one name, the last."""
        binding = self._get("binding", _name(port, "binding"))
        port_type = None if binding is None else self._get("portType", _name(binding, "type"))
        if binding is None or port_type is None:
            return  # zeep found it, in some way of its own: the port has no operations here
        style = _style(binding, "binding", "document")
        declared = {one.get("name", ""): one for one in port_type.iterchildren(wsdl("operation"))}
        bound = {one.get("name", ""): one for one in binding.iterchildren(wsdl("operation"))}
        for name, node in bound.items():
            if name in declared:
                yield self._operation(node, declared[name], style)

    def _get(self, kind: str, name: str) -> Element | None:
        """The declaration of a name; as for zeep, one without a namespace stands for any."""
        found = self._nodes.get((kind, name))
        return self._nodes.get((kind, name.rpartition("}")[2])) if found is None else found

    def _operation(self, node: Element, declared: Element, style: str) -> PortOperation:
        request, reply = (self._payload(node, declared, way) for way in ("input", "output"))
        faults = tuple(self._faults(declared))
        notes = declared.findtext(wsdl("documentation")) or node.findtext(wsdl("documentation"))
        return PortOperation(
            name=declared.get("name", ""),
            is_rpc=_style(node, "operation", style) == "rpc",
            request=request or Payload(parts=()),
            reply=reply,
            faults=faults,
            documentation=paragraphs(notes or ""),
        )

    def _payload(self, node: Element, declared: Element, way: str) -> Payload | None:
        given, bound = declared.find(wsdl(way)), node.find(wsdl(way))
        if given is None:
            return None
        message = _name(given, "message")
        if bound is None:
            return Payload(parts=tuple(self._parts(message)))
        body = next(_soap(bound, "body"), None)
        attributes = {} if body is None else {str(k): str(v) for k, v in body.attrib.items()}
        headers = list(_soap(bound, "header"))
        taken = {one.get("part", "") for one in headers if _name(one, "message") == message}
        listed = attributes["parts"].split() if "parts" in attributes else None
        return Payload(
            parts=tuple(_in_body(self._parts(message), listed, taken)),
            headers=tuple(self._headers(headers)),
            namespace=attributes.get("namespace", ""),
            encoded=attributes.get("use") == "encoded",
            has_attachments=next(bound.iter(_MIME), None) is not None,
        )

    def _headers(self, nodes: Iterable[Element]) -> Iterator[MessagePart]:
        for node in nodes:
            parts = self._parts(_name(node, "message"))
            yield from (part for part in parts if part.name == node.get("part"))

    def _faults(self, declared: Element) -> Iterator[tuple[str, MessagePart]]:
        for node in declared.iterchildren(wsdl("fault")):
            for part in list(self._parts(_name(node, "message")))[:1]:
                yield node.get("name", ""), part

    def _parts(self, message: str) -> Iterator[MessagePart]:
        node = self._get("message", message)
        for part in () if node is None else node.iterchildren(wsdl("part")):
            yield MessagePart(part.get("name", ""), _name(part, "element"), _name(part, "type"))


def _in_body(
    parts: Iterable[MessagePart], listed: Sequence[str] | None, taken: Set[str]
) -> Iterator[MessagePart]:
    """Yield the parts that soap:body lists; without a list, those that no header has taken."""
    for part in parts:
        if part.name not in taken if listed is None else part.name in listed:
            yield part


def _style(node: Element, name: str, default: str) -> str:
    styles = (one.get("style") for one in _soap(node, name))
    return next((one for one in styles if one), default)


def _soap(node: Element, name: str) -> Iterator[Element]:
    """Yield the SOAP extensions of that name inside of an element of a binding."""
    for uri in SOAP_BINDINGS:
        yield from node.iter(f"{{{uri}}}{name}")


def _name(node: Element, attribute: str) -> str:
    """The name in an attribute, in Clark notation; without a prefix, as zeep reads it."""
    value = node.get(attribute)
    if not value:
        return ""
    target = next(node.iterancestors(wsdl("definitions"))).get("targetNamespace")
    of_schema = node.tag == wsdl("part")
    return clark(node, value, target) if of_schema else component(node, value, target)
