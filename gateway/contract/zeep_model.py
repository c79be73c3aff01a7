"""Loads a contract with zeep, and reads its operations from zeep's model. The home of zeep."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from lxml import etree
from zeep import Settings, Transport
from zeep.wsdl import Document as ZeepDocument
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding

from gateway.contract.bindings import SoapBody
from gateway.contract.documents import wellknown
from gateway.contract.documents.gathering import Document, linked
from gateway.contract.documents.reader import MEMORY, shown
from gateway.contract.names import one_line, xs
from gateway.contract.operations import Operation
from gateway.errors import ContractError
from gateway.soap.envelope import Element, SoapVersion

_ONE_AT_A_TIME = threading.Lock()
_LENT = "#namespace="

Part = tuple[str, str]
"""A part of an rpc message: its name, and the name of its type in Clark notation."""


@dataclass(frozen=True, slots=True)
class Declared:
    """An operation, and the parts of its messages if it is rpc/literal."""

    operation: Operation
    wrapped: tuple[Part, ...] | None
    """The parts inside the wrapper element of an rpc message; None for document style."""


class ClosedTransport(Transport):
    """Gives zeep the documents that were already read, and access to no other."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        # Not super().__init__: it opens a session that follows redirects and reads file: URLs.
        self.cache: object = None
        self.load_timeout = self.operation_timeout = 0.0
        self.logger = logging.getLogger(__name__)
        self._close_session = False
        self._documents = documents

    def load(self, url: str) -> bytes:
        """Return a document by its location, or from the catalogue. Raises ContractError."""
        location, _, lent = url.partition(_LENT)
        if location in self._documents:
            # References are absolute, so zeep need not resolve them; and bare, since zeep fails on
            # a processing instruction inside a schema.
            root = linked(self._documents[location], bare=True)
            return etree.tostring(self._lend(root, unquote(lent)))
        namespace = wellknown.known(url)
        if namespace is None:
            raise ContractError(f"{url} is not part of the contract; name it in an import")
        return wellknown.read(namespace)

    def _lend(self, root: Element, namespace: str) -> Element:
        """Give a schema without a namespace that of its includer, and mark its own includes.

        zeep would use the includer's default namespace: in a WSDL, often that of WSDL itself.
        """
        for schema in root.iter(xs("schema")):
            for include in schema.iterfind(xs("include")):
                target = self._documents.get(include.get("schemaLocation", ""))
                lent = schema.get("targetNamespace") or namespace
                if target and lent and target.namespaces == {""}:
                    include.set("schemaLocation", f"{target.location}{_LENT}{quote(lent, safe='')}")
        if not namespace:
            return root
        scope: dict[Any, Any] = {None: namespace}
        scope.update(root.nsmap)
        renamed = etree.Element(root.tag, nsmap=scope)
        for name, value in root.attrib.items():
            renamed.set(name, value)
        renamed.set("targetNamespace", namespace)
        renamed.extend(list(root))
        return renamed

    def _load_remote_data(self, url: str) -> NoReturn:
        raise ContractError(f"{url} is not part of the contract; name it in an import")

    def get(self, address: str, params: object, headers: object) -> NoReturn:
        raise ContractError(f"{address}: a contract is only read; nothing is sent")

    def post(self, address: str, message: object, headers: object) -> NoReturn:
        raise ContractError(f"{address}: a contract is only read; nothing is sent")


def read_model(entry: str, documents: Mapping[str, Document]) -> tuple[ZeepDocument, list[str]]:
    """Load a contract with zeep; return its model, and zeep's warnings about parts left out.

    zeep's strict setting only selects the parser's recovery mode here, and the documents are known
    to be well-formed. force_https would change addresses. Raises ContractError.
    """
    settings = Settings(
        strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=True, force_https=False
    )
    # Warning filters are process-wide: two threads that catch warnings would restore each other's.
    with _ONE_AT_A_TIME, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            transport: Any = ClosedTransport(documents)
            model = ZeepDocument(entry, transport, settings=settings)
        except ContractError:
            raise
        except RecursionError as error:
            raise ContractError(
                f"{shown(entry)}: its types, or its documents, are nested too deep or "
                "build on each other in too long a row; put some of them together"
            ) from error
        # With a broken document zeep raises anything, from its own errors to AttributeError,
        # IndexError and AssertionError: this is their border.
        except Exception as error:
            reason = one_line(str(error) or type(error).__name__).replace(MEMORY, "")
            raise ContractError(
                f"{shown(entry)}: it cannot be used ({type(error).__name__}: {reason}); "
                "correct it, or add the document that declares what is missing"
            ) from error
    return model, [one_line(warning.message) for warning in caught]


def declared(model: ZeepDocument, bodies: Mapping[tuple[str, str], SoapBody]) -> Iterator[Declared]:
    """Yield every operation of every port that is SOAP over HTTP, in document order."""
    for service, port in ports(model):
        for name, operation in port.binding.all().items():
            body = bodies.get((port.binding.name.text, name), SoapBody())
            yield _declared(service, port, operation, body)


def ports(model: ZeepDocument) -> Iterator[tuple[str, Any]]:
    """Yield each service's name with each port that is SOAP over HTTP.

    Services of imported documents are among them: zeep itself only has those of the first.
    """
    for definition in model._definitions.values():
        for service in definition.services.values():
            soap = (p for p in service.ports.values() if isinstance(p.binding, SoapBinding))
            yield from ((service.name, port) for port in soap)


def _declared(service: str, port: Any, operation: Any, body: SoapBody) -> Declared:
    is_rpc = operation.style == "rpc"
    parts = _parts(operation, body)
    children = (_wrapper(operation),) if is_rpc else tuple(name for name, _ in parts)
    version = SoapVersion.V12 if isinstance(port.binding, Soap12Binding) else SoapVersion.V11
    found = Operation(
        name=operation.name,
        service=service,
        port=port.name,
        version=version,
        soap_action=operation.soapaction or "",
        addressing_action=operation.abstract.wsa_action or "",
        body=children[0] if children else None,
        children=children,
        # Not "operation.output is None": that is also so for an output without parts.
        one_way=operation.abstract.output_message is None,
        headers=_headers(operation),
        encoded=body.encoded,
        address=(port.binding_options or {}).get("address") or "",
        faults=_faults(operation),
    )
    return Declared(found, tuple(parts) if is_rpc else None)


def _faults(operation: Any) -> frozenset[str]:
    """The elements in the details of its declared faults (WSDL 1.1 section 3.6).

    A part with a type, which the standard does not allow, counts as an element of the part's name.
    """
    messages = operation.abstract.fault_messages.values()
    parts = [part for message in messages for part in message.parts.items()]
    return frozenset(
        str(part.element.qname.text) if part.element is not None else name for name, part in parts
    )


def _wrapper(operation: Any) -> str:
    """Return the name of the wrapper element of an rpc message."""
    body = operation.input.body if operation.input else None
    return str(body.qname.text) if body is not None else str(operation.name)


def _headers(operation: Any) -> frozenset[str]:
    header = operation.input.header if operation.input else None
    declared = header.type.elements if header is not None else ()
    return frozenset(str(element.qname.text) for _, element in declared)


def _parts(operation: Any, body: SoapBody) -> list[Part]:
    """Return the parts in the Body: (element, "") in document style, (name, type) in rpc style."""
    message = operation.abstract.input_message
    if operation.input is None or message is None or not message.parts:
        return []
    listed = body.parts if body.parts is not None else _resolved_parts(operation, message)
    rpc = operation.style == "rpc"
    return [_part(name, message.parts[name], rpc) for name in listed if name in message.parts]


def _part(name: str, part: Any, rpc: bool) -> Part:
    if part.element is not None and not rpc:
        return str(part.element.qname.text), ""
    kind = part.type if part.element is None else part.element.type
    return name, str(kind.qname.text) if kind is not None and kind.qname is not None else ""


def _resolved_parts(operation: Any, message: Any) -> list[str]:
    """Return the parts of a message that its soap:header elements did not take."""
    header = operation.input.header
    taken = {name for name, _ in header.type.elements} if header is not None else set()
    return [name for name in message.parts if name not in taken]
