"""``gateway call``: which replies are the contract's, of each style."""

from __future__ import annotations

import pytest
import zeep

from gateway.cli.call import reply as call_reply
from gateway.client.calls import response_of
from gateway.errors import GatewayError
from gateway.message import Message

WSDL = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:p" targetNamespace="urn:p"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:x="http://www.w3.org/2001/XMLSchema">
  <types><x:schema targetNamespace="urn:p" elementFormDefault="qualified">
    <x:element name="Ask"><x:complexType/></x:element>
  </x:schema></types>
  <message name="Ask"><part name="parameters" element="t:Ask"/></message>
  <message name="Empty"/>
  <message name="Sum"><part name="sum" type="x:int"/></message>
  <portType name="P"><operation name="Quiet"><input message="t:Ask"/><output message="t:Empty"/>
    </operation></portType>
  <portType name="R"><operation name="Add"><input message="t:Empty"/><output message="t:Sum"/>
    </operation></portType>
  <binding name="B" type="t:P">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Quiet"><soap:operation soapAction=""/><input><soap:body use="literal"/></input>
      <output><soap:body use="literal"/></output></operation></binding>
  <binding name="C" type="t:R">
    <soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Add"><soap:operation soapAction=""/>
      <input><soap:body use="literal" namespace="urn:p"/></input>
      <output><soap:body use="literal" namespace="urn:p"/></output></operation></binding>
  <service name="S"><port name="B" binding="t:B"><soap:address location="http://127.0.0.1/"/></port>
    <port name="C" binding="t:C"><soap:address location="http://127.0.0.1/"/></port></service>
</definitions>
"""
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@pytest.fixture
def client(tmp_path):
    (tmp_path / "p.wsdl").write_text(WSDL)
    plugins = [call_reply.AsDeclared()]
    with zeep.Client(str(tmp_path / "p.wsdl"), plugins=plugins) as client:
        yield client


def read(client, port, operation, content, namespace=SOAP):
    body = f'<e:Envelope xmlns:e="{namespace}"><e:Body>{content}</e:Body></e:Envelope>'
    reply = Message(body=body.encode(), content_type="text/xml")
    return call_reply.read(client, client.bind("S", port), operation, response_of(reply))


@pytest.mark.parametrize("name", ["AddResponse", "Add", "Result"])
def test_how_the_element_of_rpc_is_called_means_nothing(client, name):
    content = f'<t:{name} xmlns:t="urn:p"><sum>7</sum></t:{name}>'
    assert read(client, "C", "Add", content) == 7


def test_an_empty_body_is_no_reply_of_rpc(client):
    with pytest.raises(GatewayError, match="its Body is empty"):
        read(client, "C", "Add", "")


@pytest.mark.parametrize("content", ["", "<a/>"])
def test_a_reply_that_is_declared_as_empty_is_none(client, content):
    assert read(client, "B", "Quiet", content) is None


def test_a_fault_is_zeeps(client):
    content = "<e:Fault><faultcode>e:Client</faultcode><faultstring>no</faultstring></e:Fault>"
    with pytest.raises(zeep.exceptions.Fault, match="no"):
        read(client, "C", "Add", content)


def test_an_envelope_of_the_other_version_is_told(client):
    soap12 = "http://www.w3.org/2003/05/soap-envelope"
    with pytest.raises(GatewayError, match="not an envelope of its version of SOAP"):
        read(client, "C", "Add", "<a/>", soap12)
