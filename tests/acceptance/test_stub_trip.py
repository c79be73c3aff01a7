"""What a client stub sends is what the service stub gets, and the other way: on our own contracts.

For each operation random instances of the contract's own schemas go from a client through a queue
to a hosted service, and another one back.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from deployment import CORPUS, ROOT
from stub_trip import RoundTrip, converted, tried, unlike

from gateway.contract import load
from gateway.stubs import SoapFault
from gateway.stubs.reading import read_value
from gateway.stubs.service import Service

CONTRACTS = {
    "harbour office": (ROOT / "tests" / "contracts" / "harbour.wsdl", "Office"),
    "harbour scales": (ROOT / "tests" / "contracts" / "harbour.wsdl", "Scales"),
    "ferries": (ROOT / "contrib" / "examples" / "ferries" / "ferries.wsdl", "ScheduleSoap"),
    "ferries 1.2": (ROOT / "contrib" / "examples" / "ferries" / "ferries.wsdl", "ScheduleSoap12"),
    "everything": (ROOT / "tests" / "golden" / "stubs" / "everything.wsdl", ""),
    "calculator": (ROOT / "tests" / "golden" / "stubs" / "calculator.wsdl", ""),
    "warehouse": (ROOT / "wsdl" / "warehouse.wsdl", ""),
}
REAL = {
    "ferry": (CORPUS / "gowsdl" / "ferry.wsdl", "WSF_x0020_ScheduleSoap"),
    "marketo": (CORPUS / "wasabi" / "marketo.wsdl", ""),
    "savon": (CORPUS / "wasabi" / "savon295.wsdl", ""),
}
"""Some of the contracts of the table in docs/reference/stubs-corpus.md."""
SAMPLES = 12
SEED = 2006


@pytest.fixture(params=[*CONTRACTS, *REAL])
def trip(request: pytest.FixtureRequest, tmp_path: Path) -> RoundTrip:
    path, port = (CONTRACTS | REAL)[str(request.param)]
    if not path.exists():
        pytest.skip("the corpus of real WSDLs is not beside this")
    return RoundTrip(load(path.name, folder=path.parent), port, tmp_path, Random(SEED))


def test_requests_and_replies_are_valid_and_their_values_come_back(trip: RoundTrip) -> None:
    with trip.running() as client:
        for name in (one.name for one in trip.model.operations):
            for _ in range(SAMPLES):
                trial = tried(trip, client, trip.operations[name])
                assert trial.passed, (name, trial)


def test_declared_faults_come_back_as_what_was_raised(trip: RoundTrip) -> None:
    faults = [(one, fault) for one in trip.model.operations for fault in one.faults]
    with trip.running() as client:
        for operation, fault in faults:
            kind, field = trip.layout.operation(operation.name).faults[fault.detail.xml_name]
            element = trip.instances.header(fault.detail.xml_name)
            detail = read_value(element, field, trip.layout)
            payloads = trip.instances.message(trip.operations[operation.name], "input")
            arguments = trip.arguments(operation.name, payloads)
            trip.outcome = kind("Client.Refused", "It was refused.", detail=detail)
            expected = getattr(trip.client_module, fault.class_name)
            with pytest.raises(expected) as caught:
                getattr(client, operation.method)(**converted(arguments, trip.client_module))
            assert caught.value.text == "It was refused."
            assert unlike(detail, caught.value.detail, fault.name) == ""
            told = caught.value.element.find(f".//{fault.detail.xml_name}")
            assert trip.instances.errors(told) == ""


def test_what_is_not_filled_in_is_answered_with_a_fault_that_says_so(trip: RoundTrip) -> None:
    trip._filled = lambda: trip.base  # type: ignore[method-assign]
    operation = next(one for one in trip.model.operations if not one.one_way)
    payloads = trip.instances.message(trip.operations[operation.name], "input")
    arguments = converted(trip.arguments(operation.name, payloads), trip.client_module)
    assert issubclass(trip.base, Service)
    with trip.running() as client, pytest.raises(SoapFault) as caught:
        getattr(client, operation.method)(**arguments)
    assert caught.value.code.endswith("Server.NotImplemented") or "Receiver" in caught.value.code
    assert caught.value.text == f"The operation {operation.name} is not implemented yet."
