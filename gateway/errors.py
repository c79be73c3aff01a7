"""Every error of the gateway, grouped by what the gateway does about it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Self


class Check(StrEnum):
    """The reason for a refusal: finer than a fault's code, and for operators only.

    The names are stable: programs look for them in the log, the quarantine and the audit log. They
    are letters and hyphens, as ``queue.reason_code`` reads them.
    """

    SOAPJMS = "soapjms"
    CLIENT = "client"
    ID = "id"
    ID_TAKEN = "id-taken"
    SERVICE = "service"
    SIZE = "size"
    CONTENT_ENCODING = "content-encoding"
    CONTENT_TYPE = "content-type"
    SOAP_ACTION = "soap-action"
    MULTIPART = "multipart"
    ENCODING = "encoding"
    XML = "xml"
    DOCTYPE = "doctype"
    INSTRUCTION = "instruction"
    XML_LIMIT = "xml-limit"
    ENVELOPE = "envelope"
    HEADER_BLOCKS = "header-blocks"
    OPERATION = "operation"
    ACTION = "action"
    FORBIDDEN = "forbidden"
    PAYLOAD = "payload"
    REFERENCES = "references"
    ADDRESSING = "addressing"
    WS_SECURITY = "ws-security"
    HEADER_SCHEMA = "header-schema"
    SCHEMA = "schema"
    QUOTA = "quota"
    SHARE = "share"
    HTTP = "http"
    HOST = "host"
    ORIGIN = "origin"
    CREDENTIALS = "credentials"
    BODY = "body"


class FaultCode(StrEnum):
    """The fault codes that a caller can get, in SOAP 1.1's words (section 4.4.1).

    SOAP 1.2 says Sender for Client and Receiver for Server; the part behind a dot is its Subcode.
    """

    CLIENT = "Client"
    SERVER = "Server"
    VERSION_MISMATCH = "VersionMismatch"
    MUST_UNDERSTAND = "MustUnderstand"
    EXPIRED = "Server.Expired"
    OUTCOME_UNKNOWN = "Server.OutcomeUnknown"
    BUSY = "Server.Busy"
    TIMEOUT = "Server.Timeout"


class AddressingCode(StrEnum):
    """The codes of WS-Addressing 1.0, SOAP Binding, section 6.4, that a caller can get."""

    ACTION_NOT_SUPPORTED = "ActionNotSupported"
    ONLY_ANONYMOUS_ADDRESS_SUPPORTED = "OnlyAnonymousAddressSupported"
    INVALID_CARDINALITY = "InvalidCardinality"


class JmsSubcode(StrEnum):
    """The rules of SOAP over JMS 1.0, by the local names of its fault subcodes."""

    CONTENT_TYPE_MISMATCH = "contentTypeMismatch"
    CONTENT_ENCODING_NOT_SUPPORTED = "contentEncodingNotSupported"
    MALFORMED_REQUEST_URI = "malformedRequestURI"
    MISMATCHED_SOAP_ACTION = "mismatchedSoapAction"
    MISSING_CONTENT_TYPE = "missingContentType"
    MISSING_SOAP_ACTION = "missingSoapAction"
    MISSING_REQUEST_URI = "missingRequestURI"
    TARGET_SERVICE_NOT_ALLOWED_IN_REQUEST_URI = "targetServiceNotAllowedInRequestURI"
    UNRECOGNIZED_BINDING_VERSION = "unrecognizedBindingVersion"
    UNSUPPORTED_JMS_MESSAGE_FORMAT = "unsupportedJMSMessageFormat"
    UNSUPPORTED_LOOKUP_VARIANT = "unsupportedLookupVariant"


JMS_CURES = {
    "contentTypeMismatch": (
        "SOAPJMS_contentType must be text/xml, application/soap+xml or multipart/related, and its"
        " charset that of the XML declaration."
    ),
    "contentEncodingNotSupported": (
        "Send the message as it is, without SOAPJMS_contentEncoding; or as bytes, packed whole"
        " with gzip."
    ),
    "malformedRequestURI": (
        "SOAPJMS_requestURI must be a JMS URI, such as jms:queue:NAME or jms:jndi:NAME."
    ),
    "mismatchedSoapAction": (
        "SOAPJMS_soapAction and the action of the content type disagree: write the same in both."
    ),
    "missingContentType": (
        "Say in SOAPJMS_contentType what the message is: text/xml for SOAP 1.1,"
        " application/soap+xml for SOAP 1.2."
    ),
    "missingSoapAction": ("Write the action of the content type in SOAPJMS_soapAction as well."),
    "missingRequestURI": (
        "Write the URI that the message is sent to in SOAPJMS_requestURI, such as jms:queue:NAME."
    ),
    "targetServiceNotAllowedInRequestURI": (
        "Take targetService out of SOAPJMS_requestURI: it belongs in SOAPJMS_targetService."
    ),
    "unrecognizedBindingVersion": 'SOAPJMS_bindingVersion must be "1.0".',
    "unsupportedJMSMessageFormat": ("Send the envelope in a BytesMessage or a TextMessage."),
    "unsupportedLookupVariant": ("The lookup variant of a JMS URI must be jndi, queue or topic."),
}
"""What to change, by the local name of the subcode of SOAP/JMS."""


class GatewayError(Exception):
    """The base of all errors that the gateway reports; any other exception is a bug."""


class ConfigurationError(GatewayError):
    """The settings, a contract or the environment cannot be used.

    Its text names the mistake and the cure; a command prints it and exits with status 2.
    """


class WrongSettings(ConfigurationError):
    """Settings with mistakes: one line for each."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class ContractError(ConfigurationError):
    """A WSDL or a schema cannot be used."""


class OutOfBounds(ContractError):
    """A contract refers to a document on a host, or in a folder, that was not allowed for it."""


class OfAnotherHost(OutOfBounds):
    """Such a document is on a host; the text ends with its name, for the caller to add a cure."""


class Unforeseen(ContractError):
    """A contract revealed a defect of the gateway, or of a library that it uses."""


class Unquoted(Exception):
    """An error in the form that may be logged."""


def unquoted(error: BaseException, seen: tuple[BaseException, ...] = ()) -> Unquoted:
    """Return an error and its causes, without the texts of foreign exceptions.

    Those texts quote what they failed on: part of a message, a header, the name of a host. Use it
    for ``exc_info``, so that no formatter can put them into a log.
    """
    cause = cause_of(error)
    if isinstance(error, BaseExceptionGroup):
        cause = error.exceptions[0]
    before = None if cause is None or cause in seen else unquoted(cause, (*seen, error))
    try:
        raise Unquoted(kind_of(error)) from before
    except Unquoted as told:
        return told.with_traceback(error.__traceback__)


def kind_of(error: BaseException) -> str:
    """Return the type of an error; where its text is our own, that too."""
    if isinstance(error, Unquoted):
        return str(error)
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    is_ours = isinstance(error, GatewayError) and not isinstance(error, ConfigurationError)
    return f"{kind}: {error}" if is_ours else kind


def cause_of(error: BaseException) -> BaseException | None:
    """Return what led to an error, as a traceback shows it."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def shortlist(names: Sequence[str], most: int) -> str:
    """Return the first of some names, as a sentence has them, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


INTERNAL = "The gateway failed. Its operator finds the cause by the id of the request."
"""All that a caller is told about a bug in the gateway."""


class FaultError(GatewayError):
    """The request ends here, and its caller gets a fault with this code and text.

    The text is read by strangers: it says what to change, and never holds a parser's message, a
    path, a host, or the refused value. ``reason`` and the failed check are for the operator's log
    alone.
    """

    code = FaultCode.SERVER
    check: Check | None = None

    def __init__(
        self,
        text: str,
        *,
        code: FaultCode | None = None,
        check: Check | None = None,
        reason: str = "",
        retry_after: float | None = None,
    ) -> None:
        """``retry_after`` is the seconds after which it is worth trying again, if known."""
        super().__init__(text)
        self.text = text
        self.code = code or type(self).code
        self.check = check or type(self).check
        self.reason = reason
        self.retry_after = retry_after

    @property
    def reason_code(self) -> str:
        """The fault's code and the check that failed: ``Client.schema``."""
        return f"{self.code}.{self.check}" if self.check else str(self.code)


def told(error: FaultError, reason: str = "") -> str:
    """Return a fault for the operator, its reason code first, without content of a message."""
    reason = reason or error.reason
    return f"{error.reason_code}: {error.text}" + (f" ({reason})" if reason else "")


class Refused(FaultError):
    """Admission refused the request: the caller must change something. Never executed."""

    code = FaultCode.CLIENT


class BindingViolation(Refused):
    """The request breaks a rule of SOAP over JMS; its fault names the rule by the subcode."""

    check = Check.SOAPJMS

    def __init__(self, subcode: JmsSubcode) -> None:
        super().__init__(JMS_CURES[subcode], reason=subcode)
        self.subcode = subcode


class NotUnderstood(Refused):
    """A header block must be understood, but is not; the fault names it."""

    code = FaultCode.MUST_UNDERSTAND

    def __init__(self, blocks: tuple[str, ...]) -> None:
        """``blocks`` are their names, as ``{namespace}local``."""
        super().__init__(
            "A header block that must be understood is not one that the operation declares."
        )
        self.blocks = blocks


class WrongAddressing(Refused):
    """A header of WS-Addressing cannot be followed; its fault has a code of that standard."""

    def __init__(self, code: AddressingCode, text: str) -> None:
        is_own = code is AddressingCode.ACTION_NOT_SUPPORTED
        super().__init__(text, check=Check.ACTION if is_own else Check.ADDRESSING, reason=code)
        self.subcodes: tuple[str, ...] = (code,) if is_own else ("InvalidAddressingHeader", code)


class NotSecured(Refused):
    """The WS-Security that a service requires is missing, or failed a check.

    There is one text and one code for all cases (WS-Security 1.1.1, section 12): only the operator
    learns which part failed, by ``reason``.
    """

    check = Check.WS_SECURITY
    subcode = "InvalidSecurity"

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The WS-Security header is missing or was not accepted: send the one that the operator "
            "of the gateway asks for, made anew for each request.",
            reason=f"WS-Security: {reason}",
        )


class IdTaken(Refused):
    """The id was used before by the same sender, for other bytes."""

    check = Check.ID_TAKEN

    def __init__(self) -> None:
        super().__init__("The message id was used before, for another message: use a new one.")


class IdOfAnotherTime(Refused):
    """The time inside the id is too far from the queue's."""

    check = Check.ID


class IdForgotten(IdOfAnotherTime):
    """The queue no longer keeps replies to ids of that time: the id may have been used before."""

    def __init__(self) -> None:
        super().__init__(
            "The message id is too old for this queue: use a new one.",
            reason="replies of its time were swept; or the machine's clock is, or was, wrong",
        )


class Forbidden(Refused):
    """The client may not call this operation, unless the operator allows it."""

    check = Check.FORBIDDEN

    def __init__(self, reason: str, *, check: Check | None = None) -> None:
        super().__init__(
            "This client may not call this operation: ask the operator of the gateway for it.",
            check=check,
            reason=reason,
        )


class OverQuota(FaultError):
    """The client has used up its quota, and is told when there is more."""

    code = FaultCode.BUSY
    check = Check.QUOTA

    text = "This client's quota is used up: try later."

    def __init__(self, retry_after: float, *, reason: str) -> None:
        super().__init__(self.text, reason=reason, retry_after=retry_after)


class OverShare(OverQuota):
    """The client is at its concurrency or rate limit, and is told when there is more."""

    check = Check.SHARE
    text = "This client has too many calls under way, or calls too often: try later."


class Expired(FaultError):
    """The request's deadline passed before it was answered."""

    code = FaultCode.EXPIRED


class OutcomeUnknown(FaultError):
    """An at-most-once operation may have been carried out, but its answer is lost."""

    code = FaultCode.OUTCOME_UNKNOWN


class BackendFailed(FaultError):
    """The backend answered with something that is not a SOAP reply. Final."""


class TransientError(GatewayError):
    """The backend did not answer this time, or was not asked.

    ``retry_after`` is how long to leave it alone, in seconds; None where it did not say.
    """

    def __init__(self, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after

    def put_off(self, seconds: float) -> Self:
        """Return the same error for a request that must not come back before so many seconds."""
        return type(self)(str(self), retry_after=max(seconds, self.retry_after or 0.0))


class Unreached(TransientError):
    """No byte of the request reached the backend: any operation may be tried again."""


class LeftAlone(Unreached):
    """The backend was away a moment ago, and another request is finding out whether it still is."""


class Unanswered(TransientError):
    """The request, or a part of it, was sent, but no usable answer came.

    Only a repeatable operation may be tried again.
    """


class Declined(TransientError):
    """The backend said that it did not take the request: it is busy, or down for a while."""


class Unchecked(TransientError):
    """The gateway itself cannot check the request now, for lack of memory, say: nothing was begun.

    This says nothing about the backend or the request.
    """


class StoppedEarly(GatewayError):
    """A stop was requested before the program had begun its work."""


class QueueError(GatewayError):
    """Something is wrong between the gateway and its queue."""


class LeaseLost(QueueError):
    """Another gateway may hold this delivery now: write nothing, stop working on it."""


class QueueUnavailable(QueueError):
    """The queue cannot be used right now; it may work again later.

    Nothing was changed, unless the error is Unsure.
    """


class QueueAway(QueueUnavailable):
    """The queue's store cannot be reached, or fails: the settings are not to blame."""


class QueueHeld(QueueUnavailable):
    """Another process holds the queue and does not release it: it is stopped, or its disk hangs."""


class QueueFull(QueueUnavailable):
    """The queue's disk is full: no new requests are accepted until there is room."""


class Unsure(QueueAway):
    """The operation may have been done, or not: the queue's store did not say."""


class QueueBroken(QueueError):
    """The queue can no longer keep its promises (a failed fsync, a damaged file): it must end.

    The operation at that moment may have been done, or not.
    """


class EntryGone(QueueError):
    """An entry of the quarantine is no longer there: another sent it again, or dropped it."""


class NoReplyYet(GatewayError):
    """The caller's wait ended; the request is still in the queue, or being worked on.

    ``id`` names the request, so that its reply can be collected later.
    """

    def __init__(self, text: str, *, id: str) -> None:
        super().__init__(text)
        self.id = id
