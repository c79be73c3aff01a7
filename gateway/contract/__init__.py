"""The contract of a service: its WSDL, read once, from allowed places only.

Documents come in, a parsed contract goes out. It depends on SOAP and errors. The home of zeep's
model.
"""

from gateway.contract.bindings import one_way_bodies
from gateway.contract.contract import Contract
from gateway.contract.documents.fetching import Access
from gateway.contract.documents.kept import Copies
from gateway.contract.documents.saving import fetch
from gateway.contract.loader import from_documents, from_names, load
from gateway.contract.operations import Operation
from gateway.contract.schemas.separate_process import WORKERS

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
