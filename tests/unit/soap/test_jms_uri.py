"""JMS URIs: read, written, and refused where they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.soap.jms_uri import JmsUri, MalformedJmsUri, parse_jms_uri

variants = st.sampled_from(["jndi", "queue", "topic", "vnd.example.ex", "vnd.a-b"])


@given(
    st.builds(
        JmsUri,
        variants,
        st.text(min_size=1),
        st.dictionaries(st.text(min_size=1), st.text()),
    )
)
def test_what_is_written_is_read_back(uri):
    assert parse_jms_uri(str(uri)) == uri
    assert str(uri).isascii()


@given(st.text())
def test_a_text_is_a_uri_or_malformed_and_nothing_else(text):
    for one in (text, f"jms:queue:{text}", f"jms:queue:a?{text}"):
        try:
            assert parse_jms_uri(str(parse_jms_uri(one))) == parse_jms_uri(one)
        except MalformedJmsUri:
            continue


@pytest.mark.parametrize(
    ("text", "variant", "destination", "parameters"),
    [
        ("jms:queue:orders", "queue", "orders", {}),
        ("jms:topic:Orders.In", "topic", "Orders.In", {}),
        ("jms:jndi:dynamicQueues/orders.in", "jndi", "dynamicQueues/orders.in", {}),
        ("jms:vnd.example.s3:bucket/a%20b", "vnd.example.s3", "bucket/a b", {}),
        ("jms:queue:a:b", "queue", "a:b", {}),
        (
            "jms:jndi:q?jndi-x%26y=1%3D2&replyToName=R+1&priority=",
            "jndi",
            "q",
            {"jndi-x&y": "1=2", "replyToName": "R+1", "priority": ""},
        ),
        ("JMS:queue:%C3%BC%3F", "queue", "ü?", {}),
    ],
)
def test_a_uri_is_read_into_its_parts(text, variant, destination, parameters):
    assert parse_jms_uri(text) == JmsUri(variant, destination, parameters)


def test_of_a_parameter_that_is_repeated_the_last_counts():
    assert parse_jms_uri("jms:queue:q?priority=1&a=b&priority=9").parameters == {
        "priority": "9",
        "a": "b",
    }


def test_upper_and_lower_case_differ():
    assert parse_jms_uri("jms:queue:Orders") != parse_jms_uri("jms:queue:orders")
    assert parse_jms_uri("jms:queue:q?Priority=1").parameters.get("priority") is None
    with pytest.raises(MalformedJmsUri, match="variant"):
        parse_jms_uri("jms:Queue:orders")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "orders",
        "http://example.com/orders",
        "jms:queue",
        "jms:queue:",
        "jms:domain:",
        "jms:XXXX:orders",
        "jms:vnd.:orders",
        "jms:queue:a b",
        "jms:queue:ü",
        "jms:queue:a#b",
        "jms:queue:a%2",
        "jms:queue:a%FF",
        "jms:queue:a?",
        "jms:queue:a?b",
        "jms:queue:a?=c",
        "jms:queue:a?b=c&",
        "jms:queue:a\n",
    ],
)
def test_what_is_no_jms_uri_is_refused(text):
    with pytest.raises(MalformedJmsUri):
        parse_jms_uri(text)


@pytest.mark.parametrize(
    ("variant", "destination", "parameters"),
    [("Queue", "a", {}), ("queue", "", {}), ("queue", "a", {"": "b"})],
)
def test_a_uri_that_could_not_be_read_back_is_not_made(variant, destination, parameters):
    with pytest.raises(MalformedJmsUri):
        JmsUri(variant, destination, parameters)
