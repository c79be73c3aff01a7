"""The faults that services raise, written for SOAP 1.1 and 1.2.

Not by spyne: its SOAP 1.2 raises on many faults, it puts the members of a declared fault beside the
detail, where no client looks for them, and it cannot write control characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from lxml import etree

from gateway.backends.hosted.spyne_compat import DEFAULT_NS, ComplexModelBase, Fault, MethodContext
from gateway.soap.envelope import Element, SoapVersion

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_NAME = re.compile(r"[^A-Za-z0-9_-]")

_CODES_12 = {
    "Client": "Sender",
    "Server": "Receiver",
    "VersionMismatch": "VersionMismatch",
    "MustUnderstand": "MustUnderstand",
}
"""The codes of SOAP 1.1 (section 4.4.1) by their names in SOAP 1.2 (part 1, section 5.4.6)."""


def fault_envelope(ctx: MethodContext, fault: Fault, version: SoapVersion) -> Element:
    """Return the envelope of a fault with any code and text.

    The detail has first the fault's own members, as the element that its WSDL declares, then its
    ``detail``: a ComplexModel, an element, a dict, a list of these, or any value as text. Parts of
    the code after a dot, and codes that SOAP does not know, are in the service's namespace.
    """
    soap = f"{{{version.namespace}}}"
    # No prefix but SOAP's: lxml removes declarations of the same namespace from elements below, but
    # values in a detail, such as xsi:type, need their prefixes.
    envelope = etree.Element(soap + "Envelope", nsmap={"soap": version.namespace})
    element = etree.SubElement(etree.SubElement(envelope, soap + "Body"), soap + "Fault")
    write = _write_12 if version is SoapVersion.V12 else _write_11
    write(ctx, fault, element, soap)
    return envelope


def _write_11(ctx: MethodContext, fault: Fault, element: Element, soap: str) -> None:
    """Write a fault as SOAP 1.1, section 4.4."""
    head, *rest = _code(fault)
    prefix = "soap" if head in _CODES_12 else "app"
    scope = {} if prefix == "soap" else {"app": ctx.app.tns}
    code = etree.SubElement(element, "faultcode", nsmap=scope)
    code.text = f"{prefix}:{'.'.join([head, *rest])}"
    etree.SubElement(element, "faultstring").text = _text(fault.faultstring)
    if fault.faultactor:
        etree.SubElement(element, "faultactor").text = _text(fault.faultactor)
    _append_detail(ctx, fault, element, "detail")


def _write_12(ctx: MethodContext, fault: Fault, element: Element, soap: str) -> None:
    """Write a fault as SOAP 1.2 part 1, section 5.4."""
    head, *rest = _code(fault)
    if head not in _CODES_12:
        head, rest = "Server", [head, *rest]
    code = etree.SubElement(element, soap + "Code")
    etree.SubElement(code, soap + "Value").text = f"soap:{_CODES_12[head]}"
    for name in rest:
        code = etree.SubElement(code, soap + "Subcode")
        value = etree.SubElement(code, soap + "Value", nsmap={"app": ctx.app.tns})
        value.text = f"app:{name}"
    text = etree.SubElement(etree.SubElement(element, soap + "Reason"), soap + "Text")
    text.set("{http://www.w3.org/XML/1998/namespace}lang", _text(fault.lang or "en"))
    text.text = _text(fault.faultstring)
    if fault.faultactor:
        etree.SubElement(element, soap + "Role").text = _text(fault.faultactor)
    _append_detail(ctx, fault, element, soap + "Detail")


def _code(fault: Fault) -> list[str]:
    """Return the parts of a fault's code, each a valid local part of a QName."""
    names = [_NOT_NAME.sub("_", part) for part in str(fault.faultcode).split(".") if part]
    return [name if name[0].isalpha() else f"_{name}" for name in names] or ["Server"]


def _text(value: object) -> str:
    """Return a text with U+FFFD in place of characters that XML cannot have."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", str(value))


def _append_detail(ctx: MethodContext, fault: Fault, element: Element, name: str) -> None:
    detail = etree.Element(name)
    declared = isinstance(fault, tuple(ctx.descriptor.faults or ()))
    if declared or type(fault).get_flat_type_info(type(fault)):
        _append_members(ctx, fault, detail)
    _append_value(ctx, fault.detail, detail)
    if len(detail) or detail.text:
        element.append(detail)


def _append_members(ctx: MethodContext, value: ComplexModelBase, parent: Element) -> None:
    """Write an instance of a complex type as the element of its own name."""
    cls = type(value)
    namespace = cls.get_namespace()
    if namespace is None or namespace is DEFAULT_NS:
        namespace = ctx.app.tns
    tag = f"{{{namespace}}}{cls.get_type_name()}"
    ctx.out_protocol.gen_members_parent(ctx, cls, value, parent, tag, [], False)


def _append_value(ctx: MethodContext, value: Any, parent: Element) -> None:
    if isinstance(value, ComplexModelBase):
        _append_members(ctx, value, parent)
    elif isinstance(value, etree._Element):
        parent.append(deepcopy(value))
    elif isinstance(value, (list, tuple)):
        for one in value:
            _append_value(ctx, one, parent)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            for one in member if isinstance(member, (list, tuple)) else [member]:
                _append_value(ctx, one, etree.SubElement(parent, _tag(name)))
    elif value is not None:
        parent.text = _text(value)


def _tag(name: object) -> str:
    """Return a key of a detail as the name of an element; ``{namespace}local`` is kept."""
    if isinstance(name, str) and name.startswith("{"):
        return name
    local = _NOT_NAME.sub("_", str(name))
    return local if local[:1].isalpha() else f"_{local}"
