"""Classes that carry out a contract on its own types, as spyne services.

spyne's own types cannot express many a contract: they lose nil, the order in a repeated choice, and
the content of wildcards. So spyne gets elements here, and the class's own codec converts them to
values. Everything else is as for other spyne services: threads, headers, faults, error handling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from lxml import etree

from gateway.backends.hosted.spyne_compat import AnyXml, Fault, MethodContext, Service, rpc
from gateway.backends.service_class import (
    REQUEST,
    Answer,
    FaultAnswer,
    ServedClass,
    ServedOperation,
)
from gateway.errors import ConfigurationError
from gateway.soap.envelope import Element, SoapVersion

SERVED = "served"
"""The key of an operation in the user data of a spyne method."""


class Elements(AnyXml):  # type: ignore[misc]  # spyne has no types
    """The declared type of a Body: spyne itself reads and writes none of it."""


def is_served(service: object) -> bool:
    """Tell whether a class carries out a contract on its own types."""
    return hasattr(service, "__served__")


def spyne_service(service: type) -> type:
    """Return a spyne service whose methods call those of one new instance of a class.

    Raises ConfigurationError if the instance cannot be made.
    """
    operations = cast(ServedClass, service).__served__()
    try:
        instance = service()
    except Exception as error:  # whatever the class's own code raises
        raise ConfigurationError(
            f"{service.__name__} fails when it is made: {type(error).__name__}: {error}. One "
            "instance is made, without arguments, to serve all calls: correct its __init__."
        ) from error
    methods = {}
    for number, operation in enumerate(operations):
        # Not its own name: two operations may have the same, and spyne distinguishes by it.
        name = f"operation_{number}"
        methods[name] = _method(operation, instance, name)
    made: type = type(Service)(service.__name__, (Service,), methods)
    return made


def _method(operation: ServedOperation, instance: object, name: str) -> Any:
    decorate = rpc(
        Elements,
        _returns=Elements,
        _body_style="bare",
        _operation_name=operation.name,
        _udd={SERVED: operation},
    )
    function = _function(operation, instance)
    function.__name__ = name
    return decorate(function)


def _function(operation: ServedOperation, instance: object) -> Callable[..., Answer]:
    def carry_out(ctx: MethodContext, values: object) -> Answer:
        REQUEST.set(ctx.transport.message)  # each call runs in its own context
        answer = operation.carry_out(instance, values)
        if isinstance(answer, FaultAnswer):
            detail = list(answer.detail)
            raise Fault(answer.code, answer.text, faultactor=answer.actor, detail=detail)
        return answer

    return carry_out


def reply_envelope(answer: Answer, version: SoapVersion) -> Element:
    """Return the envelope of a reply.

    It declares SOAP's prefix and no other: lxml removes a declaration from an element below another
    one for the same namespace, but values such as xsi:type may use its prefix.
    """
    soap = f"{{{version.namespace}}}"
    envelope = etree.Element(f"{soap}Envelope", nsmap={"soap": version.namespace})
    if answer.headers:
        etree.SubElement(envelope, f"{soap}Header").extend(answer.headers)
    body = etree.SubElement(envelope, f"{soap}Body")
    if answer.body is not None:
        body.append(answer.body)
    return envelope


def operation_of(method: Any) -> ServedOperation | None:
    """Return the operation of a spyne method; None if its service uses spyne's own types."""
    found: ServedOperation | None = method.udd.get(SERVED)
    return found
