"""No traceback reaches a person for what a contract holds; who reports a defect can have one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.cli import outcome
from gateway.cli.application import app

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("wanted", [False, True])
def test_a_defect_is_told_in_a_sentence_and_with_its_traceback_where_it_is_wanted(
    wanted, tmp_path, monkeypatch, capsys
):
    def fail(*given):
        raise IndexError("nobody foresaw this")

    monkeypatch.setattr("gateway.contract.documents.publish.publish", fail)
    monkeypatch.setattr(outcome, "_WANTED", [])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gateway.toml").write_text(
        f'queue = "sqlite:///q.db"\n[services.w]\nwsdl = "{ROOT}/wsdl/warehouse.wsdl"\n'
    )
    options = ["--traceback"] if wanted else []
    monkeypatch.setattr(sys, "argv", ["gateway", *options, "call", "w", "GetOrder"])
    assert outcome.of(app) == outcome.USAGE
    told = capsys.readouterr().err
    assert "warehouse.wsdl: giving it to zeep failed" in told or "publishing it failed" in told
    assert "This is a defect of the gateway" in told
    assert ("Traceback" in told) == wanted
    assert (len(told.splitlines()) == 1) != wanted


ENCODED = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
    xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:x" targetNamespace="urn:x"
    xmlns:e="http://schemas.xmlsoap.org/soap/encoding/" xmlns:w="http://schemas.xmlsoap.org/wsdl/">
<types><xs:schema targetNamespace="urn:x">
  <xs:import namespace="http://schemas.xmlsoap.org/soap/encoding/"/>
  <xs:complexType name="Names"><xs:complexContent><xs:restriction base="e:Array">
    <xs:attribute ref="e:arrayType" w:arrayType="xs:string[]"/>
  </xs:restriction></xs:complexContent></xs:complexType></xs:schema></types>
<message name="In"><part name="names" type="t:Names"/></message>
<portType name="PT"><operation name="Op"><input message="t:In"/></operation></portType>
<binding name="B" type="t:PT">
  <s:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="Op"><s:operation soapAction="urn:op"/>
    <input><s:body use="encoded" namespace="urn:x"/></input></operation></binding>
<service name="S"><port name="P" binding="t:B"><s:address location="http://h/x"/></port></service>
</definitions>"""


def test_an_operation_of_soap_encoding_can_be_called(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.wsdl").write_text(ENCODED)
    settings = 'queue = "sqlite:///q.db"\n[services.x]\nwsdl = "x.wsdl"\n'
    (tmp_path / "gateway.toml").write_text(settings)
    monkeypatch.setattr(sys, "argv", ["gateway", "call", "x", "Op"])
    assert outcome.of(app) == outcome.USAGE
    assert "argument names: is missing (Op takes names" in capsys.readouterr().err
