"""Checks Body and declared header blocks of a request against the contract's own XML Schema."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Iterable
from typing import Any

from lxml import etree

from gateway.contract.operations import Operation
from gateway.contract.schemas.mistakes import mistake
from gateway.contract.schemas.schema_set import SchemaSet
from gateway.errors import Check, Refused
from gateway.soap.envelope import (
    WS_ADDRESSING,
    XOP_INCLUDE,
    Element,
    Envelope,
    SoapVersion,
    is_alone,
)

_STEP = re.compile(r"(?:[^/\[]*:)?([^/\[:]+)(?:\[(\d+)\])?")
_REFUSED = "The Body does not follow the contract"
_HEADER_REFUSED = "A header block does not follow the contract"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"
_OTHERS = (*WS_ADDRESSING, f"{_WSS}secext-1.0.xsd")
"""Namespaces of headers with separate checks, which allow more than their schemas."""
_MARKS = {SoapVersion.V11.namespace, SoapVersion.V12.namespace, f"{_WSS}utility-1.0.xsd"}
"""Namespaces of attributes that any header block may have: SOAP's, and the Id of signed ones."""


class Schemas:
    """The compiled schemas of a contract; threads may share them.

    lxml keeps the errors of the last check in the schema itself, hence the lock. A copy for each
    thread would cost up to 50 MB and half a second each, for the largest contracts.
    """

    def __init__(self, documents: SchemaSet, headers: Iterable[str] = ()) -> None:
        """Compile. ``headers`` names the blocks that are checked as well. Raises NotCompiled."""
        self.elements = documents.elements
        self._headers = {one for one in headers if one in self.elements and not is_standard(one)}
        self._names = documents.names
        self._schema = documents.compile()
        self._lock = threading.Lock()

    def validate(self, operation: Operation, envelope: Envelope) -> None:
        """Check that the Body has exactly the operation's elements; then check the Header.

        An xop:Include (MTOM) counts as empty text: its bytes are in another part of the message.
        Raises Refused.
        """
        payloads = list(envelope.body.iterchildren("*"))
        if [child.tag for child in payloads] != list(operation.children):
            raise Refused(
                f"{_REFUSED}: it must hold {_listed(operation.children)}.", check=Check.SCHEMA
            )
        if next(envelope.body.iter(XOP_INCLUDE), None) is not None:
            payloads = _without_includes(envelope)
        for payload in payloads:
            self._check(payload)
        self._check_header(operation, () if envelope.header is None else envelope.header)

    def _check_header(self, operation: Operation, header: Iterable[Element]) -> None:
        """Check the blocks that the operation declares, whatever their role.

        Not those of other operations: PHP sends a header set for all calls in the schema's form
        only with operations that declare it, and in its own form with the others.
        """
        declared = self._headers & operation.headers if self._headers else ()
        for block in header if declared else ():
            if block.tag in declared:
                self._check(_bare(block), _HEADER_REFUSED, Check.HEADER_SCHEMA)

    def _check(
        self, payload: Element, refused: str = _REFUSED, check: Check = Check.SCHEMA
    ) -> None:
        try:
            # The element in its tree, not a copy: xsi:type may use prefixes of the Envelope.
            with self._lock:
                if self._schema.validate(payload):
                    return
                errors: Any = self._schema.error_log
        except etree.XMLSchemaError as error:
            # libxml2 gives up on patterns that take too long, such as ([a-z]{1,50}){1,50}.
            raise Refused(
                f"{refused}: a value is too long to match against its pattern.", check=check
            ) from error
        first = errors[0]
        place, is_here = _place(payload, first.path or "", self._names)
        what = mistake(first.type_name, first.message, self._names, is_here=is_here)
        said = f"element {place}: {what}" if what else f"see element {place}"
        raise Refused(f"{refused}: {said}.", check=check)


def _listed(names: Iterable[str]) -> str:
    """Spell the names of a contract's elements for a caller, without their namespaces."""
    local = [etree.QName(name).localname for name in names]
    return f"the element {', then '.join(local)}, and nothing else" if local else "nothing"


def _without_includes(envelope: Envelope) -> list[Element]:
    """Return copies of the Body's children in which each lone xop:Include became empty text.

    The whole envelope is copied, so that its namespace declarations stay in scope.
    """
    body = next(copy.deepcopy(envelope.root).iterchildren(envelope.body.tag))
    _empty_includes(body)
    return [child for child in body if isinstance(child.tag, str)]


def _empty_includes(top: Element) -> None:
    for include in list(top.iter(XOP_INCLUDE)):
        parent = include.getparent()
        # Beside other content it is invalid, and the schema refuses it as it is.
        if parent is not None and is_alone(include):
            parent.remove(include)
            parent.text = ""


def is_standard(name: str) -> bool:
    """True for a header block of WS-Addressing or WS-Security."""
    return etree.QName(name).namespace in _OTHERS


def _bare(block: Element) -> Element:
    """Return a header block without attributes of SOAP itself; a copy, where there are any.

    Attributes that every block may have, such as mustUnderstand, are in no schema.
    """
    marks = [name for name in block.attrib if etree.QName(name).namespace in _MARKS]
    if not marks and next(block.iter(XOP_INCLUDE), None) is None:
        return block
    # Below an element with all prefixes in scope: xsi:type may use them.
    scope: Any = block.nsmap  # the stubs know no default namespace
    around = etree.Element("around", nsmap=scope)
    copied = copy.deepcopy(block)
    around.append(copied)
    for name in marks:
        del copied.attrib[name]
    _empty_includes(copied)
    return copied


def _place(payload: Element, path: str, names: frozenset[str]) -> tuple[str, bool]:
    """Describe where an error is, by the contract's names: never by names of the message's choice.

    Also tells whether that is the exact place, or the last one before it with such a name.
    ``path`` is libxml2's: /a:order/*/b:item[2]; a star stands for a name without a prefix.
    """
    node, place = payload, [etree.QName(payload).localname]
    for step in path.strip("/").split("/")[1:]:
        found = _child(node, step)
        if found is None or etree.QName(found).localname not in names:
            return "/".join(place), False
        node = found
        twins = list(node.itersiblings(node.tag, preceding=True))
        alone = not twins and next(node.itersiblings(node.tag), None) is None
        place.append(etree.QName(node).localname + ("" if alone else f"[{len(twins) + 1}]"))
    return "/".join(place), True


def _child(parent: Element, step: str) -> Element | None:
    match = _STEP.fullmatch(step)
    if match is None:
        return None
    name, position = match[1], int(match[2] or 1)
    prefix = step.partition(":")[0] if ":" in step else None
    children = [child for child in parent if isinstance(child.tag, str)]
    if name != "*":
        children = [
            child
            for child in children
            if (child.prefix, etree.QName(child).localname) == (prefix, name)
        ]
    return children[position - 1] if position <= len(children) else None
