"""The WSDL of a code-first service: spyne's own, corrected, with a port for each SOAP version."""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from gateway.backends.hosted.spyne_compat import Application, Wsdl11
from gateway.soap.envelope import Element

SOAP_OVER_HTTP = "http://schemas.xmlsoap.org/soap/http"
"""The transport of a binding. zeep and others skip a port with any other one."""

_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_SOAP = "{http://schemas.xmlsoap.org/wsdl/soap/}"
_SOAP12 = "{http://schemas.xmlsoap.org/wsdl/soap12/}"


def publish(application: Application, address: str) -> bytes:
    """Return the WSDL 1.1 document, with all ports at ``address``."""
    # A new builder each time: spyne omits portType and service from a second document.
    document = Wsdl11(application.interface)
    document.build_interface_document(address)
    root: Element = document.root_elt
    _correct_operations(root, application)
    _correct_references(root)
    for port in root.iterfind(f"{_WSDL}service/{_WSDL}port/*"):
        port.set("location", address)
    _add_soap12(root)
    for service in root.findall(f"{_WSDL}service"):
        root.append(service)  # last, as in the schema of WSDL 1.1
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _correct_operations(root: Element, application: Application) -> None:
    """Remove spyne's inventions: headers of one-way operations, a parameterOrder without parts."""
    for operation in root.iterfind(f"{_WSDL}portType/{_WSDL}operation"):
        del operation.attrib["parameterOrder"]
    methods = {m.operation_name: m for m in application.interface.method_id_map.values()}
    for operation in root.iterfind(f"{_WSDL}binding/{_WSDL}operation"):
        method = methods[operation.get("name")]
        operation[0].set("soapAction", method.udd.get("soap_action", method.operation_name))
        if method.is_async:
            _remove_addressing(operation)


def _remove_addressing(operation: Element) -> None:
    for request in operation.iterfind(f"{_WSDL}input"):
        for header in request.findall(f"{_SOAP}header"):
            if header.get("part") in ("ReplyTo", "MessageID"):
                request.remove(header)


def _correct_references(root: Element) -> None:
    """Make every reference to a message refer to one of this document.

    spyne gives it the namespace of the message's type, where there is no message.
    """
    for element in root.iter(f"{_WSDL}input", f"{_WSDL}output", f"{_WSDL}fault", f"{_SOAP}header"):
        message = element.get("message")
        if message is not None:
            element.set("message", f"tns:{message.rpartition(':')[2]}")


def _add_soap12(root: Element) -> None:
    """Repeat each binding and each port for SOAP 1.2, with 12 appended to its name."""
    for binding in root.findall(f"{_WSDL}binding"):
        binding.addnext(_in_soap12(binding))
    for port in root.findall(f"{_WSDL}service/{_WSDL}port"):
        twin = _in_soap12(port)
        twin.set("binding", f"{port.get('binding')}12")
        port.addnext(twin)


def _in_soap12(element: Element) -> Element:
    twin = deepcopy(element)
    twin.set("name", f"{element.get('name')}12")
    for child in twin.iter(f"{_SOAP}*"):
        child.tag = child.tag.replace(_SOAP, _SOAP12)
    return twin
