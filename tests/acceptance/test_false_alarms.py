"""No false alarms: what clients really send, and what real contracts describe, passes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest
from deployment import ROOT
from instances import Instances
from lxml import etree

from gateway.admission import Gate, Limits
from gateway.contract import Contract, load
from gateway.contract.operations import Operation
from gateway.errors import ContractError, FaultError, Refused
from gateway.message import Message
from gateway.soap.envelope import Element, SoapVersion

REQUESTS = sorted((ROOT / "tests" / "golden" / "requests").glob("*.http"))
OWN = {
    "warehouse": ROOT / "wsdl" / "warehouse.wsdl",
    "ledger": ROOT / "tests" / "contracts" / "ledger.wsdl",
    "legacy": ROOT / "tests" / "attacks" / "legacy.wsdl",
    "harbour": ROOT / "tests" / "contracts" / "harbour.wsdl",
    "ferries": ROOT / "contrib" / "examples" / "ferries" / "ferries.wsdl",
    "everything": ROOT / "tests" / "golden" / "stubs" / "everything.wsdl",
    "calculator": ROOT / "tests" / "golden" / "stubs" / "calculator.wsdl",
}
CORPUS = next((up / "shared" / "corpus" for up in ROOT.parents if (up / "shared").is_dir()), ROOT)
REAL = sorted(CORPUS.rglob("*.wsdl")) if CORPUS != ROOT else []
WRONG = b"no order!"
"""What each recorded client sends once that is to be refused."""
SEED = 1847
ENCODED = ("arrayType", "offset", "position", "root")
SAMPLES = 5
"""Of each operation of our own contracts; of each of the others, one."""
ATTEMPTS = 20
REFERRING = {
    "id",
    "href",
    *(f"{{http://schemas.xmlsoap.org/soap/encoding/}}{one}" for one in ENCODED),
}
WSA = "http://www.w3.org/2005/08/addressing"


@cache
def contract(path: Path) -> Contract:
    return load(path.name, folder=path.parent)


@cache
def of_recorded(stem: str) -> Contract:
    return contract(OWN["ledger" if stem.startswith("ledger") else "warehouse"])


def recorded(path: Path) -> Message:
    head, _, body = path.read_bytes().partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
    action = fields.get("SOAPAction", "").strip('"')
    return Message(body=body, content_type=fields["Content-Type"], soap_action=action)


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_what_a_client_of_another_maker_sends_passes_as_it_is(path: Path) -> None:
    message, gate = recorded(path), Gate(of_recorded(path.stem), Limits())
    if WRONG in message.body:
        with pytest.raises(Refused, match="element GetOrder/orderId: "):
            gate.admit(message)
    else:
        assert gate.admit(message).message is message


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_no_recorded_request_is_near_a_limit(path: Path) -> None:
    usual = Limits()
    names = {one.name for one in dataclasses.fields(usual)} - {"schema_time"}
    near = Limits(**{name: getattr(usual, name) // 4 for name in names})
    message = recorded(path)
    if WRONG not in message.body:
        Gate(of_recorded(path.stem), near).admit(message)


def test_every_maker_is_among_what_was_recorded():
    makers = {path.stem.rpartition("-")[0] for path in REQUESTS}
    both = {f"{one}-{version}" for one in MAKERS for version in ("1.1", "1.2")}
    assert makers == {*both, "suds-1.1", *ADDRESSED, "ledger-php", "ledger-perl", "ledger-suds"}
    text = {path.stem: path.read_bytes() for path in REQUESTS}
    assert b'href="#ref1"' in text["ledger-php-01"]
    assert all(f"<{'wsa'}:MessageID".encode() in text[f"{one}-01"] for one in ADDRESSED)


MAKERS = ("php", "node", "perl", "java", "gsoap", "zeep")
ADDRESSED = ("zeep-1.1-addressing", "zeep-1.2-addressing")


# Samples of what contracts describe


def envelopes(made: Instances, operation: Operation) -> Iterator[Message]:
    """Yield a random message of an operation: bare, with all headers, and as MTOM sends it.

    Raises LookupError where the sampler makes none that the contract's own schemas take.
    """
    payloads = sampled(made, operation)
    blocks = [followed(made, lambda name=name: made.header(name)) for name in operation.headers]
    yield sent(operation, _envelope(operation, payloads, []))
    yield sent(operation, _envelope(operation, payloads, [*addressed(operation), *blocks]))
    yield packed(operation, _envelope(operation, payloads, blocks))


def sampled(made: Instances, operation: Operation) -> list[Element]:
    if not operation.encoded:
        return attempt(lambda: made.message(operation, "input"), made)
    payloads = made.message(operation, "input")
    for element in (one for payload in payloads for one in payload.iter()):
        for name in REFERRING & set(element.attrib):
            del element.attrib[name]  # the sampler knows no ids: it would refer to nothing
    return payloads


def followed(made: Instances, make: Callable[[], Element]) -> Element:
    return attempt(lambda: [make()], made)[0]


def attempt(make: Callable[[], list[Element]], made: Instances) -> list[Element]:
    """Return what follows the schemas: the sampler does not always, at wildcards and keys."""
    for _ in range(ATTEMPTS):
        elements = make()
        if not any(made.errors(one) for one in elements) and all(map(is_written, elements)):
            return elements
    raise LookupError("no instance that follows the schemas")


def is_written(element: Element) -> bool:
    try:
        etree.fromstring(etree.tostring(element))
    except etree.XMLSyntaxError:
        return False
    return True


def _envelope(operation: Operation, payloads: list[Element], blocks: list[Element]) -> bytes:
    namespace = operation.version.namespace
    root = etree.Element(f"{{{namespace}}}Envelope", nsmap={"soap": namespace})
    header = etree.SubElement(root, f"{{{namespace}}}Header") if blocks else None
    body = etree.SubElement(root, f"{{{namespace}}}Body")
    for parent, children in ((header, blocks), (body, payloads)):
        for child in children:
            parent.append(etree.fromstring(etree.tostring(child)))
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def addressed(operation: Operation) -> list[Element]:
    blocks = {
        "To": "http://gateway.example/service",
        "MessageID": "urn:uuid:6d0f2f6e-63b5-4d4b-a8ab-3c8a7b8b0f3e",
        "Action": operation.addressing_action or operation.soap_action,
    }
    made = []
    for name, text in blocks.items():
        if text:
            made.append(etree.Element(f"{{{WSA}}}{name}", nsmap={"wsa": WSA}))
            made[-1].text = text
    reply = etree.Element(f"{{{WSA}}}ReplyTo", nsmap={"wsa": WSA})
    etree.SubElement(reply, f"{{{WSA}}}Address").text = f"{WSA}/anonymous"
    return [*made, reply]


def sent(operation: Operation, body: bytes) -> Message:
    if operation.version is SoapVersion.V11:
        kind = "text/xml; charset=utf-8"
        return Message(body=body, content_type=kind, soap_action=operation.soap_action)
    action = f'; action="{operation.soap_action}"' if operation.soap_action else ""
    return Message(body=body, content_type=f"application/soap+xml; charset=utf-8{action}")


def packed(operation: Operation, body: bytes) -> Message:
    kind = operation.version.media_type
    part = f'Content-Type: application/xop+xml; charset=utf-8; type="{kind}"\r\nContent-ID: <r>'
    data = b"--b\r\n" + part.encode() + b"\r\n\r\n" + body + b"\r\n--b--\r\n"
    outer = f'multipart/related; type="application/xop+xml"; start="<r>"; start-info="{kind}"'
    action = operation.soap_action if operation.version is SoapVersion.V11 else ""
    return Message(body=data, content_type=f"{outer}; boundary=b", soap_action=action)


@dataclasses.dataclass
class Tally:
    """What came of the samples of one contract."""

    passed: int = 0
    operations: int = 0
    unmade: int = 0
    """Operations of which no instance could be made, or none that the schemas take."""
    refused: list[str] = dataclasses.field(default_factory=list)


def tried(of: Contract, samples: int) -> Tally:
    made, gate, tally = Instances(of, Random(SEED)), Gate(of, Limits()), Tally()
    for operation in of.operations:
        tally.operations += 1
        for _ in range(samples):
            try:
                messages = list(envelopes(made, operation))
            except LookupError:
                tally.unmade += 1
                break
            for message in messages:
                _admit(gate, message, operation, tally)
    return tally


def _admit(gate: Gate, message: Message, operation: Operation, tally: Tally) -> None:
    try:
        gate.admit(message)
        tally.passed += 1
    except FaultError as error:
        tally.refused.append(f"{operation.port}.{operation.name}: {error.reason_code}: {error}")


@pytest.mark.parametrize("name", OWN)
def test_every_operation_of_our_own_contracts_passes_in_every_dress(name: str) -> None:
    tally = tried(contract(OWN[name]), SAMPLES)
    assert tally.refused == []
    assert tally.unmade == 0
    assert tally.passed == 3 * SAMPLES * tally.operations > 0


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not REAL, reason="the corpus of real WSDLs is not beside this")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_every_operation_of_a_real_contract_passes_in_every_dress(path: Path) -> None:
    try:
        of = load(path.name, folder=path.parent)
    except ContractError:
        pytest.skip("it lacks documents, port types or services: see test_corpus.py")
    tally = tried(of, 1)
    assert tally.refused == []
    # EPCIS, and one without a namespace, have an operation of which the sampler makes none.
    assert tally.unmade <= 1
    assert tally.passed > 0
