"""The errors of SQS, each with its cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import LeaseLost, QueueError, QueueUnavailable
from gateway.queues.aws.http import THROTTLED, HttpResponse

_MISSING = ("NonExistentQueue", "QueueDoesNotExist")
_NOT_NOW = (408, 425)
_SIZE = ("InvalidParameterValue", "BatchRequestTooLong", "InvalidMessageContents")
"""Codes for a message that is too large for its queue, and for other faults of a message."""
_STALE = ("ReceiptHandleIsInvalid", "InvalidParameterValue", "MessageNotInflight")
_BAD_KEYS = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "ExpiredToken",
    "InvalidAccessKeyId",
)


class QueueMissing(QueueUnavailable):
    """There is no such queue, or none that we may see."""


class NotAllowed(QueueUnavailable):
    """The policy of the queue, or ours, does not allow the action."""


class NoSqs(QueueMissing):
    """A server that is not SQS answered: SQS may answer there later."""


class RequestRejected(QueueUnavailable):
    """SQS rejected the request, and will never carry it out unchanged."""


class TooLarge(RequestRejected):
    """SQS does not accept a message, usually because it is larger than its queue allows."""


class Throttled(QueueUnavailable):
    """SQS gets more requests than it allows."""


def entry_error(action: str, url: str, said: Mapping[str, Any]) -> QueueError:
    """Return the error of one entry of a batch."""
    code = str(said.get("Code", ""))
    if action != "SendMessageBatch" and any(known in code for known in _STALE):
        return LeaseLost("the receipt of the message is no longer valid")
    reason = f"{code} {said.get('Message') or ''}".strip()
    text = f"SQS did not carry out {action} on {_name(url)}: {reason}"
    if _is_throttled(code):
        return Throttled(text)
    return _rejection(code, text) if said.get("SenderFault") is True else QueueUnavailable(text)


def answer_error(action: str, queue: str, answer: HttpResponse) -> QueueUnavailable:
    """Return the error of an action that was not carried out."""
    name, code = _name(queue), answer.code
    if any(known in code for known in _MISSING):
        return QueueMissing(f"there is no SQS queue {name}: correct its name, or provision it")
    if any(known in code for known in _BAD_KEYS):
        return QueueUnavailable(
            f"SQS rejects our credentials ({code}): they are wrong or have expired; set valid ones"
        )
    if answer.status in (401, 403) or "AccessDenied" in code:
        return NotAllowed(f"SQS refused {action} on {name} ({code}): {_right(action, code)}")
    if answer.is_throttled or _is_throttled(code):
        return Throttled(f"SQS is asked too often ({code})")
    if code.endswith("OverLimit"):
        return Throttled(f"too many messages of {name} are being worked on: SQS allows 120 000")
    return _other(action, name, answer)


def _other(action: str, name: str, answer: HttpResponse) -> QueueUnavailable:
    if answer.is_foreign:
        status = answer.status
        text = f"the server that answered {action} is not SQS ({status}): correct its endpoint_url"
        return NoSqs(text)
    is_final = 400 <= answer.status < 500 and answer.status not in _NOT_NOW
    text = f"SQS answered {answer.status} {answer.code} to {action} on {name}"
    return _rejection(answer.code, text) if is_final else QueueUnavailable(text)


def _rejection(code: str, text: str) -> RequestRejected:
    return TooLarge(text) if any(known in code for known in _SIZE) else RequestRejected(text)


def _right(action: str, code: str) -> str:
    """Return the missing permission. IAM has none for batches: that for one message covers them."""
    if "kms" in code.lower():
        return "allow kms:GenerateDataKey and kms:Decrypt on its key"
    allow = f"allow sqs:{action.removesuffix('Batch')} on it"
    return f"{allow} (gateway policy shows the whole policy)"


def _is_throttled(code: str) -> bool:
    return code in THROTTLED or "Throttl" in code


def _name(queue: str) -> str:
    return queue.rpartition("/")[2]
