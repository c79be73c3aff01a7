"""What the stubs of ``gateway stubs`` are built on."""

from gateway.stub.client import AsyncClient, Client
from gateway.stub.duration import Duration
from gateway.stub.embedded import Embedded
from gateway.stub.faults import SoapFault, UnreadableReply, UnwritableValue
from gateway.stub.layout import Layout
from gateway.stub.record import NIL, AnyValue, Element, Record
from gateway.stub.service import NotFilledIn, Service, current_request
from gateway.stub.values import ZonedDate

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
