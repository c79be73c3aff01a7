"""Values of XML Schema's simple types: from text to Python, and back (XML Schema part 2)."""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from lxml import etree

from gateway.contract.names import XML, clark
from gateway.soap.envelope import Element
from gateway.stubs.duration import Duration

Reader = Callable[[str, Element], object]
Writer = Callable[[Any, Element], str]

_ZONE = re.compile(r"(.*?)(Z|[+-]\d\d:\d\d)?", re.DOTALL)
_FLOATS = {"INF": math.inf, "-INF": -math.inf, "NaN": math.nan}
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Simple:
    """How values of one type are read from text, and written; the element says what prefixes mean.

    Both raise ValueError, and writing TypeError or AttributeError for a value of another type.
    """

    read: Reader
    write: Writer


class ZonedDate(dt.date):
    """A date with a time zone, as xs:date may have one and Python's may not."""

    tzinfo: dt.tzinfo

    def __new__(cls, year: int, month: int, day: int, tzinfo: dt.tzinfo) -> ZonedDate:
        made = super().__new__(cls, year, month, day)
        made.tzinfo = tzinfo
        return made

    def __reduce__(self) -> tuple[type[ZonedDate], tuple[object, ...]]:
        return ZonedDate, (self.year, self.month, self.day, self.tzinfo)


def enumeration(kind: type[Enum]) -> Simple:
    """Return how the values of an enumeration are read and written."""
    by_text = {str(one.value): one for one in kind}

    def read(text: str, element: Element) -> object:
        if text in by_text:
            return by_text[text]
        collapsed = " ".join(text.split())
        if collapsed in by_text:
            return by_text[collapsed]
        raise ValueError(f"it is not one of the values of {kind.__name__}")

    return Simple(read, lambda value, element: str(kind(value).value))


def list_of(item: Simple) -> Simple:
    """Return how a list of values with blanks between them is read and written (xs:list)."""
    return Simple(
        lambda text, element: [item.read(one, element) for one in text.split()],
        lambda value, element: " ".join(item.write(one, element) for one in value),
    )


def prefix_for(namespace: str, element: Element) -> str:
    """Return the prefix of a namespace, declared at an element if it was not, with its colon."""
    if namespace in ("", XML):
        return "xml:" if namespace else ""
    for prefix, uri in element.nsmap.items():
        if uri == namespace and prefix:
            return f"{prefix}:"
    # lxml declares what an attribute needs, and keeps the declaration when the attribute goes.
    element.set(f"{{{namespace}}}declared", "")
    del element.attrib[f"{{{namespace}}}declared"]
    return prefix_for(namespace, element)


def _read_text(text: str, element: Element) -> object:
    return text


def _write_text(value: Any, element: Element) -> str:
    if not isinstance(value, str):
        raise TypeError(f"it is {type(value).__name__}, not str")
    return str(value)


def _read_boolean(text: str, element: Element) -> object:
    return {"true": True, "1": True, "false": False, "0": False}[text.strip()]


def _write_float(value: Any, element: Element) -> str:
    number = float(value)
    named = (name for name, one in _FLOATS.items() if one == number)
    return "NaN" if math.isnan(number) else next(named, repr(number))


def _read_date(text: str, element: Element) -> object:
    found = _ZONE.fullmatch(text.strip())
    assert found is not None  # it matches anything
    day = dt.date.fromisoformat(found[1])
    if not found[2]:
        return day
    zone = dt.time.fromisoformat(f"00:00{found[2]}").tzinfo
    assert zone is not None
    return ZonedDate(day.year, day.month, day.day, zone)


def _write_date(value: Any, element: Element) -> str:
    zone = getattr(value, "tzinfo", None)
    if isinstance(value, dt.datetime):
        raise TypeError("it is datetime, not date")
    return str(value.isoformat()) + ("" if zone is None else _offset(zone))


def _offset(zone: dt.tzinfo) -> str:
    text = dt.time(0, 0, tzinfo=zone).isoformat()[8:]
    return _with_z(text)


def _read_moment(text: str, element: Element) -> object:
    day, mark, time = text.strip().partition("T")
    if not mark:
        raise ValueError("it has no time")
    if time.startswith("24:00:00"):  # the end of a day is the beginning of the next
        return dt.datetime.fromisoformat(f"{day}T00{time[2:]}") + _DAY
    return dt.datetime.fromisoformat(text.strip())


def _read_time(text: str, element: Element) -> object:
    return dt.time.fromisoformat(re.sub("^24", "00", text.strip()))


def _write_moment(value: Any, element: Element) -> str:
    return _with_z(value.isoformat())


def _with_z(text: str) -> str:
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


def _read_qname(text: str, element: Element) -> object:
    return clark(element, text, element.nsmap.get(None))


def _write_qname(value: Any, element: Element) -> str:
    name = etree.QName(value)
    return prefix_for(name.namespace or "", element) + name.localname


_TEXT = Simple(_read_text, _write_text)
_INTEGER = Simple(lambda text, element: int(text), lambda value, element: str(int(value)))
_FLOAT = Simple(
    lambda text, element: _FLOATS[text.strip()] if text.strip() in _FLOATS else float(text),
    _write_float,
)
_QNAME = Simple(_read_qname, _write_qname)

_OTHERS = {
    "boolean": Simple(_read_boolean, lambda value, element: "true" if value else "false"),
    "decimal": Simple(
        lambda text, element: Decimal(text.strip()),
        lambda value, element: format(Decimal(value), "f"),
    ),
    "float": _FLOAT,
    "double": _FLOAT,
    "date": Simple(_read_date, _write_date),
    "dateTime": Simple(_read_moment, _write_moment),
    "time": Simple(_read_time, _write_moment),
    "duration": Simple(lambda text, element: Duration.of(text.strip()), lambda v, element: str(v)),
    "base64Binary": Simple(
        lambda text, element: base64.b64decode(text),
        lambda value, element: base64.b64encode(value).decode(),
    ),
    "hexBinary": Simple(
        lambda text, element: bytes.fromhex(text), lambda value, element: value.hex().upper()
    ),
    "QName": _QNAME,
    "NOTATION": _QNAME,
}
_INTEGERS = (
    *("byte", "short", "int", "long", "integer", "nonNegativeInteger", "positiveInteger"),
    *("nonPositiveInteger", "negativeInteger", "unsignedByte", "unsignedShort", "unsignedInt"),
    "unsignedLong",
)
BUILTINS = _OTHERS | dict.fromkeys(_INTEGERS, _INTEGER)
"""How values of XML Schema's own types are read and written; those not here are text."""


def builtin(name: str) -> Simple:
    """Return how values of one of XML Schema's own types are read and written."""
    return BUILTINS.get(name, _TEXT)
