"""The run-time part of the stubs that ``gateway stubs`` writes.

Calls of generated code come in, typed replies go out. It depends on the client, contracts and SOAP.
"""

from gateway.stubs.client import AsyncClient, Client
from gateway.stubs.duration import Duration
from gateway.stubs.embedded import Embedded
from gateway.stubs.faults import SoapFault, UnreadableReply, UnwritableValue
from gateway.stubs.layout import Layout
from gateway.stubs.record import NIL, AnyValue, Element, Record
from gateway.stubs.service import NotFilledIn, Service, current_request
from gateway.stubs.values import ZonedDate

__all__ = [
    "NIL",
    "AnyValue",
    "AsyncClient",
    "Client",
    "Duration",
    "Element",
    "Embedded",
    "Layout",
    "NotFilledIn",
    "Record",
    "Service",
    "SoapFault",
    "UnreadableReply",
    "UnwritableValue",
    "ZonedDate",
    "current_request",
]
