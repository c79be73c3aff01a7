"""Values of XML Schema's simple types, read and written."""

from __future__ import annotations

import copy
import datetime as dt
import math
import pickle
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.stubs.duration import Duration
from gateway.stubs.values import (
    ZonedDate,
    builtin,
    enumeration,
    list_of,
)

ELEMENT = etree.fromstring('<a xmlns="urn:d" xmlns:p="urn:p"/>')
LEAP = dt.datetime(2024, 2, 29, 23, 59, 59, 123456, dt.UTC)
PLUS_TWO = dt.timezone(dt.timedelta(hours=2))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("boolean", " 1 ", True),
        ("boolean", "false", False),
        ("int", "-7", -7),
        ("decimal", "1.50", Decimal("1.50")),
        ("double", "INF", math.inf),
        ("double", "-1.5E3", -1500.0),
        ("dateTime", "2024-02-29T23:59:59.1234567Z", LEAP),
        ("dateTime", "2024-12-31T24:00:00", dt.datetime(2025, 1, 1)),
        ("dateTime", "2024-05-06T07:08:09+02:00", dt.datetime(2024, 5, 6, 5, 8, 9, 0, dt.UTC)),
        ("date", "2024-02-29", dt.date(2024, 2, 29)),
        ("time", "23:59:59.5Z", dt.time(23, 59, 59, 500000, dt.UTC)),
        ("duration", "-P1Y2M3DT4H5M6.7S", Duration(-14, Decimal("-273906.7"))),
        ("base64Binary", " aGVs bG8= ", b"hello"),
        ("hexBinary", "00fF", b"\x00\xff"),
        ("QName", "p:x", "{urn:p}x"),
        ("QName", "x", "{urn:d}x"),
        ("QName", "xml:lang", "{http://www.w3.org/XML/1998/namespace}lang"),
        ("gYear", "-0044Z", "-0044Z"),
        ("token", " a  b ", " a  b "),
    ],
)
def test_a_text_is_read_as_the_value_it_stands_for(kind, text, value):
    assert builtin(kind).read(text, ELEMENT) == value


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("boolean", True, "true"),
        ("decimal", Decimal("1E+2"), "100"),
        ("double", math.nan, "NaN"),
        ("double", -math.inf, "-INF"),
        ("dateTime", dt.datetime(2024, 1, 2, tzinfo=dt.UTC), "2024-01-02T00:00:00Z"),
        ("date", ZonedDate(2024, 5, 6, PLUS_TWO), "2024-05-06+02:00"),
        ("date", ZonedDate(2024, 5, 6, dt.UTC), "2024-05-06Z"),
        ("base64Binary", b"hello", "aGVsbG8="),
        ("hexBinary", b"\x00\xff", "00FF"),
        ("QName", "{urn:p}x", "p:x"),
        ("duration", Duration(seconds=Decimal("90061.50")), "P1DT1H1M1.5S"),
        ("duration", Duration(), "PT0S"),
    ],
)
def test_a_value_is_written_as_its_type_has_it(kind, value, text):
    assert builtin(kind).write(value, ELEMENT) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", 7), ("int", "many"), ("date", dt.datetime(2024, 1, 2)), ("base64Binary", "text")],
)
def test_a_value_of_another_type_is_refused(kind, value):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        builtin(kind).write(value, ELEMENT)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("boolean", "yes"), ("int", "1.5"), ("dateTime", "2024-01-02"), ("duration", "P")],
)
def test_a_text_that_is_no_value_is_refused(kind, text):
    with pytest.raises((ValueError, KeyError)):
        builtin(kind).read(text, ELEMENT)


def test_a_namespace_that_has_no_prefix_yet_gets_one():
    element = etree.Element("a")
    text = builtin("QName").write("{urn:new}x", element)
    assert element.nsmap[text.partition(":")[0]] == "urn:new"
    assert not element.attrib


def test_a_value_of_an_enumeration_may_have_blanks_around_it():
    class Colour(StrEnum):
        DARK_RED = "dark red"

    simple = enumeration(Colour)
    assert simple.read(" dark  red\n", ELEMENT) is Colour.DARK_RED
    assert simple.write("dark red", ELEMENT) == "dark red"
    with pytest.raises(ValueError, match="not one of the values of Colour"):
        simple.read("red", ELEMENT)


def test_a_list_has_blanks_between_its_values():
    simple = list_of(builtin("int"))
    assert simple.read(" 1\n2 ", ELEMENT) == [1, 2]
    assert simple.write([1, 2], ELEMENT) == "1 2"


def test_a_date_with_a_zone_can_be_kept():
    day = ZonedDate(2024, 5, 6, PLUS_TWO)
    for other in (pickle.loads(pickle.dumps(day)), copy.deepcopy(day)):
        assert (other, other.tzinfo) == (day, PLUS_TWO)


@given(st.integers(-10000, 10000), st.decimals(-(10**9), 10**9, places=3))
def test_any_duration_comes_back(months, seconds):
    sign = -1 if months < 0 else 1
    duration = Duration(months, sign * abs(seconds))
    assert Duration.of(str(duration)) == duration


def test_a_duration_is_a_timedelta_where_it_has_no_months():
    half_a_day = dt.timedelta(hours=12)
    assert Duration.of("PT12H").timedelta() == half_a_day
    assert Duration.of_timedelta(half_a_day) == Duration.of("PT12H")
    with pytest.raises(ValueError, match="months"):
        Duration.of("P1M").timedelta()
