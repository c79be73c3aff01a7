"""``gateway call``: one call through the queue, its reply shown."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import requests
import typer
import zeep
import zeep.exceptions
import zeep.helpers
import zeep.xsd
from lxml import etree
from rich.markup import escape
from zeep.wsdl.utils import etree_to_string

from gateway import assembly
from gateway.cli import streams
from gateway.cli.call import operands as call_arguments
from gateway.cli.call import reply as call_reply
from gateway.cli.call.way import Way
from gateway.cli.call.words import parse_arguments
from gateway.cli.running import ConfigOption
from gateway.client.calls import message_of, response_of
from gateway.contract import Contract, Operation
from gateway.contract.border import doing
from gateway.contract.documents import wellknown
from gateway.endpoint import Call
from gateway.errors import ConfigurationError, ContractError, GatewayError, Refused
from gateway.message import Message
from gateway.settings import Settings, read
from gateway.settings.suggestions import listed, meant
from gateway.soap.envelope import SoapVersion, parse

HERE = "http://queue.invalid/"
"""Stands for the queue in a contract: a name that no resolver knows (RFC 2606)."""
Post = Callable[[bytes, Mapping[str, str]], requests.Response]
"""Sends the bytes of an envelope, with the headers that HTTP would have."""


def call(
    name: Annotated[str, typer.Argument(help="The service, as gateway.toml names it.")] = "",
    operation: Annotated[str, typer.Argument(help="The operation, as the contract names it.")] = "",
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="key=value, parent.child=value, list.0.child=value, key:=JSON"),
    ] = None,
    config: ConfigOption = Path("gateway.toml"),
    envelope: Annotated[
        Path | None, typer.Option(help="Send this file, a whole envelope, instead.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Show the reply as one line of JSON.")
    ] = False,
) -> None:
    """Call an operation through the queue, and show the reply; without one, list them.

    Without a service, list those.

    The exit status is 0 for a reply, 1 for a fault or none in time.
    """
    settings = read(config)
    if not name:
        _show_services(settings, envelope, as_json)
        return
    _check_client(settings)
    contract = _contract(settings, name)
    if envelope is not None and operation:
        raise ConfigurationError(
            "give an operation with its arguments, or an --envelope: not both."
        )
    if envelope is None and not operation:
        _show_operations(_operations(name, contract), as_json)
        return
    with _ended_by_signals():
        if envelope is not None:
            outcome = _send_file(settings, name, contract, envelope)
        else:
            outcome = _call(settings, name, contract, operation, parse_arguments(arguments or ()))
    _show(outcome, as_json)
    raise typer.Exit("fault" in outcome)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let a signal end a call as Ctrl-C does: what was made for its reply is removed first."""

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    # nohup has set another for the second, which stays.
    before = {one: signal.getsignal(one) for one in numbers}
    ours = [one for one, handler in before.items() if handler is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, end)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, before[one])


def _check_client(settings: Settings) -> None:
    """Refuse a call in the name of nobody: the gateway would, without a word about the name."""
    if settings.clients and settings.client not in settings.clients:
        raise ConfigurationError(
            f"client: calls are sent as {settings.client!r}, and there is no table "
            f"[clients.{settings.client}]: set client to one of {', '.join(settings.clients)}."
        )


def _contract(settings: Settings, name: str) -> Contract:
    if name not in settings.services:
        raise ConfigurationError(
            f"there is no service {name!r} in the settings: {meant(name, settings.services)}"
        )
    return assembly.load_service_contract(settings, name).contract


def _operation(name: str, contract: Contract, operation: str) -> Operation:
    names = {one.name for one in contract.operations}
    bound = next((one for one in contract.operations if one.name == operation), None)
    if bound is None:
        told = f"{name} has no operation {operation!r}: {meant(operation, names)}"
        raise ConfigurationError(f"{told} (gateway call {name} lists them)")
    return bound


def _operations(name: str, contract: Contract) -> dict[str, str]:
    """The arguments of each operation, by its name. Raises ContractError."""
    found = {one.name: one for one in reversed(contract.operations)}  # by the first port of each
    with doing("giving it to zeep", contract.entry), _client(name, contract, _describing) as client:
        services = {one: client.bind(found[one].service, found[one].port) for one in sorted(found)}
        return {
            one: call_arguments.takes(one, call_arguments.kind_of(service, one))
            for one, service in services.items()
        }


class _Transport(zeep.Transport):
    """Reads the contract from memory, where it was checked, and has requests sent by ``post``."""

    def __init__(self, documents: Mapping[str, bytes], post: Post) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # zeep has no types for it
        self._documents = documents
        self._post = post

    def load(self, url: str) -> bytes:
        """Return a document of the contract, or of the catalogue. Raises ContractError."""
        if url in self._documents:
            return self._documents[url]
        namespace = wellknown.known(url)
        if namespace is None:
            raise ContractError(f"{url} is not part of the contract; name it in an import")
        return wellknown.read(namespace)

    def post_xml(
        self, address: str, envelope: etree._Element, headers: Mapping[str, str]
    ) -> requests.Response:
        return self._post(etree_to_string(envelope), headers)


def _client(name: str, contract: Contract, post: Post) -> zeep.Client:
    """Return a client of the contract, whose requests are sent by ``post``."""
    published = contract.publish(f"{HERE}{name}")
    documents = {f"{HERE}{name}?{query}": content for query, content in published.items()}
    transport = _Transport(documents, post)
    return zeep.Client(f"{HERE}{name}?wsdl", transport=transport, plugins=[call_reply.AsDeclared()])


def _describing(body: bytes, headers: Mapping[str, str]) -> requests.Response:
    """Refuse to send: a client that only describes its contract has nowhere to send to."""
    raise GatewayError("this client sends nothing")


def _call(
    settings: Settings, name: str, contract: Contract, operation: str, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the reply or the fault as plain values, or the id of what has none."""
    bound = _operation(name, contract, operation)
    way = Way(settings, name)

    def post(body: bytes, headers: Mapping[str, str]) -> requests.Response:
        return response_of(way.send(message_of(body, headers, name), one_way=bound.one_way))

    with contextlib.ExitStack() as stack:
        with doing("giving it to zeep", contract.entry):
            client = stack.enter_context(_client(name, contract, post))
            service = client.bind(bound.service, bound.port)
            kind = call_arguments.kind_of(service, operation)
            call_arguments.check(operation, kind, arguments)
        try:
            with client.settings(raw_response=True):
                response = service[operation](**arguments)
        except (zeep.exceptions.Error, TypeError, ValueError) as error:
            reason = call_arguments.reason(error, operation, kind)
            raise ConfigurationError(reason) from error
        if bound.one_way:
            return {"accepted": way.id}
        try:
            return {"reply": call_reply.read(client, service, operation, response)}
        except zeep.exceptions.Fault as fault:
            return {"fault": _fault(fault)}
        except GatewayError as error:
            raise GatewayError(f"{error} The request has the id {way.id}.") from error


def _fault(fault: zeep.exceptions.Fault) -> dict[str, Any]:
    detail = fault.detail
    has_detail = isinstance(detail, etree._Element)
    return {
        "code": fault.code,
        "subcodes": [str(code) for code in fault.subcodes or ()],
        "message": fault.message,
        "detail": etree.tostring(detail, encoding="unicode") if has_detail else detail,
    }


def _send_file(settings: Settings, name: str, contract: Contract, path: Path) -> dict[str, Any]:
    """Send the bytes of a file, once they have passed the gate here. Raises GatewayError."""
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.") from error
    try:
        message = _message(settings, name, body)
        call = assembly.gate(settings, name, contract).admit(message)
    except Refused as error:
        raise GatewayError(f"{path}: {error}") from error
    way, one_way = Way(settings, name), call.operation.one_way
    reply = way.send(replace(message, soap_action=_action(call)), one_way=one_way)
    if reply is None:
        return {"accepted": way.id} if one_way else {"reply": None}
    return {"fault" if reply.is_fault else "reply": reply.body.decode("utf-8", "replace")}


def _message(settings: Settings, name: str, body: bytes) -> Message:
    """Return the message for an envelope: its root says which media type goes with it."""
    message = Message(body=body, content_type="text/xml", target_service=name)
    envelope = parse(message, settings.limits)
    return replace(message, content_type=envelope.version.media_type)


def _action(call: Call) -> str:
    """Return the action that the contract has for it; SOAP 1.2 needs none."""
    return call.operation.soap_action if call.operation.version is SoapVersion.V11 else ""


def _show_operations(operations: Mapping[str, str], as_json: bool) -> None:
    """Print a line for each, or one of JSON."""
    lines = [json.dumps({"operations": operations})] if as_json else operations.values()
    for line in lines:
        typer.echo(line)


def _show_services(settings: Settings, envelope: Path | None, as_json: bool) -> None:
    if envelope is not None:
        raise ConfigurationError(
            f"--envelope: name its service first: {listed(settings.services)}."
        )
    names = list(settings.services)
    typer.echo(json.dumps({"services": names}) if as_json else "\n".join(names))


def _show(outcome: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(outcome, default=_plain))
        return
    console = streams.console()
    for kind, value in outcome.items():
        color = "red" if kind == "fault" else "green"
        console.print(f"[bold {color}]{kind}[/]", escape(_shown(value)), sep="\n")
        if kind == "accepted":
            console.print("is the id of the request: the operation is one-way, and has no reply")


def _shown(value: Any) -> str:
    """Return a reply or a fault for a person."""
    match value:
        case None:
            return "it is empty"
        case str():
            return value
        case {"code": code, "message": message, "detail": detail}:
            return f"{code}: {message}\n{detail or ''}".rstrip()
    return json.dumps(value, indent=2, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    """A value for JSON, which has no type for it: base64, ISO 8601, decimals as written."""
    match value:
        case bytes():
            return base64.b64encode(value).decode()
        case dt.date() | dt.time():  # a datetime is a date, too
            return value.isoformat()
    is_duration = isinstance(value, tuple(zeep.xsd.Duration.accepted_types))
    return str(zeep.xsd.Duration().xmlvalue(value) if is_duration else value)
