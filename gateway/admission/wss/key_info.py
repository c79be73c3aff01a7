"""The certificate that a signature names: only a hint, since the keys come from the settings.

The forms of the X.509 Token Profile 1.1, section 3.2, and of XML Signature, section 4.4.4.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.admission.wss.header import DS, ID, X509_PROFILE, SecurityHeader, decoded, only, text
from gateway.admission.wss.keys import Matches
from gateway.errors import NotSecured
from gateway.soap.envelope import WSSE, Element

_V3 = f"{X509_PROFILE}#X509v3"
_DATA, _REFERENCE = f"{{{DS}}}X509Data", f"{{{WSSE}}}SecurityTokenReference"


def named(info: Element, header: SecurityHeader) -> Matches:
    """Return a predicate for the certificate that a KeyInfo names. Raises NotSecured.

    If the header has a token, the KeyInfo must name that: an unused token is not accepted.
    """
    (hint,) = only(info, _child(info))
    if hint.tag == _REFERENCE:
        (hint,) = only(hint, _child(hint))
    if hint.tag == f"{{{WSSE}}}Reference":
        return _of_token(hint, header)
    if header.token is not None:
        raise NotSecured("a BinarySecurityToken is there that the signature does not name")
    read = _READERS.get(str(hint.tag))
    if read is None:
        raise NotSecured("the KeyInfo is of a form that is not supported")
    return read(hint)


def _child(parent: Element) -> str:
    """Return the name of the first child, which must be the only one."""
    return str(parent[0].tag) if len(parent) else ""


def _of_token(reference: Element, header: SecurityHeader) -> Matches:
    token = header.token
    if token is None or not token.get(ID) or reference.get("URI") != f"#{token.get(ID)}":
        raise NotSecured("the KeyInfo leads to no BinarySecurityToken of this header")
    if {reference.get("ValueType", _V3), token.get("ValueType", "")} != {_V3}:
        raise NotSecured("the BinarySecurityToken is no X.509 version 3 certificate")
    return _is(decoded(token))


def _is(der: bytes) -> Matches:
    return lambda certificate: certificate.der == der


def _identifier(hint: Element) -> Matches:
    value = decoded(hint)
    match hint.get("ValueType", "").rpartition("#")[2]:
        case "X509v3":
            return _is(value)
        case "X509SubjectKeyIdentifier":
            return lambda certificate: certificate.key_id == value
        case "ThumbprintSHA1":
            return lambda certificate: certificate.thumbprint == value
    raise NotSecured("the KeyIdentifier is of a type that is not supported")


def _data(hint: Element) -> Matches:
    """Return a predicate that all parts of an X509Data match: they describe one certificate."""
    readers = [_OF_DATA.get(str(part.tag)) for part in hint]
    if not readers or None in readers or len(readers) > len(_OF_DATA):
        raise NotSecured("the X509Data is empty, or holds what is not supported")
    all_of_it = [read(part) for read, part in zip(readers, hint, strict=True) if read]
    return lambda certificate: all(matches(certificate) for matches in all_of_it)


def _serial(hint: Element) -> Matches:
    _, number = only(hint, f"{{{DS}}}X509IssuerName", f"{{{DS}}}X509SerialNumber")
    written = text(number)
    if not written.isascii() or not written.isdigit() or len(written) > 60:
        raise NotSecured("a serial number is not written as one")
    # Not by the issuer's name, which has many written forms: the signature decides.
    return lambda certificate: certificate.serial == int(written)


_OF_DATA: dict[str, Callable[[Element], Matches]] = {
    f"{{{DS}}}X509Certificate": lambda hint: _is(decoded(hint)),
    f"{{{DS}}}X509IssuerSerial": _serial,
}
_READERS: dict[str, Callable[[Element], Matches]] = {
    f"{{{WSSE}}}KeyIdentifier": _identifier,
    _DATA: _data,
}
