"""Names for Python from names of XML."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.generate.naming import (
    RESERVED,
    RESERVED_CLASSES,
    Names,
    member,
    pascal,
    snake,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orderId", "order_id"),
        ("OrderID", "order_id"),
        ("HTTPServer", "http_server"),
        ("order-line.no", "order_line_no"),
        ("_id", "id"),
        ("class", "class_"),
        ("list", "list_"),
        ("close", "close_"),
        ("_", "value"),
        ("型", "型_"),
        ("ﬁnal", "final"),
        ("order_x0020_Id", "order_id"),
        ("_x0032_nd_line", "n2nd_line"),
        ("_xD800_", "value"),
    ],
)
def test_a_field_is_called_as_python_does(name, expected):
    assert snake(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("order", "Order"),
        ("Odd-Names", "OddNames"),
        ("get_order", "GetOrder"),
        ("WSF_x0020_Schedule", "WSFSchedule"),
        ("Exception", "Exception_"),
        ("none", "None_"),
        ("Record", "Record_"),
    ],
)
def test_a_class_is_called_as_python_does(name, expected):
    assert pascal(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("in stock", "IN_STOCK"),
        ("inStock", "IN_STOCK"),
        ("2nd", "VALUE_2ND"),
        ("-2", "MINUS_2"),
        ("", "EMPTY"),
        ("+", "PLUS_SIGN"),
        ("a/b", "A_B"),
    ],
)
def test_a_value_is_called_as_a_constant(value, expected):
    assert member(value) == expected


@given(st.text())
def test_any_text_becomes_a_name(text):
    for name in (snake(text), pascal(text), member(text)):
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
    assert snake(text) not in RESERVED
    assert pascal(text) not in RESERVED_CLASSES


@given(st.lists(st.sampled_from(["a", "a2", "a_2", "a3"])))
def test_no_two_get_the_same_name(wanted):
    names = Names()
    given = [names.unique(one) for one in wanted]
    assert len(set(given)) == len(given)


def test_a_name_that_is_free_goes_first():
    names = Names(["OrderFault"])
    assert names.first("OrderFault", "OrderError") == "OrderError"
    assert names.first("OrderFault", "OrderError") == "OrderError2"


def test_names_take_as_long_as_they_have_letters():
    """Each of these took longer than a minute, or a quarter of one, when it was quadratic."""
    long = "A" * 100_000
    assert snake(f"{long}b") == f"{'a' * 99_999}_ab"
    assert member(long) == "A" * 200
    names = Names()
    assert [names.unique("same") for _ in range(20_000)][-1] == "same20000"
