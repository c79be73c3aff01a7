"""Redaction of a service's faults: what reveals the machine behind is taken out.

A fault without anything of the kind passes unchanged. So do details that the contract declares:
callers rely on them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from lxml import etree

from gateway.backends.redact.fault_tree import (
    TooMuch,
    drop,
    namespaces,
    own_namespaces,
    parsed,
    set_text,
    texts,
    values,
    whole,
)
from gateway.backends.redact.kept_faults import Keep, Original, kept_nowhere
from gateway.backends.redact.telltale import LONGEST, Telltales
from gateway.endpoint import Call
from gateway.errors import BackendFailed, FaultCode, FaultError
from gateway.message import Message
from gateway.soap.envelope import GATEWAY_NS, Element, SoapVersion, fault
from gateway.soap.multipart import is_multipart, root_span
from gateway.soap.reply import glimpse

log = logging.getLogger(__name__)

LARGEST = 1 << 20
"""Bytes of a fault that is searched, at most; useful faults are smaller."""
NEUTRAL = "The service behind the gateway reported a failure."
FINDABLE = " Its operator finds the cause by the id of this request."
"""Added where the original is kept."""
TOO_LARGE = "The service behind the gateway answered with a fault that is too large to pass on."
MOST_ENTRIES = 1000
"""Entries of a detail that the contract does not declare; more of them are a dump."""
MOST_SUBCODES = 16
"""Nested codes; a fault with more is malicious."""
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_NEXT_11 = "http://schemas.xmlsoap.org/soap/actor/next"
_ROLES_12 = f"{SoapVersion.V12.namespace}/role/"
_SECURITY = (
    "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of a fault's parts, in its version of SOAP."""

    texts: str
    code: str
    subcode: str
    actors: tuple[str, ...]
    detail: str
    codes: tuple[str, str]
    elements: frozenset[tuple[str, str]]
    """SOAP's own elements in a fault, without its details: (parent, name)."""


_E11, _E12 = (f"{{{version.namespace}}}" for version in (SoapVersion.V11, SoapVersion.V12))
_ELEMENTS_12 = {
    "Fault": "Code Reason Node Role",
    "Code": "Value Subcode",
    "Subcode": "Value Subcode",
    "Reason": "Text",
}
_NAMES = {
    SoapVersion.V11: _Names(
        "faultstring",
        "faultcode",
        "",
        ("faultactor",),
        "detail",
        ("Client", "Server"),
        frozenset((f"{_E11}Fault", one) for one in ("faultcode", "faultstring", "faultactor")),
    ),
    SoapVersion.V12: _Names(
        f"{_E12}Reason/{_E12}Text",
        f"{_E12}Code/{_E12}Value",
        f"{_E12}Code/{_E12}Subcode",
        (f"{_E12}Node", f"{_E12}Role"),
        f"{_E12}Detail",
        ("Sender", "Receiver"),
        frozenset(
            (f"{_E12}{around}", f"{_E12}{one}")
            for around, all in _ELEMENTS_12.items()
            for one in all.split()
        ),
    ),
}


def discreet(
    reply: Message, call: Call, telltales: Telltales, keep: Keep = kept_nowhere
) -> Message:
    """Return a fault without what reveals the backend; unchanged if nothing does.

    If something was taken out, the original goes to ``keep``. A fault that is too complex to be
    searched is replaced as a whole. Raises BackendFailed if it is larger than LARGEST.
    """
    data = _envelope(reply)
    if len(data) > LARGEST:
        raise BackendFailed(TOO_LARGE)
    try:
        root = parsed(data)
    except TooMuch:
        return _neutral(reply, call, data, keep)
    return _looked_through(root, reply, call, telltales, keep)


def _neutral(reply: Message, call: Call, data: bytes, keep: Keep) -> Message:
    """Return a fault that says only whether client or server was at fault."""
    kind = glimpse(reply.body, reply.content_type)
    assert kind is not None  # it was read before
    log.info("%s its fault was rewritten: all of it, since it holds too much", call.message.id)
    is_kept = keep(_original(data, call, ("all",), kind.version))
    code = FaultCode.CLIENT if kind.sender_at_fault else FaultCode.SERVER
    return fault(FaultError(NEUTRAL + FINDABLE if is_kept else NEUTRAL, code=code), call.message)


def _looked_through(
    root: Element, reply: Message, call: Call, telltales: Telltales, keep: Keep
) -> Message:
    version = next(one for one in SoapVersion if root.tag == f"{{{one.namespace}}}Envelope")
    found = root.find(f"{{{version.namespace}}}Body/{{{version.namespace}}}Fault")
    assert found is not None  # it is a fault
    changed = _rewrite(found, version, call.operation.faults, telltales)
    if not changed:
        return reply
    log.info("%s its fault was rewritten: %s", call.message.id, ", ".join(changed))
    is_kept = keep(_original(_envelope(reply), call, changed, version))
    if is_kept and "text" in changed:
        _set_texts(found, _NAMES[version], NEUTRAL + FINDABLE)
    _finish(root, found, _NAMES[version], call.message.id)
    body = etree.tostring(root, xml_declaration=True, encoding="utf-8")
    return replace(reply, body=body, content_type=f"{version.media_type}; charset=utf-8")


def _original(data: bytes, call: Call, changed: Sequence[str], version: SoapVersion) -> Original:
    return Original(
        id=call.message.id,
        client=call.message.sender,
        service=call.message.target_service,
        operation=call.operation.name,
        since=time.time(),
        rewritten=tuple(changed),
        content_type=version.media_type,
        size=len(data),
        body=data,
    )


def _envelope(reply: Message) -> bytes:
    if not is_multipart(reply.content_type):
        return reply.body
    span = root_span(reply.body, reply.content_type)
    assert span is not None  # the glimpse found it as well
    return reply.body[slice(*span)]


def _rewrite(
    fault: Element, version: SoapVersion, declared: Set[str], telltales: Telltales
) -> list[str]:
    """Change what reveals the backend; return the names of the changed parts."""
    names = _NAMES[version]
    subcode = _drop_subcode(fault, names, telltales)
    edits = {
        "text": _rewrite_texts(fault, names, telltales),
        "code": _rewrite_code(fault, names, version, telltales) or subcode,
        "actor": _drop_actors(fault, names, telltales),
        "detail": _rewrite_details(fault.findall(names.detail), declared, telltales),
        "others": _drop_others(fault, names, telltales),
        "attributes": _clear_attributes(fault, names, telltales),
        "surroundings": _has_telling_surroundings(fault, telltales),
    }
    return [name for name, changed in edits.items() if changed]


def _rewrite_texts(fault: Element, names: _Names, telltales: Telltales) -> bool:
    tells = telltales.in_text(" ".join(map(texts, fault.findall(names.texts))))
    if tells:
        _set_texts(fault, names, NEUTRAL)
    return tells


def _set_texts(fault: Element, names: _Names, said: str) -> None:
    for text in fault.findall(names.texts):
        set_text(text, said)


def _drop_actors(fault: Element, names: _Names, telltales: Telltales) -> bool:
    actors = [node for name in names.actors for node in fault.findall(name)]
    said = list(map(texts, actors))
    is_dump = sum(map(len, said)) > LONGEST
    telling = [
        actor
        for actor, text in zip(actors, said, strict=True)
        if is_dump or _is_telling_actor(text, telltales)
    ]
    drop(telling)
    return bool(telling)


def _drop_others(fault: Element, names: _Names, telltales: Telltales) -> bool:
    """Drop elements that are not SOAP's, in the fault or its parts, if they are telling."""
    others = [one for one in _outside_details(fault, names) if _place(one) not in names.elements]
    said = " ".join(map(values, others))
    tells = telltales.in_text(said) or bool(telltales.among(set().union(*map(namespaces, others))))
    if tells:
        drop(others)
    return tells


def _clear_attributes(fault: Element, names: _Names, telltales: Telltales) -> bool:
    """Remove the attributes of SOAP's own elements, if they are telling."""
    carriers = [fault, *fault.iterancestors(), *_outside_details(fault, names)]
    given = [pair for one in carriers for pair in one.attrib.items()]
    said = [part for name, value in given for part in (etree.QName(name).localname, str(value))]
    found = set().union(*map(own_namespaces, carriers))
    tells = telltales.in_text(" ".join(said)) or bool(telltales.among(found))
    for one in carriers if tells else ():
        for name in [name for name in one.attrib if name != _LANGUAGE]:
            del one.attrib[name]
    return tells


def _place(node: Element) -> tuple[str, str]:
    around = node.getparent()
    return "" if around is None else str(around.tag), str(node.tag)


def _outside_details(fault: Element, names: _Names) -> list[Element]:
    """Return the elements in a fault that are not in its details."""
    parts = [one for one in fault.iterchildren("{*}*") if one.tag != names.detail]
    return [one for part in parts for one in part.iter("{*}*")]


def _has_telling_surroundings(fault: Element, telltales: Telltales) -> bool:
    """Whether comments, or the namespaces declared around the fault, are telling."""
    comments = [node.text or "" for node in whole(fault) if not isinstance(node.tag, str)]
    names = {str(uri) for uri in fault.nsmap.values()}
    return bool(telltales.among(names)) or telltales.in_text(" ".join(comments))


def _rewrite_code(
    fault: Element, names: _Names, version: SoapVersion, telltales: Telltales
) -> bool:
    """Replace a telling code by SOAP's own one of its kind."""
    code = fault.find(names.code)
    if code is None or not _are_telling_codes([code], telltales):
        return False
    said = texts(code).rpartition(":")[2].partition(".")[0].strip()
    local = names.codes[said not in ("Client", "Sender")]
    prefix = next(one for one, uri in fault.nsmap.items() if uri == version.namespace)
    set_text(code, f"{prefix}:{local}" if prefix else local)
    return True


def _drop_subcode(fault: Element, names: _Names, telltales: Telltales) -> bool:
    subcode = fault.find(names.subcode) if names.subcode else None
    if subcode is None:
        return False
    codes = list(islice(subcode.iter("{*}Value"), MOST_SUBCODES + 1))
    tells = len(codes) > MOST_SUBCODES or _are_telling_codes(codes, telltales)
    if tells:
        drop([subcode])
    return tells


def _are_telling_codes(codes: Collection[Element], telltales: Telltales) -> bool:
    said = [texts(code).strip().rpartition(":") for code in codes]
    if sum(len(local) for _, _, local in said) > LONGEST:
        return True
    scopes = (code.nsmap for code in codes)
    names = {scope.get(one[0] or None) or "" for scope, one in zip(scopes, said, strict=True)}
    return bool(telltales.among(names)) or any(telltales.in_text(local) for _, _, local in said)


def _is_telling_actor(actor: str, telltales: Telltales) -> bool:
    """Tell whether an actor names a machine: all do, except SOAP's own and URNs."""
    actor = actor.strip()
    if actor == _NEXT_11 or actor.startswith(_ROLES_12) or actor in telltales.names:
        return False
    return bool(actor) and (not actor.startswith("urn:") or telltales.in_text(actor))


def _rewrite_details(details: Collection[Element], declared: Set[str], tell: Telltales) -> bool:
    """Remove entries that are not declared by the contract, and reveal the backend."""
    entries = [one for detail in details for one in detail.iterchildren("{*}*")]
    telling = _telling_entries([one for one in entries if one.tag not in declared], tell)
    drop(telling)
    return _clear_own(details, tell) or bool(telling)


def _telling_entries(entries: Sequence[Element], telltales: Telltales) -> Sequence[Element]:
    if not entries or len(entries) > MOST_ENTRIES:
        return entries
    said = list(map(values, entries))
    if sum(map(len, said)) > LONGEST:
        return entries
    inside = list(map(namespaces, entries))
    around = _around(entries)
    everywhere = {str(uri) for uri in entries[0].getroottree().getroot().nsmap.values()}
    every = around.union(*inside)
    telling = telltales.among(every - everywhere) | telltales.among(every & everywhere)
    if telling & around - everywhere:
        return entries
    return [
        entry
        for entry, text, names in zip(entries, said, inside, strict=True)
        if not telling.isdisjoint(names) or telltales.in_text(text)
    ]


def _around(entries: Collection[Element]) -> set[str]:
    """Return the namespaces that are declared for the details around entries."""
    details = {entry.getparent() for entry in entries}
    return {str(uri) for one in details if one is not None for uri in one.nsmap.values()}


def _clear_own(details: Collection[Element], telltales: Telltales) -> bool:
    """Clear the texts and attributes of the details themselves, if they are telling."""
    tails = [entry.tail or "" for detail in details for entry in detail]
    attributes = [str(value) for detail in details for value in detail.attrib.values()]
    own = [*(detail.text or "" for detail in details), *tails, *attributes]
    if not telltales.in_text(" ".join(own)):
        return False
    for detail in details:
        detail.attrib.clear()
        detail.text = None
        for entry in detail:
            entry.tail = None
    return True


def _finish(root: Element, fault: Element, names: _Names, id: str) -> None:
    """Remove comments and broken signatures, and add the id of the request."""
    drop([node for node in whole(root) if not isinstance(node.tag, str)])
    drop(list(root.iter(_SECURITY)))  # its signature is broken now
    detail = fault.find(names.detail)
    if detail is None:
        detail = etree.SubElement(fault, names.detail)
    scope: Any = {None: GATEWAY_NS}  # the stubs forget that a prefix may be None
    request = etree.SubElement(detail, f"{{{GATEWAY_NS}}}request", nsmap=scope)
    etree.SubElement(request, f"{{{GATEWAY_NS}}}id").text = id
    etree.cleanup_namespaces(root, keep_ns_prefixes=_prefixes_in_values(root))


def _prefixes_in_values(root: Element) -> list[str]:
    """Return the prefixes that values may use, as those of faultcode and xsi:type do."""
    said = [
        value
        for node in root.iter("{*}*")
        for value in (node.text or "", *map(str, node.attrib.values()))
    ]
    return sorted({value.strip().partition(":")[0] for value in said if ":" in value})
