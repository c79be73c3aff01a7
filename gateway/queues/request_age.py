"""Until when a request may be carried out: only while its queue surely knows of earlier copies.

A queue that others write to cannot keep them from sending a request again. A copy is recognized by
the claim or reply under its id, which is swept ``REPLY_RETENTION`` seconds after the last write.
No request is carried out more than ``ID_AHEAD`` seconds before the time in its id. So its record
lasts until REPLY_RETENTION - ID_AHEAD after that time, at least; and from LONGEST_LIFE after it on,
an hour earlier, it is no longer carried out. An id without a time can come again at any time: under
such an id, no at-most-once operation is carried out.
"""

from __future__ import annotations

from gateway.errors import Check, OutcomeUnknown, Refused
from gateway.message import ID_AHEAD, REPLY_RETENTION, Message, check_id_time, id_time

SPARE = 3600.0
LONGEST_LIFE = REPLY_RETENTION - ID_AHEAD - SPARE
"""Seconds after the time in its id for which a request may be carried out: 35 hours."""

FORGOTTEN = (
    "The request waited for too long: what was known of it may have been swept. It may have been"
    " carried out before, or not. Find out before you send it again."
)
TIMELESS = (
    "The message id holds no time, so nothing tells for long that it was used, and this operation"
    " is not to be carried out twice. Use a ULID, in capitals, or have the operator declare the"
    " operation repeatable."
)


def forgotten(id: str, arrived: float | None) -> float | None:
    """Return when the record of an earlier copy may be swept, in a queue that others write to.

    For an id without a time, that is counted from the arrival.
    """
    made = id_time(id)
    began = arrived if made is None else made
    return None if began is None else began + LONGEST_LIFE


def check_age(message: Message, now: float) -> None:
    """Refuse an id from another time than its request. Raises Refused, OutcomeUnknown.

    A request whose record may be swept was perhaps carried out, whatever else is wrong with it.
    """
    check_known(message, now)
    # With an unknown arrival, it may have waited for long, and its id was new then.
    came = min(now, id_time(message.id) or now) if message.arrived is None else message.arrived
    check_id_time(message.id, came)


def check_known(message: Message, now: float) -> None:
    """Refuse a request that may have been carried out and forgotten. Raises OutcomeUnknown."""
    if message.forgotten is not None and message.forgotten <= now:
        raise OutcomeUnknown(FORGOTTEN, reason="it is older than claims and replies are kept")


def check_once(message: Message) -> None:
    """Refuse an id under which a request could come again at any time. Raises Refused."""
    if id_time(message.id) is None and not message.is_named_by_queue:
        raise Refused(TIMELESS, check=Check.ID)
