"""A service's answer: only a SOAP reply of the right version is passed on."""

from __future__ import annotations

import email.utils
import functools
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gateway.backends.login import refused_login
from gateway.endpoint import Call
from gateway.errors import BackendFailed, Declined, Unanswered
from gateway.message import Message
from gateway.soap.multipart import SEEN, is_multipart, is_readable, media_type, parameter
from gateway.soap.reply import MEDIA_TYPES, Glimpse, glimpse

DECLINED = (429, 503)
"""Statuses of a request that was not taken (RFC 6585 section 4, RFC 9110 section 15.6.4)."""
NO_ANSWER = (502, 504)
"""Statuses of a proxy that does not know what became of the request."""

_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
_PARAMETERS = ("charset", "action")
NOT_SOAP = "The service behind the gateway did not answer with a SOAP message."


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete HTTP answer, with the attributes that zeep's bindings read."""

    status_code: int
    headers: Mapping[str, str]
    """Case-insensitive; of a repeated one, the first."""
    content: bytes
    challenges: Sequence[str] = ()
    """Each WWW-Authenticate header."""
    encoding: ClassVar[None] = None
    """The reader finds it in the content type."""


def reply(call: Call, answer: HttpAnswer) -> Message | None:
    """Return the reply, as it came; None where the operation is one-way and was accepted.

    Raises Declined, Unanswered, BackendFailed: none of them quotes the service.
    """
    kind = _kind(answer)
    if kind is None or answer.status_code in (*DECLINED, *NO_ANSWER):
        _check_status(answer)
    if not call.operation.one_way:
        return _reply(call, answer, kind)
    _check_taken(kind)
    return None


def _check_taken(kind: Glimpse | None) -> None:
    """Raise if the answer to a one-way message is a fault; other content is ignored."""
    if kind is not None and kind.is_fault:
        raise BackendFailed("The service refused the one-way message.")


def _reply(call: Call, answer: HttpAnswer, kind: Glimpse | None) -> Message:
    """Return the reply; a fault may be in another version of SOAP, a VersionMismatch must be."""
    if kind is None or not (kind.is_fault or kind.version is call.envelope.version):
        raise BackendFailed(NOT_SOAP, reason=_described(answer))
    return Message(
        body=answer.content,
        content_type=_content_type(answer.headers.get("Content-Type", "")),
        is_fault=kind.is_fault,
        id=call.message.id,
    )


@functools.lru_cache(SEEN)
def _content_type(stated: str) -> str:
    """Return a content type without parameters that are not SOAP's: they could hold anything.

    That of a multipart message stays complete: its boundary is in the bytes.
    """
    names = {one.partition("=")[0].strip().lower() for one in stated.split(";")[1:]}
    if is_multipart(stated) or names.issubset(_PARAMETERS):
        return stated
    kept = [f'{name}="{parameter(stated, name)}"' for name in _PARAMETERS if name in names]
    return "; ".join([media_type(stated), *kept])


def _kind(answer: HttpAnswer) -> Glimpse | None:
    content_type = answer.headers.get("Content-Type", "")
    if 300 <= answer.status_code < 400:
        return None  # a redirect, whatever is in it
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        return None  # never requested: no reader of the reply expects it
    if not (_HEADER_VALUE.fullmatch(content_type) and is_readable(content_type)):
        return None
    return glimpse(answer.content, content_type)


def _check_status(answer: HttpAnswer) -> None:
    """Raise unless the status is a success (an answer without SOAP to a one-way message)."""
    status = answer.status_code
    if status in DECLINED:
        raise Declined(f"the backend answered {status}", retry_after=_retry_after(answer))
    if status in NO_ANSWER:
        raise Unanswered(f"the backend answered {status}", retry_after=_retry_after(answer))
    if not 200 <= status < 300:
        raise BackendFailed(NOT_SOAP, reason=_described(answer))


def _described(answer: HttpAnswer) -> str:
    """Describe an answer for the operator's log, without quoting the service."""
    kind = media_type(answer.headers.get("Content-Type", ""))
    known = kind if kind in (*MEDIA_TYPES, "text/html", "text/plain") else "some other type"
    challenges = [one for header in answer.challenges for one in header.split(",")]
    login = refused_login(answer.status_code, challenges)
    what = f"status {answer.status_code}, {known if kind else 'no content type'}"
    return ": ".join(one for one in (what, login) if one)


def _retry_after(answer: HttpAnswer) -> float | None:
    """Return the seconds that Retry-After asks for: a number or a date (RFC 9110, 10.2.3)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):  # OverflowError: a zone, an hour or a year of 20 digits
        return None
