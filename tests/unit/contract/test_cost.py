"""A check takes time by the size of its message and the weight of its contract, multiplied."""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.admission import Gate, Limits, admit
from gateway.contract.schemas import by_cost
from gateway.contract.schemas.schema_set import NotCompiled
from gateway.errors import ContractError, Refused, Unchecked
from gateway.message import Message

ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    '<o:getOrder xmlns:o="urn:orders">{}</o:getOrder></e:Body></e:Envelope>'
)
MODERATE = 16000


def orders(kind, types=""):
    return (
        f'<xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">{types}'
        '<xs:element name="getOrder"><xs:complexType><xs:sequence>'
        f'<xs:element name="code" type="{kind}" maxOccurs="unbounded"/>'
        f"</xs:sequence></xs:complexType></xs:element></xs:schema>"
    )


def simple(name, inside):
    return f'<xs:simpleType name="{name}">{inside}</xs:simpleType>'


def restricted(name, facet, values, base="xs:string"):
    facets = "".join(f'<xs:{facet} value="{one}"/>' for one in values)
    return simple(name, f'<xs:restriction base="{base}">{facets}</xs:restriction>')


def codes(count, letter="c"):
    return [f"{letter}{n:04}" for n in range(count)]


def union(count):
    members = [f"m{n}" for n in range(count)]
    types = "".join(restricted(one, "enumeration", codes(20, one)) for one in members)
    names = " ".join(f"o:{one}" for one in members)
    return types + simple("Code", f'<xs:union memberTypes="{names}"/>')


def listed(count, base="xs:string", letter="c"):
    values = range(1000, 1000 + count) if base == "xs:gYear" else codes(count, letter)
    one = restricted("One", "enumeration", values, base)
    return one + simple("Code", '<xs:list itemType="o:One"/>')


def sent(*values, sender="alice"):
    inside = "".join(f"<o:code>{one}</o:code>" for one in values)
    return Message(body=ENVELOPE.format(inside).encode(), content_type="text/xml", sender=sender)


@pytest.fixture
def gate(contract, wsdl, get):
    def make(kind, types="", **limits):
        loaded = contract(wsdl(get, types=orders(kind, types)))
        assert not loaded.doubts
        return Gate(loaded, Limits(**limits))

    return make


def is_slow(gate, size):
    return gate.is_slow(Message(body=bytes(size), content_type="text/xml"))


@pytest.mark.parametrize(
    "types",
    [
        restricted("Code", "pattern", [f"a*b{n}" for n in range(60)]),
        restricted("Base", "pattern", [f"a*b{n}" for n in range(60)])
        + restricted("Code", "pattern", ["a*b[0-9]"], "o:Base"),
        restricted("Code", "enumeration", codes(50)),
        union(50),
        listed(50),
        listed(50, "xs:gYear"),
    ],
    ids=["patterns", "inherited patterns", "values", "union", "list", "years"],
)
def test_what_multiplies_sends_messages_of_moderate_size_apart(gate, types):
    heavy = gate("o:Code", types)
    assert is_slow(heavy, MODERATE)
    assert not is_slow(heavy, 200)
    assert not is_slow(gate("xs:int"), MODERATE)


def test_attributes_that_are_required_count_with_those_of_bases_and_groups(gate):
    attributes = [f'<xs:attribute name="a{n}" use="required"/>' for n in range(8)]
    group = f'<xs:attributeGroup name="G">{"".join(attributes[:4])}</xs:attributeGroup>'
    base = (
        '<xs:complexType name="B"><xs:simpleContent><xs:extension base="xs:string">'
        '<xs:attributeGroup ref="o:G"/></xs:extension></xs:simpleContent></xs:complexType>'
    )
    derived = (
        '<xs:complexType name="Code"><xs:simpleContent><xs:extension base="o:B">'
        f"{''.join(attributes[4:])}</xs:extension></xs:simpleContent></xs:complexType>"
    )
    assert is_slow(gate("o:Code", group + base + derived), 4000)
    assert not is_slow(gate("o:B", group + base), 4000)


def test_a_type_that_many_derive_from_is_weighed_once(gate):
    types = restricted("t0", "pattern", ["a*"])
    for n in range(1, 300):
        types += restricted(f"t{n}", "pattern", ["a*"], f"o:t{n - 1}")
    assert is_slow(gate("o:t299", types), MODERATE)


def test_an_ordinary_contract_checks_ordinary_messages_itself(warehouse):
    assert not is_slow(Gate(warehouse, Limits()), 1024)


async def test_a_plain_message_of_a_mebibyte_passes(gate):
    call = await admit(gate("xs:string"), sent("a" * ((1 << 20) - 300)))
    assert call.operation.name == "getOrder"


async def test_a_long_check_of_a_contract_without_doubts_holds_up_no_other_message(gate):
    heavy = gate("o:Code", listed(500), schema_time=1)
    costly = asyncio.create_task(admit(heavy, sent("c0499 " * 150_000, sender="mallory")))
    while heavy._contract._schemas._apart is None:
        await asyncio.sleep(0.01)
    small = sent("c0001")
    assert not heavy.is_slow(small)
    for _ in range(3):
        await admit(heavy, small)
        await asyncio.sleep(0)
        assert not costly.done()
    refusal = await costly
    assert refusal.error.reason == "over limits.schema_time, 1 s"


def test_of_many_first_long_checks_at_once_one_starts_the_process(gate):
    heavy = gate("o:Code", listed(50))
    long = sent("c0001 " * 3000)
    with ThreadPoolExecutor(8) as pool:
        calls = list(pool.map(heavy.admit, [long] * 16))
    assert len(calls) == 16


def test_a_long_check_says_what_a_short_one_does(gate):
    heavy = gate("o:Code", listed(50))
    texts = set()
    for count in (1, 3000):
        with pytest.raises(Refused) as caught:
            heavy.admit(sent("c0001 " * count + "secret"))
        texts.add(caught.value.text)
    assert len(texts) == 1


async def test_a_message_of_many_wrong_values_is_ended_in_time_with_any_contract(gate):
    wrong = sent(*["x"] * 30_000)
    refusal = await admit(gate("xs:int", schema_time=1), wrong)
    assert refusal.error.reason == "over limits.schema_time, 1 s"


def test_where_the_process_cannot_compile_a_large_message_is_refused_and_small_ones_pass(
    gate, monkeypatch
):
    def fail(*_):
        raise ContractError("the schemas cannot be compiled within 60 s")

    monkeypatch.setattr(by_cost, "ApartSchemas", fail)
    heavy = gate("o:Code", listed(50))
    for _ in "12":
        with pytest.raises(Refused) as caught:
            heavy.admit(sent("c0001 " * 3000))
        assert caught.value.text.startswith("The message is too large to check")
        assert "cannot be compiled within" in caught.value.reason
    heavy.admit(sent("c0001"))


@pytest.mark.parametrize(("pause", "starts"), [(0.0, 2), (3600.0, 1)])
def test_a_process_that_could_not_start_is_started_again_and_not_at_once(
    gate, monkeypatch, caplog, pause, starts
):
    monkeypatch.setattr(by_cost, "PAUSE", pause)
    tried = []

    def fail(*_):
        tried.append(1)
        raise ContractError("the schemas cannot be compiled within 60 s")

    heavy, large = gate("o:Code", listed(50)), sent("c0001 " * 3000)
    with monkeypatch.context() as killed:
        killed.setattr(by_cost, "ApartSchemas", fail)
        for _ in "12":
            with pytest.raises(Refused):
                heavy.admit(large)
    assert len(tried) == starts
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == [
        "large messages are refused, since the schemas cannot be compiled within 60 s; "
        "tried again each minute"
    ]
    if not pause:
        heavy.admit(large)


def test_a_process_that_cannot_be_started_now_is_no_fault_of_the_message(gate, monkeypatch):
    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    heavy, large = gate("o:Code", listed(50)), sent("c0001 " * 3000)
    with monkeypatch.context() as ill:
        ill.setattr(by_cost, "ApartSchemas", fail)
        with pytest.raises(Unchecked, match="Too many open files"):
            heavy.admit(large)
    heavy.admit(large)


def test_schemas_that_do_not_compile_in_the_process_are_not_compiled_again(gate, monkeypatch):
    monkeypatch.setattr(by_cost, "PAUSE", 0.0)
    tried = []

    def fail(*_):
        tried.append(1)
        raise NotCompiled("wrong")

    monkeypatch.setattr(by_cost, "ApartSchemas", fail)
    heavy = gate("o:Code", listed(50))
    for _ in "12":
        with pytest.raises(Refused):
            heavy.admit(sent("c0001 " * 3000))
    assert len(tried) == 1
