"""Messages as SQS carries them, in the format of Amazon's JMS library."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import JmsSubcode, Refused
from gateway.message import Message, Unreadable
from gateway.queues.aws.sqs import Attribute, Outgoing, Received
from gateway.queues.sqs.attributes import (
    BadTag,
    Tag,
    check,
    from_sqs,
    tag,
    to_sqs,
)
from gateway.queues.sqs.entry import identify

ID = "01JDF0000000000000000000AA"
OWN = Tag(ID, "alice")
BODY = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"/>'


def message(body: bytes = BODY, **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "id": ID}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


def string(value: str) -> Attribute:
    return Attribute("String", value)


def read(body: str, attributes: dict[str, Attribute], **options: bool) -> Message:
    found = from_sqs(body, attributes, OWN, **options)
    assert isinstance(found, Message), found
    return found


def test_text_travels_as_it_is():
    outgoing = to_sqs(message("<a>\u00e4\r\n\U0001f600</a>".encode()))
    assert outgoing.body == "<a>\u00e4\r\n\U0001f600</a>"
    assert outgoing.attributes["JMS_SQSMessageType"] == string("text")


@pytest.mark.parametrize(
    "name", ["SOAPJMS_contentType", "SOAPJMS_targetService", "JMS_SQSCorrelationID"]
)
def test_half_of_a_surrogate_pair_is_no_property(name):
    found = from_sqs(BODY.decode(), {name: string("a\ud800")}, OWN)
    assert isinstance(found, Unreadable)
    assert found.reason == "its attributes are not UTF-8 text"


@pytest.mark.parametrize(
    "body", [b"\xff\xfe<\x00", b"a\x00b", b"a\x0bb", b"\xef\xbf\xbe", b"\xed\xa0\x80"]
)
def test_what_sqs_does_not_take_as_text_travels_in_base64(body):
    outgoing = to_sqs(message(body))
    assert outgoing.attributes["JMS_SQSMessageType"] == string("byte")
    assert base64.b64decode(outgoing.body) == body
    assert read(outgoing.body, dict(outgoing.attributes)).body == body


def test_text_travels_in_base64_where_that_is_asked_for():
    outgoing = to_sqs(message(), as_bytes=True)
    assert outgoing.attributes["JMS_SQSMessageType"] == string("byte")
    assert base64.b64decode(outgoing.body) == BODY


_TEXT = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xD7FF, exclude_characters='"'), max_size=40
)


@given(
    body=st.binary(max_size=200)
    | st.text(max_size=100).map(lambda text: text.encode("utf-8", "ignore")),
    texts=st.tuples(_TEXT, _TEXT, _TEXT),
    fault=st.booleans(),
    expires=st.none() | st.floats(0, 1e11),
    as_bytes=st.booleans(),
)
def test_every_message_comes_back_as_it_was_sent(body, texts, fault, expires, as_bytes):
    action, service, correlation = texts
    sent = message(
        body,
        content_type="text/xml; charset=utf-8",
        soap_action=action,
        target_service=service,
        request_uri="jms:queue:orders",
        correlation_id=correlation,
        reply_to="https://sqs.example/1/replies",
        is_fault=fault,
        expires=expires,
    )
    outgoing = to_sqs(sent, as_bytes=as_bytes)
    own = tag(outgoing.attributes)
    assert own is not None
    back = from_sqs(outgoing.body, outgoing.attributes, own)
    assert isinstance(back, Message)
    assert replace(back, violation=None) == sent


@given(
    st.text(max_size=50),
    st.dictionaries(
        st.sampled_from(
            ["JMS_SQSMessageType", "JMS_SQSCorrelationID", "SOAPJMS_contentType", "SOAPJMS_isFault"]
        ),
        st.builds(
            Attribute,
            st.sampled_from(["String", "Number.int", "Binary", "String.x"]),
            st.sampled_from(["byte", "text", "object"]) | st.text(max_size=20),
        ),
    ),
    st.booleans(),
)
def test_reading_never_raises(body, attributes, strict):
    assert isinstance(from_sqs(body, attributes, OWN, strict=strict), Message | Unreadable)


@given(
    st.text(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)
)
def test_whatever_our_own_attribute_holds_it_is_read_or_refused(text):
    try:
        found = tag({"gateway": string(text)})
    except BadTag:
        return
    assert found is None or isinstance(found.id, str)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "{}",
        "[1]",
        '{"id": 1, "client": "alice"}',
        "[" * 100_000,
    ],
)
def test_a_broken_attribute_of_ours_is_refused(text):
    with pytest.raises(BadTag):
        tag({"gateway": string(text)})


@pytest.mark.parametrize(
    "expires", ["NaN", "-Infinity", "1e999", '"soon"', '"99"', "true", "[]", "{}", "1" + "0" * 400]
)
def test_a_broken_deadline_leaves_the_name_under_which_its_sender_looks(expires):
    written = '{"id": "IDIDIDIDIDIDIDID", "client": "alice", "expires": ' + expires + "}"
    found = identify(received(string(written)), {})
    assert (found.tag.id, found.tag.client) == ("ID" * 8, "alice")
    assert found.refusal == "its expires is not a finite number"


def received(own: Attribute) -> Received:
    return Received(
        id="m", handle="h", body="", attributes={"gateway": own}, system={"SenderId": "p"}
    )


def test_a_body_without_attributes_is_a_bare_envelope():
    bare = read(BODY.decode(), {})
    assert bare.body == BODY
    assert bare.content_type == "text/xml; charset=utf-8"
    assert bare.violation is None


def test_strict_mode_names_what_a_bare_envelope_lacks():
    assert read(BODY.decode(), {}, strict=True).violation is JmsSubcode.MISSING_CONTENT_TYPE


@pytest.mark.parametrize("kind", ["object", "stream", "map"])
def test_a_message_that_is_neither_text_nor_bytes_breaks_a_rule_and_is_not_unpacked(kind):
    found = read("rO0ABXNy", {"JMS_SQSMessageType": string(kind)})
    assert found.violation is not None
    assert found.body == b"rO0ABXNy"


def test_a_message_of_bytes_that_are_not_base64_is_unreadable():
    found = from_sqs("<a/>", {"JMS_SQSMessageType": string("byte")}, OWN)
    assert isinstance(found, Unreadable)
    assert "base64" in found.reason


def test_a_binary_attribute_counts_as_absent():
    attributes = {"SOAPJMS_soapAction": Attribute("Binary", "dXJuOmE=")}
    assert read(BODY.decode(), attributes).soap_action == ""


@pytest.mark.parametrize(("value", "fault"), [("1", True), ("true", True), ("0", False)])
def test_a_fault_is_a_java_boolean(value, fault):
    attributes = {"SOAPJMS_isFault": Attribute("Number.Boolean", value)}
    assert read(BODY.decode(), attributes).is_fault is fault


def test_a_reply_says_whether_it_is_a_fault_and_a_request_only_if_it_is():
    assert to_sqs(message(), is_reply=True).attributes["SOAPJMS_isFault"].value == "0"
    fault = to_sqs(message(is_fault=True), is_reply=True).attributes["SOAPJMS_isFault"]
    assert fault == Attribute("Number.Boolean", "1")
    assert "SOAPJMS_isFault" not in to_sqs(message()).attributes


def test_a_reply_queue_counts_where_its_name_and_its_url_are_there():
    url = string("https://sqs.eu-west-1.amazonaws.com/1/replies")
    assert read(BODY.decode(), {"JMS_SQSReplyToQueueURL": url}).reply_to == ""
    both = {"JMS_SQSReplyToQueueURL": url, "JMS_SQSReplyToQueueName": string("replies")}
    assert read(BODY.decode(), both).reply_to == url.value


def test_empty_fields_are_left_out():
    assert set(to_sqs(message()).attributes) == {
        "JMS_SQSMessageType",
        "SOAPJMS_bindingVersion",
        "SOAPJMS_contentType",
        "gateway",
    }


def test_all_that_a_request_can_have_beside_a_content_encoding_fits():
    full = message(
        soap_action="urn:a",
        target_service="orders",
        request_uri="jms:queue:orders",
        correlation_id="c",
        reply_to="https://sqs.example/1/replies",
    )
    check(to_sqs(full))
    with pytest.raises(Refused, match="11 SQS attributes"):
        check(to_sqs(replace(full, content_encoding="gzip")))


@pytest.mark.parametrize(
    ("outgoing", "said"),
    [
        (Outgoing(body=""), "empty"),
        (Outgoing(body="a\x00b"), "characters"),
        (Outgoing(body="a\ufffe"), "characters"),
        (Outgoing(body="a", attributes={"n": string("")}), "n is empty"),
        (Outgoing(body="a", attributes={"n": string("\x01")}), "characters"),
        (Outgoing(body="a", attributes={"AWS.n": string("v")}), "name"),
        (Outgoing(body="a", attributes={"amazon.n": string("v")}), "name"),
        (Outgoing(body="a", attributes={"a..b": string("v")}), "name"),
        (Outgoing(body="a", attributes={".a": string("v")}), "name"),
        (Outgoing(body="a", attributes={"a.": string("v")}), "name"),
        (Outgoing(body="a", attributes={"a$b": string("v")}), "name"),
        (Outgoing(body="a", attributes={"a" * 257: string("v")}), "name"),
        (Outgoing(body="a" * (1 << 20), attributes={"n": string("v")}), "1048584 bytes"),
        (Outgoing(body="\u00e4" * (1 << 19) + "a"), "1048577 bytes"),
    ],
)
def test_what_sqs_does_not_take_is_refused_before_it_is_sent(outgoing, said):
    with pytest.raises(Refused, match=said):
        check(outgoing)


def test_a_message_as_large_as_sqs_takes_is_sent():
    largest = Outgoing(body="a" * ((1 << 20) - 8), attributes={"n": string("v")})
    assert largest.size == 1 << 20
    check(largest)
