"""The catalogue: public schemas that contracts import, so that they are never fetched.

Its files are ours: they declare only the names and types that the standards define.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_WSA = "http://www.w3.org/2005/08/addressing"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-"

_FILES = {
    "http://www.w3.org/XML/1998/namespace": "xml.xsd",
    "http://www.w3.org/2001/XMLSchema": "xmlschema.xsd",
    "http://www.w3.org/1999/xlink": "xlink.xsd",
    "http://schemas.xmlsoap.org/soap/encoding/": "soap-encoding.xsd",
    "http://www.w3.org/2003/05/soap-encoding": "soap12-encoding.xsd",
    "http://schemas.xmlsoap.org/soap/envelope/": "soap-envelope.xsd",
    "http://www.w3.org/2003/05/soap-envelope": "soap12-envelope.xsd",
    "http://schemas.xmlsoap.org/wsdl/": "wsdl.xsd",
    "http://schemas.xmlsoap.org/wsdl/soap/": "wsdl-soap.xsd",
    _WSA: "addressing.xsd",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing": "addressing-200408.xsd",
    "http://www.w3.org/2006/05/addressing/wsdl": "addressing-wsdl.xsd",
    "http://www.w3.org/2007/05/addressing/metadata": "addressing-metadata.xsd",
    "http://www.w3.org/2004/11/xmlmime": "xmlmime-200411.xsd",
    "http://www.w3.org/2005/05/xmlmime": "xmlmime.xsd",
    "http://www.w3.org/2004/08/xop/include": "xop-include.xsd",
    "http://www.w3.org/2000/09/xmldsig#": "xmldsig.xsd",
    f"{_OASIS}utility-1.0.xsd": "wss-utility.xsd",
    f"{_OASIS}secext-1.0.xsd": "wss-secext.xsd",
    "http://schemas.xmlsoap.org/ws/2004/09/policy": "policy-200409.xsd",
    "http://www.w3.org/ns/ws-policy": "policy.xsd",
    "http://ws-i.org/profiles/basic/1.1/xsd": "swaref.xsd",
    "http://microsoft.com/wsdl/types/": "microsoft-types.xsd",
}
"""The file of each namespace."""

_ADDRESSES = {
    "http://www.w3.org/2001/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2001/03/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2004/10/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2005/08/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2007/08/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2009/01/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2001/XMLSchema.xsd": "http://www.w3.org/2001/XMLSchema",
    "http://www.w3.org/1999/xlink.xsd": "http://www.w3.org/1999/xlink",
    "http://www.w3.org/XML/2008/06/xlink.xsd": "http://www.w3.org/1999/xlink",
    f"{_WSA}/ws-addr.xsd": _WSA,
    "http://www.w3.org/2006/03/addressing/ws-addr.xsd": _WSA,
    "http://www.w3.org/2006/05/addressing/wsdl/ws-addr-wsdl.xsd": (
        "http://www.w3.org/2006/05/addressing/wsdl"
    ),
    "http://www.w3.org/2007/05/addressing/metadata/ws-addr-metadata.xsd": (
        "http://www.w3.org/2007/05/addressing/metadata"
    ),
    "http://www.w3.org/2007/02/ws-policy.xsd": "http://www.w3.org/ns/ws-policy",
    "http://www.w3.org/2007/05/ws-policy.xsd": "http://www.w3.org/ns/ws-policy",
    "http://schemas.xmlsoap.org/ws/2004/09/policy/ws-policy.xsd": (
        "http://schemas.xmlsoap.org/ws/2004/09/policy"
    ),
    "http://www.w3.org/TR/2002/REC-xmldsig-core-20020212/xmldsig-core-schema.xsd": (
        "http://www.w3.org/2000/09/xmldsig#"
    ),
    "http://www.w3.org/TR/xmldsig-core/xmldsig-core-schema.xsd": (
        "http://www.w3.org/2000/09/xmldsig#"
    ),
    "http://ws-i.org/profiles/basic/1.1/swaref.xsd": "http://ws-i.org/profiles/basic/1.1/xsd",
    "http://ws-i.org/profiles/basic/1.1/ws-i_ref.xsd": "http://ws-i.org/profiles/basic/1.1/xsd",
    "http://schemas.xmlsoap.org/wsdl/2003-02-11.xsd": "http://schemas.xmlsoap.org/wsdl/",
}
"""Addresses of these schemas in documents, beside the namespaces themselves."""


def known(location: str) -> str | None:
    """Return the namespace of the catalogue's schema for an address; None for others."""
    plain = _plain(location)
    return _by_address().get(plain)


def is_known(namespace: str) -> bool:
    """True where the catalogue has the schema of a namespace."""
    return namespace in _FILES


def file_name(namespace: str) -> str:
    """Return the name of the catalogue's file of a namespace."""
    return _FILES[namespace]


@cache
def read(namespace: str) -> bytes:
    """Return the catalogue's schema of a namespace."""
    return files(__package__).joinpath("catalogue", _FILES[namespace]).read_bytes()


@cache
def _by_address() -> dict[str, str]:
    by_namespace = {_plain(namespace): namespace for namespace in _FILES}
    return by_namespace | {_plain(address): name for address, name in _ADDRESSES.items()}


def _plain(location: str) -> str:
    """Strip the parts in which spellings of an address differ: scheme, fragment, final slash."""
    return location.partition("://")[2].partition("#")[0].rstrip("/")
