"""No false alarms: whatever real clients send passes the limits and the structure, as they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from gateway.admission import Gate, Limits
from gateway.contract import Contract, load
from gateway.errors import Refused
from gateway.message import Message
from gateway.soap.jms import sniff_content_type

TESTS = Path(__file__).resolve().parents[2]
GOLDEN = sorted((TESTS / "golden" / "envelopes").glob("*.xml"))
INVALID = {"place_order_invalid_11"}
"""Recorded because the contract refuses them."""


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_recorded_envelope_passes_with_the_defaults(warehouse, sample, path):
    message = sample(path.stem)
    if path.stem in INVALID:
        with pytest.raises(Refused, match="does not follow the contract"):
            Gate(warehouse, Limits()).admit(message)
    else:
        assert Gate(warehouse, Limits()).admit(message).message is message


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_no_recorded_envelope_is_near_a_limit(warehouse, sample, path):
    """A quarter of each limit would do."""
    usual = Limits()
    names = {one.name for one in dataclasses.fields(usual)} - {"schema_time"}
    limits = Limits(**{name: getattr(usual, name) // 4 for name in names})
    if path.stem not in INVALID:
        assert Gate(warehouse, limits).admit(sample(path.stem))


GET = '<GetOrder xmlns="urn:example:warehouse:types"><orderId>WH-100002</orderId></GetOrder>'
WCF = f"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header>
 <a:Action s:mustUnderstand="1">urn:example:warehouse/GetOrder</a:Action>
 <a:MessageID>urn:uuid:6d0f2f6e-63b5-4d4b-a8ab-3c8a7b8b0f3e</a:MessageID>
 <ActivityId CorrelationId="9f3c" xmlns="http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"
 >0000</ActivityId>
 <a:ReplyTo><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:ReplyTo>
 <a:To s:mustUnderstand="1">http://127.0.0.1:8800/warehouse</a:To></s:Header><s:Body
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema">{GET}</s:Body></s:Envelope>"""
AXIS2 = f"""<?xml version='1.0' encoding='UTF-8'?><soapenv:Envelope
 xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Header
 xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing">
 <wsa:To>http://127.0.0.1:8800/warehouse</wsa:To><wsa:ReplyTo><wsa:Address
 >http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</wsa:Address></wsa:ReplyTo>
 <wsa:MessageID>urn:uuid:1</wsa:MessageID><wsa:Action>urn:example:warehouse/GetOrder</wsa:Action>
 </soapenv:Header><soapenv:Body>{GET}</soapenv:Body></soapenv:Envelope>"""
AXIS = """<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body><ns1:Sum soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"
 xmlns:ns1="urn:example:legacy"><first href="#id0"/><second href="#id1"/></ns1:Sum>
 <multiRef id="id1" soapenc:root="0" soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"
 xsi:type="xsd:int" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/">2</multiRef>
 <multiRef id="id0" soapenc:root="0" soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"
 xsi:type="xsd:int" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/">1</multiRef>
 </soapenv:Body></soapenv:Envelope>"""
PHP = """<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:ns1="urn:example:legacy" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"
 SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><SOAP-ENV:Body><ns1:Sum>
 <first SOAP-ENC:arrayType="xsd:int[2]" xsi:type="SOAP-ENC:Array"><item xsi:type="xsd:int">1</item>
 <item xsi:type="xsd:int">2</item></first></ns1:Sum></SOAP-ENV:Body></SOAP-ENV:Envelope>"""


@pytest.fixture(scope="module")
def legacy() -> Contract:
    return load("legacy.wsdl", folder=TESTS / "attacks")


@pytest.mark.parametrize("text", [WCF, AXIS2], ids=["WCF", "Axis2"])
def test_what_toolkits_put_into_a_header_passes(warehouse, text):
    content_type = sniff_content_type(text.encode())
    message = Message(body=text.encode(), content_type=content_type)
    assert Gate(warehouse, Limits()).admit(message).operation.name == "GetOrder"


@pytest.mark.parametrize("text", [AXIS, PHP], ids=["Axis", "PHP"])
def test_what_toolkits_make_of_rpc_encoded_passes(legacy, text):
    message = Message(body=text.encode(), content_type="text/xml; charset=utf-8")
    assert Gate(legacy, Limits()).admit(message).operation.name == "Sum"
