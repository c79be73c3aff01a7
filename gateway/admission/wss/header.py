"""The parts of a request's Security header (WS-Security 1.1.1), not verified yet.

Strict on purpose: unknown parts are refused, and so is anything that two parsers might read
differently, such as a comment inside a name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from gateway.errors import NotSecured
from gateway.soap.envelope import WSSE, Element, Envelope
from gateway.soap.headers import is_for_us

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
BASE64 = f"{_OASIS}soap-message-security-1.0#Base64Binary"
USERNAME_PROFILE = f"{_OASIS}username-token-profile-1.0"
X509_PROFILE = f"{_OASIS}x509-token-profile-1.0"
ID = f"{{{WSU}}}Id"
SECURITY = f"{{{WSSE}}}Security"
LONGEST = 64 << 10
"""Characters of a text inside the header, at most."""
_KNOWN = {
    f"{{{WSU}}}Timestamp": "timestamp",
    f"{{{WSSE}}}UsernameToken": "username",
    f"{{{WSSE}}}BinarySecurityToken": "token",
    f"{{{DS}}}Signature": "signature",
}
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_IDS = etree.XPath(
    "//*[@u:Id=$id or @Id=$id or @ID=$id or @id=$id or @xml:id=$id]", namespaces={"u": WSU}
)
"""Every attribute that some parser may take for an element's id."""


@dataclass(frozen=True, slots=True)
class Moments:
    """When something was created, and when it expires, if it says so."""

    created: float
    expires: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityHeader:
    """The one Security header for this receiver, and its parts, each at most once."""

    block: Element
    timestamp: Element | None = None
    username: Element | None = None
    token: Element | None = None
    signature: Element | None = None


def security_header(envelope: Envelope) -> SecurityHeader:
    """Return the Security header for this receiver. Raises NotSecured unless there is just one."""
    blocks = () if envelope.header is None else envelope.header.iterchildren(SECURITY)
    ours = [block for block in blocks if is_for_us(block, envelope.version)]
    if len(ours) != 1:
        raise NotSecured(f"there are {len(ours)} Security headers for this receiver")
    (block,) = ours
    check_plain(block, "the Security header")
    return SecurityHeader(block=block, **parts_of(block, _KNOWN))


def parts_of(parent: Element, known: Mapping[str, str]) -> dict[str, Element]:
    """Return the children of an element by their keys in ``known``. Raises NotSecured."""
    parts: dict[str, Element] = {}
    for child in parent:
        name = known.get(str(child.tag), "")
        if not name or name in parts:
            raise NotSecured(f"{local(parent)} holds what is not known here, or something twice")
        parts[name] = child
    return parts


def check_plain(element: Element, what: str) -> None:
    """Refuse a comment inside an element: signatures omit it, and parsers may stop at it."""
    if next(element.iter(etree.Comment), None) is not None:
        raise NotSecured(f"a comment is inside of {what}")


def moments(timestamp: Element) -> Moments:
    """Parse a Timestamp. Raises NotSecured."""
    names = [child.tag for child in timestamp]
    created, expires = f"{{{WSU}}}Created", f"{{{WSU}}}Expires"
    if names not in ([created], [created, expires]):
        raise NotSecured("the Timestamp holds other things than Created and Expires")
    return Moments(*(moment(text(child)) for child in timestamp))


def moment(written: str) -> float:
    """Return an xsd:dateTime in seconds since the epoch; without a zone it is UTC."""
    found = _MOMENT.fullmatch(written)
    try:
        if found is None:
            raise ValueError("no such form")
        time = datetime.fromisoformat(found[1] + (found[3] or "Z"))
        return time.astimezone(UTC).timestamp() + float(f"0.{found[2] or 0}")
    except (ValueError, OverflowError) as error:
        raise NotSecured("a time is not written as xsd:dateTime") from error


def only(parent: Element, *names: str) -> tuple[Element, ...]:
    """Return the children of an element, which must have these names. Raises NotSecured."""
    children = tuple(parent)
    if tuple(child.tag for child in children) != names:
        raise NotSecured(f"{local(parent)} does not hold just what it should")
    return children


def local(element: Element) -> str:
    return etree.QName(element).localname


def text(element: Element) -> str:
    """Return the text of an element without children. Raises NotSecured."""
    found = element.text or ""
    if len(element) or len(found) > LONGEST:
        raise NotSecured(f"{local(element)} holds more than a text")
    return found.strip()


def decoded(element: Element) -> bytes:
    """Return the bytes that an element holds in base64. Raises NotSecured."""
    if element.get("EncodingType", BASE64) != BASE64:
        raise NotSecured(f"{local(element)} is in another encoding than base64")
    try:
        return base64.b64decode("".join(text(element).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotSecured(f"{local(element)} is not in base64") from error


def referred(envelope: Envelope, uri: str) -> Element:
    """Return the element that a reference leads to. Raises NotSecured unless there is just one."""
    found = list(_found(envelope, uri[1:])) if uri[:1] == "#" and len(uri) > 1 else []
    if len(found) != 1:
        raise NotSecured(f"a reference leads to {len(found)} elements of the message")
    return found[0]


def _found(envelope: Envelope, id: str) -> Iterator[Element]:
    answer = _IDS(envelope.root, id=id)
    assert isinstance(answer, list)  # a path that selects nodes
    yield from (one for one in answer if isinstance(one, etree._Element))
