"""Schemas that may take long are compiled and checked in a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree

from gateway.admission import Gate, Limits, admit
from gateway.contract.names import XS
from gateway.contract.schemas import costly, separate_process
from gateway.contract.schemas.expansion import union_sizes
from gateway.contract.schemas.patterns import judged
from gateway.endpoint import Refusal
from gateway.errors import Check, ContractError, Refused, Unchecked
from gateway.message import Message

ASP = "\\w+([-+.']\\w+)*@\\w+([-.]\\w+)*\\.\\w+([-.]\\w+)*"
"""The pattern for e-mail of ASP.NET's validators, found in many contracts."""
COSTLY = "a@" + "a." * 12000 + "!"
"""24 KB that libxml2 takes half a minute for."""
ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    '<o:getOrder xmlns:o="urn:orders"><o:mail>{}</o:mail></o:getOrder></e:Body></e:Envelope>'
)


def orders(content, types=""):
    return (
        '<xs:schema targetNamespace="urn:orders" elementFormDefault="qualified">'
        f'{types}<xs:element name="getOrder"><xs:complexType><xs:sequence>{content}</xs:sequence>'
        "</xs:complexType></xs:element></xs:schema>"
    )


def mail(pattern=ASP):
    return orders(
        '<xs:element name="mail" type="o:Mail" maxOccurs="unbounded"/>',
        '<xs:simpleType name="Mail"><xs:restriction base="xs:string">'
        f'<xs:pattern value="{pattern}"/></xs:restriction></xs:simpleType>',
    )


def sent(value, sender="alice"):
    return Message(body=ENVELOPE.format(value).encode(), content_type="text/xml", sender=sender)


@pytest.fixture
def apart(contract, wsdl, get):
    return contract(wsdl(get, types=mail()))


def test_a_pattern_that_can_explode_is_told_with_its_line_and_the_cure(apart):
    (doubt,) = apart.doubts
    assert str(doubt).startswith("orders.wsdl:5: a pattern with many ways to read a value of Mail;")
    assert not apart.notes


def test_a_contract_whose_patterns_are_linear_is_checked_in_this_process(contract, wsdl, get):
    loaded = contract(wsdl(get, types=mail("[\\w.]+@[a-z.]+")))
    assert not loaded.doubts


def test_where_there_is_more_to_judge_than_takes_a_while_the_rest_is_checked_apart(
    contract, wsdl, get, monkeypatch
):
    def restricted(count):
        return "".join(
            f'<xs:simpleType name="T{n}"><xs:restriction base="xs:string">'
            f'<xs:pattern value="[a-c{n}]{{1,20}}x{{2,9}}"/></xs:restriction></xs:simpleType>'
            for n in range(count)
        )

    _, steps = judged("[a-c0]{1,20}x{2,9}")
    monkeypatch.setattr(costly, "JUDGING", 5 * steps)
    assert not contract(wsdl(get, types=orders("", restricted(5)))).doubts
    assert not contract(wsdl(get, types=orders("", 2 * restricted(5)))).doubts
    loaded = contract(wsdl(get, types=orders("", restricted(8))))
    assert [str(one).partition(": ")[2].partition(";")[0] for one in loaded.doubts] == [
        f"more patterns than are analysed of T{n}" for n in (5, 6, 7)
    ]


def test_names_in_any_script_are_checked_there_too(apart):
    body = ENVELOPE.format("a@b.c").replace("o:", "é:").replace("xmlns:o", "xmlns:é")
    Gate(apart, Limits()).admit(Message(body=body.encode(), content_type="text/xml"))


def test_a_check_there_says_what_one_here_does(apart):
    gate = Gate(apart, Limits())
    gate.admit(sent("a@b.c"))
    with pytest.raises(Refused) as caught:
        gate.admit(sent("nobody"))
    assert caught.value.text.startswith("The Body does not follow the contract: ")
    assert "nobody" not in caught.value.text
    assert caught.value.check is Check.SCHEMA


async def test_others_are_answered_while_a_costly_message_is_checked(apart):
    gate = Gate(apart, Limits(schema_time=2))
    costly = asyncio.create_task(admit(gate, sent(COSTLY, "mallory")))
    for _ in range(3):
        await admit(gate, sent("a@b.c", "alice"))
        assert not costly.done()
    refusal = await costly
    assert refusal.operation == "getOrder"
    assert refusal.error.text == (
        "The Body takes too long to check against the contract: "
        "send shorter values, or fewer elements in one message."
    )
    assert refusal.error.reason == "over limits.schema_time, 2 s"
    assert refusal.error.check is Check.SCHEMA


async def test_many_costly_messages_of_one_client_do_not_take_the_places_of_others(apart):
    gate = Gate(apart, Limits(schema_time=1))
    costly = [asyncio.create_task(admit(gate, sent(COSTLY, "mallory"))) for _ in range(8)]
    for _ in range(3):
        await admit(gate, sent("a@b.c", "alice"))
    assert not all(one.done() for one in costly)
    for one in costly[1:]:
        one.cancel()
    assert isinstance(await costly[0], Refusal)
    await asyncio.gather(*costly, return_exceptions=True)
    await admit(gate, sent("a@b.c", "mallory"))


def test_more_checks_at_once_than_workers_are_all_made(apart):
    gate = Gate(apart, Limits())
    with ThreadPoolExecutor(3 * separate_process.WORKERS) as pool:
        list(pool.map(gate.admit, [sent("a@b.c")] * 60))


def children(of):
    """Return the processes below a process, from /proc."""
    found = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = place.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                found.setdefault(int(parent), []).append(int(place.parent.name))
    direct = found.get(of, [])
    return [*direct, *(two for one in direct for two in found.get(one, []))]


def of_this(loaded):
    return loaded._schemas._process


def test_a_check_whose_worker_or_process_was_killed_from_outside_is_made_again(apart):
    gate = Gate(apart, Limits())
    gate.admit(sent("a@b.c"))
    (worker,) = of_this(apart)._idle
    os.kill(worker.pid, signal.SIGKILL)
    gate.admit(sent("a@b.c"))
    process = of_this(apart)
    (worker,) = process._idle
    (zygote,) = [one for one in children(os.getpid()) if worker.pid in children(one)]
    for pid in (zygote, worker.pid):
        os.kill(pid, signal.SIGKILL)
    gate.admit(sent("a@b.c"))
    assert of_this(apart) is not process


def test_a_check_is_waited_for_as_long_as_it_may_work_and_longer(apart, monkeypatch):
    monkeypatch.setattr(separate_process, "_STANDSTILL", 0.01)
    monkeypatch.setattr(
        separate_process, "_PATIENCE", 240
    )  # a second of work may take long on a machine
    gate = Gate(apart, Limits(schema_time=1))
    with pytest.raises(Refused) as caught:
        gate.admit(sent(COSTLY))
    assert caught.value.reason == "over limits.schema_time, 1 s"


def test_workers_that_stand_still_are_ended_and_that_is_told(apart, monkeypatch):
    monkeypatch.setattr(separate_process, "_STANDSTILL", 0.1)
    process = of_this(apart)
    process._idle.extend([process._forked(), process._forked()])
    for worker in process._idle:
        os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(Refused) as caught:
        Gate(apart, Limits(schema_time=0.01)).admit(sent("a@b.c"))
    assert caught.value.reason == "its check stood still for 0.1 s, twice"
    Gate(apart, Limits()).admit(sent("a@b.c"))
    assert of_this(apart) is process


def killed(loaded):
    """Kill the process of a contract from outside, and have that noticed."""
    process = of_this(loaded)
    process._control.close()
    process.is_gone = True


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "Too many open files"), ContractError("out of memory")]
)
def test_a_process_that_cannot_be_started_again_now_is_no_fault_of_the_message(
    apart, monkeypatch, error
):
    def fail(*_):
        tried.append(1)
        raise error

    tried, gate = [], Gate(apart, Limits())
    killed(apart)
    with monkeypatch.context() as ill:
        ill.setattr(separate_process, "_Process", fail)
        for _ in "12":
            with pytest.raises(Unchecked) as caught:
                gate.admit(sent("a@b.c"))
        assert len(tried) == 1
        assert "cannot be made now" in str(caught.value)
    monkeypatch.setattr(separate_process, "RESTART", 0.0)
    gate.admit(sent("a@b.c"))


def test_a_lack_of_sockets_is_no_fault_of_the_message(apart, monkeypatch):
    def fail(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as ill:
        ill.setattr(separate_process.socket, "socketpair", fail)
        with pytest.raises(Unchecked, match="Too many open files"):
            Gate(apart, Limits()).admit(sent("a@b.c"))
    Gate(apart, Limits()).admit(sent("a@b.c"))


def test_a_process_that_is_gone_again_and_again_is_no_fault_of_the_message(apart, monkeypatch):
    def fail(self, request, wait):
        raise EOFError

    monkeypatch.setattr(separate_process._Process, "ask", fail)
    with pytest.raises(Unchecked):
        Gate(apart, Limits()).admit(sent("a@b.c"))


PROGRAM = """
import os, sys, time
from gateway.admission import Gate, Limits
from gateway.contract import from_documents
from gateway.message import Message
gate = Gate(from_documents({"a.wsdl": sys.stdin.buffer.read()}, "a.wsdl"), Limits(schema_time=600))
gate.admit(Message(body=sys.argv[1].encode(), content_type="text/xml"))
print("ready", flush=True)
time.sleep(100)
"""


def test_its_processes_end_when_a_gateway_is_killed(wsdl, get):
    command = [sys.executable, "-P", "-c", PROGRAM, ENVELOPE.format("a@b.c")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as program:
        program.stdin.write(wsdl(get, types=mail()))
        program.stdin.close()
        assert program.stdout.readline() == b"ready\n"
        started = children(program.pid)
        assert len(started) == 2
        for pid in started:  # as a terminal does with all that is in it
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
        assert children(program.pid) == started
        program.kill()
    while any(Path(f"/proc/{pid}").exists() for pid in started):
        time.sleep(0.01)


def test_they_end_with_the_contract(contract, wsdl, get):
    before = set(children(os.getpid()))
    loaded = contract(wsdl(get, types=mail()))
    (started,) = set(children(os.getpid())) - before
    del loaded
    gc.collect()
    assert started not in children(os.getpid())


def test_schemas_that_take_too_long_to_compile_are_refused_with_the_cure(
    contract, wsdl, get, monkeypatch
):
    monkeypatch.setattr(separate_process, "COMPILE_SECONDS", 1)
    many = "".join(f'<xs:element name="e{n}" minOccurs="0"/>' for n in range(3000))
    with pytest.raises(ContractError) as caught:
        contract(wsdl(get, types=orders(many)))
    assert str(caught.value) == (
        "orders.wsdl:5: more than 300 elements of getOrder, and the schemas cannot be compiled "
        "within 1 s and 1024 MiB: simplify them, or set validate = false for this service"
    )


def test_schemas_that_take_too_much_memory_to_compile_are_refused(contract, wsdl, get, monkeypatch):
    monkeypatch.setattr(separate_process, "COMPILE_MEMORY", 4 << 20)
    many = "".join(f'<xs:element name="e{n}" minOccurs="0"/>' for n in range(700))
    with pytest.raises(ContractError, match="within 60 s and 4 MiB: simplify them"):
        contract(wsdl(get, types=orders(many)))


def test_unions_that_stand_for_millions_of_types_are_refused_at_once(contract, wsdl, get):
    unions = '<xs:simpleType name="u0"><xs:restriction base="xs:int"/></xs:simpleType>'
    for n in range(1, 23):
        members = f'memberTypes="o:u{n - 1} o:u{n - 1}"'
        unions += f'<xs:simpleType name="u{n}"><xs:union {members}/></xs:simpleType>'
    with pytest.raises(
        ContractError, match=r"orders\.wsdl:5: this union expands to more than 10000"
    ):
        contract(wsdl(get, types=orders('<xs:element name="a" type="o:u22"/>', unions)))


def restricted_unions(depth, inline=False):
    """Return unions, each of two types that restrict the union before it."""
    types = '<xs:simpleType name="u0"><xs:union memberTypes="xs:int xs:string"/></xs:simpleType>'
    for n in range(depth):
        if inline:
            one = f'<xs:simpleType><xs:union memberTypes="o:u{n}"/></xs:simpleType>'
            restriction = f"<xs:restriction>{one}</xs:restriction>"
        else:
            restriction = f'<xs:restriction base="o:u{n}"/>'
        for name in "ab":
            types += f'<xs:simpleType name="{name}{n}">{restriction}</xs:simpleType>'
        members = f'memberTypes="o:a{n} o:b{n}"'
        types += f'<xs:simpleType name="u{n + 1}"><xs:union {members}/></xs:simpleType>'
    return types


@pytest.mark.parametrize("inline", [False, True])
def test_what_restricts_a_union_stands_for_all_types_of_it(contract, wsdl, get, inline):
    types = restricted_unions(25, inline)
    with pytest.raises(
        ContractError, match=r"orders\.wsdl:5: this union expands to more than 10000"
    ):
        contract(wsdl(get, types=orders('<xs:element name="a" type="o:u25"/>', types)))
    loaded = contract(wsdl(get, types=orders("", restricted_unions(6, inline))))
    assert "more than 64 types in a union of u6" in str(loaded.doubts[0])
    assert not contract(wsdl(get, types=orders("", restricted_unions(5, inline)))).doubts


def test_a_long_chain_of_restrictions_is_one_type(contract, wsdl, get):
    types = '<xs:simpleType name="t0"><xs:restriction base="xs:string"/></xs:simpleType>'
    for n in range(1, 2000):
        base = f'<xs:restriction base="o:t{n - 1}"/>'
        types += f'<xs:simpleType name="t{n}">{base}</xs:simpleType>'
    union = '<xs:simpleType name="U"><xs:union memberTypes="o:t1999 xs:int"/></xs:simpleType>'
    root = etree.fromstring(
        f'<a xmlns:xs="{XS}" xmlns:o="urn:orders">{orders("", types + union)}</a>',
        etree.XMLParser(huge_tree=True),
    )
    (size,) = union_sizes({"a": root}).values()
    assert size == 2


def test_a_type_counts_in_its_own_namespace_alone():
    """Each restricts its namesake in the version before, as the schemas of some standards do."""
    versions = "".join(
        f'<xs:schema targetNamespace="urn:v{n}" xmlns:last="urn:v{n - 1}">'
        f'<xs:simpleType name="Code"><xs:union memberTypes="xs:int{" last:Code" * (n > 0)}"/>'
        "</xs:simpleType></xs:schema>"
        for n in range(20)
    )
    root = etree.fromstring(f'<a xmlns:xs="{XS}">{versions}</a>')
    assert list(union_sizes({"a": root}).values()) == list(range(1, 21))


def listed(count):
    values = "".join(f'<xs:enumeration value="v{n}"/>' for n in range(count))
    restriction = f'<xs:restriction base="xs:string">{values}</xs:restriction>'
    return f'<xs:simpleType name="L">{restriction}</xs:simpleType>'


def united(count):
    return f'<xs:simpleType name="U"><xs:union memberTypes="{"xs:int " * count}"/></xs:simpleType>'


def attributed(count, name="C", inside=""):
    attributes = "".join(f'<xs:attribute name="{name}{n}"/>' for n in range(count))
    return f'<xs:complexType name="{name}">{inside}{attributes}</xs:complexType>'


def grouped(own, in_group):
    reference = '<xs:attributeGroup ref="o:G"/>'
    group = attributed(in_group, "G").replace("complexType", "attributeGroup")
    return group + attributed(own).replace("</xs:complexType>", f"{reference}</xs:complexType>")


def wildcard(count):
    names = " ".join(f"urn:n{n}" for n in range(count))
    return f'<xs:any namespace="{names}" processContents="lax"/>'


MANY = 'maxOccurs="unbounded"'
NESTED = "nested repetitions"
ONE = '<xs:element name="z"/>'
COUNTED = '<xs:element name="a" maxOccurs="20"/>'


@pytest.mark.parametrize(
    ("content", "types", "what"),
    [
        (COUNTED, "", ""),
        (f'<xs:sequence maxOccurs="20">{COUNTED}</xs:sequence>', "", NESTED),
        (f"<xs:choice {MANY}>{COUNTED}</xs:choice>", "", NESTED),
        (f'<xs:choice {MANY}><xs:element name="a" {MANY}/></xs:choice>', "", NESTED),
        (f"<xs:sequence {MANY}><xs:choice {MANY}>{ONE}</xs:choice></xs:sequence>", "", NESTED),
        (f"<xs:sequence><xs:choice {MANY}>{ONE}</xs:choice></xs:sequence>", "", ""),
        (
            '<xs:group ref="o:g" maxOccurs="9"/>',
            f'<xs:group name="g"><xs:sequence>{COUNTED}</xs:sequence></xs:group>',
            NESTED,
        ),
        ("", attributed(300), ""),
        ("", attributed(301), "more than 300 attributes of C"),
        ("", grouped(200, 100), ""),
        ("", grouped(200, 101), "more than 300 attributes of"),
        (wildcard(64), "", ""),
        (wildcard(65), "", "more than 64 namespaces in a wildcard"),
        (f'<xs:element name="a" type="xs:string" fixed="{"x" * 1000}"/>', "", ""),
        (f'<xs:element name="a" type="xs:string" fixed="{"x" * 1001}"/>', "", "1000 characters"),
        (f'<xs:element name="a" type="xs:string" default="{"x" * 1001}"/>', "", "1000 characters"),
        ("", listed(1000), ""),
        ("", listed(1001), "more than 1000 enumerated values of L"),
        ("", united(64), ""),
        ("", united(65), "more than 64 types in a union of U"),
        ("".join(f'<xs:element name="e{n}"/>' for n in range(300)), "", ""),
        ("".join(f'<xs:element name="e{n}"/>' for n in range(301)), "", "more than 300 elements"),
    ],
)
def test_what_else_takes_long_is_known(contract, wsdl, get, content, types, what):
    loaded = contract(wsdl(get, types=orders(content, types)))
    assert [what in str(one) for one in loaded.doubts[:1]] == [True] * bool(what)


@pytest.mark.parametrize("kind", ["unique", "key", "keyref"])
def test_keys_are_checked_apart(contract, wsdl, get, kind):
    refer = ' refer="o:k"' if kind == "keyref" else ""
    key = '<xs:{0} name="{1}"{2}><xs:selector xpath=".//o:a"/><xs:field xpath="."/></xs:{0}>'
    keys = key.format(kind, "one", refer) + (key.format("key", "k", "") if refer else "")
    types = orders('<xs:element name="a"/>').replace(
        "</xs:complexType></xs:element>", f"</xs:complexType>{keys}</xs:element>"
    )
    loaded = contract(wsdl(get, types=types))
    assert "values that must be unique, or refer to each other" in str(loaded.doubts[0])


NEST = (
    '<xs:sequence><xs:element ref="o:a" minOccurs="0"/>'
    '<xs:element name="b" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>'
)
"""An element in itself: each b counts for all that are around it."""


async def test_others_are_answered_while_nested_keys_are_compared(contract, wsdl, get):
    unique = (
        '<xs:unique name="k"><xs:selector xpath=".//o:a"/><xs:field xpath=".//o:b"/></xs:unique>'
    )
    nested = f'<xs:element name="a"><xs:complexType>{NEST}</xs:complexType>{unique}</xs:element>'
    gate = Gate(contract(wsdl(get, types=orders('<xs:element ref="o:a"/>', nested))), Limits())

    def message(depth, count):
        inside = "<o:a>" * depth + "<o:b/>" * count + "</o:a>" * depth
        body = ENVELOPE.replace("<o:mail>{}</o:mail>", inside)
        return Message(body=body.encode(), content_type="text/xml", sender=f"of {depth}")

    costly = asyncio.create_task(admit(gate, message(50, 400)))
    for _ in range(3):
        await admit(gate, message(1, 1))
        assert not costly.done()
    refusal = await costly
    assert refusal.error.text.startswith("The Body takes too long to check")
