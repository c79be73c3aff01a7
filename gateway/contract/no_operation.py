"""Why a contract has nothing to serve: what was found, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gateway.contract.names import SOAP_BINDINGS, component, wsdl, xs
from gateway.soap.envelope import Element

HTTP = (
    "http://schemas.xmlsoap.org/soap/http",
    "http://www.w3.org/2003/05/soap/bindings/HTTP/",
)
"""The transports of SOAP over HTTP (WSDL 1.1 section 3.3; its SOAP 1.2 submission)."""
_SHOWN = 4
_NOTHING = (
    "it has no wsdl:service with a port; add one whose port names the SOAP binding and its address"
)


def why(roots: Mapping[str, Element], remarks: Iterable[str]) -> str:
    """Return why no operation of a contract can be served; ``roots`` are its WSDLs by location."""
    found = [*_misplaced(roots), *_ports(roots), *remarks]
    if not any(True for _ in _all_ports(roots)):
        found.insert(0, _NOTHING)
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    told = "; ".join(found[:_SHOWN]) or "no port of it has an operation in its binding"
    return f"it declares no operation that can be served over SOAP and HTTP: {told}{more}"


def _misplaced(roots: Mapping[str, Element]) -> Iterator[str]:
    """Yield the imports that are in a place where they have no effect."""
    for location, root in roots.items():
        for name in ("import", "include"):
            for node in root.iterfind(f"{wsdl('types')}/{xs(name)}"):
                yield (
                    f"{location}:{node.sourceline}: this xs:{name} is in wsdl:types itself, "
                    "where it has no effect: put an xs:schema around it"
                )


def _all_ports(roots: Mapping[str, Element]) -> Iterator[tuple[str, Element, str]]:
    """Yield each port with its location, and its binding's name in Clark notation."""
    for location, root in roots.items():
        for port in root.iterfind(f"{wsdl('service')}/{wsdl('port')}"):
            name = component(port, port.get("binding", ""), root.get("targetNamespace"))
            yield location, port, name


def _ports(roots: Mapping[str, Element]) -> Iterator[str]:
    """Yield what is wrong with each port."""
    bindings = {
        component(node, node.get("name", ""), root.get("targetNamespace")): node
        for root in roots.values()
        for node in root.iterfind(wsdl("binding"))
    }
    for location, port, name in _all_ports(roots):
        wrong = _wrong(bindings.get(name))
        if wrong:
            binding = port.get("binding", "")
            place = f"{location}:{port.sourceline}: port {port.get('name')}"
            yield f"{place} names the binding {binding}, {wrong}"


def _wrong(binding: Element | None) -> str:
    if binding is None:
        return "which is declared nowhere"
    marks = (binding.find(f"{{{uri}}}binding") for uri in SOAP_BINDINGS)
    mark = next((one for one in marks if one is not None), None)
    if mark is None:
        return "which is not one of SOAP: it has no soap:binding"
    if mark.get("transport") not in HTTP:
        return f"whose transport is {mark.get('transport')!r}, not SOAP over HTTP"
    return "" if binding.find(wsdl("operation")) is not None else "which has no operation"
