"""Checks on a message that has not been parsed: its size and its headers."""

from __future__ import annotations

import re

from gateway.errors import Check, Refused
from gateway.message import Message
from gateway.soap.jms import MEDIA_TYPES
from gateway.soap.multipart import is_plain, media_type

# For a header of the request to the backend: nothing that could end that header.
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,1024}")
_ACTION = re.compile(r"[\x21\x23-\x7e]{0,1024}")
NO_SOAP = f"The content type must be one of {', '.join(MEDIA_TYPES)}."


def check_size(message: Message, limit: int) -> None:
    """Refuse a body of more than ``limit`` bytes."""
    if len(message.body) > limit:
        raise Refused(
            f"The message is larger than the {limit} bytes that are accepted.", check=Check.SIZE
        )


def check_headers(message: Message) -> None:
    """Refuse a content type that is not one of SOAP's, and an action that no header can hold."""
    if media_type(message.content_type) not in MEDIA_TYPES:
        raise Refused(NO_SOAP, check=Check.CONTENT_TYPE)
    if not _HEADER_VALUE.fullmatch(message.content_type):
        raise Refused(
            "The content type holds characters that a header cannot hold.", check=Check.CONTENT_TYPE
        )
    if not is_plain(message.content_type):
        raise Refused(
            "A parameter of the content type is there twice or in parts: write it once.",
            check=Check.CONTENT_TYPE,
        )
    if not _ACTION.fullmatch(message.soap_action):
        raise Refused("The SOAP action must be a URI.", check=Check.SOAP_ACTION)
