"""Which operation an envelope is for."""

from __future__ import annotations

import pytest

from gateway.errors import ContractError, FaultCode, Refused
from gateway.soap.envelope import SoapVersion

QUANTITY = "<o:quantity>1</o:quantity>"
GET = f"<o:getOrder>{QUANTITY}</o:getOrder>"
WSA_NAMESPACES = [
    "http://www.w3.org/2005/08/addressing",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
]
BOTH = ("http://schemas.xmlsoap.org/wsdl/soap/", "http://schemas.xmlsoap.org/wsdl/soap12/")


@pytest.fixture
def orders(contract, wsdl, get, drop):
    return contract(wsdl(get, drop))


def test_the_body_decides_when_no_action_is_sent(orders, envelope):
    assert orders.find(envelope(GET), "").name == "getOrder"
    assert orders.find(envelope("<o:dropOrder/>"), "").name == "dropOrder"


@pytest.mark.parametrize("action", ["urn:orders/getOrder", '"urn:orders/getOrder"', ' "" '])
def test_an_action_that_agrees_passes_with_and_without_quotes(orders, envelope, action):
    assert orders.find(envelope(GET), action).name == "getOrder"


@pytest.mark.parametrize("action", ["urn:orders/dropOrder", '"urn:orders/dropOrder"', "urn:no"])
def test_an_action_that_disagrees_is_refused_without_quoting_it(orders, envelope, action):
    with pytest.raises(Refused) as caught:
        orders.find(envelope(GET), action)
    assert action.strip('"') not in caught.value.text


@pytest.mark.parametrize("namespace", WSA_NAMESPACES)
def test_an_addressing_action_has_to_agree_even_beside_a_good_soap_action(
    orders, envelope, namespace
):
    def with_action(action):
        return envelope(GET, header=f'<a:Action xmlns:a="{namespace}">{action}</a:Action>')

    assert orders.find(with_action(" urn:orders/getOrder "), "").name == "getOrder"
    with pytest.raises(Refused):
        orders.find(with_action("urn:orders/dropOrder"), '"urn:orders/getOrder"')


def test_a_second_addressing_action_cannot_hide_behind_the_first(orders, envelope):
    header = "".join(
        f'<a:Action xmlns:a="{WSA_NAMESPACES[0]}">urn:orders/{name}</a:Action>'
        for name in ("getOrder", "dropOrder")
    )
    with pytest.raises(Refused):
        orders.find(envelope(GET, header=header), "")


def test_a_comment_does_not_split_an_addressing_action(orders, envelope):
    header = f'<a:Action xmlns:a="{WSA_NAMESPACES[0]}"><!-- x -->urn:orders/dropOrder</a:Action>'
    with pytest.raises(Refused):
        orders.find(envelope(GET, header=header), "")


def test_the_addressing_action_of_the_wsdl_is_accepted(contract, wsdl, op, envelope):
    get = op(name="getOrder", parts=[("p", 'element="o:getOrder"')], addressing="urn:act")
    orders = contract(wsdl(get))
    header = f'<a:Action xmlns:a="{WSA_NAMESPACES[0]}">urn:act</a:Action>'
    assert orders.find(envelope(GET, header=header), "").addressing_action == "urn:act"


@pytest.mark.parametrize(
    ("action", "passes"),
    [
        ("getOrder", True),
        ("http://anything.example/service", True),
        ("urn:wsdl/pt/getOrderRequest", True),
        ("dropOrder", False),
        ("urn:orders#dropOrder", False),
        ("urn:wsdl/pt/dropOrderRequest", False),
    ],
)
def test_where_the_wsdl_names_no_action_only_another_operations_name_is_refused(
    contract, wsdl, op, envelope, action, passes
):
    names = ("getOrder", "dropOrder")
    orders = contract(wsdl(*(op(name=n, parts=[("p", f'element="o:{n}"')]) for n in names)))
    if passes:
        assert orders.find(envelope(GET), action).name == "getOrder"
    else:
        with pytest.raises(Refused):
            orders.find(envelope(GET), action)


def test_two_operations_with_one_body_need_an_action(contract, wsdl, op, envelope):
    part = [("p", 'element="o:getOrder"')]
    orders = contract(
        wsdl(op(name="a", parts=part, action="urn:a"), op(name="b", parts=part, action="urn:b"))
    )
    assert orders.find(envelope(GET), "urn:b").name == "b"
    with pytest.raises(Refused, match="SOAPAction"):
        orders.find(envelope(GET), "")


@pytest.mark.parametrize("body", ["<o:cancel/>", "<getOrder/>", ""])
def test_a_body_that_no_operation_takes_is_refused_without_quoting_it(orders, envelope, body):
    with pytest.raises(Refused) as caught:
        orders.find(envelope(body), "")
    assert "cancel" not in caught.value.text


def test_a_version_without_a_binding_is_a_version_mismatch(orders, envelope):
    with pytest.raises(Refused, match=r"SOAP 1\.1") as caught:
        orders.find(envelope(GET, version=SoapVersion.V12), "")
    assert caught.value.code is FaultCode.VERSION_MISMATCH


def test_each_version_finds_its_own_binding(contract, wsdl, get, envelope):
    orders = contract(wsdl(get, versions=BOTH))
    for version in SoapVersion:
        found = orders.find(envelope(GET, version=version), "urn:orders/getOrder")
        assert found.version is version
    with pytest.raises(Refused):
        orders.find(envelope(GET, version=SoapVersion.V12), "urn:orders/dropOrder")


def test_an_empty_body_is_for_the_operation_without_parts(contract, wsdl, op, get, envelope):
    orders = contract(wsdl(op(name="ping"), get))
    found = orders.find(envelope(""), "")
    assert (found.name, found.body, found.children) == ("ping", None, ())
    orders.validate(found, envelope(""))


def test_an_rpc_body_is_named_after_its_operation(contract, wsdl, op, envelope):
    call = op(
        name="add",
        parts=[("x", 'type="xs:int"')],
        style="rpc",
        body='use="literal" namespace="urn:calc"',
    )
    assert contract(wsdl(call)).operations[0].body == "{urn:calc}add"


def test_only_the_parts_that_the_body_lists_are_in_it(contract, wsdl, op):
    parts = [("auth", 'element="o:dropOrder"'), ("p", 'element="o:getOrder"')]
    listed = op(name="get", parts=parts, body='use="literal" parts="p"')
    assert contract(wsdl(listed)).operations[0].children == ("{urn:orders}getOrder",)


def test_one_way_is_an_operation_without_an_output(contract, wsdl, op, get):
    tell = op(name="tell", parts=[("p", 'element="o:dropOrder"')], one_way=True)
    assert [one.one_way for one in contract(wsdl(get, tell)).operations] == [False, True]


def test_addresses_are_those_of_the_wsdl(orders):
    assert orders.addresses() == ("http://backend.example:8080/orders",)


def test_a_contract_without_a_soap_operation_is_refused(contract, wsdl):
    with pytest.raises(ContractError, match=r"orders\.wsdl: it declares no operation"):
        contract(wsdl())


def test_ports_that_are_not_soap_over_http_are_skipped_and_noted(contract, wsdl, get):
    jms = """<binding name="j" type="t:pt" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/">
      <s:binding transport="http://www.w3.org/2010/soapjms/"/></binding>
      <service name="Jms"><port name="jms" binding="t:j">
      <s:address xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" location="jms:queue:secret"/>
      </port></service>"""
    loaded = contract(wsdl(get, tail=jms))
    assert [one.port for one in loaded.operations] == ["p0"]
    assert any(note.startswith("port jms is not SOAP over HTTP") for note in loaded.notes)
    published = loaded.publish("http://gw.example/")["wsdl"]
    assert b"jms:queue" not in published
    assert b'name="p0"' in published
    assert b'name="jms"' not in published


def test_an_operation_that_is_declared_twice_is_noted(contract, wsdl, get):
    assert any("declared 2 times" in note for note in contract(wsdl(get, get)).notes)
