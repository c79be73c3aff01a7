"""Until when a request may be carried out: no longer than its queue surely knows of earlier ones.

A queue that others write to cannot keep them from sending a request again. It is known by what was
stored under its id, a claim or a reply, and that is swept ``REPLY_RETENTION`` seconds after it was
written last. Nothing is carried out before its id is ``ID_AHEAD`` from its time. So what was
carried out is on record until REPLY_RETENTION - ID_AHEAD after that time, at the least, and from
LONGEST_LIFE after it on, an hour before that, nothing is carried out any more. An id that holds no
time can come again whenever its sender likes: under one, nothing is carried out at most once.
"""

from __future__ import annotations

from gateway.errors import Check, OutcomeUnknown, Refused
from gateway.message import ID_AHEAD, REPLY_RETENTION, Message, check_id_time, id_time

SPARE = 3600.0
LONGEST_LIFE = REPLY_RETENTION - ID_AHEAD - SPARE
"""Seconds after the time of its id in which a request may be carried out: 35 hours."""

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
    """Return from when on an earlier request of this id may be swept in a queue of others.

    For an id without a time: when a second copy of what arrived then may have outlived it.
    """
    made = id_time(id)
    began = arrived if made is None else made
    return None if began is None else began + LONGEST_LIFE


def check_age(message: Message, now: float) -> None:
    """Refuse an id from another time than its request. Raises Refused, OutcomeUnknown.

    What may be swept by now was perhaps carried out, whatever else is wrong with it.
    """
    check_known(message, now)
    # Where nobody knows when it came, it may have waited for long, and its id was new by then.
    came = min(now, id_time(message.id) or now) if message.arrived is None else message.arrived
    check_id_time(message.id, came)


def check_known(message: Message, now: float) -> None:
    """Refuse what may have been carried out before, and be forgotten. Raises OutcomeUnknown."""
    if message.forgotten is not None and message.forgotten <= now:
        raise OutcomeUnknown(FORGOTTEN, reason="it is older than claims and replies are kept")


def check_once(message: Message) -> None:
    """Refuse an id under which a request could come again for ever. Raises Refused."""
    if id_time(message.id) is None and not message.is_named_by_queue:
        raise Refused(TIMELESS, check=Check.ID)
