"""The checks that a request can fail: their names for the operator, and cures for the caller."""

from __future__ import annotations

from enum import StrEnum


class Check(StrEnum):
    """What a refusal is about: finer than a fault's code, and only for those who run the gateway.

    The names are kept: programs look for them in the log, the quarantine and the audit log. They
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
