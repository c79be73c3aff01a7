"""The Body of each operation as WSDL documents describe it: zeep's model does not keep this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.contract.names import SOAP_BINDINGS, clark, component, parse, wsdl
from gateway.soap.envelope import Element


@dataclass(frozen=True, slots=True)
class SoapBody:
    """A soap:body element (WSDL 1.1 section 3.5)."""

    parts: tuple[str, ...] | None = None
    """The message's parts in the Body; None for all."""
    encoded: bool = False
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class BoundOperation:
    """An operation of a SOAP binding, as written there."""

    binding: str
    port_type: str
    name: str
    is_rpc: bool
    body: SoapBody


def request_bodies(roots: Iterable[Element]) -> Mapping[tuple[str, str], SoapBody]:
    """Return the soap:body of every request, by the names of its binding and its operation."""
    found = (bound for root in roots for bound in bound_operations(root))
    return {(bound.binding, bound.name): bound.body for bound in found}


def bound_operations(root: Element) -> Iterator[BoundOperation]:
    """Yield the operations of every SOAP binding of a WSDL document."""
    namespace = root.get("targetNamespace")
    for binding in root.iterfind(wsdl("binding")):
        marks = ((uri, binding.find(f"{{{uri}}}binding")) for uri in SOAP_BINDINGS)
        soap, mark = next((one for one in marks if one[1] is not None), ("", None))
        if mark is None:
            continue
        default_style = mark.get("style", "document")
        for node in binding.iterfind(wsdl("operation")):
            extension = node.find(f"{{{soap}}}operation")
            style = extension.get("style") if extension is not None else None
            yield BoundOperation(
                binding=f"{{{namespace}}}{binding.get('name')}",
                port_type=component(binding, binding.get("type", ""), namespace),
                name=node.get("name", ""),
                is_rpc=(style or default_style) == "rpc",
                body=_body(node, soap),
            )


def _body(operation: Element, soap: str) -> SoapBody:
    node = operation.find(f"{wsdl('input')}//{{{soap}}}body")
    if node is None:
        return SoapBody()
    parts = node.get("parts")
    return SoapBody(
        parts=tuple(parts.split()) if parts is not None else None,
        encoded=node.get("use") == "encoded",
        namespace=node.get("namespace"),
    )


def one_way_bodies(documents: Iterable[bytes]) -> frozenset[str]:
    """Return the names of the Body's first element in requests that have no reply.

    ``documents`` are the WSDL documents of one contract, in any order. The name is that of the
    part's element in document style, ``{soap:body namespace}operation`` in rpc style, both in
    Clark notation. A name that an operation with a reply has as well is left out: its reply must
    be waited for. Raises ContractError.
    """
    roots = [parse(data, f"document {index}") for index, data in enumerate(documents, start=1)]
    outputs = _with_outputs(roots)
    messages = _message_parts(roots)
    one_way: set[str] = set()
    two_way: set[str] = set()
    for bound in (bound for root in roots for bound in bound_operations(root)):
        for message, has_output in outputs.get((bound.port_type, bound.name), ()):
            name = _first_child(bound, messages.get(message, {}))
            (two_way if has_output else one_way).add(name)
    return frozenset(name for name in one_way - two_way if name)


def _first_child(bound: BoundOperation, parts: Mapping[str, str]) -> str:
    if bound.is_rpc:
        namespace = bound.body.namespace
        return f"{{{namespace}}}{bound.name}" if namespace else bound.name
    listed = bound.body.parts if bound.body.parts is not None else tuple(parts)
    return next((parts[name] for name in listed if parts.get(name)), "")


def _with_outputs(roots: Iterable[Element]) -> Mapping[tuple[str, str], list[tuple[str, bool]]]:
    """Return, for each operation of each port type, its input messages and whether it replies."""
    found: dict[tuple[str, str], list[tuple[str, bool]]] = {}
    port_types = [one for root in roots for one in root.iterfind(wsdl("portType"))]
    for port_type in port_types:
        namespace = _namespace(port_type)
        for operation in port_type.iterfind(wsdl("operation")):
            given = operation.find(wsdl("input"))
            if given is None:
                continue
            key = (f"{{{namespace}}}{port_type.get('name')}", operation.get("name", ""))
            message = component(given, given.get("message", ""), namespace)
            replies = operation.find(wsdl("output")) is not None
            found.setdefault(key, []).append((message, replies))
    return found


def _namespace(port_type: Element) -> str | None:
    definitions = port_type.getparent()
    assert definitions is not None  # it was found inside one
    return definitions.get("targetNamespace")


def _message_parts(roots: Iterable[Element]) -> Mapping[str, Mapping[str, str]]:
    """Return the parts of each message: the element of each, empty for a part with a type."""
    return {
        f"{{{root.get('targetNamespace')}}}{message.get('name')}": {
            part.get("name", ""): clark(part, part.get("element", ""))
            if part.get("element")
            else ""
            for part in message.iterfind(wsdl("part"))
        }
        for root in roots
        for message in root.iterfind(wsdl("message"))
    }
