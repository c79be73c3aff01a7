"""The XML names of WSDL 1.1 and XML Schema, and the parser that reads contracts."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from gateway.errors import ContractError
from gateway.soap.envelope import Element, SoapVersion

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XS = "http://www.w3.org/2001/XMLSchema"
XML = "http://www.w3.org/XML/1998/namespace"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SOAP_BINDINGS = {
    "http://schemas.xmlsoap.org/wsdl/soap/": SoapVersion.V11,
    "http://schemas.xmlsoap.org/wsdl/soap12/": SoapVersion.V12,
}
"""The namespaces of WSDL's SOAP extensions (WSDL 1.1 section 3; its SOAP 1.2 submission)."""

_LOCATION = {
    f"{{{WSDL}}}import": "location",
    f"{{{XS}}}import": "schemaLocation",
    f"{{{XS}}}include": "schemaLocation",
    f"{{{XS}}}redefine": "schemaLocation",
}


def wsdl(name: str) -> str:
    """Return a name of WSDL 1.1 in Clark notation."""
    return f"{{{WSDL}}}{name}"


def xs(name: str) -> str:
    """Return a name of XML Schema in Clark notation."""
    return f"{{{XS}}}{name}"


def clark(node: Element, value: str, default: str | None = None) -> str:
    """Return a QName value in Clark notation; ``default`` is the namespace of an unprefixed one."""
    prefix, _, local = value.strip().rpartition(":")
    scope = {**node.nsmap, "xml": XML}
    namespace = scope.get(prefix or None) or (None if prefix else default)
    return f"{{{namespace}}}{local}" if namespace else local


def component(node: Element, value: str, target: str | None) -> str:
    """Return the name of a binding, port type or message that a document refers to.

    Without a prefix it is in the document's own ``target`` namespace, as zeep and others read it:
    many documents omit the prefix although their default namespace is WSDL's own.
    """
    if ":" in value or not target:
        return clark(node, value, target)
    return f"{{{target}}}{value.strip()}"


def one_line(text: object, limit: int = 240) -> str:
    """A message of another library, on one line and shortened."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def links(root: Element) -> Iterator[tuple[Element, str]]:
    """Yield the imports and includes of a document, each with the attribute of its location."""
    for node in root.iter(*_LOCATION):
        yield node, _LOCATION[str(node.tag)]


def parse(data: bytes, location: str, *, bare: bool = False) -> Element:
    """Parse a document of a contract; ``bare`` leaves comments and processing instructions out.

    Raises ContractError, with file and line. huge_tree lifts libxml2's limits on depth and size:
    the operator chose these files, the reader caps their size, and a document type, the one way
    to make a small file large, is refused.
    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=True,
        remove_comments=bare,
        remove_pis=bare,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = one_line(getattr(error, "msg", error))
        raise ContractError(
            f"{location}:{line}: this is not well-formed XML ({reason}); "
            "fetch the document again, or correct that line"
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ContractError(f"{location}:1: a contract must not hold a DOCTYPE; remove it")
    return root
