"""Who a caller is: by its secret, by its certificate, and by nothing else that it says."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from multidict import CIMultiDict
from wire import Asked, Wire

from gateway.errors import Check
from gateway.listening.answers import CLIENT, NEW_ID, REFUSED
from gateway.listening.authentication import (
    CHALLENGE,
    UNKNOWN,
    WHO,
    Recogniser,
    Unrecognised,
    names_of,
    recognised,
)
from gateway.secrets.credentials import Credentials, credential

REASONS = {
    "unknown secret",
    "its authorization scheme is neither Bearer nor Basic",
    "its basic credentials are not base64 of UTF-8",
}
"""All that is said of a header: nothing of what was sent."""
CERTIFICATES = {"shop.example.com": "shop", "urn:billing": "billing"}


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def certificate(*names: str, common: str = "") -> Mapping[str, Any]:
    """Return a certificate as Python's ssl has it."""
    beside = tuple(name.split("=", 1) for name in names)
    return {"subject": ((("commonName", common),),) if common else (), "subjectAltName": beside}


@pytest.fixture
def recogniser() -> Recogniser:
    known = [credential("shop", "s3cret"), credential("billing", "geheim"), credential("old", "x")]
    return Recogniser(Credentials(known), CERTIFICATES)


def asked(*stated: str, shown: Mapping[str, Any] | None = None) -> web.Request:
    headers = CIMultiDict([("Authorization", one) for one in stated])
    wire = Wire(peercert=shown)
    return make_mocked_request("POST", "/warehouse", headers, transport=wire)


def reason(recogniser: Recogniser, request: web.Request) -> str:
    with pytest.raises(Unrecognised) as caught:
        recogniser.recognise(request)
    return str(caught.value)


# Secrets


@pytest.mark.parametrize(
    "stated",
    [
        "Bearer s3cret",
        "bearer s3cret",
        "BEARER   s3cret ",
        basic("shop", "s3cret"),
        "basic " + basic("shop", "s3cret")[6:],
    ],
)
def test_a_client_is_known_by_its_secret(recogniser: Recogniser, stated: str):
    assert recogniser.recognise(asked(stated)) == "shop"


@pytest.mark.parametrize(
    "stated",
    [
        "Bearer S3CRET",
        "Bearer s3cre",
        "Bearer s3cretx",
        "Bearer ",
        "Bearer",
        basic("shop", "geheim"),
        basic("SHOP", "s3cret"),
        basic("", "s3cret"),
        basic("shop", ""),
        basic("shop", "s3cret:"),
    ],
)
def test_a_secret_that_is_not_quite_right_is_unknown(recogniser: Recogniser, stated: str):
    assert reason(recogniser, asked(stated)) == "unknown secret"


@pytest.mark.parametrize("stated", ["s3cret", "Digest s3cret", "Negotiate abc", "", "Token s3cret"])
def test_a_scheme_that_is_neither_bearer_nor_basic_is_unknown(recogniser: Recogniser, stated: str):
    assert "neither Bearer nor Basic" in reason(recogniser, asked(stated))


@pytest.mark.parametrize("stated", ["Basic !!!", "Basic \xe9", "Basic /w=="])
def test_basic_credentials_that_cannot_be_read_are_unknown(recogniser: Recogniser, stated: str):
    assert "not base64 of UTF-8" in reason(recogniser, asked(stated))


def test_a_name_in_basic_credentials_may_hold_what_utf_8_has():
    known = Recogniser(Credentials([credential("entrepôt", "s3cret")]), {})
    assert known.recognise(asked(basic("entrepôt", "s3cret"))) == "entrepôt"


def test_a_secret_with_a_colon_is_one_secret():
    known = Recogniser(Credentials([credential("shop", "a:b")]), {})
    assert known.recognise(asked(basic("shop", "a:b"))) == "shop"


def test_who_says_nothing_is_nobody(recogniser: Recogniser):
    assert reason(recogniser, asked()) == "no credentials"


@pytest.mark.parametrize("second", ["Bearer s3cret", "Bearer geheim"])
def test_who_says_it_twice_is_nobody_also_where_both_agree(recogniser: Recogniser, second: str):
    assert "more than one set" in reason(recogniser, asked("Bearer s3cret", second))


def test_no_reason_holds_what_was_sent(recogniser: Recogniser):
    for stated in ("Bearer canary", "canary", "Basic canary", basic("canary", "canary")):
        assert "canary" not in reason(recogniser, asked(stated))


@examples(max_examples=40)
@given(said=st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF), max_size=200))
def test_no_header_but_the_right_one_opens(said: str):
    known = Recogniser(Credentials([credential("shop", "s3cret")]), {})
    for scheme in ("", "Bearer ", "Basic "):
        assert reason(known, asked(scheme + said)) in REASONS


def test_credentials_that_were_read_again_count_at_once(recogniser: Recogniser):
    recogniser.credentials = Credentials([credential("shop", "another")])
    assert recogniser.recognise(asked("Bearer another")) == "shop"
    reason(recogniser, asked("Bearer s3cret"))


# Certificates


@pytest.mark.parametrize(
    ("shown", "client"),
    [
        (certificate(common="shop.example.com"), "shop"),
        (certificate("DNS=shop.example.com"), "shop"),
        (certificate("DNS=SHOP.example.com", common="another"), "shop"),
        (certificate("URI=urn:billing"), "billing"),
        (certificate("DNS=shop.example.com", common="shop.example.com"), "shop"),
    ],
)
def test_a_client_is_known_by_a_name_in_its_certificate(
    recogniser: Recogniser, shown: Mapping[str, Any], client: str
):
    assert recogniser.recognise(asked(shown=shown)) == client


@pytest.mark.parametrize(
    "shown",
    [
        certificate(common="evil.example.com"),
        certificate("DNS=*.example.com"),
        certificate("IP Address=shop.example.com"),
        certificate("DNS=shop.example.com", "URI=urn:billing"),
    ],
)
def test_a_certificate_of_no_client_or_of_two_is_nobodys(
    recogniser: Recogniser, shown: Mapping[str, Any]
):
    assert "belongs to no client, or to several" in reason(recogniser, asked(shown=shown))


def test_who_shows_a_secret_and_a_certificate_is_one_client_by_both(recogniser: Recogniser):
    shown = certificate(common="shop.example.com")
    assert recogniser.recognise(asked("Bearer s3cret", shown=shown)) == "shop"
    assert "more than one set" in reason(recogniser, asked("Bearer geheim", shown=shown))


def test_names_of_a_certificate_are_the_common_name_and_those_beside_it():
    shown = certificate("DNS=a", "URI=b", "email=c", "IP Address=1.2.3.4", common="d")
    whole = {**shown, "subject": (*shown["subject"], (("organizationName", "e"),))}
    assert names_of(whole) == {"a", "b", "c", "d"}
    assert names_of({}) == set()


# Who is let in


@pytest.fixture
async def guarded(recogniser: Recogniser, opened: Callable[..., Any]) -> Asked:
    """What is behind says whom it sees; a refusal, by which check it was refused."""

    async def see(request: web.Request) -> web.Response:
        return web.Response(text=request.get(CLIENT, "nobody"))

    @web.middleware
    async def telling(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        if REFUSED in response:
            response.headers["Check"] = str(response[REFUSED].error.check)
            response.headers["Reason"] = response[REFUSED].error.reason
        return response

    guard = recognised(recogniser, {"shop": object(), "billing": object()}, ["warehouse"])
    application = web.Application(middlewares=[telling, guard])
    application[NEW_ID] = lambda: "01M"
    for path in ("/", "/healthz", "/{service}"):
        application.router.add_route("*", path, see)
    return await opened(application)


async def test_a_known_client_is_let_in_under_its_name(guarded: Asked):
    answer = await guarded.get("/warehouse", Authorization="Bearer geheim")
    assert (answer.status, answer.body) == (200, b"billing")


async def test_whoever_shows_a_certificate_of_a_client_is_let_in(guarded: Asked):
    wire = Wire(peercert=certificate("DNS=shop.example.com"))
    assert (await guarded.ask("GET", "/", wire=wire)).body == b"shop"


@pytest.mark.parametrize(
    ("headers", "told"),
    [({}, WHO), ({"Authorization": "Bearer wrong"}, UNKNOWN)],
)
@pytest.mark.parametrize("path", ["/", "/warehouse"])
async def test_others_are_401_and_told_how_to_say_who_they_are(
    guarded: Asked, headers: dict[str, str], told: str, path: str
):
    answer = await guarded.ask("POST", path, b"", **headers)
    assert (answer.status, told in answer.body.decode()) == (401, True)
    assert answer.headers["www-authenticate"] == CHALLENGE
    assert answer.headers["check"] == Check.CREDENTIALS


async def test_a_certificate_that_is_nobodys_is_not_told_to_say_who_it_is(guarded: Asked):
    wire = Wire(peercert=certificate(common="evil.example.com"))
    answer = await guarded.ask("GET", "/", wire=wire)
    assert (answer.status, UNKNOWN in answer.body.decode()) == (401, True)


async def test_a_client_with_a_secret_and_without_a_table_is_not_let_in(guarded: Asked):
    answer = await guarded.get("/warehouse", Authorization="Bearer x")
    assert answer.status == 401
    assert answer.headers["reason"] == "old has a secret, but no table in the settings"


async def test_health_is_told_to_everybody(guarded: Asked):
    assert (await guarded.get("/healthz")).body == b"nobody"
    assert (await guarded.get("/healthz", Authorization="Bearer wrong")).body == b"nobody"


async def test_where_there_is_nothing_nobody_is_asked_who_it_is(guarded: Asked):
    for headers in ({}, {"Authorization": "Bearer s3cret"}):
        assert (await guarded.get("/a/b/c", **headers)).status == 404
        answer = await guarded.get("/depot", **headers)
        assert (answer.status, answer.headers["check"]) == (404, Check.SERVICE)
