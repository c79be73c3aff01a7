"""The copy of a request for a dead-letter queue: with the reason, as far as that fits."""

from __future__ import annotations

import json
from collections.abc import Iterator

from gateway.queue import reason_code
from gateway.queues.aws.sqs import BATCH_BYTES, Attribute, Outgoing, Received
from gateway.queues.claims.records import Name
from gateway.queues.sqs.attributes import (
    ATTRIBUTES,
    CORRELATION,
    IS_FAULT,
    OWN,
    REPLY_NAME,
    REPLY_URL,
    TYPE,
)
from gateway.queues.sqs.offload import MARKS

REASON = "gateway-reason"
REASON_LIMIT = 256
NEEDED = (
    TYPE,
    "SOAPJMS_contentType",
    "SOAPJMS_contentEncoding",
    "SOAPJMS_soapAction",
    "SOAPJMS_targetService",
    REPLY_NAME,
    REPLY_URL,
    *MARKS,
)
"""Attributes needed to send a request again unchanged; there is room for a reason beside them."""
_LAST = ("SOAPJMS_requestURI", CORRELATION, "SOAPJMS_bindingVersion", IS_FAULT)
"""Attributes to drop after all unknown ones, the last of these first."""


def copies(received: Received, name: Name, reason: str) -> Iterator[Outgoing]:
    """Yield copies of a request that may fit, each smaller than the one before.

    Attributes are dropped first, then the text of the reason behind its code. The last copy is the
    request as it came, without the reason.
    """
    client, id = name
    kept = {one: said for one, said in received.attributes.items() if one not in (OWN, REASON)}
    in_order = sorted(kept, key=_rank)
    fitting = {one: kept[one] for one in in_order[: ATTRIBUTES - 1]}
    needed = {one: said for one, said in kept.items() if one in NEEDED}
    code = reason_code(reason)
    for attributes, text in (
        (fitting, reason[:REASON_LIMIT]),
        (needed, reason[:64]),
        (needed, code),
    ):
        said = json.dumps({"id": id, "client": client, "reason": text})
        reasoned = {**attributes, REASON: Attribute("String", said)}
        outgoing = Outgoing(body=received.body, attributes=reasoned)
        if outgoing.size <= BATCH_BYTES:
            yield outgoing
    bare = {one: said for one, said in received.attributes.items() if one != REASON}
    yield Outgoing(body=received.body, attributes=bare)


def _rank(attribute: str) -> int:
    """Return the rank of an attribute: lower ones are kept longer."""
    if attribute in NEEDED:
        return 0
    return 1 + _LAST.index(attribute) if attribute in _LAST else 1 + len(_LAST)
