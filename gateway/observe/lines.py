"""The log's lines about requests: a subscriber to the stream of events."""

from __future__ import annotations

import logging

from gateway.errors import Check, FaultCode, FaultError, told
from gateway.observe.events import (
    CallCollected,
    CallRefused,
    Events,
    RequestAnswered,
    RequestSettled,
)

log = logging.getLogger(__name__)


def logged(events: Events) -> None:
    """Log the events that an operator looks for."""
    events.subscribe(RequestAnswered, _answered)
    events.subscribe(RequestSettled, _settled)
    events.subscribe(CallCollected, _answered_call)
    events.subscribe(CallRefused, _refused)


def _answered(event: RequestAnswered) -> None:
    subject = event.subject
    took = 1000 * (event.at - subject.received)
    log.info("%s %s answered in %.1f ms", subject.message.id, subject.service, took)


def _settled(event: RequestSettled) -> None:
    if event.reason:
        log.warning("%s quarantined: %s", event.subject.message.id, event.reason)


def _refused(event: CallRefused) -> None:
    error = event.error
    if error is not None and error.check is Check.CREDENTIALS:
        log.warning("%s not let in: %s", event.message.id, error.reason)
    elif error is not None and _is_told(error, event.is_call):
        log.warning("%s refused: %s", event.message.id, told(error))
    if event.is_call:
        _answered_call(event)


def _is_told(error: FaultError, is_call: bool) -> bool:
    """Tell whether to log a refusal: before a call, strangers could cause any number of lines."""
    if error.code is FaultCode.BUSY and error.check is None:
        return False  # the call is correct, and the log has the cause
    return is_call or error.check is Check.SHARE


def _answered_call(event: CallCollected | CallRefused) -> None:
    message, took = event.message, 1000 * (event.at - event.began)
    who = f"{message.sender} " if message.sender else ""
    what = f"{who}{message.target_service}"
    log.info("%s %s HTTP %d in %.1f ms", message.id, what, event.status, took)
