"""``gateway call``: its reply as JSON, and what it says of arguments that no operation takes."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import isodate
import pytest
import zeep

from gateway.cli import call_arguments
from gateway.cli.call import _plain
from gateway.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
EAST = dt.timezone(dt.timedelta(hours=2))


@pytest.fixture(scope="module")
def service():
    with zeep.Client(str(ROOT / "wsdl" / "warehouse.wsdl")) as client:
        yield client.service


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(2026, 11, 26, 1, 2, 3, tzinfo=EAST), "2026-11-26T01:02:03+02:00"),
        (dt.date(2026, 11, 26), "2026-11-26"),
        (dt.time(1, 2, 3), "01:02:03"),
        (dt.timedelta(days=1, hours=2), "P1DT2H"),
        (isodate.Duration(months=2, days=1), "P2M1D"),
        (Decimal("85.00"), "85.00"),
        (b"\x89PNG", "iVBORw=="),
    ],
)
def test_values_that_json_has_no_type_for_are_written_as_xml_has_them(value, text):
    assert json.loads(json.dumps(value, default=_plain)) == text


def test_all_that_an_operation_takes_is_told_with_types(service):
    kind = call_arguments.kind_of(service, "ListOrders")
    told = call_arguments.takes("ListOrders", kind)
    assert told == "ListOrders takes [status (string)], [since (date)], limit (int)"


def test_what_is_inside_of_an_argument_is_told_by_its_names(service):
    kind = call_arguments.kind_of(service, "PlaceOrder")
    told = call_arguments.takes("PlaceOrder", kind)
    assert "lines.0 (with .sku, .quantity, .unitPrice, .gift)" in told


def test_mistakes_deep_inside_are_told_by_their_path_and_what_is_there(service):
    kind = call_arguments.kind_of(service, "PlaceOrder")
    given = {"customer": {"name": "Mill", "address": {"zip": "LS21"}}}
    with pytest.raises(ConfigurationError) as caught:
        call_arguments.check("PlaceOrder", kind, given)
    assert "argument customer.address.zip: is not known: there is city, country" in str(
        caught.value
    )
    assert "(customer.address takes street (string), city (string)" in str(caught.value)


def test_what_the_operation_takes_is_let_pass_and_zeeps_own_words_too(service):
    kind = call_arguments.kind_of(service, "PlaceOrder")
    lines = [{"sku": "PAL-0001", "quantity": 2}, {"sku": "PAL-0002", "quantity": "3"}]
    given = {"customer": {"name": "Mill", "number": "7"}, "lines": lines, "note": None}
    call_arguments.check("PlaceOrder", kind, {**given, "_soapheaders": {"callKey": "k"}})
