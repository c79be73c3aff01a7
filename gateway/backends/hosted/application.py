"""A spyne Application, hosted as it is: its services, its namespace and name, its listeners.

Parts that do not work here are reported when it is loaded; none is ignored silently.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from gateway.backends.hosted.spyne_compat import (
    Application,
    EventManager,
    Interface,
    Soap11,
    Soap12,
    unregister_application,
)
from gateway.errors import ConfigurationError
from gateway.soap.envelope import SoapVersion

PROTOCOLS = {SoapVersion.V11: Soap11, SoapVersion.V12: Soap12}
HEARD = frozenset(
    {
        *("method_context_created", "method_context_closed"),
        *("method_call", "method_return_object", "method_exception_object"),
        *("method_return_document", "method_exception_document"),
        *("method_return_string", "method_exception_string"),
    }
)
"""The events of calls here: all that spyne 2.14.0 has for an Application on a server."""
READING = frozenset(
    {"before_deserialize", "after_deserialize", "before_serialize", "after_serialize"}
)
"""The events of the protocols, which read and write everything except faults."""

HEEDED = frozenset({"polymorphic", "validator", "validation_schema", "message"})
"""Attributes of a protocol that need no note: they have an effect, or admission validates."""


def application_of(service: type, namespace: str, name: str) -> Application:
    """Return an application of one class."""
    application = Application([service], namespace, name, Soap11(), Soap11())
    unregister_application(application)  # spyne would keep it, and its contents, for ever
    return application


def check(application: Application) -> None:
    """Raise ConfigurationError for an application that would behave differently here."""
    for side in ("in_protocol", "out_protocol"):
        kind = type(getattr(application, side))
        if kind not in PROTOCOLS.values():
            raise ConfigurationError(
                f"its {side} is {kind.__name__}, but the gateway speaks SOAP alone: make an "
                "Application of the same services with Soap11() or Soap12(), and name that one."
            )
    for method in _methods(application):
        if method.aux is not None:
            raise ConfigurationError(
                f"{method.name} is an auxiliary method (_aux), which is not run here: do its work "
                "in the method that it belongs to."
            )


def unheard(application: Application) -> list[str]:
    """Return a note for each event of its listeners that never occurs here."""
    protocols = [application.in_protocol, application.out_protocol]
    own = [application.event_manager, *_of_methods(application)]
    names = _unknown(own, HEARD) | _unknown([one.event_manager for one in protocols], READING)
    return [
        f"its listeners to {name} are not called: there is no such event here; listen to "
        "method_call, method_return_object or method_exception_object"
        for name in sorted(names)
    ]


def unused(application: Application) -> list[str]:
    """Return a note for each option of its protocols that was set, but has no effect here."""
    return [
        f"{name}={getattr(value, '__name__', repr(value))} of its {side} is not used: messages are "
        f"read and written as with {type(getattr(application, side)).__name__}() alone"
        for side in ("in_protocol", "out_protocol")
        for name, value in _changed(getattr(application, side))
    ]


def _changed(protocol: Any) -> list[tuple[str, Any]]:
    own, usual = _options(protocol), _options(type(protocol)())
    changed = {name: value for name, value in own.items() if usual.get(name) != value}
    return sorted((name, value) for name, value in changed.items() if name not in HEEDED)


def _options(protocol: Any) -> dict[str, Any]:
    """Return the options of a protocol, and those of its parser."""
    plain = (bool, str, type)  # others are internal objects
    own = {
        name: value
        for name, value in vars(protocol).items()
        if isinstance(value, plain) and not name.startswith("_")
    }
    encoding = protocol.encoding.lower().replace("utf-8", "utf8")
    return {**protocol.parser_kwargs, **own, "encoding": encoding}


def _unknown(managers: Iterable[EventManager], known: frozenset[str]) -> set[str]:
    return {str(name) for one in managers for name, found in one.handlers.items() if found} - known


def _of_methods(application: Application) -> Iterator[EventManager]:
    for method in _methods(application):
        yield from method.event_managers


def _methods(application: Application) -> Iterator[Any]:
    """Yield spyne's descriptors of the methods of an application."""
    for service in application.services:
        yield from service.public_methods.values()


def speaking(application: Application, version: SoapVersion) -> Application:
    """Return the same application for a version of SOAP.

    It shares the listeners, also those that are added later, and overridden methods of its class.
    """
    twin = copy.copy(application)
    twin.in_protocol = _protocol(application.in_protocol, version)
    twin.out_protocol = _protocol(application.out_protocol, version)
    twin.interface = Interface(twin)
    for protocol, message in (
        (twin.in_protocol, twin.in_protocol.REQUEST),
        (twin.out_protocol, twin.out_protocol.RESPONSE),
    ):
        protocol.set_app(twin)
        protocol.message = message
    return twin


def _protocol(wanted: Any, version: SoapVersion) -> Any:
    # No validator: admission has checked the Body against the contract's own schema.
    protocol = PROTOCOLS[version](polymorphic=wanted.polymorphic)
    protocol.event_manager = wanted.event_manager
    return protocol
