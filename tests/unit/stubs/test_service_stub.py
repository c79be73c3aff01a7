"""What a service stub makes of elements, and of what its methods return and raise."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from lxml import etree

from gateway.backends.hosted.contract import reply_envelope
from gateway.backends.service_class import Answer, FaultAnswer
from gateway.contract.names import XSI, clark
from gateway.soap.envelope import SoapVersion
from gateway.stubs import (
    Layout,
    NotFilledIn,
    Record,
    Service,
    SoapFault,
    current_request,
)

TABLE = """
soap 1.1
n1 = urn:messages
n2 = urn:types

Base n2:Base

Kind n2:Kind < Base

Get n1:Get
  number n1:number xs:int
  dry @dry xs:boolean ? ="false"

GetResponse -
  value n1:value Base

operation Get
  request n1:Get Get
  reply n1:GetResponse GetResponse
  header key n1:Key xs:string ?
"""


@dataclass(kw_only=True, slots=True)
class Base(Record):
    pass


@dataclass(kw_only=True, slots=True)
class Kind(Base):
    pass


class Shop(Service):
    __namespace__ = "urn:shop"
    _layout = Layout({"Base": Base, "Kind": Kind}, TABLE)
    _methods = (("Get", "get"),)

    def get(self, number: int, *, dry: bool = False, key: str | None = None) -> Base:
        if number == 0:
            raise NotFilledIn("Get")
        if number == 1:
            raise SoapFault("Client.Late", "Too late.", detail=etree.Element("why"))
        return Kind()


(SERVED,) = Shop.__served__()


def request(text: str) -> etree._Element:
    return etree.fromstring(f'<m:Get xmlns:m="urn:messages">{text}</m:Get>')


def test_a_prefix_that_only_a_type_uses_is_declared_in_the_reply():
    answer = SERVED.carry_out(Shop(), {"number": 2})
    assert isinstance(answer, Answer)
    sent = etree.fromstring(etree.tostring(reply_envelope(answer, SoapVersion.V11)))
    value = next(sent.iter("{urn:messages}value"))
    assert clark(value, value.get(f"{{{XSI}}}type")) == "{urn:types}Kind"


def test_parameters_are_values_headers_among_them_and_what_is_absent_has_its_default():
    key = etree.fromstring('<m:Key xmlns:m="urn:messages">k</m:Key>')
    payload = request('<m:number xmlns:m="urn:messages">7</m:number>')
    assert SERVED.read(payload, [key]) == {"number": 7, "dry": False, "key": "k"}
    assert SERVED.read(payload, [])["key"] is None


def test_what_is_no_value_is_a_value_error():
    with pytest.raises(ValueError, match="number"):
        SERVED.read(request('<m:number xmlns:m="urn:messages">x</m:number>'), [])


def test_what_is_not_filled_in_is_a_fault_that_names_the_operation():
    assert SERVED.carry_out(Shop(), {"number": 0}) == FaultAnswer(
        code="Server.NotImplemented", text="The operation Get is not implemented yet."
    )


def test_a_fault_that_the_contract_does_not_declare_takes_its_detail_with_it():
    answer = SERVED.carry_out(Shop(), {"number": 1})
    assert isinstance(answer, FaultAnswer)
    assert (answer.code, [one.tag for one in answer.detail]) == ("Client.Late", ["why"])


def test_without_a_gateway_there_is_no_request():
    with pytest.raises(LookupError):
        current_request()
