"""What the listener answers with, and with which status."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.errors import Check, FaultCode, FaultError, Forbidden, OverQuota, Refused
from gateway.listening.answers import (
    CLIENT,
    NEW_ID,
    REFUSED,
    collected_response,
    doubtful_response,
    fault_response,
    id_of,
    location_of,
    message_of,
    refusal,
    reply_response,
    state_response,
)
from gateway.message import Message
from gateway.queue import Collected, State
from gateway.soap.envelope import fault

CALL = Message(id="01M", body=b"", content_type="text/xml", target_service="warehouse")
CALL_12 = Message(id="01M", body=b"", content_type="application/soap+xml")
REPLY = Message(body=b"<answered/>", content_type="text/xml; charset=utf-8")


def asked(method: str = "POST", **headers: str) -> web.Request:
    application, ids = web.Application(), iter(("first", "second"))
    application[NEW_ID] = lambda: next(ids)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request(method, "/warehouse", named, app=application)


def test_a_reply_is_200_with_its_own_content_type_and_its_own_bytes():
    response = reply_response(REPLY)
    assert (response.status, response.body) == (200, b"<answered/>")
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        (CALL, FaultCode.CLIENT, 500),
        (CALL, FaultCode.SERVER, 500),
        (CALL_12, FaultCode.CLIENT, 400),
        (CALL_12, FaultCode.SERVER, 500),
    ],
)
def test_a_fault_is_500_but_400_where_soap_1_2_blames_the_sender(
    call: Message, code: FaultCode, status: int
):
    reply = fault(FaultError("no", code=code), call)
    assert collected_response(Collected(State.REPLY, reply)).status == status
    assert fault_response(FaultError("no", code=code), call).status == status


def test_a_reply_of_a_backend_that_is_marked_as_a_fault_and_is_no_xml_is_500():
    broken = Message(body=b"<", content_type="text/xml", is_fault=True)
    assert reply_response(broken).status == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Forbidden("shop may not call GetOrder"), 403),
        (OverQuota(30.0, reason="shop: 1 a day"), 429),
        (Refused("no", check=Check.SCHEMA), 500),
    ],
)
def test_some_refusals_have_a_status_that_says_more(error: FaultError, status: int):
    assert fault_response(error, CALL).status == status


def test_a_status_that_is_given_is_taken():
    assert fault_response(Forbidden("no"), CALL, status=404).status == 404


@pytest.mark.parametrize(("seconds", "header"), [(1.0, "1"), (1.2, "2"), (86399.5, "86400")])
def test_when_to_try_again_is_told_in_whole_seconds_and_never_too_soon(seconds: float, header: str):
    busy = FaultError("later", code=FaultCode.BUSY, retry_after=seconds)
    assert fault_response(busy, CALL).headers["Retry-After"] == header


def test_a_fault_that_does_not_say_when_has_no_such_header():
    response = fault_response(FaultError("no"), CALL, headers={"Location": "/there"})
    assert "Retry-After" not in response.headers
    assert response.headers["Location"] == "/there"


def test_a_fault_is_noted_as_a_refusal_of_a_call_but_one_that_is_only_late_is_none():
    error = Refused("no", check=Check.SCHEMA)
    noted = fault_response(error, CALL)[REFUSED]
    assert (noted.error, noted.message, noted.is_call) == (error, CALL, True)
    late = fault_response(FaultError("late", code=FaultCode.TIMEOUT), CALL)
    assert REFUSED not in late


def test_a_doubt_is_504_tells_where_to_look_and_is_no_refusal():
    response = doubtful_response(CALL, {"Location": "/warehouse/replies/01M"})
    assert (response.status, response.headers["Location"]) == (504, "/warehouse/replies/01M")
    assert REFUSED not in response
    assert b"It is not certain" in bytes(response.body)
    assert b"Server.Timeout" in bytes(response.body)


@pytest.mark.parametrize(
    ("state", "status", "headers"),
    [
        (State.PENDING, 202, {"Retry-After": "1"}),
        (State.WORKING, 202, {"Retry-After": "1"}),
        (State.DONE, 200, {}),
        (State.UNKNOWN, 404, {}),
    ],
)
def test_a_state_without_a_reply_has_its_status(state: State, status: int, headers: dict[str, str]):
    for response in (collected_response(Collected(state)), state_response(state, {"A": "b"})):
        assert response.status == status
        assert json.loads(bytes(response.body)) == {"state": state.value}
        told = {name: value for name, value in response.headers.items() if name == "Retry-After"}
        assert told == headers
    assert response.headers["A"] == "b"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("", "/warehouse/replies/01M"),
        ("https://soap.example.com", "/warehouse/replies/01M"),
        ("https://soap.example.com/soap/", "/soap/warehouse/replies/01M"),
    ],
)
def test_where_a_reply_will_be_is_told_below_the_address_that_clients_use(url: str, place: str):
    assert location_of(CALL, url) == {"Location": place}


def test_a_message_has_what_the_head_says_and_who_was_recognised():
    request = asked(Content_Type="text/xml; charset=utf-8", SOAPAction=' "urn:GetOrder" ')
    request[CLIENT] = "shop"
    message = message_of(request)
    assert message.content_type == "text/xml; charset=utf-8"
    assert message.soap_action == "urn:GetOrder"
    assert (message.sender, message.body) == ("shop", b"")


def test_a_message_of_nobody_and_of_no_header_is_empty_there():
    message = message_of(asked())
    assert (message.content_type, message.soap_action, message.sender) == ("", "", "")


def test_a_request_has_one_id_however_often_it_is_asked_for():
    request = asked()
    assert [id_of(request), message_of(request).id, id_of(request)] == ["first"] * 3


@pytest.mark.parametrize(("method", "kind"), [("POST", "text/xml"), ("GET", "text/plain")])
def test_a_refusal_is_a_fault_for_a_call_and_a_line_of_text_for_others(method: str, kind: str):
    error = Refused("Say who you are.", check=Check.CREDENTIALS)
    response = refusal(asked(method), error, 401, {"WWW-Authenticate": "Bearer"})
    assert (response.status, response.content_type) == (401, kind)
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert (b"faultstring" in bytes(response.body)) is (method == "POST")
    assert b"Say who you are." in bytes(response.body)
    noted: Any = response[REFUSED]
    assert (noted.error, noted.is_call) == (error, False)
