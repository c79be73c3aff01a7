"""The messages of the benchmarks: a call of 1 KB, and what a right reply to it holds."""

from __future__ import annotations

NAMESPACE = "urn:example:echo"
CONTENT_TYPE = "text/xml; charset=utf-8"
SIZE = 1024
"""Bytes of a call."""


def headers(operation: str) -> dict[str, str]:
    """Return the HTTP headers of a call."""
    return {"Content-Type": CONTENT_TYPE, "SOAPAction": f'"{NAMESPACE}/{operation}"'}


def request(operation: str, number: int) -> bytes:
    """Return a call of ``SIZE`` bytes that carries a number, so that its reply can be told."""
    head = (
        '<?xml version="1.0" encoding="utf-8"?>'
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        f' xmlns:e="{NAMESPACE}"><s:Body><e:{operation}>'
        f"<e:number>{number}</e:number><e:text>"
    )
    tail = f"</e:text></e:{operation}></s:Body></s:Envelope>"
    return f"{head}{'x' * (SIZE - len(head) - len(tail))}{tail}".encode()


def reply_to(body: bytes, operation: str) -> bytes:
    """Return what the backend answers: the same text and number, as the reply's element."""
    name = operation.encode()
    return body.replace(b"e:%s>" % name, b"e:%sReply>" % name)


def is_reply(body: bytes, operation: str, number: int) -> bool:
    """Tell whether this answers the call of that number."""
    return b"e:%sReply><e:number>%d<" % (operation.encode(), number) in body
