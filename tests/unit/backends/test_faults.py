"""Faults of a service: what gives it away is taken out, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from gateway.admission import Gate, Limits
from gateway.backends.redact.fault_tree import MOST_ON_ONE
from gateway.backends.redact.faults import (
    FINDABLE,
    LARGEST,
    MOST_ENTRIES,
    NEUTRAL,
    discreet,
)
from gateway.backends.redact.telltale import Telltales
from gateway.contract.backend_names import places
from gateway.errors import BackendFailed
from gateway.message import Message

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
HOST = "app01.internal.example"
TYPES = "urn:example:warehouse:types"


@pytest.fixture
def telltales(warehouse):
    return Telltales(places([f"http://{HOST}:8080/Warehouse"]), warehouse.names())


@pytest.fixture
def call(warehouse, sample):
    return Gate(warehouse, Limits()).admit(sample("get_order_11"))


@pytest.fixture
def passed(call, telltales):
    def passed(body, content_type="text/xml; charset=utf-8"):
        body = body if isinstance(body, bytes) else body.encode()
        reply = Message(body=body, content_type=content_type, is_fault=True)
        return discreet(reply, call, telltales)

    return passed


def fault(text="No such order.", *, code="s:Server", actor="", detail="", head="", declare=""):
    actor = f"<faultactor>{actor}</faultactor>" if actor else ""
    detail = f"<detail>{detail}</detail>" if detail else ""
    return (
        f'<s:Envelope xmlns:s="{SOAP}" {declare}>{head}<s:Body><s:Fault>'
        f"<faultcode>{code}</faultcode><faultstring>{text}</faultstring>{actor}{detail}</s:Fault></s:Body></s:Envelope>"
    )


def fault_12(text="No such order.", *, subcode="", role="", node="", detail=""):
    sub = f"<s:Subcode><s:Value {subcode[0]}>{subcode[1]}</s:Value></s:Subcode>" if subcode else ""
    node = f"<s:Node>{node}</s:Node>" if node else ""
    role = f"<s:Role>{role}</s:Role>" if role else ""
    detail = f"<s:Detail>{detail}</s:Detail>" if detail else ""
    return (
        f'<s:Envelope xmlns:s="{SOAP_12}"><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value>'
        f'{sub}</s:Code><s:Reason><s:Text xml:lang="en">{text}</s:Text></s:Reason>{node}{role}'
        f"{detail}</s:Fault></s:Body></s:Envelope>"
    )


DECLARED = (
    f'<t:OrderNotFound xmlns:t="{TYPES}"><t:orderId>at com.acme.Order(Order.java:1) on {HOST}'
    "</t:orderId></t:OrderNotFound>"
)


@pytest.mark.parametrize(
    "body",
    [
        fault(),
        fault(code="s:Client", actor="urn:warehouse:desk"),
        fault(actor="http://schemas.xmlsoap.org/soap/actor/next"),
        fault(detail=DECLARED),
        fault(detail='<e:why xmlns:e="http://partner.example/errors">closed on Sunday</e:why>'),
        fault(f"Invalid element '{{{TYPES}}}orderId'"),
        fault(head="<s:Header><a>1</a></s:Header>").replace("<s:Body>", "<!-- v1 -->\n<s:Body>"),
        '<?xml version="1.0" encoding="utf-8"?>\r\n' + fault("Ung\u00fcltig: 5 \u20ac"),
        fault_12(),
        fault_12(role=f"{SOAP_12}/role/ultimateReceiver", detail=DECLARED),
        fault_12(subcode=('xmlns:e="urn:errors"', "e:Closed")),
    ],
)
def test_a_fault_that_gives_nothing_away_goes_on_byte_by_byte(passed, body):
    reply = passed(body)
    assert reply.body == body.encode()
    assert reply.content_type == "text/xml; charset=utf-8"


TRACE = "java.lang.NullPointerException\n\tat com.acme.Order.get(Order.java:12)"
AXIS = (
    '<a:stackTrace xmlns:a="http://xml.apache.org/axis/">boom</a:stackTrace>'
    f'<a:hostname xmlns:a="http://xml.apache.org/axis/">{HOST}</a:hostname>'
)


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        (fault(f"cannot reach {HOST}:1521"), "text"),
        (fault(TRACE), "text"),
        (fault("Error in C:\\inetpub\\orders\\get.asmx"), "text"),
        (fault_12("---&gt; ORA-00942: no table"), "text"),
        (fault(actor=f"http://{HOST}:8080/Warehouse"), "actor"),
        (fault(actor="OrdersEngine"), "actor"),
        (fault_12(node=f"http://{HOST}/x"), "actor"),
        (fault_12(role="http://other.example/x"), "actor"),
        (fault(detail=AXIS), "detail"),
        (fault(detail=f"<trace>{TRACE}</trace>"), "detail"),
        (fault(detail='<e file="/opt/app/x.xml"/>'), "detail"),
        (fault(detail=f"see {HOST}"), "detail"),
        (fault_12(detail=f"<x>{HOST}</x>"), "detail"),
        (fault(code="x:Oops", declare='xmlns:x="http://xml.apache.org/axis/"'), "code"),
        (fault(code="java.lang.Oops"), "code"),
        (fault_12(subcode=('xmlns:a="http://schemas.microsoft.com/net/2005"', "a:Bug")), "code"),
        (fault().replace("<s:Body>", f"<!-- made on {HOST} --><s:Body>"), "surroundings"),
        (f"<!-- {HOST} -->" + fault(), "surroundings"),
        (fault(declare='xmlns:ax="http://xml.apache.org/axis/"'), "surroundings"),
    ],
)
def test_what_gives_the_service_away_is_taken_out(passed, caplog, body, gone):
    with caplog.at_level("INFO"):
        reply = passed(body)
    text = reply.body.decode()
    for telling in (
        HOST,
        "acme",
        "apache",
        "microsoft",
        "1521",
        "/opt",
        "inetpub",
        "ORA-",
        "Oops",
        "other.example",
        "OrdersEngine",
    ):
        assert telling not in text
        assert telling not in caplog.text
    assert f"its fault was rewritten: {gone}" in caplog.text
    root = etree.fromstring(reply.body)
    assert root.find("{*}Body/{*}Fault") is not None
    assert "charset=utf-8" in reply.content_type
    assert (NEUTRAL in text) == (gone == "text")


def test_a_rewritten_fault_is_well_formed_and_says_which_request_it_was(passed, call):
    reply = passed(fault(TRACE, code="s:Client", detail=DECLARED + AXIS))
    root = etree.fromstring(reply.body)
    assert root.findtext(".//faultcode") == "s:Client"
    assert root.findtext(".//faultstring") == NEUTRAL
    entries = [etree.QName(one).localname for one in root.find(".//detail")]
    assert entries == ["OrderNotFound", "request"]
    assert root.findtext(".//{urn:soap-queue-gateway}id") == call.message.id


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_fault_says_that_its_cause_can_be_found_only_where_it_is_kept(call, telltales, is_kept):
    kept = []
    body = fault(TRACE, detail=AXIS).encode()
    reply = Message(body=body, content_type="text/xml", is_fault=True)
    rewritten = discreet(reply, call, telltales, lambda one: kept.append(one) or is_kept)
    said = etree.fromstring(rewritten.body).findtext(".//faultstring")
    assert said == (NEUTRAL + FINDABLE if is_kept else NEUTRAL)
    assert [(one.id, one.operation, one.body) for one in kept] == [
        (call.message.id, "GetOrder", body)
    ]
    assert kept[0].rewritten == ("text", "detail")


def test_what_goes_on_as_it_is_is_not_kept(call, telltales):
    kept = []
    reply = Message(body=fault().encode(), content_type="text/xml", is_fault=True)
    discreet(reply, call, telltales, lambda one: kept.append(one) or True)
    assert kept == []


def test_a_fault_of_soap_12_keeps_its_form(passed, call):
    reply = passed(fault_12(TRACE), "application/soap+xml; charset=utf-8")
    root = etree.fromstring(reply.body)
    names = [etree.QName(one).localname for one in root.find(".//{*}Fault")]
    assert names == ["Code", "Reason", "Detail"]
    assert root.find(".//{*}Text").get("{http://www.w3.org/XML/1998/namespace}lang") == "en"
    assert reply.content_type == "application/soap+xml; charset=utf-8"


def test_prefixes_that_values_use_stay_declared(passed):
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="t:X"'
    detail = f'<t:OrderNotFound xmlns:t="{TYPES}" {xsi}/>'
    reply = passed(fault(TRACE, code="q:Own", declare='xmlns:q="urn:codes"', detail=detail))
    root = etree.fromstring(reply.body)
    assert root.nsmap["q"] == "urn:codes"
    assert root.find(f".//{{{TYPES}}}OrderNotFound").nsmap["t"] == TYPES


def test_a_signature_over_what_was_changed_is_taken_off(passed):
    wsse = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    head = (
        f'<s:Header><w:Security xmlns:w="{wsse}"><x/></w:Security><k xmlns="urn:k">1</k></s:Header>'
    )
    assert b"Security" not in passed(fault(TRACE, head=head)).body
    assert b'<k xmlns="urn:k">1</k>' in passed(fault(TRACE, head=head)).body
    assert b"Security" in passed(fault(head=head)).body


def test_a_multipart_fault_that_is_rewritten_is_none_any_more(passed):
    part = fault(TRACE).encode()
    body = b"--b\r\nContent-Type: text/xml\r\n\r\n" + part + b"\r\n--b--"
    reply = passed(body, 'multipart/related; type="text/xml"; boundary=b')
    assert reply.content_type == "text/xml; charset=utf-8"
    assert etree.fromstring(reply.body).findtext(".//faultstring") == NEUTRAL


def test_a_long_dump_in_the_details_is_taken_out(passed):
    many = "".join(f"<l>line {number}</l>" for number in range(5000))
    reply = passed(fault(detail=f"{DECLARED}<dump>{many}</dump>"))
    assert b"dump" not in reply.body
    assert b"OrderNotFound" in reply.body


def test_a_fault_that_is_too_large_or_breaks_off_is_a_failure(passed):
    with pytest.raises(BackendFailed, match="too large"):
        passed(fault("x" * LARGEST))
    with pytest.raises(BackendFailed, match="did not answer with a SOAP message"):
        passed(fault()[:-5])


MANY = 10_000
ATTRIBUTES = " ".join(f"a{number}=''" for number in range(MOST_ON_ONE + 1))
XMLNS = " ".join(f'xmlns:a{number}="u{number}"' for number in range(MANY))


@pytest.mark.parametrize(
    ("code", "head", "detail"),
    [
        ("s:Server", "", f"<a {XMLNS}>" + "<b/>" * 2 * MANY + "</a>"),
        ("s:Client", "", f"<a {XMLNS}/>"),
        ("s:Server", "", "<b/>x" * 150_000),
        ("s:Client.Own", "", "<!---->x" * 110_000),
        ("s:Client", "", "<?a?>" * MANY),
        ("s:Server", "", f"<a {ATTRIBUTES}/>"),
        ("s:Client", "", f"{DECLARED}<a><b c=''/></a>" + "<a b='' c=''/>" * (MANY // 2)),
        ("s:Server", f"<s:Header>{'<b/>' * MANY}</s:Header>", ""),
    ],
)
def test_a_fault_that_holds_too_much_to_be_looked_through_is_replaced(
    call, telltales, code, head, detail
):
    kept = []
    body = fault(TRACE, code=code, head=head, detail=detail).encode()
    reply = Message(body=body, content_type="text/xml", is_fault=True)
    root = etree.fromstring(
        discreet(reply, call, telltales, lambda one: kept.append(one) or 1).body
    )
    side = "Client" if "Client" in code else "Server"
    assert root.findtext(".//faultcode") == f"soap:{side}"
    assert root.findtext(".//faultstring") == NEUTRAL + FINDABLE
    assert root.findtext(".//{urn:soap-queue-gateway}id") == call.message.id
    assert len(root.findall(".//detail/*")) == 1
    assert [(one.body, one.rewritten) for one in kept] == [(body, ("all",))]


def test_a_fault_of_many_elements_that_its_contract_declares_is_looked_through(passed):
    items = "<t:i a='1'>x</t:i>" * 3000
    declared = f'<t:OrderNotFound xmlns:t="{TYPES}">{items}</t:OrderNotFound>'
    assert passed(fault(detail=declared)).body == fault(detail=declared).encode()
    root = etree.fromstring(passed(fault(TRACE, detail=declared + AXIS)).body)
    assert len(root.findall(f".//{{{TYPES}}}i")) == 3000
    assert HOST not in etree.tostring(root).decode()


def test_more_entries_than_anybody_reads_are_a_dump(passed):
    few, many = "<l>1</l>" * MOST_ENTRIES, "<l>1</l>" * (MOST_ENTRIES + 1)
    assert passed(fault(detail=few)).body == fault(detail=few).encode()
    assert b"<l>" not in passed(fault(detail=DECLARED + many)).body
    assert b"OrderNotFound" in passed(fault(detail=DECLARED + many)).body


def test_the_text_behind_what_is_taken_out_stays_where_it_was(passed):
    telling = f"<e>{HOST}</e>"
    detail = f"1{telling}2{telling}3<!-- -->4{DECLARED}5{telling}6<k/>7{telling}"
    found = etree.fromstring(passed(fault(detail=detail)).body).find(".//detail")
    assert found.text == "1234"
    assert [etree.QName(one).localname for one in found] == ["OrderNotFound", "k", "request"]
    assert [one.tail for one in found] == ["56", "7", None]


LONG_NAMES = " ".join(f"xmlns:a{number}='{'u' * 400}{number}'" for number in range(99))


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        # Names, actors and codes that are long only together are dumps as well.
        (fault(detail=f"<a {LONG_NAMES}/>"), "detail"),
        (fault(actor=f"</faultactor><faultactor>urn:{'a' * 6000}" * 3), "actor"),
        (
            fault_12(subcode=("", "s:x</s:Value>" + "<s:Value>s:x</s:Value>" * 16 + "<s:Value>")),
            "code",
        ),
        # What an entry declares is found where it is declared: on it, inside, or around it.
        (fault(detail='<a xmlns:x="http://xml.apache.org/axis/"/>'), "detail"),
        (fault(detail='<a><b><c xmlns:x="http://xml.apache.org/axis/"/></b></a>'), "detail"),
    ],
)
def test_what_tells_in_many_names_or_deep_inside_is_found(passed, caplog, body, gone):
    with caplog.at_level("INFO"):
        reply = passed(body)
    assert f"its fault was rewritten: {gone}" in caplog.text
    assert len(reply.body) < 1000


AXIS_ON_ROOT = 'xmlns:ax="http://xml.apache.org/axis/"'


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        (fault().replace("<faultstring>", f'<faultstring by="{HOST}">'), "attributes"),
        (fault_12().replace("<s:Fault>", f'<s:Fault at="http://{HOST}/x">'), "attributes"),
        (fault().replace("<s:Body>", '<s:Body made="on app01">'), "attributes"),
        (fault().replace("</s:Fault>", f"<server>{HOST}</server></s:Fault>"), "others"),
        (fault().replace("</s:Fault>", "<app01/></s:Fault>"), "others"),
        (fault_12().replace("</s:Fault>", "<s:Text>app01</s:Text></s:Fault>"), "others"),
        (fault("No <b>such</b> <i on='app01'/>order."), "others"),
        (fault_12().replace("</s:Reason>", "<app01/></s:Reason>"), "others"),
        (
            fault(declare=AXIS_ON_ROOT).replace("</s:Fault>", "<ax:x/></s:Fault>"),
            "others, surroundings",
        ),
        (fault(detail="<app01/>"), "detail"),
        (fault(detail="<e><app01/></e>"), "detail"),
        (fault(detail="<e app01='1'/>"), "detail"),
        (fault(declare=AXIS_ON_ROOT, detail="<e><ax:x/></e>"), "detail, surroundings"),
        (fault(declare=AXIS_ON_ROOT, detail="<e ax:x='1'/>"), "detail, surroundings"),
    ],
)
def test_what_tells_in_odd_places_is_found(passed, caplog, body, gone):
    with caplog.at_level("INFO"):
        reply = passed(body)
    assert f"its fault was rewritten: {gone}" in caplog.text
    assert b"app01" not in reply.body
    assert b"apache" not in reply.body
    root = etree.fromstring(reply.body)
    said = [*root.iter("faultstring"), *root.iter("{*}Text")]
    assert "".join(said[0].itertext()).startswith("No ")
    assert said[0].get("{http://www.w3.org/XML/1998/namespace}lang", "en") == "en"


@pytest.mark.parametrize(
    "body",
    [
        fault().replace("</s:Fault>", "<hint>closed</hint></s:Fault>"),
        fault("No <b>such</b> order."),
        fault().replace("<faultstring>", '<faultstring xml:lang="en" kind="e:Closed">'),
        fault().replace("<s:Body>", '<s:Body Id="body-1">'),
        fault(detail="<orders.error><Application/></orders.error>"),
    ],
)
def test_what_is_odd_and_tells_nothing_stays(passed, body):
    assert passed(body).body == body.encode()


def test_details_of_another_operation_are_not_declared(warehouse, sample, telltales):
    call = Gate(warehouse, Limits()).admit(sample("list_orders_11"))
    reply = Message(body=fault(detail=DECLARED).encode(), content_type="text/xml", is_fault=True)
    assert HOST.encode() not in discreet(reply, call, telltales).body
    call = replace(
        call, operation=replace(call.operation, faults=frozenset({f"{{{TYPES}}}OrderNotFound"}))
    )
    assert discreet(reply, call, telltales) is reply
