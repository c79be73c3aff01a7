"""A class that carries out a contract on its own types is hosted like a service of spyne."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from gateway.backends.hosted.service import HostedBackend
from gateway.backends.service_class import Answer, FaultAnswer, ServedOperation
from gateway.contract.names import XSI
from gateway.contract.operations import Operation
from gateway.endpoint import Call
from gateway.errors import (
    BackendFailed,
    ConfigurationError,
    FaultCode,
    Refused,
)
from gateway.message import Message
from gateway.soap.envelope import Element, SoapVersion, parse

TYPES = "urn:shop:types"
CONTRACT = "urn:shop"
BOTH = list(SoapVersion)


def element(name: str, text: str = "", **scope: str) -> Element:
    made = etree.Element(f"{{{TYPES}}}{name}", nsmap=scope)
    made.text = text
    return made


def read_text(payload: Element, headers: Sequence[Element]) -> str:
    if payload.text == "not a value":
        raise ValueError("secret")
    return "".join([payload.text or "", *(f"+{one.text}" for one in headers)])


def typed(name: str) -> Element:
    """Return an element whose value uses a prefix that no name in it does."""
    made = element(name, x=CONTRACT)
    made.set(f"{{{XSI}}}type", "x:Kind")
    return made


class Shop:
    """Methods that get and give texts; its codec is written by hand."""

    __namespace__ = CONTRACT

    def __init__(self) -> None:
        self.calls = 0

    def echo(self, text: str) -> Answer:
        self.calls += 1
        return Answer(element("EchoResponse", f"{self.calls}:{text}"))

    def stamp(self, text: str) -> Answer:
        return Answer(typed("StampResponse"), (element("Stamped", text), element("By", "us")))

    def fail(self, text: str) -> FaultAnswer:
        return FaultAnswer(
            code="Client.SoldOut", text="None left.", detail=(typed("SoldOut"), element("More"))
        )

    def drop(self, text: str) -> Answer:
        raise RuntimeError(f"secret {text}")

    def late(self, text: str) -> FaultAnswer:
        return FaultAnswer(code="Client.Late", text="Too late.")

    def poll(self, text: str) -> Answer:
        return Answer(None)

    @classmethod
    def __served__(cls) -> Sequence[ServedOperation]:
        def operation(name: str, body: str, *headers: str) -> ServedOperation:
            def carry_out(service: Any, values: str) -> Answer | FaultAnswer:
                answer: Answer | FaultAnswer = getattr(service, name.lower())(values)
                return answer

            return ServedOperation(
                name=name,
                body=body,
                headers=frozenset(f"{{{TYPES}}}{header}" for header in headers),
                read=read_text,
                carry_out=carry_out,
            )

        names = ("Echo", "Stamp", "Fail", "Drop")
        elements = [operation(name, f"{{{TYPES}}}{name}", "Session") for name in names]
        # Two operations that take the same element: what tells them apart is their SOAP action.
        return [*elements, operation("Poll", ""), operation("Late", f"{{{TYPES}}}Echo")]


@pytest.fixture
async def backend() -> AsyncIterator[HostedBackend]:
    backend = HostedBackend(Shop)
    yield backend
    await backend.aclose()


def call(
    name: str,
    text: str = "tea",
    *,
    header: str = "",
    body: str | None = "",
    version: SoapVersion = SoapVersion.V11,
    one_way: bool = False,
) -> Call:
    taken = f"{{{TYPES}}}{name}" if body == "" else body
    local = etree.QName(taken).localname if taken else ""
    payload = f'<p:{local} xmlns:p="{TYPES}">{text}</p:{local}>' if taken else ""
    soap = version.namespace
    blocks = f"<s:Header>{header}</s:Header>" if header else ""
    written = f'<s:Envelope xmlns:s="{soap}">{blocks}<s:Body>{payload}</s:Body></s:Envelope>'
    message = Message(
        body=written.encode(),
        content_type=f"{version.media_type}; charset=utf-8",
    )
    return Call(
        message=message,
        envelope=parse(message),
        operation=Operation(
            name=name,
            service="Shop",
            port="Shop",
            version=version,
            soap_action="",
            body=taken,
            one_way=one_way,
            encoded=False,
            address="",
        ),
    )


def envelope_of(reply: Message | None) -> Element:
    assert reply is not None
    return etree.fromstring(reply.body)


def type_of(root: Element, name: str) -> tuple[str | None, str]:
    """Return the namespace and the local part of an element's xsi:type."""
    found = next(root.iter(f"{{{TYPES}}}{name}"))
    prefix, _, local = found.get(f"{{{XSI}}}type", "").partition(":")
    return found.nsmap.get(prefix), local


@pytest.mark.parametrize("version", BOTH)
async def test_one_instance_answers_all_calls(backend, version):
    for number in (1, 2):
        reply = await backend.invoke(call("Echo", version=version))
        body = envelope_of(reply).find(f"{{{version.namespace}}}Body")
        assert [(one.tag, one.text) for one in body] == [
            (f"{{{TYPES}}}EchoResponse", f"{number}:tea")
        ]
        assert reply.content_type.startswith(version.media_type)


async def test_header_blocks_are_read_and_written(backend):
    session = f'<p:Session xmlns:p="{TYPES}">s1</p:Session>'
    root = envelope_of(await backend.invoke(call("Stamp", header=session)))
    header = root.find("{*}Header")
    assert [(etree.QName(one).localname, one.text) for one in header] == [
        ("Stamped", "tea+s1"),
        ("By", "us"),
    ]


async def test_a_header_that_it_understands_may_demand_it(backend):
    demanding = '<p:{} xmlns:p="{}" s:mustUnderstand="1">s1</p:{}>'
    known = demanding.format("Session", TYPES, "Session")
    await backend.invoke(call("Echo", header=known))
    with pytest.raises(Refused) as caught:
        await backend.invoke(call("Echo", header=demanding.format("Other", TYPES, "Other")))
    assert caught.value.code == FaultCode.MUST_UNDERSTAND


@pytest.mark.parametrize("version", BOTH)
async def test_prefixes_that_only_values_use_are_still_declared(backend, version):
    reply = envelope_of(await backend.invoke(call("Stamp", version=version)))
    assert type_of(reply, "StampResponse") == (CONTRACT, "Kind")
    fault = envelope_of(await backend.invoke(call("Fail", version=version)))
    assert type_of(fault, "SoldOut") == (CONTRACT, "Kind")


async def test_a_declared_fault_has_its_details_in_their_order(backend):
    reply = await backend.invoke(call("Fail"))
    assert reply is not None
    assert reply.is_fault
    fault = envelope_of(reply).find(".//{*}Fault")
    assert fault.findtext("faultcode") == "soap:Client.SoldOut"
    assert fault.findtext("faultstring") == "None left."
    assert [one.tag for one in fault.find("detail")] == [f"{{{TYPES}}}SoldOut", f"{{{TYPES}}}More"]


async def test_that_its_code_raised_is_told_to_the_log_alone_and_never_in_its_words(
    backend, caplog
):
    with caplog.at_level(logging.ERROR):
        reply = await backend.invoke(call("Drop"))
    assert reply is not None
    assert b"secret" not in reply.body
    assert "the operation Drop failed" in caplog.text
    assert "Unquoted: RuntimeError\n" in caplog.text


@pytest.mark.parametrize("mark", ['nil="true"', 'type="p:Kind"'])
async def test_what_an_element_says_of_itself_is_for_its_codec(backend, mark):
    soap = SoapVersion.V11.namespace
    message = Message(
        body=f'<s:Envelope xmlns:s="{soap}"><s:Body><p:Echo xmlns:p="{TYPES}" xmlns:xsi="{XSI}" '
        f"xsi:{mark}>tea</p:Echo></s:Body></s:Envelope>".encode(),
        content_type="text/xml",
    )
    marked = replace(call("Echo"), message=message, envelope=parse(message))
    assert b">1:tea<" in (await backend.invoke(marked)).body


async def test_a_value_that_its_codec_cannot_read_is_refused(backend):
    with pytest.raises(Refused, match="not of the type"):
        await backend.invoke(call("Echo", "not a value"))


async def test_the_operation_decides_where_two_take_the_same_element(backend):
    body = f"{{{TYPES}}}Echo"
    assert not (await backend.invoke(call("Echo", body=body))).is_fault
    assert (await backend.invoke(call("Late", body=body))).is_fault


async def test_an_empty_body_goes_to_the_operation_that_has_one(backend):
    body = envelope_of(await backend.invoke(call("Poll", body=None))).find("{*}Body")
    assert len(body) == 0


async def test_an_operation_that_it_does_not_know_is_not_implemented(backend):
    unknown = call("New")
    assert backend.unimplemented([unknown.operation, call("Echo").operation]) == ["New"]
    with pytest.raises(BackendFailed, match="does not implement"):
        await backend.invoke(unknown)


def test_a_class_that_fails_when_it_is_made_is_told():
    class Broken(Shop):
        def __init__(self) -> None:
            raise OSError("no database")

    with pytest.raises(ConfigurationError, match=r"Broken fails .*: OSError: no data"):
        HostedBackend(Broken)
