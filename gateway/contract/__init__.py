"""The contract of a service: its WSDL, read once, from where it may be read."""

from gateway.contract.bindings import one_way_bodies
from gateway.contract.checking import WORKERS
from gateway.contract.contract import Contract
from gateway.contract.fetching import Access
from gateway.contract.kept import Copies
from gateway.contract.loader import from_documents, from_names, load
from gateway.contract.operations import Operation
from gateway.contract.saving import fetch

__all__ = [
    "WORKERS",
    "Access",
    "Contract",
    "Copies",
    "Operation",
    "fetch",
    "from_documents",
    "from_names",
    "load",
    "one_way_bodies",
]
