"""An X.509 signature over Body and Timestamp: the verified elements are the ones that are used.

A reference is not simply resolved and trusted: each must lead to exactly one element of the
message, and one of them to the Envelope's own Body. Digests are taken of these very elements, in
the tree that everything else reads. So moving a signed Body elsewhere (signature wrapping) is
useless.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lxml import etree

from gateway.admission.wss.header import (
    DS,
    SecurityHeader,
    check_plain,
    decoded,
    local,
    only,
    referred,
)
from gateway.admission.wss.key_info import named
from gateway.admission.wss.keys import Signers
from gateway.admission.wss.value_types import check_types
from gateway.errors import NotSecured
from gateway.soap.envelope import Element, Envelope

if TYPE_CHECKING:
    from gateway.admission.wss.x509 import TrustedSigner

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_MORE, _ENC = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/2001/04/xmlenc#"
_DIGESTS = {
    f"{_ENC}sha256": "sha256",
    f"{_MORE}sha384": "sha384",
    f"{_ENC}sha512": "sha512",
}
_METHODS = {
    f"{_MORE}{key}-sha{size}": f"{key.upper()}_SHA{size}"
    for key in ("rsa", "ecdsa")
    for size in (256, 384, 512)
}
_PARTS = [f"{{{DS}}}{name}" for name in ("SignedInfo", "SignatureValue", "KeyInfo")]
_COVERS = [f"{{{DS}}}{name}" for name in ("Transforms", "DigestMethod", "DigestValue")]
REFERENCES = 8
"""In a signature, at most."""
ELEMENTS = 64
"""In a SignedInfo, at most: enough for so many references. Its canonical form is made before the
signer is known."""
PREFIXES = 64
"""In an InclusiveNamespaces, at most."""


@dataclass(frozen=True, slots=True)
class Algorithms:
    """Accepted algorithms, by their names in XML Signature. No HMAC: its key would be public."""

    digests: Mapping[str, str]
    methods: Mapping[str, str]


SOUND = Algorithms(_DIGESTS, _METHODS)
WITH_SHA1 = Algorithms({**_DIGESTS, f"{DS}sha1": "sha1"}, {**_METHODS, f"{DS}rsa-sha1": "RSA_SHA1"})


@dataclass(frozen=True, slots=True)
class Signed:
    """Who signed, and a token that is unique to this signature."""

    signer: TrustedSigner
    token: bytes


def verified(
    envelope: Envelope,
    header: SecurityHeader,
    signers: Signers,
    now: float,
    algorithms: Algorithms = SOUND,
) -> Signed:
    """Verify the signature over Body and Timestamp. Raises NotSecured."""
    if header.signature is None or header.timestamp is None:
        raise NotSecured("there is no signature, or no Timestamp with it")
    info, value, key = only(header.signature, *_PARTS)
    method, references = _signed_info(info)
    algorithm = _accepted(method, algorithms.methods)
    data = _canonical(info, info[0])
    candidates = signers.matching(named(key, header), now)
    signer = _signer(candidates, data, algorithm, decoded(value))
    # Only now that the signer is known: strangers must not cause this work.
    covered = [_covered(one, envelope, algorithms) for one in references]
    _check_covered(covered, envelope, header)
    _check_around(envelope)
    return Signed(signer, hashlib.sha256(b"signature\n" + data).digest())


def _signed_info(info: Element) -> tuple[Element, list[Element]]:
    """Return the method of a signature, and its references."""
    count = len(info) - 2
    names = ["CanonicalizationMethod", "SignatureMethod", *["Reference"] * count]
    if not 0 < count <= REFERENCES:
        raise NotSecured(f"the signature has no reference, or over {REFERENCES}")
    if next(islice(info.iter(), ELEMENTS, None), None) is not None:
        raise NotSecured(f"the SignedInfo holds over {ELEMENTS} elements")
    _, method, *references = only(info, *(f"{{{DS}}}{name}" for name in names))
    return method, references


def _accepted(method: Element, names: Mapping[str, str]) -> str:
    """Return the algorithm that an element names, without parameters. Raises NotSecured."""
    name = names.get(_algorithm(method), "")
    if not name or len(method):
        raise NotSecured(f"{local(method)} is none that is accepted")
    return name


def _signer(
    candidates: Iterator[TrustedSigner], data: bytes, algorithm: str, value: bytes
) -> TrustedSigner:
    for signer in candidates:
        if signer.verify(data, algorithm, value):
            return signer
    raise NotSecured("the signature is not by the certificate that it names")


def _covered(reference: Element, envelope: Envelope, algorithms: Algorithms) -> Element:
    """Return the element that a reference covers, after checking its digest."""
    transforms, method, value = only(reference, *_COVERS)
    (transform,) = only(transforms, f"{{{DS}}}Transform")
    digest = _accepted(method, algorithms.digests)
    element = referred(envelope, reference.get("URI", ""))
    check_plain(element, "what is signed")
    canonical = _canonical(element, transform)
    made = hashlib.new(digest, canonical, usedforsecurity=False).digest()
    if not hmac.compare_digest(made, decoded(value)):
        raise NotSecured("an element is not what was signed")
    check_types(element, canonical)
    return element


def _check_covered(covered: list[Element], envelope: Envelope, header: SecurityHeader) -> None:
    """Refuse a signature that omits Body or Timestamp, or covers an element inside a block."""
    if len(set(covered)) < len(covered):
        raise NotSecured("two references lead to one element")
    if not {envelope.body, header.timestamp} <= set(covered):
        raise NotSecured("the signature does not cover both the Body and the Timestamp")
    parents = (envelope.header, header.block)
    if any(one.getparent() not in parents for one in covered if one is not envelope.body):
        raise NotSecured("the signature covers what is neither the Body nor a header")


def _check_around(envelope: Envelope) -> None:
    """Refuse unsigned attributes around the signed elements that would apply to them.

    Exclusive canonical XML inherits no attribute (section 1.1): an added ``xml:base`` on the
    Envelope would apply to the whole Body. SOAP's own encodingStyle is allowed: PHP has it there.
    """
    around = [one for one in (envelope.root, envelope.header) if one is not None]
    if any(name.startswith(_XML) for one in around for name in map(str, one.attrib)):
        raise NotSecured("an attribute such as xml:base is around what is signed")


def _canonical(element: Element, method: Element) -> bytes:
    """Return the exclusive canonical form of an element. Raises NotSecured for other methods."""
    if _algorithm(method) != EXCLUSIVE:
        raise NotSecured("another form than exclusive canonical XML is asked for")
    prefixes = _prefixes(method)
    try:
        written = etree.tostring(
            element,
            method="c14n",
            exclusive=True,
            with_comments=False,
            inclusive_ns_prefixes=prefixes,
        )
    except etree.C14NError as error:  # a namespace that is a relative URI (C14N, section 1.3)
        raise NotSecured("what is signed has no canonical form") from error
    assert isinstance(written, bytes)  # in this form, always
    return written


def _prefixes(method: Element) -> list[str]:
    if not len(method):
        return []
    (inclusive,) = only(method, f"{{{EXCLUSIVE}}}InclusiveNamespaces")
    prefixes = inclusive.get("PrefixList", "").split()
    if len(prefixes) > PREFIXES:
        raise NotSecured(f"over {PREFIXES} prefixes are to be kept")
    return prefixes


def _algorithm(element: Element) -> str:
    return element.get("Algorithm", "")
