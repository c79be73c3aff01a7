"""A service class answers what a zeep client, made from its own WSDL, asks it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import io
import logging
import re
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal as Number
from pathlib import Path
from typing import Any, ClassVar

import pytest
import zeep
from lxml import etree

import gateway.backends.hosted.spyne_compat  # noqa: F401 - makes spyne importable

# isort: split
from spyne import (
    Array,
    ByteArray,
    ComplexModel,
    Date,
    DateTime,
    Decimal,
    Duration,
    Enum,
    Fault,
    Integer,
    Iterable,
    Service,
    Unicode,
    rpc,
)

from gateway.backends.hosted.pool import Threads
from gateway.backends.hosted.service import HostedBackend, load_service
from gateway.contract.operations import Operation
from gateway.endpoint import Call
from gateway.errors import (
    BackendFailed,
    ConfigurationError,
    FaultCode,
    Refused,
    Unreached,
)
from gateway.message import Message
from gateway.soap.envelope import SoapVersion, parse

NAMESPACE = "urn:test:shop"
ADDRESS = "http://127.0.0.1:8800/shop"
QUOTES = Path(__file__).parents[3] / "contrib" / "examples" / "quotes"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
BOTH = list(SoapVersion)

Side = Enum("buy", "sell", type_name="Side")


class Ticket(ComplexModel):
    __namespace__ = "urn:test:headers"
    token = Unicode


class Stamp(ComplexModel):
    __namespace__ = NAMESPACE
    seen = Unicode


class Line(ComplexModel):
    __namespace__ = NAMESPACE
    sku = Unicode(min_occurs=1)
    price = Decimal
    side = Side


class Order(ComplexModel):
    __namespace__ = NAMESPACE
    placed = Date
    due = DateTime
    lines = Array(Line)
    scan = ByteArray
    lead = Duration


class SoldOut(Fault):
    __namespace__ = NAMESPACE
    sku = Unicode
    left = Integer

    def __init__(self, sku: str, left: int) -> None:
        super().__init__("Client.SoldOut", "Too few are left.")
        self.sku, self.left = sku, left


class Closed(Fault):
    """A declared fault that has nothing to say but its name."""

    __namespace__ = NAMESPACE


def _raises(kind: str) -> None:
    """What user code can do to itself, by name."""
    inner = etree.Element("{urn:test:detail}reason")
    inner.text = "inside"
    failures: dict[str, BaseException] = {
        "bug": RuntimeError("secret"),
        "refusal of another": Refused("secret"),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "cancelled": asyncio.CancelledError(),
        "control": Fault("Client.Odd", "a\x00b\x1fc", detail={"note": "x\x01y"}),
        "own code": Fault("My Very.Own", "its own code"),
        "no code": Fault("", "no code"),
        "element": Fault("Client", "with an element", detail=inner),
        "dict": Fault("Client", "with a dict", detail={"sku": ["a", "b"], "deep": {"n": 1}}),
        "text": Fault("Server.Late", "with a text", faultactor="urn:me", detail="just text"),
        "model": Fault("Client", "with a model", detail=Line(sku="tea", price=Number("1.5"))),
        "sold out": SoldOut("tea", 3),
        "closed": Closed("Client", "Closed."),
    }
    raise failures[kind]


class Shop(Service):
    """Everything that a service can meet, in one."""

    noted: ClassVar[list[str]] = []
    gate = threading.Event()
    entered = threading.Event()

    @rpc(Order, _returns=Order)
    def place(ctx, order):
        return order

    @rpc(Unicode, _returns=Unicode)
    def echo(ctx, text):
        return text

    @rpc(Unicode, _returns=Unicode, _throws=[SoldOut, Closed])
    def fail(ctx, kind):
        _raises(kind)

    @rpc(Unicode, _returns=Iterable(Unicode))
    def stream(ctx, kind):
        yield "first"
        _raises(kind)

    @rpc(Unicode, _returns=Integer)
    def mistyped(ctx, text):
        return object()

    @rpc(Unicode, _is_async=True)
    def note(ctx, text):
        if text:
            _raises(text)
        Shop.noted.append("noted")

    @rpc(Unicode, _in_header=(Ticket,), _out_header=(Stamp,), _returns=Unicode)
    def enter(ctx, text):
        token = None if ctx.in_header is None else ctx.in_header.token
        ctx.out_header = Stamp(seen=token)
        return token

    @rpc(Unicode, _returns=Unicode, _udd={"soap_action": "urn:test:who"})
    def who(ctx, text):
        return f"{ctx.transport.message.sender} {threading.current_thread().name}"

    @rpc(_returns=Unicode, _body_style="bare")
    def ping(ctx):
        return "pong"

    @rpc(Line, _returns=Line, _body_style="bare")
    def bare(ctx, line):
        return line

    @rpc(Unicode, _returns=Unicode)
    def wait(ctx, text):
        Shop.entered.set()
        Shop.gate.wait(240)
        Shop.noted.append(text)
        return text


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    Shop.noted.clear()
    Shop.gate.clear()
    Shop.entered.clear()
    yield
    Shop.gate.set()


@pytest.fixture
async def backend() -> AsyncIterator[HostedBackend]:
    backend = HostedBackend(Shop, namespace=NAMESPACE)
    yield backend
    Shop.gate.set()
    await backend.aclose()


class Caller:
    """A zeep client of a backend's own WSDL; what is between them is a Call and a Message."""

    def __init__(self, backend: HostedBackend, version: SoapVersion = SoapVersion.V11) -> None:
        self.backend = backend
        self.version = version
        self.client = zeep.Client(io.BytesIO(backend.wsdl(ADDRESS)))
        (service,) = self.client.wsdl.services.values()
        suffix = "12" if version is SoapVersion.V12 else ""
        self.proxy = self.client.bind(service.name, service.name + suffix)

    def call(self, name: str, *arguments: Any, **keywords: Any) -> Call:
        envelope = self.client.create_message(self.proxy, name, *arguments, **keywords)
        return self.wrap(name, etree.tostring(envelope))

    def wrap(
        self, name: str, body: bytes, content_type: str = "", element: str | None = ""
    ) -> Call:
        operation = self.proxy._binding._operations[name]
        message = Message(
            body=body,
            content_type=content_type or f"{self.version.media_type}; charset=utf-8",
            target_service="shop",
            sender="alice",
        )
        envelope = parse(message)
        return Call(
            message=message,
            envelope=envelope,
            operation=Operation(
                name=name,
                service="Shop",
                port="Shop",
                version=envelope.version,
                soap_action=operation.soapaction,
                body=operation.input.body.qname.text if element == "" else element,
                one_way=operation.abstract.output_message is None,
                encoded=False,
                address=ADDRESS,
            ),
        )

    def written(self, name: str, payload: str, header: str = "") -> Call:
        soap = self.version.namespace
        block = f"<s:Header>{header}</s:Header>" if header else ""
        return self.wrap(
            name,
            f'<s:Envelope xmlns:s="{soap}" xmlns:t="{NAMESPACE}" xmlns:h="urn:test:headers" '
            f'xmlns:xsi="{XSI}">{block}<s:Body>{payload}</s:Body></s:Envelope>'.encode(),
        )

    async def ask(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        """Call as a program would: the result, or zeep's Fault."""
        return self.read(name, await self.backend.invoke(self.call(name, *arguments, **keywords)))

    def read(self, name: str, reply: Message | None) -> Any:
        assert reply is not None
        binding = self.proxy._binding
        document = etree.fromstring(reply.body)
        if reply.is_fault:
            binding.process_error(document, binding._operations[name])
        return binding._operations[name].process_reply(document)

    async def fault(self, name: str, *arguments: Any) -> zeep.exceptions.Fault:
        with pytest.raises(zeep.exceptions.Fault) as caught:
            await self.ask(name, *arguments)
        return caught.value


@pytest.fixture(params=BOTH, ids=["soap11", "soap12"])
def caller(request: pytest.FixtureRequest, backend: HostedBackend) -> Caller:
    return Caller(backend, request.param)


@pytest.fixture
def caller11(backend: HostedBackend) -> Caller:
    return Caller(backend)


# Loading a service


@pytest.fixture
def quotes(monkeypatch: pytest.MonkeyPatch) -> type:
    monkeypatch.syspath_prepend(str(QUOTES))
    return load_service("quotes:QuoteService")


def test_a_service_is_loaded_by_its_module_and_name(quotes: type) -> None:
    assert quotes.__name__ == "QuoteService"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("quotes", "module:ServiceClass"),
        ("quotes:", "module:ServiceClass"),
        ("gateway:Shop", "rename it"),
        ("no_such_module:Shop", "no_such_module"),
        ("quotes:Quotes", "It has QuoteService"),
        ("quotes:Quote", r"subclass of spyne\.Service"),
        ("quotes:NAMESPACE", r"subclass of spyne\.Service"),
    ],
)
def test_a_target_that_is_no_service_says_what_is_wrong(
    target: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(QUOTES))
    with pytest.raises(ConfigurationError, match=words):
        load_service(target)


def test_a_module_whose_own_import_is_missing_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import not_installed_here\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match="not_installed_here"):
        load_service("half_installed:Shop")


# The example


async def test_the_example_answers_with_quotes(quotes: type) -> None:
    backend = HostedBackend(quotes)
    caller = Caller(backend, SoapVersion.V12)
    quote = await caller.ask("get_quote", symbol="ACME")
    assert (quote.symbol, quote.price, quote.currency) == ("ACME", Number("103.50"), "EUR")
    assert abs((datetime.now(UTC) - quote.at).total_seconds()) < 60
    both = await caller.ask("get_quotes", symbols={"Symbol": ["INIT", "ACME"]})
    assert [quote.symbol for quote in both] == ["INIT", "ACME"]
    fault = await caller.fault("get_quote", "NONE")
    assert fault.message == "No share is traded under this symbol."
    assert caller.client.wsdl.types.deserialize(fault.detail[0]).symbol == "NONE"
    await backend.aclose()


async def test_the_example_takes_a_trade_without_a_reply(quotes: type) -> None:
    backend = HostedBackend(quotes)
    caller = Caller(backend)
    assert await backend.invoke(caller.call("report_trade", "NEWS", Number("7.5"))) is None
    assert (await caller.ask("get_quote", "NEWS")).price == Number("7.5")
    await backend.aclose()


# The WSDL


def test_the_wsdl_has_a_port_for_each_version_of_soap_at_the_address(
    backend: HostedBackend,
) -> None:
    (service,) = zeep.Client(io.BytesIO(backend.wsdl(ADDRESS + "?wsdl"))).wsdl.services.values()
    kinds = {port.binding.__class__.__name__: port for port in service.ports.values()}
    assert set(kinds) == {"Soap11Binding", "Soap12Binding"}
    assert {p.binding_options["address"] for p in service.ports.values()} == {ADDRESS + "?wsdl"}
    operations = [set(port.binding._operations) for port in service.ports.values()]
    assert operations[0] == operations[1] >= {"place", "note", "ping", "enter"}


def test_the_wsdl_is_whole_each_time_it_is_asked_for(backend: HostedBackend) -> None:
    first, second = backend.wsdl("http://one/"), backend.wsdl("http://two/")
    assert first.replace(b"http://one/", b"http://two/") == second


def test_the_wsdl_refers_to_nothing_that_it_does_not_define(backend: HostedBackend) -> None:
    root = etree.fromstring(backend.wsdl(ADDRESS))
    defined = {message.get("name") for message in root.iterfind("{*}message")}
    for element in root.iter("{*}input", "{*}output", "{*}fault", "{*}header"):
        if element.get("message") is not None:
            prefix, _, name = element.get("message").partition(":")
            assert name in defined
            assert element.nsmap[prefix] == NAMESPACE
    assert not list(root.iterfind(".//*[@parameterOrder]"))
    assert etree.QName(root[-1]).localname == "service"


def test_the_wsdl_names_the_soap_action_that_the_method_declares(caller: Caller) -> None:
    operations = caller.proxy._binding._operations
    assert operations["who"].soapaction == "urn:test:who"
    assert operations["echo"].soapaction == "echo"


def test_the_wsdl_marks_one_way_operations(caller: Caller) -> None:
    operations = caller.proxy._binding._operations
    assert operations["note"].abstract.output_message is None
    assert operations["echo"].abstract.output_message is not None


@pytest.mark.parametrize(
    ("attributes", "keywords", "namespace"),
    [
        ({}, {}, "urn:some.where:Till"),
        ({"__namespace__": "urn:declared"}, {}, "urn:declared"),
        ({"__namespace__": "urn:declared"}, {"namespace": "urn:given"}, "urn:given"),
    ],
)
async def test_the_namespace_is_the_given_or_the_declared_or_that_of_the_target(
    attributes: dict[str, str], keywords: dict[str, str], namespace: str
) -> None:
    service = type("Till", (Service,), {"__module__": "some.where", **attributes})
    backend = HostedBackend(service, **keywords)
    assert etree.fromstring(backend.wsdl(ADDRESS)).get("targetNamespace") == namespace
    await backend.aclose()


async def test_a_class_cannot_be_in_two_namespaces(backend: HostedBackend) -> None:
    with pytest.raises(ConfigurationError, match=f"'{NAMESPACE}' already"):
        HostedBackend(Shop, namespace="urn:another")


# Values


async def test_every_type_comes_and_goes_unchanged(caller: Caller) -> None:
    order = {
        "placed": date(2024, 2, 29),
        "due": datetime(2024, 3, 1, 12, 30, 15, tzinfo=UTC),
        "lines": {
            "Line": [
                {"sku": "tea & <ginger>", "price": Number("12345678901234.000001"), "side": "buy"},
                {"sku": "grün ☕", "price": Number("-0.10"), "side": "sell"},
            ]
        },
        "scan": bytes(range(256)),
    }
    answer = await caller.ask("place", order=order)
    assert answer.placed == order["placed"]
    assert answer.due == order["due"]
    assert answer.scan == order["scan"]
    lines = [(line.sku, line.price, line.side) for line in answer.lines.Line]
    assert lines == [tuple(line.values()) for line in order["lines"]["Line"]]  # type: ignore[index]


async def test_an_empty_list_and_an_absent_value_stay_apart(caller: Caller) -> None:
    reply = await caller.backend.invoke(caller.call("place", order={"lines": {"Line": []}}))
    assert reply is not None
    (order,) = etree.fromstring(reply.body).iter("{*}placeResult")
    assert [etree.QName(child).localname for child in order] == ["lines"]


async def test_a_reply_is_a_message_in_the_version_of_its_request(caller: Caller) -> None:
    reply = await caller.backend.invoke(caller.call("echo", "hello"))
    assert reply is not None
    assert reply.content_type == f"{caller.version.media_type}; charset=utf-8"
    assert (reply.target_service, reply.correlation_id, reply.is_fault) == ("shop", "", False)
    root = etree.fromstring(reply.body)
    assert root.tag == f"{{{caller.version.namespace}}}Envelope"


async def test_nil_that_is_false_is_no_nil(caller: Caller) -> None:
    call = caller.written("echo", '<t:echo><t:text xsi:nil="false">here</t:text></t:echo>')
    assert caller.read("echo", await caller.backend.invoke(call)) == "here"


async def test_nil_that_is_true_is_nil(caller: Caller) -> None:
    call = caller.written("echo", '<t:echo><t:text xsi:nil="true"/></t:echo>')
    assert caller.read("echo", await caller.backend.invoke(call)) is None


async def test_a_comment_does_not_hide_the_text_behind_it(caller11: Caller) -> None:
    payload = "<!-- a --><t:echo><!-- b --><t:text>be<!-- c -->fore</t:text></t:echo>"
    reply = await caller11.backend.invoke(caller11.written("echo", payload))
    assert caller11.read("echo", reply) == "before"


async def test_a_reference_inside_of_the_message_is_not_followed(caller11: Caller) -> None:
    payload = '<t:echo id="x"><t:text href="#x">mine</t:text></t:echo>'
    reply = await caller11.backend.invoke(caller11.written("echo", payload))
    assert caller11.read("echo", reply) == "mine"


async def test_the_request_that_admission_parsed_is_left_as_it_was(caller11: Caller) -> None:
    payload = '<t:echo><t:text xsi:nil="false">a<!-- b --></t:text></t:echo>'
    call = caller11.written("echo", payload)
    before = etree.tostring(call.envelope.root)
    await caller11.backend.invoke(call)
    assert etree.tostring(call.envelope.root) == before


@pytest.mark.parametrize(
    "order",
    [
        "<t:placed>hunter2</t:placed>",
        "<t:lines><t:Line><t:side>hunter2</t:side></t:Line></t:lines>",
        '<t:placed xsi:type="t:hunter2"/>',
        "<t:lead>P99999999999999Y</t:lead>",  # the schema takes it, and Python does not
    ],
)
async def test_a_value_of_another_type_is_refused_without_repeating_it(
    caller11: Caller, order: str
) -> None:
    payload = f"<t:place><t:order>{order}</t:order></t:place>"
    with pytest.raises(Refused) as caught:
        await caller11.backend.invoke(caller11.written("place", payload))
    assert caught.value.code == FaultCode.CLIENT
    assert "hunter2" not in caught.value.text


# Which operation


class Billing(Service):
    """A service written for a contract whose elements are in a namespace of their own."""

    @rpc(Unicode, _in_message_name="{urn:contract:types}Pay", _returns=Unicode)
    def pay(ctx, text):
        return f"paid {text}"

    @rpc(_body_style="bare", _returns=Unicode)
    def poll(ctx):
        return "nothing new"


def _contract_call(name: str, payload: str, body: str | None) -> Call:
    soap = SoapVersion.V11.namespace
    message = Message(
        body=f'<s:Envelope xmlns:s="{soap}"><s:Body>{payload}</s:Body></s:Envelope>'.encode(),
        content_type="text/xml",
    )
    operation = Operation(
        name=name,
        service="Billing",
        port="Billing",
        version=SoapVersion.V11,
        soap_action="",
        body=body,
        one_way=False,
        encoded=False,
        address="",
    )
    return Call(message=message, envelope=parse(message), operation=operation)


@pytest.fixture
async def billing() -> AsyncIterator[HostedBackend]:
    backend = HostedBackend(Billing, namespace="urn:contract:wsdl")
    yield backend
    await backend.aclose()


def _text_of(reply: Message | None) -> str:
    assert reply is not None
    return "".join(etree.fromstring(reply.body).itertext())


async def test_the_real_name_of_the_element_finds_the_operation(billing: HostedBackend) -> None:
    payload = '<Pay xmlns="urn:contract:types"><text>5</text></Pay>'
    reply = await billing.invoke(_contract_call("pay", payload, "{urn:contract:types}Pay"))
    assert _text_of(reply) == "paid 5"


async def test_an_element_of_another_namespace_finds_nothing(billing: HostedBackend) -> None:
    payload = '<Pay xmlns="urn:contract:wsdl"><text>5</text></Pay>'
    with pytest.raises(BackendFailed, match="does not implement"):
        await billing.invoke(_contract_call("pay", payload, "{urn:contract:wsdl}Pay"))


async def test_an_empty_body_finds_the_operation_that_the_contract_gives_it(
    billing: HostedBackend,
) -> None:
    assert _text_of(await billing.invoke(_contract_call("poll", "", None))) == "nothing new"


async def test_an_empty_body_is_refused_where_the_contract_has_an_element(
    billing: HostedBackend,
) -> None:
    with pytest.raises(Refused, match="empty"):
        await billing.invoke(_contract_call("pay", "<!-- -->", "{urn:contract:types}Pay"))


async def test_a_second_element_in_the_body_is_refused(caller: Caller) -> None:
    with pytest.raises(Refused, match="one element"):
        await caller.backend.invoke(caller.written("echo", "<t:echo/><t:echo/>"))


async def test_an_operation_without_arguments_is_called(caller: Caller) -> None:
    assert await caller.ask("ping") == "pong"


async def test_an_operation_whose_argument_is_the_body_is_called(caller: Caller) -> None:
    assert (await caller.ask("bare", sku="tea")).sku == "tea"


# Headers


async def test_a_declared_header_reaches_the_service_and_comes_back(caller: Caller) -> None:
    ticket = caller.client.get_element("{urn:test:headers}Ticket")(token="t-1")
    answer = await caller.ask("enter", "x", _soapheaders=[ticket])
    assert answer.body.enterResult == "t-1"
    assert answer.header.Stamp.seen == "t-1"


def _must(value: str, element: str = "h:Other", more: str = "") -> str:
    return f'<{element} s:mustUnderstand="{value}" {more}/>'


@pytest.mark.parametrize("value", ["1", "true", " 1 "])
async def test_a_header_that_must_be_understood_is_refused_where_nothing_declares_it(
    caller: Caller, value: str
) -> None:
    call = caller.written("enter", "<t:enter/>", _must(value))
    with pytest.raises(Refused) as caught:
        await caller.backend.invoke(call)
    assert caught.value.code == FaultCode.MUST_UNDERSTAND


@pytest.mark.parametrize(
    "header",
    [
        _must("0"),
        _must("1", "h:Ticket"),
        '<a:To xmlns:a="http://www.w3.org/2005/08/addressing" s:mustUnderstand="1">urn:x</a:To>',
        _must("1", more='s:actor="urn:another" s:role="urn:another"'),
    ],
)
async def test_a_header_that_need_not_be_understood_here_is_let_pass(
    caller: Caller, header: str
) -> None:
    reply = await caller.backend.invoke(caller.written("enter", "<t:enter/>", header))
    assert caller.read("enter", reply) is not None


async def test_a_header_cannot_choose_a_type_of_its_own(caller11: Caller) -> None:
    header = '<h:Ticket xsi:type="t:Line"><h:token>mine</h:token></h:Ticket>'
    reply = await caller11.backend.invoke(caller11.written("enter", "<t:enter/>", header))
    assert caller11.read("enter", reply).body.enterResult == "mine"


# Attachments


def _mtom(caller: Caller, *names: str) -> Call:
    includes = "".join(
        f'<t:scan><Include xmlns="http://www.w3.org/2004/08/xop/include" href="{name}"/></t:scan>'
        for name in names
    )
    envelope = (
        f'<s:Envelope xmlns:s="{caller.version.namespace}" xmlns:t="{NAMESPACE}"><s:Body>'
        f"<t:place><t:order>{includes}</t:order></t:place></s:Body></s:Envelope>"
    )
    body = (
        f'--b\r\nContent-Type: application/xop+xml; type="{caller.version.media_type}"\r\n'
        f"Content-ID: <root>\r\n\r\n{envelope}\r\n"
        "--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n"
        "Content-ID: <scan 1@test>\r\n\r\n\x00\x01picture\r\n--b--\r\n"
    )
    content_type = (
        'multipart/related; boundary=b; type="application/xop+xml"; start="<root>"; '
        f'start-info="{caller.version.media_type}"'
    )
    return caller.wrap("place", body.encode("latin-1"), content_type)


async def test_an_attachment_arrives_as_the_bytes_it_is(caller: Caller) -> None:
    reply = await caller.backend.invoke(_mtom(caller, "cid:scan%201@test"))
    assert caller.read("place", reply).scan == b"\x00\x01picture"


@pytest.mark.parametrize(
    "names",
    [("cid:other",), ("http://127.0.0.1/x",), ("",), ("cid:scan%201@test", "cid:scan%201@test")],
)
async def test_an_attachment_that_is_missing_or_used_twice_is_refused(
    caller11: Caller, names: tuple[str, ...]
) -> None:
    with pytest.raises(Refused, match="Include"):
        await caller11.backend.invoke(_mtom(caller11, *names))


# Faults


async def test_a_declared_fault_arrives_with_its_members_typed(caller: Caller) -> None:
    fault = await caller.fault("fail", "sold out")
    assert fault.message == "Too few are left."
    assert _codes(caller, fault) == ["Client", "SoldOut"]
    detail = caller.client.wsdl.types.deserialize(fault.detail[0])
    assert (detail.sku, detail.left) == ("tea", 3)


async def test_a_declared_fault_without_members_is_in_the_detail_by_its_name(
    caller: Caller,
) -> None:
    fault = await caller.fault("fail", "closed")
    assert [element.tag for element in fault.detail] == [f"{{{NAMESPACE}}}Closed"]


def _codes(caller: Caller, fault: zeep.exceptions.Fault) -> list[str]:
    """The parts of a fault's code, by their names in SOAP 1.1."""
    if caller.version is SoapVersion.V11:
        return fault.code.partition(":")[2].split(".")
    heads = {"Sender": "Client", "Receiver": "Server"}
    return [heads[fault.code.partition(":")[2]], *(code.localname for code in fault.subcodes)]


@pytest.mark.parametrize(
    ("kind", "codes", "detail"),
    [
        ("element", ["Client"], "<reason>inside</reason>"),
        ("dict", ["Client"], "<sku>a</sku><sku>b</sku><deep><n>1</n></deep>"),
        ("text", ["Server", "Late"], "just text"),
        ("model", ["Client"], "<Line><sku>tea</sku><price>1.5</price></Line>"),
    ],
)
async def test_a_fault_keeps_its_detail_of_whatever_kind(
    caller: Caller, kind: str, codes: list[str], detail: str
) -> None:
    fault = await caller.fault("fail", kind)
    assert fault.message.startswith("with a")
    assert _codes(caller, fault) == codes
    assert _without_namespaces(fault.detail) == detail


def _without_namespaces(detail: Any) -> str:
    inner = "".join(etree.tostring(child, encoding="unicode") for child in detail)
    return (detail.text or "") + re.sub(
        r' xmlns(:\w+)?="[^"]*"|(?<=[<])\w+:|(?<=</)\w+:', "", inner
    )


async def test_a_fault_names_who_raised_it(caller: Caller) -> None:
    reply = await caller.backend.invoke(caller.call("fail", "text"))
    assert reply is not None
    assert b">urn:me</" in reply.body


async def test_a_code_that_soap_does_not_know_is_in_the_namespace_of_the_service(
    caller: Caller,
) -> None:
    reply = await caller.backend.invoke(caller.call("fail", "own code"))
    assert reply is not None
    root = etree.fromstring(reply.body)
    codes = list(root.iter("faultcode", f"{{{SoapVersion.V12.namespace}}}Value"))
    found = [code.text for code in codes]
    expected = {
        SoapVersion.V11: ["app:My_Very.Own"],
        SoapVersion.V12: ["soap:Receiver", "app:My_Very", "app:Own"],
    }
    assert found == expected[caller.version]
    assert codes[-1].nsmap["app"] == NAMESPACE


async def test_a_fault_without_a_code_is_the_servers(caller: Caller) -> None:
    fault = await caller.fault("fail", "no code")
    assert (fault.message, _codes(caller, fault)) == ("no code", ["Server"])


async def test_control_characters_do_not_cost_a_fault_its_text(caller: Caller) -> None:
    fault = await caller.fault("fail", "control")
    assert fault.message == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"
    assert _without_namespaces(fault.detail) == "<note>x\N{REPLACEMENT CHARACTER}y</note>"


async def test_a_fault_is_a_message_like_any_reply(caller: Caller) -> None:
    reply = await caller.backend.invoke(caller.call("fail", "sold out"))
    assert reply is not None
    assert reply.content_type == f"{caller.version.media_type}; charset=utf-8"
    assert (reply.target_service, reply.correlation_id, reply.is_fault) == ("shop", "", True)


@pytest.mark.parametrize("kind", ["bug", "exit", "interrupt", "cancelled", "refusal of another"])
@pytest.mark.parametrize("operation", ["fail", "stream"])
async def test_whatever_else_is_raised_is_an_internal_error_and_a_line_in_the_log(
    caller: Caller, operation: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    call = caller.call(operation, kind)
    reply = await caller.backend.invoke(call)
    assert reply is not None
    assert b"secret" not in reply.body
    with pytest.raises(zeep.exceptions.Fault, match=r"^Internal error$") as caught:
        caller.read(operation, reply)
    assert _codes(caller, caught.value) == ["Server"]
    assert (reply.target_service, reply.correlation_id) == ("shop", "")
    (record,) = caplog.records
    assert record.getMessage() == f"{call.message.id}: the operation {operation} failed"
    assert "_raises" in caplog.text


async def test_a_call_that_exits_ends_no_thread(backend: HostedBackend) -> None:
    caller = Caller(backend)
    for _ in range(20):  # more than there are threads
        await caller.fault("fail", "exit")
    assert await caller.ask("echo", "still here") == "still here"


async def test_a_generator_that_raises_a_fault_ends_with_that_fault(caller: Caller) -> None:
    fault = await caller.fault("stream", "dict")
    assert fault.message == "with a dict"


async def test_a_result_of_the_wrong_type_is_an_internal_error(caller: Caller) -> None:
    assert (await caller.fault("mistyped", "x")).message == "Internal error"


# One-way operations


async def test_a_one_way_operation_is_carried_out_without_a_reply(caller: Caller) -> None:
    assert await caller.backend.invoke(caller.call("note", "")) is None
    assert Shop.noted == ["noted"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("bug", "the operation note failed"),
        ("exit", "the operation note failed"),
        ("sold out", "the one-way note raised a SoldOut"),
    ],
)
async def test_a_one_way_operation_has_no_reply_whatever_it_raises(
    caller: Caller, kind: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    call = caller.call("note", kind)
    assert await caller.backend.invoke(call) is None
    assert [record.getMessage() for record in caplog.records] == [f"{call.message.id}: {words}"]


# Logs


async def test_no_payload_is_logged_at_any_level(
    caller: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("spyne"):
            assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL), name
    await caller.ask("echo", "hunter2")
    await caller.fault("fail", "sold out")
    await caller.fault("mistyped", "hunter2")
    assert "hunter2" not in caplog.text
    assert "Envelope" not in caplog.text


# Threads


async def test_concurrent_calls_each_get_their_own_answer(caller: Caller) -> None:
    async def one(number: int) -> None:
        for turn in range(5):
            text = f"{number}-{turn}"
            assert await caller.ask("echo", text) == text
            if number % 4 == 0:
                fault = await caller.fault("fail", "sold out")
                assert fault.message == "Too few are left."

    async with asyncio.TaskGroup() as tasks:
        for number in range(32):
            tasks.create_task(one(number))


async def test_a_service_finds_its_request_and_runs_in_one_of_its_threads(
    caller11: Caller,
) -> None:
    assert (await caller11.ask("who", "")).startswith("alice hosted-Shop-")


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not condition():
            await asyncio.sleep(0.005)


async def test_an_idle_thread_holds_on_to_nothing() -> None:
    threads: Threads[int] = Threads(1, "idle")
    work = functools.partial(int, "1")
    held = weakref.ref(work)
    assert await threads.run(work) == 1
    del work
    await _until(lambda: held() is None)
    await threads.close()


async def test_a_cancelled_call_goes_on_and_the_next_one_is_answered() -> None:
    backend = HostedBackend(Shop, namespace=NAMESPACE, threads=1)
    caller = Caller(backend)
    task = asyncio.create_task(backend.invoke(caller.call("wait", "begun")))
    await _until(Shop.entered.is_set)
    queued = asyncio.create_task(backend.invoke(caller.call("wait", "never begun")))
    await asyncio.sleep(0)
    for one in (task, queued):
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
    Shop.gate.set()
    assert await caller.ask("echo", "next") == "next"
    assert Shop.noted == ["begun"]
    await backend.aclose()


async def test_closing_waits_for_a_call_that_runs() -> None:
    backend = HostedBackend(Shop, namespace=NAMESPACE, threads=1)
    caller = Caller(backend)
    task = asyncio.create_task(backend.invoke(caller.call("wait", "begun")))
    await _until(Shop.entered.is_set)
    threading.Timer(0.05, Shop.gate.set).start()
    await backend.aclose()
    assert Shop.noted == ["begun"]
    assert caller.read("wait", await task) == "begun"


async def test_closing_leaves_stuck_code_behind_and_sends_back_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = HostedBackend(Shop, namespace=NAMESPACE, threads=1)
    caller = Caller(backend)
    stuck = asyncio.create_task(backend.invoke(caller.call("wait", "stuck")))
    await _until(Shop.entered.is_set)
    queued = asyncio.create_task(backend.invoke(caller.call("wait", "never begun")))
    await asyncio.sleep(0)
    begun = time.monotonic()
    await backend._threads.close(0.1)
    assert time.monotonic() - begun < 2
    assert not stuck.done()
    with pytest.raises(Unreached):
        await queued
    with pytest.raises(Unreached):
        await backend.invoke(caller.call("echo", "late"))
    Shop.gate.set()
    await stuck
    assert Shop.noted == ["stuck"]


def test_stuck_code_does_not_keep_the_process_from_ending() -> None:
    program = """
        import asyncio, threading
        from gateway.backends.hosted.pool import Threads

        async def main():
            threads = Threads(1, "stuck")
            task = asyncio.create_task(threads.run(threading.Event().wait))
            await asyncio.sleep(0.1)
            await threads.close(0.1)
            task.cancel()

        asyncio.run(main())
        print("ended")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "ended\n"
    assert done.stderr == ""


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


class Contexts(Service):
    @rpc(_returns=Unicode)
    def mark(ctx):
        found = VARIABLE.get()
        VARIABLE.set("left by a call")
        return found


async def test_no_context_variable_passes_from_the_caller_or_from_call_to_call() -> None:
    backend = HostedBackend(Contexts, threads=1)
    caller = Caller(backend)
    VARIABLE.set("set by the caller")
    assert [await caller.ask("mark"), await caller.ask("mark")] == ["unset", "unset"]
    await backend.aclose()
