"""An existing spyne Application is hosted as it is: services, namespace, name, and listeners."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

import gateway.backends.hosted.spyne_compat  # noqa: F401 - makes spyne importable

# isort: split
from spyne import Application, ComplexModel, Fault, Service, Unicode, rpc
from spyne.protocol.json import JsonDocument
from spyne.protocol.soap import Soap11, Soap12

from gateway.admission import Gate, Limits
from gateway.backends.hosted.service import HostedBackend, beside, load_service
from gateway.contract import from_documents
from gateway.errors import ConfigurationError
from gateway.message import Message
from gateway.soap.envelope import SoapVersion

NAMESPACE = "urn:legacy:desk"
EVENTS = (
    "method_context_created",
    "method_call",
    "method_return_object",
    "method_return_document",
    "method_return_string",
    "method_context_closed",
)


class Booking(ComplexModel):
    seat = Unicode


class Unbookable(Exception):
    """What this house's services raise."""


def services() -> list[type]:
    """Return two classes that were in no namespace yet."""

    class Bookings(Service):
        @rpc(Unicode, _returns=Booking)
        def book(ctx, seat):
            if seat == "none":
                raise Unbookable(seat)
            return Booking(seat=f"{ctx.udc or ''}{seat}")

    class Prices(Service):
        @rpc(Unicode, _returns=Unicode)
        def price(ctx, seat):
            return f"{ctx.udc or ''}7 for {seat}"

    return [Bookings, Prices]


def application(kind: type = Soap11, made: Callable[..., Any] = Application) -> Any:
    return made(services(), NAMESPACE, "Desk", in_protocol=kind(), out_protocol=kind())


async def ask(backend: HostedBackend, operation: str, seat: str, version=SoapVersion.V11) -> str:
    """Return all the text of the reply, or of the fault."""
    body = (
        f'<e:Envelope xmlns:e="{version.namespace}"><e:Body><n:{operation} xmlns:n="{NAMESPACE}">'
        f"<n:seat>{seat}</n:seat></n:{operation}></e:Body></e:Envelope>"
    )
    message = Message(body=body.encode(), content_type=version.media_type, target_service="desk")
    contract = from_documents({"a.wsdl": backend.wsdl("http://127.0.0.1/desk")}, "a.wsdl")
    reply = await backend.invoke(Gate(contract, Limits()).admit(message))
    assert reply is not None
    return "".join(map(str, etree.fromstring(reply.body).itertext()))


@pytest.mark.parametrize("kind", [Soap11, Soap12])
@pytest.mark.parametrize("version", list(SoapVersion))
async def test_all_of_its_services_answer_in_its_namespace_under_its_name(kind, version):
    backend = HostedBackend(application(kind), name="desk")
    wsdl = etree.fromstring(backend.wsdl("http://127.0.0.1/desk"))
    assert wsdl.get("targetNamespace") == NAMESPACE
    assert wsdl.find("{*}portType").get("name") == "Desk"
    assert await ask(backend, "book", "4A", version) == "4A"
    assert await ask(backend, "price", "4A", version) == "7 for 4A"
    await backend.aclose()


async def test_its_listeners_hear_each_call_and_those_of_its_classes_too():
    desk, heard = application(), []
    desk.event_manager.add_listener("method_call", lambda ctx: setattr(ctx, "udc", "dear "))
    for name in EVENTS:
        desk.event_manager.add_listener(name, lambda ctx, name=name: heard.append(name))
    bookings = desk.services[0]
    bookings.event_manager.add_listener("method_call", lambda ctx: heard.append("of the class"))
    desk.in_protocol.event_manager.add_listener(
        "after_deserialize", lambda ctx: heard.append("of the protocol")
    )
    backend = HostedBackend(desk)
    assert backend.notes == ()
    assert await ask(backend, "book", "4A") == "dear 4A"
    assert heard == [
        "method_context_created",
        "of the protocol",
        "method_call",
        "of the class",
        *EVENTS[2:],
    ]
    await backend.aclose()


async def test_a_listener_is_told_which_operation_it_is_and_that_no_web_server_is_there():
    desk, told = application(), []
    desk.event_manager.add_listener(
        "method_call",
        lambda ctx: told.append((ctx.method_request_string, ctx.transport.type)),
    )
    backend = HostedBackend(desk)
    for version in SoapVersion:
        await ask(backend, "book", "4A", version)
        await ask(backend, "price", "4A", version)
    names = [f"{{{NAMESPACE}}}{name}" for name in ("book", "price")]
    assert told == [(name, None) for name in names] * 2
    await backend.aclose()


async def test_a_listener_may_refuse_a_call_with_a_fault_of_its_own():
    desk = application()

    def refuse(ctx: Any) -> None:
        raise Fault("Client.Closed", "The desk is closed.")

    desk.event_manager.add_listener("method_call", refuse)
    backend = HostedBackend(desk)
    assert "The desk is closed." in await ask(backend, "book", "4A")
    await backend.aclose()


async def test_a_listener_may_make_a_fault_of_an_exception_and_else_it_stays_unsaid(caplog):
    desk = application()
    backend = HostedBackend(desk)
    assert "none" not in await ask(backend, "book", "none")

    def explain(ctx: Any) -> None:
        ctx.out_error = Fault("Client.Unbookable", "No such seat.")

    desk.event_manager.add_listener("method_exception_object", explain)
    assert "No such seat." in await ask(backend, "book", "none")
    told = [str(one.exc_info[1]) for one in caplog.records if one.exc_info]
    assert [one.rpartition(".")[2] for one in told] == ["Unbookable"] * 2
    await backend.aclose()


async def test_what_its_class_does_in_a_way_of_its_own_it_does_here_too():
    class Desk(Application):
        def call_wrapper(self, ctx):
            try:
                return super().call_wrapper(ctx)
            except Unbookable as error:
                raise Fault("Client.Unbookable", "Take another seat.") from error

    backend = HostedBackend(application(made=Desk))
    assert "Take another seat." in await ask(backend, "book", "none")
    await backend.aclose()


def test_a_listener_that_is_never_called_is_told():
    desk = application()
    desk.event_manager.add_listener("wsgi_call", print)
    desk.in_protocol.event_manager.add_listener("before_first_root", print)
    notes = HostedBackend(desk).notes
    assert [one.partition(" are not called")[0] for one in notes] == [
        "its listeners to before_first_root",
        "its listeners to wsgi_call",
    ]


def test_an_option_of_its_protocols_that_has_no_effect_is_told():
    desk = application()
    desk.in_protocol = Soap11(validator="lxml", huge_tree=True, binary_encoding="hex")
    desk.out_protocol = Soap12(pretty_print=True, encoding="latin-1", polymorphic=True)
    assert [one.partition(" is not used")[0] for one in HostedBackend(desk).notes] == [
        "binary_encoding='hex' of its in_protocol",
        "huge_tree=True of its in_protocol",
        "encoding='latin-1' of its out_protocol",
        "pretty_print=True of its out_protocol",
    ]


def test_an_option_that_says_what_is_so_anyway_is_not_told():
    desk = application()
    desk.in_protocol = Soap12(encoding="utf-8", huge_tree=False)
    desk.out_protocol = Soap11(encoding="UTF8", xml_declaration=True)
    assert HostedBackend(desk).notes == ()


@pytest.mark.parametrize("kind", [JsonDocument, type("Own", (Soap11,), {})])
def test_an_application_with_another_protocol_is_refused_with_the_cure(kind):
    with pytest.raises(ConfigurationError, match=rf"{kind.__name__}.*Soap11\(\) or Soap12\(\)"):
        HostedBackend(application(kind))


def test_auxiliary_methods_are_refused_with_the_cure():
    from spyne.auxproc.sync import SyncAuxProc

    (bookings, prices) = services()
    prices.__aux__ = SyncAuxProc()
    desk = Application([bookings, prices], NAMESPACE, "Desk", Soap11(), Soap11())
    with pytest.raises(ConfigurationError, match="auxiliary"):
        HostedBackend(desk)


@pytest.mark.parametrize(
    ("attribute", "words"), [("desk", ""), ("web", "name its Application"), ("none", "desk")]
)
def test_it_is_named_in_the_settings_by_its_module(tmp_path: Path, monkeypatch, attribute, words):
    module = f"""\
    from spyne import Application, Service, rpc
    from spyne.protocol.soap import Soap11
    from spyne.server.wsgi import WsgiApplication

    class Desk(Service):
        @rpc()
        def ring(ctx):
            pass

    desk = Application([Desk], {NAMESPACE!r}, in_protocol=Soap11(), out_protocol=Soap11())
    web = WsgiApplication(desk)
    """
    (tmp_path / "desk_module.py").write_text(textwrap.dedent(module))
    monkeypatch.syspath_prepend(str(tmp_path))
    if not words:
        assert isinstance(load_service(f"desk_module:{attribute}"), Application)
        assert beside(f"desk_module:{attribute}") == []
        load_service("desk_module:Desk")
        (note,) = beside("desk_module:Desk")
        assert 'write host = "desk_module:desk"' in note
        return
    with pytest.raises(ConfigurationError, match=words):
        load_service(f"desk_module:{attribute}")
