"""The checks that a request can fail, by the names that the operator's records have for them."""

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
    HEADER_SCHEMA = "header-schema"
    SCHEMA = "schema"
    QUOTA = "quota"
    SHARE = "share"
    HOST = "host"
    ORIGIN = "origin"
    CREDENTIALS = "credentials"
    BODY = "body"
