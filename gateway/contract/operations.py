"""Which operation of a contract an envelope is for."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.soap import SoapVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation of one binding, as its WSDL declares it."""

    name: str
    service: str
    port: str
    version: SoapVersion
    soap_action: str
    body: str | None
    """The name of the Body's first child, ``{namespace}local``; None where the Body is empty."""
    one_way: bool
    encoded: bool
    """rpc/encoded: its messages cannot be checked against a schema."""
    address: str
    """Where the WSDL says that this port is; empty where it says nothing."""
