"""A message as SQS carries it: its body, and its attributes as Amazon's JMS library maps them.

The mapping is that of amazon-sqs-java-messaging-lib 2.1. We add one attribute, ``gateway``, to
those of SOAP over JMS.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import Refused
from gateway.message import Message, Unreadable, from_properties, to_properties
from gateway.queues.aws.sqs import BATCH_BYTES, Attribute, Outgoing
from gateway.queues.bucket.layout import PROPERTIES
from gateway.queues.foreign_text import is_text

TYPE = "JMS_SQSMessageType"
CORRELATION = "JMS_SQSCorrelationID"
REPLY_NAME = "JMS_SQSReplyToQueueName"
REPLY_URL = "JMS_SQSReplyToQueueURL"
IS_FAULT = "SOAPJMS_isFault"
OWN = "gateway"

# SQS developer guide, "Message quotas" and "Message metadata".
ATTRIBUTES = 10
_NAME = re.compile(
    r"(?!(?i:AWS|Amazon)\.)(?!.*\.\.)[A-Za-z0-9_-](?:[A-Za-z0-9_.-]{0,254}[A-Za-z0-9_-])?"
)
# SQS accepts the characters of XML 1.0 (section 2.2) in a body or a value, and no others.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_NAMES = {"JMSCorrelationID": CORRELATION, "JMSReplyTo": REPLY_URL, "gateway-expires": ""}


@dataclass(frozen=True, slots=True)
class Tag:
    """Our own attribute: the request's id, its client, and its deadline."""

    id: str
    client: str
    expires: float | None = None
    wrong: str = ""
    """What is wrong with its deadline: id and client hold all the same."""


class BadTag(ValueError):
    """The attribute ``gateway`` is malformed."""


def to_sqs(message: Message, *, as_bytes: bool = False, is_reply: bool = False) -> Outgoing:
    """Return a message as SQS carries it, without checking whether it fits: see ``check``.

    ``as_bytes`` makes a BytesMessage even of text: a reply has the type of its request. A reply
    says whether it is a fault, and has no tag.
    """
    text = None if as_bytes else _text(message.body)
    properties = to_properties(message)
    values = {
        TYPE: "byte" if text is None else "text",
        **{_NAMES.get(name, name): value for name, value in properties.items()},
        REPLY_NAME: _queue_name(message.reply_to),
        OWN: "" if is_reply else _written(Tag(message.id, message.sender, message.expires)),
    }
    attributes = _strings(values)
    if is_reply or message.is_fault:
        attributes[IS_FAULT] = Attribute("Number.Boolean", str(int(message.is_fault)))
    body = base64.b64encode(message.body).decode() if text is None else text
    return Outgoing(body=body, attributes=attributes)


def _strings(values: Mapping[str, str]) -> dict[str, Attribute]:
    """Return the String attributes, without empty values and those that SQS has no name for."""
    return {
        name: Attribute("String", value)
        for name, value in values.items()
        if name and value and name != IS_FAULT
    }


def _text(body: bytes) -> str | None:
    """Return a body as text, if SQS can carry it as such without a change."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if _ILLEGAL.search(text) else text


def _queue_name(url: str) -> str:
    return url.rpartition("/")[2]


def _written(tag: Tag) -> str:
    values = {"id": tag.id, "client": tag.client, "expires": tag.expires}
    return json.dumps({name: value for name, value in values.items() if value is not None})


def check(outgoing: Outgoing, *, slots: int = ATTRIBUTES) -> None:
    """Refuse a message that SQS rejects, or accepts and loses. Raises Refused with the cure."""
    if not outgoing.body:
        raise Refused("The message is empty: SQS cannot carry it.")
    if len(outgoing.attributes) > slots:
        raise Refused(
            f"The message needs {len(outgoing.attributes)} SQS attributes, and may have {slots}: "
            "leave out its reply-to, content encoding, target service or correlation id."
        )
    if _ILLEGAL.search(outgoing.body):
        raise Refused("The message has characters that SQS does not take.")
    for name, attribute in outgoing.attributes.items():
        _check_attribute(name, attribute)
    if outgoing.size > BATCH_BYTES:
        raise Refused(
            f"The message takes {outgoing.size} bytes in SQS, which carries {BATCH_BYTES}: give "
            "the queue a bucket (?replies=s3://BUCKET/PREFIX), where larger ones are kept."
        )


def _check_attribute(name: str, attribute: Attribute) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(f"{name[:80]!r} cannot be the name of an SQS attribute.")
    if not attribute.value or _ILLEGAL.search(attribute.value):
        raise Refused(f"{name} is empty, or has characters that SQS does not take.")


def value(attributes: Mapping[str, Attribute], name: str) -> str:
    """Return the value of an attribute; empty where it is missing or binary."""
    attribute = attributes.get(name)
    is_text = attribute is not None and attribute.type.startswith(("String", "Number"))
    return attribute.value if attribute is not None and is_text else ""


def tag(attributes: Mapping[str, Attribute]) -> Tag | None:
    """Return our own attribute; None in a message of another program. Raises BadTag."""
    written = value(attributes, OWN)
    if not written:
        return None
    try:
        said = json.loads(written)
        id, client, expires = said["id"], said["client"], said.get("expires")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadTag("its attribute gateway is not as this program writes it") from error
    if not (isinstance(id, str) and isinstance(client, str)):
        raise BadTag("its attribute gateway has values of the wrong kind")
    if not (expires is None or _is_finite(expires)):
        return Tag(id, client, wrong="its expires is not a finite number")
    return Tag(id, client, None if expires is None else float(expires))


def _is_finite(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond any float
        return False


def from_sqs(
    body: str,
    attributes: Mapping[str, Attribute],
    own: Tag,
    *,
    interrupted: bool = False,
    strict: bool = False,
) -> Message | Unreadable:
    """Return the message that SQS carried, or why it cannot be read. Never raises.

    ``own`` has the sender by the word of the queue, and the id. A body without attributes is a bare
    envelope, as AWS.WCF.Extensions sends them.
    """
    kind = value(attributes, TYPE) or "text"
    properties = _properties(attributes, own)
    if not all(map(is_text, properties.values())):
        return Unreadable(id=own.id, sender=own.client, reason="its attributes are not UTF-8 text")
    try:
        content = base64.b64decode(body, validate=True) if kind == "byte" else body.encode()
    except (binascii.Error, ValueError):
        return Unreadable(
            id=own.id, sender=own.client, reason="its body is not base64, or not text"
        )
    return from_properties(
        properties,
        content,
        id=own.id,
        sender=own.client,
        interrupted=interrupted,
        strict=strict,
        kind=kind,
    )


def _properties(attributes: Mapping[str, Attribute], own: Tag) -> dict[str, str]:
    """Return the properties by their own names. A reply-to counts only with name and URL."""
    properties = {name: value(attributes, _NAMES.get(name, name)) for name in PROPERTIES}
    if not value(attributes, REPLY_NAME):
        properties["JMSReplyTo"] = ""
    if properties["JMSCorrelationID"] == own.id:
        properties["JMSCorrelationID"] = ""  # it only repeats the id
    if own.expires is not None:
        properties["gateway-expires"] = repr(own.expires)
    return {name: value for name, value in properties.items() if value}
