"""A gap of signatures: the namespace of a type whose prefix occurs only in a value.

Exclusive canonical XML omits declarations of prefixes that no name uses (section 1.3): of
``xsi:type="t:Refund"`` the text is signed, but not the namespace of ``t``, unless the signature has
it in its InclusiveNamespaces. A man in the middle could change that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from lxml import etree

from gateway.errors import NotSecured
from gateway.soap.envelope import Element, parser

_SCHEMA = "http://www.w3.org/2001/XMLSchema"
_ENCODINGS = (
    "http://schemas.xmlsoap.org/soap/encoding/",
    "http://www.w3.org/2003/05/soap-encoding",
)
_NAMES = {
    f"{{{_SCHEMA}-instance}}type": "xsi:type",
    f"{{{_ENCODINGS[0]}}}arrayType": "arrayType",
    f"{{{_ENCODINGS[1]}}}itemType": "itemType",
}
"""The attributes whose value names a type, and their names for the operator."""
_IS_TYPED = etree.XPath(
    "boolean(descendant-or-self::*[@x:type or @e:arrayType or @f:itemType])",
    namespaces={"x": f"{_SCHEMA}-instance", "e": _ENCODINGS[0], "f": _ENCODINGS[1]},
)
_BUILT_IN = {_SCHEMA, *_ENCODINGS}
"""Namespaces of built-in types: PHP's calls name them everywhere, and list no prefix."""


def check_types(element: Element, canonical: bytes) -> None:
    """Refuse a signed element with a type whose namespace is not in its canonical form.

    Types of XML Schema and of SOAP's encoding are allowed. Raises NotSecured.
    """
    if not _IS_TYPED(element):
        return
    shown = _types(etree.fromstring(canonical, parser()))
    for (name, namespace), (_, known) in zip(_types(element), shown, strict=True):
        if namespace != known and namespace not in _BUILT_IN:
            raise NotSecured(
                f"the signature does not cover the namespace of what {name} names: have the prefix"
                " among the InclusiveNamespaces"
            )


def _types(root: Element) -> Iterator[tuple[str, str]]:
    """Yield each attribute that names a type, with the type's namespace; empty without one.

    In one walk: collecting the declarations around each element could take long.
    """
    parent = root.getparent()
    around = {} if parent is None else parent.nsmap
    scope = defaultdict(list, {prefix or "": [uri] for prefix, uri in around.items()})
    declared: list[str] = []
    for event, what in etree.iterwalk(root, events=("start", "start-ns", "end-ns")):
        if event == "start-ns":
            declared.append(what[0])
            scope[what[0]].append(what[1])
        elif event == "end-ns":
            scope[declared.pop()].pop()
        else:
            yield from (
                (name, _namespace(what.get(key), scope))
                for key, name in _NAMES.items()
                if key in what.attrib
            )


def _namespace(value: str, scope: Mapping[str, list[str]]) -> str:
    prefix, colon, _ = value.strip().partition(":")
    known = scope.get(prefix if colon else "")
    return known[-1] if known else ""
