"""The rules of SOAP over JMS 1.0 for the properties of a message.

Strict mode enforces all of them. Lenient mode accepts what other programs really send, and refuses
only contradictions and unknown values.
"""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Mapping

from gateway.errors import BindingViolation, Check, JmsSubcode, Refused
from gateway.limits import USUAL
from gateway.soap.jms_uri import MalformedJmsUri, parse_jms_uri
from gateway.soap.multipart import media_type, parameter

BINDING_VERSION = "1.0"  # SOAP/JMS 1.0, section 2.2.3: the only one there is
SOAP_11 = ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml")
SOAP_12 = ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml")
MEDIA_TYPES = (SOAP_11[1], SOAP_12[1], "multipart/related")
FORMATS = ("byte", "text")
"""The kinds of JMS message that hold an envelope: BytesMessage and TextMessage."""

BEGINNING = 16 << 10
"""Bytes in which the Envelope's start tag must end, to find the content type by it."""

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml\s[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']""")
# Possessive: a thousand comments before another element must not be matched in a thousand ways.
_ENVELOPE = re.compile(
    r"(?:\s++|<\?.*?\?>|<!--.*?-->)*+<(?:([\w.-]+):)?Envelope(?=[\s>])([^<]*)", re.DOTALL
)


def violation(
    properties: Mapping[str, str], body: bytes, *, strict: bool, kind: str = "byte"
) -> JmsSubcode | None:
    """Return the first rule that a request breaks, in CXF's order.

    ``kind`` is the type of the JMS message: "byte", "text", or another, which cannot hold an
    envelope. If such a message has no content type either, its type is reported: that is the actual
    mistake. Never raises.
    """
    if kind not in FORMATS and not properties.get("SOAPJMS_contentType"):
        return JmsSubcode.UNSUPPORTED_JMS_MESSAGE_FORMAT
    return (
        _content_type(properties, body, strict)
        or _content_encoding(properties, kind)
        or _request_uri(properties, strict)
        or _soap_action(properties, strict)
        or _binding_version(properties, strict)
        or (None if kind in FORMATS else JmsSubcode.UNSUPPORTED_JMS_MESSAGE_FORMAT)
    )


def mistyped(content_type: str, body: bytes) -> JmsSubcode | None:
    """The mistake in the content type of a body that is not packed, if there is one."""
    if not content_type:
        return JmsSubcode.MISSING_CONTENT_TYPE
    if media_type(content_type) not in MEDIA_TYPES:
        return JmsSubcode.CONTENT_TYPE_MISMATCH
    charset, declared = parameter(content_type, "charset"), _declared_encoding(body)
    # Six letters: UTF-16, UTF-16LE and UTF-16BE go together.
    if charset and declared and charset.upper()[:6] != declared.upper()[:6]:
        return JmsSubcode.CONTENT_TYPE_MISMATCH
    return None


def sniff_content_type(body: bytes) -> str:
    """Return the content type of a bare envelope, by its namespace; empty if it is not one."""
    root = _ENVELOPE.match(_beginning(body))
    if root is None:
        return ""
    prefix, attributes = root.groups()
    name = f"xmlns:{re.escape(prefix)}" if prefix else "xmlns"
    namespace = re.search(rf"""\s{name}\s*=\s*["']([^"']*)["']""", attributes)
    kind = dict((SOAP_11, SOAP_12)).get(namespace[1] if namespace else "")
    return f"{kind}; charset={_declared_encoding(body) or 'utf-8'}" if kind else ""


def decoded(body: bytes, encoding: str, limit: int, ratio: int = USUAL.gzip_ratio) -> bytes:
    """Return a body without its content encoding, never more than ``limit`` bytes of it.

    Raises Refused if it would be larger, or more than ``ratio`` times as large as it came; and
    BindingViolation for an unknown encoding, or data that is not in it.
    """
    if not is_packed(encoding):
        return body
    if not _is_gzip(encoding):
        raise BindingViolation(JmsSubcode.CONTENT_ENCODING_NOT_SUPPORTED)
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    most = min(limit, ratio * len(body))
    try:
        data = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise BindingViolation(JmsSubcode.CONTENT_ENCODING_NOT_SUPPORTED) from error
    if len(data) > limit:
        raise Refused(
            f"The message, unpacked, is larger than the {limit} bytes accepted.", check=Check.SIZE
        )
    if len(data) > most:
        raise Refused(
            f"The message is packed to less than 1/{ratio}: send it as it is.",
            check=Check.CONTENT_ENCODING,
        )
    if not unpacker.eof or unpacker.unused_data:  # cut off, or followed by something else
        raise BindingViolation(JmsSubcode.CONTENT_ENCODING_NOT_SUPPORTED)
    return data


def is_packed(encoding: str) -> bool:
    """True for a content encoding that changes the bytes of a body."""
    return encoding.strip().lower() not in ("", "none", "identity")


def _is_gzip(encoding: str) -> bool:
    return encoding.strip().lower() in ("gzip", "x-gzip")  # one thing: RFC 9110, section 8.4.1.3


def _content_type(properties: Mapping[str, str], body: bytes, strict: bool) -> JmsSubcode | None:
    stated = properties.get("SOAPJMS_contentType", "")
    if not is_packed(properties.get("SOAPJMS_contentEncoding", "")):
        return mistyped(stated if stated or strict else sniff_content_type(body), body)
    if not stated:  # lenient: it is found by the body, once that is unpacked
        return JmsSubcode.MISSING_CONTENT_TYPE if strict else None
    return mistyped(stated, b"")


def _content_encoding(properties: Mapping[str, str], kind: str) -> JmsSubcode | None:
    encoding = properties.get("SOAPJMS_contentEncoding", "")
    if is_packed(encoding) and (kind == "text" or not _is_gzip(encoding)):
        return JmsSubcode.CONTENT_ENCODING_NOT_SUPPORTED
    return None


def _request_uri(properties: Mapping[str, str], strict: bool) -> JmsSubcode | None:
    text = properties.get("SOAPJMS_requestURI", "")
    if not text:
        return JmsSubcode.MISSING_REQUEST_URI if strict else None
    try:
        uri = parse_jms_uri(text)
    except MalformedJmsUri:
        return JmsSubcode.MALFORMED_REQUEST_URI
    if "targetService" in uri.parameters:
        return JmsSubcode.TARGET_SERVICE_NOT_ALLOWED_IN_REQUEST_URI
    return None


def _soap_action(properties: Mapping[str, str], strict: bool) -> JmsSubcode | None:
    """SOAP 1.2 may have the action in the content type as well (RFC 3902): both must agree."""
    content_type = properties.get("SOAPJMS_contentType", "")
    stated = properties.get("SOAPJMS_soapAction", "").strip('"')
    action = parameter(content_type, "action") if media_type(content_type) == SOAP_12[1] else ""
    if action and not stated:
        return JmsSubcode.MISSING_SOAP_ACTION if strict else None
    return JmsSubcode.MISMATCHED_SOAP_ACTION if action and action != stated else None


def _binding_version(properties: Mapping[str, str], strict: bool) -> JmsSubcode | None:
    version = properties.get("SOAPJMS_bindingVersion", "" if strict else BINDING_VERSION)
    return None if version == BINDING_VERSION else JmsSubcode.UNRECOGNIZED_BINDING_VERSION


def _beginning(body: bytes) -> str:
    encoding = "utf-16" if body.startswith(_UTF_16_MARKS) else "utf-8-sig"
    return body[:BEGINNING].decode(encoding, "replace")


def _declared_encoding(body: bytes) -> str:
    """The encoding in the XML declaration or the byte order mark; empty without either."""
    is_utf_16 = body.startswith(_UTF_16_MARKS)
    declared = _DECLARED.match(_beginning(body).encode() if is_utf_16 else body[:BEGINNING])
    if declared:
        return declared[1].decode("ascii")
    return "utf-16" if is_utf_16 else ""
