"""Checks that the names in a contract are valid names of XML Namespaces.

Names get into settings, Python, pages and terminals. libxml2 and zeep accept any text as a name,
even with quotes and line breaks: so each is checked here, before anything else uses the document.
"""

from __future__ import annotations

import re
import unicodedata

from lxml import etree

from gateway.contract.names import WSDL, XS
from gateway.errors import ContractError
from gateway.soap.envelope import Element

LONGEST = 1000
"""Characters of a name, at most. The longest in real contracts have some two hundred."""

_SHOWN = 60
_JOINERS = "\u200c\u200d"
"""Invisible, but needed between letters in Persian and Hindi."""
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d"
    "\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_NCNAME = re.compile(rf"[{_START}][{_START}\-.0-9\u00b7\u0300-\u036f\u203f\u2040]*")
"""XML 1.0, production 5, without the colon (Namespaces in XML 1.0, production 4)."""

_NAMING = {
    WSDL: ("message", "part", "portType", "operation", "fault", "binding", "service", "port"),
    XS: ("element", "attribute", "complexType", "simpleType", "group", "attributeGroup"),
}
"""The elements whose name is used: not wsdl:definitions, nor an input's or output's own."""
_NAMED = frozenset(f"{{{uri}}}{local}" for uri, every in _NAMING.items() for local in every)
_REFERRING = frozenset(
    {
        *("type", "element", "ref", "base", "itemType", "memberTypes", "substitutionGroup"),
        *("binding", "message"),
    }
)
"""The attributes that hold such a name behind a prefix."""
_SEVERAL = "memberTypes"


def is_ncname(text: str) -> bool:
    """Whether a text is a name without a prefix, with visible characters only, and not too long."""
    if len(text) > LONGEST or _NCNAME.fullmatch(text) is None:
        return False
    return text.isascii() or not any(map(_is_unseen, text))


def _is_unseen(sign: str) -> bool:
    """Whether a character is invisible though XML allows it: a blank, a direction mark."""
    return sign not in _JOINERS and unicodedata.category(sign) in ("Cf", "Zs")


def check_names(root: Element, location: str) -> None:
    """Refuse a document with an invalid name, or reference to one. Raises ContractError."""
    for node in root.iter(f"{{{WSDL}}}*", f"{{{XS}}}*"):
        for attribute, value in ((str(key), str(one)) for key, one in node.items()):
            if attribute == "name":
                is_right = node.tag not in _NAMED or is_ncname(value)
            else:
                is_right = attribute not in _REFERRING or _refers(value, attribute == _SEVERAL)
            if not is_right:
                place = f"{location}:{node.sourceline}"
                raise ContractError(f"{place}: {_told(node, attribute, value)}")


def _refers(value: str, to_several: bool) -> bool:
    """Whether a value is a name, perhaps with a prefix, or several; or empty, which occurs."""
    words = value.split()
    return (to_several or len(words) <= 1) and all(
        is_ncname(part) for word in words for part in word.removeprefix(":").split(":", 1)
    )


def _told(node: Element, attribute: str, value: str) -> str:
    local = etree.QName(node).localname
    shown = ascii(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    what = f"the {attribute} of a {'wsdl' if WSDL in str(node.tag) else 'xs'}:{local}, {shown},"
    if len(value) > LONGEST:
        return f"{what} has more than {LONGEST} characters; shorten it in a copy of the contract"
    return (
        f"{what} is not a name (NCName: letters, digits, '_', '-' and '.', of which a letter or "
        "'_' comes first); correct it in a copy of the contract"
    )
