"""One call: its arguments to a request, and the response to a result."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import requests
from lxml import etree
from zeep.exceptions import TransportError

from gateway.soap.envelope import XOP_INCLUDE, Element, SoapVersion, parser
from gateway.soap.multipart import is_multipart, split
from gateway.stubs.faults import SoapFault, UnreadableReply
from gateway.stubs.layout import Layout, OperationLayout
from gateway.stubs.reading import read_record, read_value
from gateway.stubs.writing import write_element, write_record

_VERSIONS = {"1.1": SoapVersion.V11, "1.2": SoapVersion.V12}


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request, ready to be posted."""

    body: bytes
    headers: Mapping[str, str]
    one_way: bool


def request(layout: Layout, name: str, arguments: Mapping[str, object]) -> EncodedRequest:
    """Return the request of a call; ``arguments`` are its parameters, headers among them.

    Raises UnwritableValue.
    """
    operation = layout.operation(name)
    version = _VERSIONS[layout.table.version]
    scope: dict[Any, Any] = {"soap": version.namespace, **layout.table.prefixes}
    envelope = etree.Element(f"{{{version.namespace}}}Envelope", nsmap=scope)
    _write_headers(envelope, version, operation, arguments, layout)
    body = etree.SubElement(envelope, f"{{{version.namespace}}}Body")
    wrapper, record = operation.request
    content = etree.SubElement(body, wrapper) if wrapper else body
    write_record(content, layout.record(record), arguments, layout)
    return EncodedRequest(
        body=etree.tostring(envelope, encoding="utf-8", xml_declaration=True),
        headers=_http_headers(version, operation.action),
        one_way=operation.one_way,
    )


def result(layout: Layout, name: str, response: requests.Response) -> Any:
    """The result of a call: None, the only value of the reply, or its record.

    Raises the fault, UnreadableReply, or zeep's TransportError if it is not a SOAP reply.
    """
    operation = layout.operation(name)
    if operation.one_way and response.status_code in (200, 202, 204) and not response.content:
        return None
    body = _body(response)
    for fault in body.iterchildren(f"{{{etree.QName(body).namespace}}}Fault"):
        raise _fault(fault, operation, layout)
    return None if operation.reply is None else _result(body, operation.reply, layout)


def _result(body: Element, reply: tuple[str, str], layout: Layout) -> Any:
    wrapper, name = reply
    content = body.find(wrapper) if wrapper else body
    if content is None:
        raise UnreadableReply(f"the Body does not hold {wrapper}")
    record = layout.record(name)
    read = read_record(content, record, layout)
    names = list({one.name: None for one in record.fields()})
    if len(names) == 1:
        return read[names[0]] if isinstance(read, dict) else getattr(read, names[0])
    return read or None


def _write_headers(
    envelope: Element,
    version: SoapVersion,
    operation: OperationLayout,
    arguments: Mapping[str, object],
    layout: Layout,
) -> None:
    given = [one for one in operation.headers if arguments.get(one.name) is not None]
    if given:
        header = etree.SubElement(envelope, f"{{{version.namespace}}}Header")
        for one in given:
            write_element(header, one, arguments[one.name], layout)


def _http_headers(version: SoapVersion, action: str) -> Mapping[str, str]:
    content_type = f"{version.media_type}; charset=utf-8"
    if version is SoapVersion.V11:
        return {"Content-Type": content_type, "SOAPAction": f'"{action}"'}
    return {"Content-Type": f'{content_type}; action="{action}"' if action else content_type}


def _body(response: requests.Response) -> Element:
    try:
        root = _root(response)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise TransportError(
            f"the answer is not a SOAP message (status {response.status_code})",
            status_code=response.status_code,
            content=response.content,
        ) from error
    body = root.find("{*}Body")
    if body is None or etree.QName(root).localname != "Envelope":
        raise UnreadableReply(f"the reply is {root.tag}, not a SOAP envelope with a Body")
    return body


def _root(response: requests.Response) -> Element:
    """Return the envelope of a response, with its MTOM attachments inlined."""
    content_type = response.headers.get("Content-Type", "")
    if not is_multipart(content_type):
        return etree.fromstring(response.content, parser())
    envelope, attachments = split(response.content, content_type)
    root = etree.fromstring(envelope.body, parser())
    for include in list(root.iter(XOP_INCLUDE)):
        parent, name = include.getparent(), unquote(include.get("href", "").removeprefix("cid:"))
        if parent is not None and name in attachments:
            parent.remove(include)
            parent.text = base64.b64encode(attachments[name]).decode()
    return root


def _fault(element: Element, operation: OperationLayout, layout: Layout) -> SoapFault:
    detail = next(iter(element.iterchildren("detail", "{*}Detail")), None)
    inside = () if detail is None else detail.iterchildren("{*}*")
    for child in inside:
        if child.tag in operation.faults:
            kind, field = operation.faults[str(child.tag)]
            assert issubclass(kind, SoapFault)  # the stub declares it so
            return kind(*_said(element), detail=read_value(child, field, layout), element=element)
    return SoapFault(*_said(element), detail=detail, element=element)


def _said(fault: Element) -> tuple[str, str]:
    """Return the code and the text of a fault, of either version."""
    if fault.find("faultcode") is not None:
        code = fault.findtext("faultcode", "").strip().rpartition(":")[2]
        return code, fault.findtext("faultstring", "")
    codes = [(value.text or "").strip().rpartition(":")[2] for value in fault.iter("{*}Value")]
    return ".".join(codes), fault.findtext("{*}Reason/{*}Text", "")
