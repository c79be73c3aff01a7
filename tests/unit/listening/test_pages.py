"""What the listener says of its services, and to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from wire import Answer, Asked, Wire

from gateway.admission import EVERYBODY, Rights
from gateway.contract import Contract
from gateway.listening.answers import CLIENT
from gateway.listening.pages import ListedService, Pages, index_page, service_page


@pytest.fixture
def serve(listed: Callable[[Rights], ListedService], opened: Callable[..., Any]):
    """Serve pages; the header Client says who reads."""

    @web.middleware
    async def known(request: web.Request, handler: Any) -> web.StreamResponse:
        request[CLIENT] = request.headers.get("Client", "")
        return await handler(request)

    async def made(url: str = "", **rights: Rights) -> Asked:
        services = {name: listed(one) for name, one in rights.items()}
        pages = Pages(services or {"warehouse": listed(EVERYBODY)}, url)
        application = web.Application(middlewares=[known])
        application.add_routes([web.get("/", pages.index), web.get("/{service}", pages.service)])
        return await opened(application)

    return made


async def get(door: Asked, path: str, **headers: str) -> Answer:
    return await door.ask("GET", path, **headers)


# An index, and a page of each service


async def test_services_are_listed_by_name_with_the_address_that_the_caller_used(serve):
    door = await serve(warehouse=EVERYBODY, depot=EVERYBODY)
    answer = await get(door, "/", Host="gateway:8800")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.index(b"http://gateway:8800/depot") < answer.body.index(
        b"http://gateway:8800/warehouse"
    )
    assert b'href="warehouse?wsdl"' in answer.body


async def test_a_service_has_a_page_with_its_operations_and_a_call_to_copy(serve):
    answer = await get(await serve(), "/warehouse", Host="gateway")
    assert answer.status == 200
    assert b"<td>GetOrder<td>request and reply" in answer.body
    assert b"<td>NotifyShipment<td>one-way" in answer.body
    assert answer.body.count(b"<td>GetOrder<") == 1
    assert b"@request.xml http://gateway/warehouse" in answer.body


@pytest.mark.parametrize("path", ["/depot", "/depot?wsdl", "/WAREHOUSE"])
async def test_a_service_that_is_not_there_is_404(serve, path: str):
    assert (await get(await serve(), path)).status == 404


async def test_a_reader_sees_what_he_may_call(serve):
    some, others = Rights({"shop": frozenset({"GetOrder"})}), Rights({"billing": frozenset({"X"})})
    door = await serve(warehouse=some, depot=others)
    index = await get(door, "/", Client="shop")
    assert (b"warehouse" in index.body, b"depot" in index.body) == (True, False)
    page = await get(door, "/warehouse", Client="shop")
    assert (b"GetOrder" in page.body, b"PlaceOrder" in page.body) == (True, False)
    for path in ("/depot", "/depot?wsdl"):
        assert (await get(door, path, Client="shop")).status == 404
    assert b"warehouse" not in (await get(door, "/", Client="")).body


def test_names_are_written_as_text_whatever_they_hold():
    hostile = "<b>&\"'"
    for page in (index_page({hostile: hostile}), service_page(hostile, [], hostile)):
        assert hostile not in page
        assert "<b>" not in page


# Contracts


async def test_a_contract_has_the_address_that_the_caller_used(serve):
    door = await serve()
    for query in ("wsdl", "WSDL", "Wsdl"):
        answer = await get(door, f"/warehouse?{query}", Host="gateway:8800")
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        assert b'location="http://gateway:8800/warehouse"' in answer.body
        assert b'schemaLocation="http://gateway:8800/warehouse?xsd=1"' in answer.body
        assert b".invalid" not in answer.body
    schema = await get(door, "/warehouse?xsd=1")
    assert (schema.status, b"schema" in schema.body) == (200, True)


@pytest.mark.parametrize("query", ["xsd=99", "xsd", "wsdl=1&xsd=1", "disco"])
async def test_a_document_that_is_none_is_404(serve, query: str):
    answer = await get(await serve(), f"/warehouse?{query}")
    assert (answer.status, b"try ?wsdl" in answer.body) == (404, True)


async def test_an_address_of_the_settings_is_told_to_all_whatever_they_used(serve):
    door = await serve("https://soap.example.com/soap/")
    for path in ("/", "/warehouse", "/warehouse?wsdl"):
        answer = await get(door, path, Host="evil.example")
        assert b"https://soap.example.com/soap/warehouse" in answer.body
        assert b"evil" not in answer.body


async def test_an_address_is_written_into_a_contract_as_xml_has_it(serve):
    answer = await get(await serve("https://soap.example.com/a&b"), "/warehouse?wsdl")
    assert b'location="https://soap.example.com/a&amp;b/warehouse"' in answer.body


@pytest.mark.parametrize(
    "host", ["gateway", "my_gateway:8800", "127.0.0.1", "[::1]:8800", "GATEWAY.example"]
)
async def test_whatever_names_a_host_is_an_address(serve, host: str):
    answer = await get(await serve(), "/warehouse?wsdl", Host=host)
    assert (answer.status, f"http://{host}/warehouse".encode() in answer.body) == (200, True)


@pytest.mark.parametrize("host", ["", "a b", 'gateway"', "gateway/x", "user@gateway"])
async def test_a_host_that_is_none_is_no_address(serve, host: str):
    door = await serve()
    for path in ("/", "/warehouse", "/warehouse?wsdl"):
        assert (await get(door, path, Host=host)).status == 400


async def test_a_host_with_its_port_in_the_request_line_is_told_with_it(serve):
    door = await serve()
    wire = Wire()
    data = b"GET http://gateway:8800/warehouse?wsdl HTTP/1.1\r\nHost: gateway:8800\r\n"
    answer = await door.exchange(data + b"Connection: close\r\n\r\n", wire)
    assert b'location="http://gateway:8800/warehouse"' in answer.body


class Counted:
    """A contract that counts how often it is published."""

    def __init__(self, contract: Contract) -> None:
        self.operations = contract.operations
        self.made = 0
        self._contract = contract

    def publish(self, address: str) -> Mapping[str, bytes]:
        self.made += 1
        return self._contract.publish(address)


async def test_a_contract_is_made_ready_once_by_whatever_name_it_is_asked_for(
    listed, warehouse: Contract, opened
):
    contract = Counted(warehouse)
    service: Any = ListedService(contract=contract, gate=listed(EVERYBODY).gate)  # type: ignore[arg-type]
    pages = Pages({"warehouse": service}, "")
    application = web.Application()
    application.add_routes([web.get("/{service}", pages.service)])
    door = await opened(application)
    hosts = [f"gateway-{n}" for n in range(5)] * 2
    asked = [get(door, "/warehouse?wsdl", Host=host) for host in hosts]
    for host, answer in zip(hosts, await asyncio.gather(*asked), strict=True):
        assert f'"http://{host}/warehouse"'.encode() in answer.body
    assert contract.made == 1
