"""The reply to a call, checked against the contract: zeep ignores what it does not know."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import requests
import zeep
import zeep.exceptions
import zeep.helpers
from lxml import etree
from zeep.wsdl.messages.soap import DocumentMessage

from gateway.errors import GatewayError

UNLIKE = "the reply is not what the contract declares"
READING = logging.getLogger("zeep.xsd.types.simple")
"""Where zeep logs a value that its type does not allow: it then makes None of that."""


class AsDeclared(zeep.Plugin):
    """Has zeep read no reply but what the contract declares: of another it makes None."""

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> tuple[Any, Any]:
        """Raise GatewayError for a reply whose Body does not hold the declared element."""
        body = envelope.find("soap-env:Body", namespaces=operation.binding.nsmap)
        if body is None:
            root = etree.QName(envelope).localname
            raise GatewayError(
                f"{UNLIKE}: it is {root}, and not an envelope of its version of SOAP."
            )
        first = next(body.iterchildren("{*}*"), None)
        is_fault = first is not None and first.tag == f"{{{etree.QName(body).namespace}}}Fault"
        if not is_fault and operation.output is not None and operation.output.body is not None:
            _check(first, operation.output)
        return envelope, http_headers


def _check(first: Any, output: Any) -> None:
    """Compare the Body's first element with the one that is declared.

    SOAP 1.1, section 7.1: how the one of rpc is called means nothing.
    """
    declared = output.body.qname
    if output._is_body_wrapped:
        return
    if first is None:
        raise GatewayError(f"{UNLIKE}: its Body is empty, and should hold {declared.localname}.")
    came = etree.QName(first)
    if came == declared or not isinstance(output, DocumentMessage):
        return
    of = ", of another namespace" if came.localname == declared.localname else ""
    raise GatewayError(
        f"{UNLIKE}: its Body holds {came.localname}{of}, and should hold {declared.localname}."
    )


def read(client: zeep.Client, service: Any, name: str, response: requests.Response) -> Any:
    """Return a reply as plain values. Raises zeep's Fault; GatewayError where it cannot be read."""
    operation = service._binding.get(name)
    try:
        with _strictly():
            reply = service._binding.process_reply(client, operation, response)
        return zeep.helpers.serialize_object(reply, dict)
    except (zeep.exceptions.Fault, GatewayError):
        raise
    except Exception as error:  # whatever zeep's parsers meet
        is_empty = operation.output is not None and operation.output.body is None
        if is_empty and isinstance(error, LookupError | AttributeError):
            return None  # as declared; zeep looks for an element in it
        told = str(error).partition("\nContent:")[0].rstrip(".")
        raise GatewayError(f"{UNLIKE}: {told}.") from error


@contextlib.contextmanager
def _strictly() -> Iterator[None]:
    """Raise GatewayError in the end for a value that zeep could not read inside of the block."""
    found: list[str] = []

    def note(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1]:
            found.append(str(record.exc_info[1]))
        return False

    READING.addFilter(note)
    try:
        yield
    finally:
        READING.removeFilter(note)
    if found:
        raise GatewayError(f"{UNLIKE}: a value is not of its type ({found[0]}).")
