"""JMS URIs (RFC 6167): the destination of a SOAP/JMS request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

_URI = re.compile(r"jms:([^:?#]*):([^?#]*)(?:\?([^#]*))?", re.ASCII)
_SCHEME = re.compile("jms:", re.IGNORECASE)  # as any scheme: RFC 3986, section 3.1
_VARIANT = re.compile(r"jndi|queue|topic|vnd\.[A-Za-z0-9._~-]+")
_WRITTEN = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")
_IN_DESTINATION = "/:@!$&'()*+,;=~"
_IN_PARAMETER = "/:@!$'()*,;?~"


class MalformedJmsUri(ValueError):
    """A text is not a JMS URI, or its lookup variant is unknown."""


@dataclass(frozen=True, slots=True)
class JmsUri:
    """A JMS URI; its parts are not percent-encoded. ``str()`` writes it."""

    variant: str
    """``jndi``, ``queue``, ``topic``, or a vendor's, such as ``vnd.example.ex``."""
    destination: str
    parameters: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not _VARIANT.fullmatch(self.variant):
            raise MalformedJmsUri("the lookup variant must be jndi, queue, topic or vnd.NAME")
        if not self.destination:
            raise MalformedJmsUri("the destination is missing")
        if "" in self.parameters:
            raise MalformedJmsUri("a parameter has no name")

    def __str__(self) -> str:
        pairs = (
            f"{quote(name, safe=_IN_PARAMETER)}={quote(value, safe=_IN_PARAMETER)}"
            for name, value in self.parameters.items()
        )
        query = "&".join(pairs)
        place = f"jms:{self.variant}:{quote(self.destination, safe=_IN_DESTINATION)}"
        return f"{place}?{query}" if query else place


def parse_jms_uri(text: str) -> JmsUri:
    """Read a JMS URI. Of a repeated parameter, the last one counts.

    Variant, destination and parameters are case-sensitive. Raises MalformedJmsUri.
    """
    parts = _URI.fullmatch(_SCHEME.sub("jms:", text, count=1))
    if parts is None or not _WRITTEN.fullmatch(text):
        raise MalformedJmsUri("it must look like jms:queue:NAME, in the characters of a URI")
    variant, destination, query = parts.groups()
    parameters = {} if query is None else dict(_parameter(one) for one in query.split("&"))
    return JmsUri(variant, _decoded(destination), parameters)


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise MalformedJmsUri("a parameter must be written NAME=VALUE")
    return _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedJmsUri("what is percent-encoded must be UTF-8") from error
