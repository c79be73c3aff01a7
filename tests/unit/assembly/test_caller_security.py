"""What the settings make of WS-Security that callers have to show."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import attacks
import pytest
import wsse
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway import assembly
from gateway.assembly import parts
from gateway.assembly.caller_security import caller_security
from gateway.assembly.summary import Role, checks, summary
from gateway.cli.commands.check import secret_findings
from gateway.errors import ConfigurationError, NotSecured
from gateway.message import Message, new_id
from gateway.observe.events import Events
from gateway.queue import AdministeredQueue, State
from gateway.settings import from_values

WSDL = str(Path(__file__).resolve().parents[3] / "wsdl" / "warehouse.wsdl")
SIGNED, USER = ((attacks.CORPUS / f"wss-{name}.xml").read_bytes() for name in ("signed", "user"))


def configured(folder: Path, clients: dict[str, object] | None = None, **services: object):
    """Return settings; each service is named with its table ``wss``."""
    made = {name: {"wsdl": WSDL, "wss": table} for name, table in services.items()}
    values = {"queue": "memory:", "services": made, "clients": clients or {}}
    return from_values(values, folder, "gateway.toml")


def gates(settings):
    security = caller_security(settings, time.time)
    loaded = assembly.load_contracts(settings)
    rights = assembly.rights(settings, loaded)
    return {
        name: assembly.gate(settings, name, one.contract, rights[name], security[name])
        for name, one in loaded.items()
    }


def sent(template: bytes, sender: str) -> Message:
    return Message(body=wsse.made(template), content_type="text/xml", sender=sender)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret").write_text(wsse.SECRET)
    for name in (wsse.SIGNER, "mallory"):
        content = wsse.keys(name).certificate.read_bytes()
        (tmp_path / f"{name}.pem").write_bytes(content)
    return tmp_path


BOTH = {
    "users": {"joe": "file:secret", "ann": "file:secret"},
    "certificates": ["mallory.pem", "signer.pem"],
    "either": True,
}


def test_a_client_has_to_show_what_is_its_own(folder):
    clients = {
        "joes": {"allow": ["*"], "wss_user": "joe"},
        "anns": {"allow": ["*"], "wss_user": "ann"},
        "signers": {"allow": ["*"], "wss_certificate": "signer.pem"},
        "others": {"allow": ["*"], "wss_certificate": "mallory.pem"},
        "free": {"allow": ["*"]},
    }
    gate = gates(configured(folder, clients, orders=BOTH))["orders"]
    for client, template in (("joes", USER), ("signers", SIGNED), ("free", USER), ("free", SIGNED)):
        assert gate.admit(sent(template, client))
    for client, template, cause in (
        ("anns", USER, "has to show the user 'ann'"),
        ("signers", USER, "sign with another certificate"),
        ("others", SIGNED, "sign with another certificate"),
        ("joes", SIGNED, "has to show the user 'joe'"),
    ):
        with pytest.raises(NotSecured) as caught:
            gate.admit(sent(template, client))
        assert cause in caught.value.reason


def test_what_was_shown_to_one_service_is_of_no_use_at_another(folder):
    both = gates(configured(folder, orders=BOTH, billing=BOTH))
    one = replace(sent(USER, "alice"), target_service="orders")
    assert both["orders"].admit(one)
    for again in (replace(one, id=new_id()), replace(one, target_service="billing")):
        with pytest.raises(NotSecured, match="not accepted") as caught:
            both["billing"].admit(again)
        assert "a replay" in caught.value.reason


def test_a_service_that_asks_for_nothing_has_no_verifier(folder):
    assert caller_security(configured(folder, orders=None), time.time) == {"orders": None}


@pytest.mark.parametrize(("key", "value"), [("wss_user", "jo"), ("wss_certificate", "sign.pem")])
def test_a_client_that_has_to_show_what_nobody_knows_stops_the_start(folder, key, value):
    settings = configured(folder, {"shop": {"allow": ["*"], key: value}}, orders=BOTH)
    with pytest.raises(ConfigurationError, match=rf"^clients\.shop\.{key}: no \[.*names '{value}'"):
        caller_security(settings, time.time)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "has neither users nor certificates: add one of them"),
        ({"users": {"joe": "hunter2"}}, "users.joe: must say where the secret is"),
        ({"users": {" joe": "env:X"}}, "with no blanks around it"),
        ({"users": {"joe": "env:X"}, "either": True}, "only one to choose from"),
        ({"users": {"joe": "env:X"}, "password_types": ["plain"]}, 'a list of "digest" and "text"'),
        ({"users": {"joe": "env:X"}, "password_types": []}, 'a list of "digest" and "text"'),
        ({"certificates": "signer.pem"}, 'a list of files in PEM, like ["shop.pem"]'),
        ({"users": {"joe": "env:X"}, "window": 0.0}, "window: "),
        ({"users": {"joe": "env:X"}, "pasword": "hunter2"}, "pasword: is not a key of this file"),
        ({"users": {"joe": ["hunter2"]}}, "users.joe: must say where the secret is"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_no_secret(tmp_path, table, said):
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path, orders=table)
    assert "services.orders.wss" in str(caught.value)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_that_is_not_there_is_told_with_its_key(tmp_path):
    settings = configured(tmp_path, orders={"users": {"joe": "file:missing"}})
    with pytest.raises(ConfigurationError, match=r"services\.orders\.wss\.users\.joe: .*missing"):
        caller_security(settings, time.time)


def test_each_password_is_looked_for_and_never_shown(folder):
    table = {"users": {"joe": "file:secret", "ann": "file:missing"}}
    found = list(secret_findings(configured(folder, orders=table), "orders"))
    assert [one.subject.split()[-1] for one in found] == [
        "services.orders.wss.users.joe:",
        "services.orders.wss.users.ann:",
    ]
    assert [bool(one.cure) for one in found] == [False, True]
    assert wsse.SECRET not in str(found)


def test_a_certificate_that_is_no_longer_valid_is_noted(folder):
    authority = wsse.Authority.make(folder)
    old = authority.certify("old", days=-1)
    settings = configured(folder, orders={"certificates": ["signer.pem", old.name]})
    asked, notes = assembly.check_caller_security(settings, "orders")
    assert asked == "a signature (signer.pem, old-whole.pem)"
    assert notes == ["a certificate in old-whole.pem is not valid now"]


def test_the_summary_says_who_asks_and_what_is_not_safe(folder):
    role = Role(serves=True)
    lines = "\n".join(summary(configured(folder, orders={**BOTH, "unsafe_sha1": True}), role))
    assert checks(configured(folder, orders=BOTH), {}).endswith("schema; WS-Security of orders")
    assert "callers' WS-Security" not in lines
    assert "UNSAFE settings: services.orders.wss.unsafe_sha1" in lines
    lines = "\n".join(summary(configured(folder, orders=None), role))
    assert "callers' WS-Security" in lines.partition("off: ")[2]


# On the whole way, in one process

QUOTES = """
from spyne import ServiceBase, Unicode, rpc

class Quotes(ServiceBase):
    __namespace__ = "urn:quotes"

    @rpc(Unicode, _returns=Unicode)
    def Quote(ctx, symbol):
        return f"{symbol} 1"
"""
QUOTE = b'<q:Quote xmlns:q="urn:quotes"><q:symbol>AB</q:symbol></q:Quote>'


@contextlib.asynccontextmanager
async def serving(settings) -> AsyncIterator[AdministeredQueue]:
    """Have a gateway drain a queue in memory; yield the queue."""
    loaded = assembly.load_contracts(settings)
    async with (
        assembly.opened_queue(settings) as queue,
        parts.gateway(settings, loaded, queue, Events()) as gateway,
    ):
        stop = asyncio.Event()
        running = asyncio.ensure_future(gateway.run(stop))
        try:
            yield queue
        finally:
            stop.set()
            await running


async def answered(queue: AdministeredQueue, message: Message) -> bytes:
    collected = await queue.collect(message.sender, message.id, 20)
    assert collected.state is State.REPLY
    return collected.reply.body


async def test_a_hosted_service_gets_what_was_verified_without_its_header(folder):
    (folder / "secured_quotes.py").write_text(QUOTES)
    service = {"host": "secured_quotes:Quotes", "wss": BOTH}
    values = {"queue": "memory:", "services": {"quotes": service}}
    async with serving(from_values(values, folder, "it")) as queue:
        payload = USER[USER.index(b"<t:GetOrder>") : USER.index(b"</e:Body>")]
        for template, expected in (
            (USER.replace(payload, QUOTE), b"AB 1"),
            (USER.replace(payload, QUOTE).replace(b"@@nonce@@", b""), b"InvalidSecurity"),
        ):
            message = Message(
                body=wsse.made(template),
                content_type="text/xml",
                sender="local",
                target_service="quotes",
            )
            await queue.send(message)
            assert expected in await answered(queue, message)


async def test_a_request_that_is_tried_again_is_no_replay_of_itself(folder):
    """The service is away at first: the request goes back into the queue, and comes again."""
    seen: list[bytes] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(await request.read())
        reply = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/>'
        return web.Response(body=reply + b"</e:Envelope>", content_type="text/xml")

    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        service = {"wsdl": WSDL, "forward": f"http://127.0.0.1:{port}/", "wss": BOTH}
        values = {"queue": "memory:", "services": {"orders": service}}
        settings = from_values(values, folder, "it")
        message = Message(
            body=wsse.made(SIGNED),
            content_type="text/xml",
            sender="local",
            target_service="orders",
        )
        async with serving(settings) as queue:
            await queue.send(message)
            assert (await queue.collect("local", message.id, 0.7)).state is not State.REPLY
            reserved.close()
            runner = web.AppRunner(_application(answer), access_log=None)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            try:
                assert b"Body" in await answered(queue, message)
            finally:
                await runner.cleanup()
    (body,) = seen
    begin, end = message.body.index(b"<w:Security"), message.body.index(b"</w:Security>") + 13
    assert body == message.body[:begin] + message.body[end:]


def _application(answer: Handler) -> web.Application:
    application = web.Application()
    application.router.add_post("/", answer)
    return application
