"""Faults of a service on their way out: what tells of the machine behind is taken out of them.

A fault that says nothing of the kind goes on byte by byte. So do the details that the contract
declares: callers were promised them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from gateway.backend import Call
from gateway.backends.answers import NOT_SOAP
from gateway.backends.kept_faults import Keep, Original, kept_nowhere
from gateway.backends.telltale import LONGEST, Telltales
from gateway.errors import BackendFailed
from gateway.message import Message
from gateway.multipart import is_multipart, root_span
from gateway.soap import GATEWAY_NS, Element, SoapVersion, parser

log = logging.getLogger(__name__)

LARGEST = 1 << 20
"""Bytes of a fault that is looked through; no fault that has something to say is larger."""
NEUTRAL = "The service behind the gateway reported a failure."
FINDABLE = " Its operator finds the cause by the id of this request."
"""Follows where that is so: where the original is kept."""
TOO_LARGE = "The service behind the gateway answered with a fault that is too large to pass on."
_NEXT_11 = "http://schemas.xmlsoap.org/soap/actor/next"
_ROLES_12 = f"{SoapVersion.V12.namespace}/role/"
_SECURITY = (
    "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
)


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of what a fault holds, in its version of SOAP."""

    texts: str
    code: str
    subcode: str
    actors: tuple[str, ...]
    detail: str
    codes: tuple[str, str]


_E12 = f"{{{SoapVersion.V12.namespace}}}"
_NAMES = {
    SoapVersion.V11: _Names(
        "faultstring", "faultcode", "", ("faultactor",), "detail", ("Client", "Server")
    ),
    SoapVersion.V12: _Names(
        f"{_E12}Reason/{_E12}Text",
        f"{_E12}Code/{_E12}Value",
        f"{_E12}Code/{_E12}Subcode",
        (f"{_E12}Node", f"{_E12}Role"),
        f"{_E12}Detail",
        ("Sender", "Receiver"),
    ),
}


def discreet(
    reply: Message, call: Call, telltales: Telltales, keep: Keep = kept_nowhere
) -> Message:
    """Return a fault without what tells of the backend; the same one where nothing does.

    Where something was taken out, the original goes to ``keep``. Raises BackendFailed where it is
    too large to be looked through.
    """
    data = _envelope(reply)
    if len(data) > LARGEST:
        raise BackendFailed(TOO_LARGE)
    root = _parsed(data)
    version = next(one for one in SoapVersion if root.tag == f"{{{one.namespace}}}Envelope")
    fault = root.find(f"{{{version.namespace}}}Body/{{{version.namespace}}}Fault")
    assert fault is not None  # what has none is no fault
    changed = _rewrite(fault, version, call.operation.faults, telltales)
    if not changed:
        return reply
    log.info("%s its fault was rewritten: %s", call.message.id, ", ".join(changed))
    is_kept = keep(_original(data, call, changed, version))
    if is_kept and "text" in changed:
        _set_texts(fault, _NAMES[version], NEUTRAL + FINDABLE)
    _finish(root, fault, _NAMES[version], call.message.id)
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


def _parsed(data: bytes) -> Element:
    try:
        return etree.fromstring(data, parser())
    except (etree.XMLSyntaxError, ValueError) as error:  # after what the glimpse has seen
        raise BackendFailed(NOT_SOAP) from error


def _envelope(reply: Message) -> bytes:
    if not is_multipart(reply.content_type):
        return reply.body
    span = root_span(reply.body, reply.content_type)
    assert span is not None  # the glimpse found it as well
    return reply.body[slice(*span)]


def _rewrite(
    fault: Element, version: SoapVersion, declared: Set[str], telltales: Telltales
) -> list[str]:
    """Change what tells of the backend; return the names of what was changed."""
    names = _NAMES[version]
    subcode = _drop_subcode(fault, names, telltales)
    edits = {
        "text": _rewrite_texts(fault, names, telltales),
        "code": _rewrite_code(fault, names, version, telltales) or subcode,
        "actor": _drop_actors(fault, names, telltales),
        "detail": max(
            (_rewrite_detail(one, declared, telltales) for one in fault.findall(names.detail)),
            default=False,
        ),
        "surroundings": _has_telling_surroundings(fault, telltales),
    }
    return [name for name, changed in edits.items() if changed]


def _rewrite_texts(fault: Element, names: _Names, telltales: Telltales) -> bool:
    tells = telltales.in_text(" ".join(map(_texts, fault.findall(names.texts))))
    if tells:
        _set_texts(fault, names, NEUTRAL)
    return tells


def _set_texts(fault: Element, names: _Names, said: str) -> None:
    for text in fault.findall(names.texts):
        _set_text(text, said)


def _drop_actors(fault: Element, names: _Names, telltales: Telltales) -> bool:
    actors = [node for name in names.actors for node in fault.findall(name)]
    telling = [actor for actor in actors if _is_telling_actor(_texts(actor), telltales)]
    for actor in telling:
        _drop(actor)
    return bool(telling)


def _has_telling_surroundings(fault: Element, telltales: Telltales) -> bool:
    """Tell whether comments, or namespaces that are declared for all of it, tell something."""
    comments = [node.text or "" for node in _whole(fault) if not isinstance(node.tag, str)]
    names = (str(uri) for uri in fault.nsmap.values())
    return any(map(telltales.in_name, names)) or telltales.in_text(" ".join(comments))


def _rewrite_code(
    fault: Element, names: _Names, version: SoapVersion, telltales: Telltales
) -> bool:
    """Replace a code by the one of its kind that SOAP itself has."""
    code = fault.find(names.code)
    if code is None or not _is_telling_code(code, telltales):
        return False
    said = _texts(code).rpartition(":")[2].partition(".")[0].strip()
    local = names.codes[said not in ("Client", "Sender")]
    prefix = next(one for one, uri in fault.nsmap.items() if uri == version.namespace)
    _set_text(code, f"{prefix}:{local}" if prefix else local)
    return True


def _drop_subcode(fault: Element, names: _Names, telltales: Telltales) -> bool:
    subcode = fault.find(names.subcode) if names.subcode else None
    values = [] if subcode is None else subcode.iter("{*}Value")
    if subcode is None or not any(_is_telling_code(one, telltales) for one in values):
        return False
    _drop(subcode)
    return True


def _is_telling_code(code: Element, telltales: Telltales) -> bool:
    prefix, _, local = _texts(code).strip().rpartition(":")
    return telltales.in_name(code.nsmap.get(prefix or None) or "") or telltales.in_text(local)


def _is_telling_actor(actor: str, telltales: Telltales) -> bool:
    """Tell whether an actor names a machine: any does that is neither SOAP's own nor a URN."""
    actor = actor.strip()
    if actor == _NEXT_11 or actor.startswith(_ROLES_12) or actor in telltales.names:
        return False
    return bool(actor) and (not actor.startswith("urn:") or telltales.in_text(actor))


def _rewrite_detail(detail: Element, declared: Set[str], telltales: Telltales) -> bool:
    """Take the entries out that the contract does not declare and that tell of the backend."""
    undeclared = [entry for entry in detail.iterchildren("{*}*") if entry.tag not in declared]
    is_dump = sum(map(len, map(_values, undeclared))) > LONGEST
    telling = [one for one in undeclared if is_dump or _is_telling_entry(one, telltales)]
    for entry in telling:
        _drop(entry)
    return _clear_own(detail, telltales) or bool(telling)


def _clear_own(detail: Element, telltales: Telltales) -> bool:
    """Clear what stands in the detail beside its entries, where it tells something."""
    tails = (entry.tail or "" for entry in detail)
    own = [detail.text or "", *tails, *map(str, detail.attrib.values())]
    if not telltales.in_text(" ".join(own)):
        return False
    detail.attrib.clear()
    detail.text = None
    for entry in detail:
        entry.tail = None
    return True


def _is_telling_entry(entry: Element, telltales: Telltales) -> bool:
    namespaces = {str(uri) for node in entry.iter("{*}*") for uri in node.nsmap.values()}
    namespaces -= {str(uri) for uri in entry.getroottree().getroot().nsmap.values()}
    names = [etree.QName(entry).namespace or "", *namespaces]
    return any(map(telltales.in_name, names)) or telltales.in_text(_values(entry))


def _values(entry: Element) -> str:
    """Return all that an entry says, in texts and in attributes."""
    attributes = (str(value) for node in entry.iter("{*}*") for value in node.attrib.values())
    return " ".join([*map(str, entry.itertext("{*}*")), *attributes])


def _finish(root: Element, fault: Element, names: _Names, id: str) -> None:
    """Leave out what is left of the backend's, or no longer true; say which request this was."""
    for node in [node for node in _whole(root) if not isinstance(node.tag, str)]:
        _drop(node)
    for security in list(root.iter(_SECURITY)):
        _drop(security)  # what it signed is no longer there
    detail = fault.find(names.detail)
    if detail is None:
        detail = etree.SubElement(fault, names.detail)
    scope: Any = {None: GATEWAY_NS}  # the stubs forget that a prefix may be None
    request = etree.SubElement(detail, f"{{{GATEWAY_NS}}}request", nsmap=scope)
    etree.SubElement(request, f"{{{GATEWAY_NS}}}id").text = id
    etree.cleanup_namespaces(root, keep_ns_prefixes=_prefixes_in_values(root))


def _prefixes_in_values(root: Element) -> list[str]:
    """Return the prefixes that values may use, as those of faultcode and xsi:type do."""
    values = [
        value
        for node in root.iter("{*}*")
        for value in (node.text or "", *map(str, node.attrib.values()))
    ]
    return sorted({value.strip().partition(":")[0] for value in values if ":" in value})


def _whole(node: Element) -> Iterator[Element]:
    """Yield everything of a document, comments beside its root included."""
    root = node.getroottree().getroot()
    yield from root.itersiblings(preceding=True)
    yield from root.iter()
    yield from root.itersiblings()


def _texts(node: Element) -> str:
    return "".join(map(str, node.itertext("{*}*", with_tail=True)))


def _set_text(node: Element, text: str) -> None:
    for child in list(node):
        node.remove(child)
    node.text = text


def _drop(node: Element) -> None:
    """Remove a node, and keep the text behind it where it is."""
    parent = node.getparent()
    if parent is None:  # beside the root: it is not written
        return
    before, tail = node.getprevious(), node.tail or ""
    if before is not None:
        before.tail = (before.tail or "") + tail
    else:
        parent.text = (parent.text or "") + tail
    parent.remove(node)
