"""What tells of the machine behind: found where it is, with as few false alarms as can be."""

from __future__ import annotations

import time

import pytest

from gateway.backends.redact.telltale import LONGEST, Telltales
from gateway.contract.backend_names import places

TELLTALES = Telltales(
    places(["http://app01.example.com:8080/x", "http://orders/"]),
    frozenset({"http://partner.example/orders", "urn:orders"}),
)


@pytest.mark.parametrize(
    "text",
    [
        "at com.foo.Bar.baz(Bar.java:12)",
        "   at Orders.Svc.Get(String id) in C:\\x.cs:line 12",
        "at Object.<anonymous> (/srv/x.js:1:2)",
        "Traceback (most recent call last):",
        'File "/x/y.py", line 3, in f',
        "Error in /var/www/a.php on line 3",
        "java.lang.NullPointerException",
        "System.NullReferenceException: Object reference not set",
        "Server was unable to process request. ---> no order",
        "Caused by: no order",
        "OrderDao.java:12",
        "failure on app01",
        "APP01.EXAMPLE.COM",
        "orders:8080",
        "http://elsewhere/y",
        "ftp://elsewhere/y",
        "see 10.1.2.3",
        "[fe80::1]",
        "connect to db.corp failed",
        "localhost",
        "app.example.net:1521",
        "C:\\inetpub\\x",
        "\\\\fs01\\share",
        "/opt/app/x.conf is missing",
        "ORA-00942: table or view does not exist",
        "SQLSTATE[42S02]",
        "jdbc:oracle:thin:@x",
        "SQL Server timeout",
        "Microsoft.Data.X",
        "org.apache.axis2",
        "WebSphere is down",
        "Apache/2.4",
    ],
)
def test_it_is_found_in_a_text(text):
    assert TELLTALES.in_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Order WH-1 not found",
        "orders are closed",
        "The quantity must be 1..5",
        "starting with element '{\"http://partner.example/orders\":foo}'",
        "cvc-complex-type.2.4.a: One of '{foo}' is expected",
        "See section 4.4.1 of http://www.w3.org/TR/soap.",
        "Please try at 10:30",
        "yes and/or no",
        "Artikel 5 (Farbe: rot) nicht lieferbar",
        "version 1.2.3 is not supported",
        "amount 1.000.000,00",
        "deliver at Leeds (UK)",
        "Element 'o:orderId' is invalid at line 3, column 5",
        "user@example.com is unknown",
        "i.e. Use another",
        "Axis 3 is out of range",
        "the Jetty is closed",
        "OrderNotFoundException",
        "Ort 5.Stock",
        "/orders/5 is not there",
    ],
)
def test_what_a_caller_needs_is_not(text):
    assert not TELLTALES.in_text(text)


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("http://xml.apache.org/axis/", True),
        ("http://jax-ws.dev.java.net/", True),
        ("http://schemas.datacontract.org/2004/07/System.ServiceModel", True),
        ("http://app01.example.com/ns", True),
        ("http://partner.example/orders", False),
        ("http://schemas.xmlsoap.org/soap/envelope/", False),
        ("http://anybody.example/faults", False),
        ("urn:orders", False),
    ],
)
def test_a_namespace_tells_by_a_product_or_a_place_only(name, tells):
    assert TELLTALES.in_name(name) is tells


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "at ",
        "at a.",
        "/",
        "\\\\",
        "A",
        "a.b-",
        "[:",
        "1.",
        "http://",
        "a://",
        "A.B",
        "x" * 63 + ".",
    ],
)
def test_the_longest_text_is_looked_through_in_a_moment(piece):
    text = (piece * LONGEST)[:LONGEST]
    began = time.process_time()
    TELLTALES.in_text(text)
    assert time.process_time() - began < 0.5


def test_a_text_that_is_longer_is_no_explanation():
    assert TELLTALES.in_text("no " * LONGEST)
