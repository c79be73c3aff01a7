"""When two elements say the same, however each was written."""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from lxml import etree

from gateway.contract.names import XSI, clark
from gateway.soap.envelope import Element

NIL, TYPE = f"{{{XSI}}}nil", f"{{{XSI}}}type"
TRUTH = {"true": "1", "false": "0"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")
_DURATION = re.compile(
    r"(-?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?"
)


def difference(one: Element, other: Element, path: str = "") -> str:
    """Return where two elements first say something else; empty where they never do."""
    path = f"{path}/{etree.QName(one).localname}"
    if one.tag != other.tag:
        return f"{path}: {one.tag} is {other.tag}"
    ours, theirs = _attributes(one), _attributes(other)
    if ours != theirs:
        return f"{path}: attributes {dict(ours)} are {dict(theirs)}"
    if len(one) != len(other):
        return f"{path}: {len(one)} children are {len(other)}"
    if not _same(one.text or "", other.text or "", bool(len(one))):
        return f"{path}: {one.text!r} is {other.text!r}"
    for child, twin in zip(one, other, strict=True):
        told = difference(child, twin, path)
        if told or not _same(child.tail or "", twin.tail or "", True):
            return told or f"{path}: text {child.tail!r} is {twin.tail!r}"
    return ""


def _attributes(element: Element) -> frozenset[tuple[str, str]]:
    found = dict(element.attrib)
    if TYPE in found:
        found[TYPE] = clark(element, found[TYPE])
    return frozenset((name, plain(value)) for name, value in found.items())


def _same(one: str, other: str, is_between: bool) -> bool:
    """Compare texts; between elements, blanks are nothing."""
    if is_between and not one.strip() and not other.strip():
        return True
    return one == other or plain(one) == plain(other)


def plain(text: str) -> str:
    """Return a value as one of its many spellings."""
    value = " ".join(text.split())
    if _NUMBER.fullmatch(value):
        return _number(value)
    if _MOMENT.fullmatch(value):
        return _moment(value)
    duration = _DURATION.fullmatch(value)
    if duration is not None and value.strip("-") not in ("P", "PT"):
        return _duration(duration)
    if " " in value and (parts := value.split()):
        # A list of values, or base64 in lines: of the latter, no part is a number or a word.
        return _octets("".join(parts)) or " ".join(plain(part) for part in parts)
    return TRUTH.get(value, value)


def _number(value: str) -> str:
    with suppress(InvalidOperation, OverflowError):
        normal = Decimal(value).normalize()
        return f"{normal:f}" if normal else "0"
    return value


def _moment(value: str) -> str:
    zone = re.sub(r"(Z|[+-]00:00)$", "Z", value)
    return re.sub(r"\.?0+(?=Z|[+-]\d\d:|$)", "", zone) if "." in zone else zone


def _duration(found: re.Match[str]) -> str:
    sign, *parts = found.groups(default="0")
    years, months, days, hours, minutes = map(int, parts[:5])
    rest = timedelta(days=days, hours=hours, minutes=minutes, seconds=float(parts[5]))
    whole = (years * 12 + months, rest)
    return f"{sign if whole != (0, timedelta()) else '0'}:{whole}"


def _octets(value: str) -> str:
    with suppress(binascii.Error, ValueError):
        return base64.b64encode(base64.b64decode(value, validate=True)).decode()
    return ""
