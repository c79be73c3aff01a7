"""One call through spyne: XML into Python values, the user's code, and its result back into XML."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from gateway.backends.hosted.application import speaking
from gateway.backends.hosted.contract import operation_of, reply_envelope
from gateway.backends.hosted.faults import fault_envelope
from gateway.backends.hosted.request import own_copy
from gateway.backends.hosted.spyne_compat import (
    DEFAULT_NS,
    Application,
    Fault,
    MethodContext,
    ServerBase,
)
from gateway.backends.hosted.wsdl import SOAP_OVER_HTTP
from gateway.backends.service_class import Answer
from gateway.contract.operations import Operation
from gateway.endpoint import Call
from gateway.errors import BackendFailed, Check, Refused, unquoted
from gateway.message import Message
from gateway.soap.envelope import Envelope, SoapVersion, fault
from gateway.soap.headers import check_understood

log = logging.getLogger(__name__)

Method = Any
"""spyne's descriptor of an operation; spyne has no types."""


@dataclass(frozen=True, slots=True)
class Binding:
    """An application, bound to one version of SOAP."""

    version: SoapVersion
    application: Application
    server: ServerBase
    methods: dict[tuple[str, str], Method]
    """By the operation's name, if the class knows it, and the name of the Body's element."""

    def method(self, operation: Operation, body: str) -> Method | None:
        """Return the method for an operation and the name of its request's Body element."""
        by_name = self.methods.get((operation.name, body))
        return by_name or self.methods.get(("", body))


UNREADABLE = (
    Fault,
    ArithmeticError,  # a duration that is longer than Python's
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""spyne's errors where it cannot convert a request to Python values."""


class _UnreadableError(Exception):
    """spyne cannot convert a request to Python values. Private: user code never raises it."""


def bind(spoken: Application, version: SoapVersion) -> Binding:
    """Bind an application to a version of SOAP."""
    application = speaking(spoken, version)
    application.event_manager.add_listener("method_exception_object", _keep_failure)
    server = ServerBase(application)
    application.transport = SOAP_OVER_HTTP
    return Binding(version, application, server, _methods(application))


def _methods(application: Application) -> dict[tuple[str, str], Method]:
    """Return the methods by the real names of their elements.

    spyne's own table assumes that every element is in the application's namespace, which need not
    be so in a contract; the wrapper of an rpc style operation is an example.
    """
    methods = {}
    for method in application.interface.method_id_map.values():
        served = operation_of(method)
        key = (served.name, served.body) if served else ("", _element_of(method, application.tns))
        methods[key] = method
    return methods


def _element_of(method: Method, target_namespace: str) -> str:
    request = method.in_message
    namespace = request.Attributes.sub_ns or request.get_namespace()
    if namespace is DEFAULT_NS:
        namespace = target_namespace
    return f"{{{namespace}}}{request.Attributes.sub_name or request.get_type_name()}"


def _keep_failure(ctx: MethodContext) -> None:
    """Keep the exception of user code, which spyne is about to replace by its own fault."""
    error = sys.exception()
    ctx.transport.failure = None if isinstance(error, Fault) else error


def answer(binding: Binding, call: Call) -> Message | None:
    """Carry out a call in this thread; return its reply, or None for a one-way operation.

    Raises Refused and BackendFailed, and then no user code has run; nothing else, ever.
    """
    request, method = _addressed(binding, call)
    check_understood(request, _understood(method))
    try:
        reply = _carry_out(binding, method, request, call)
    except _UnreadableError as error:
        # Only where no schema was checked before. spyne's own text repeats the value.
        raise Refused(
            "A value is not of the type that the contract gives it.", check=Check.SCHEMA
        ) from error
    except BaseException as error:
        # Any exception of user code, even SystemExit or MemoryError, ends only this call.
        log.error(
            "%s: the operation %s failed",
            call.message.id,
            call.operation.name,
            exc_info=unquoted(error),
        )
        reply = _internal_error(call.message)
    return None if call.operation.one_way else reply


def _understood(method: Method) -> Collection[str]:
    """Return the names of the header blocks that a method understands."""
    served = operation_of(method)
    if served is not None:
        return served.headers
    return {f"{{{h.get_namespace()}}}{h.get_type_name()}" for h in method.in_header or ()}


def _addressed(binding: Binding, call: Call) -> tuple[Envelope, Method]:
    """Return a copy of the request for spyne, and the method that it is for.

    If the contract has an empty Body, the element that spyne expects is added.
    """
    request = own_copy(call.envelope)
    tag = _empty_name(binding, call) if request.payload is None else request.payload.tag
    method = binding.method(call.operation, tag)
    if method is None:
        raise BackendFailed("The service does not implement this operation.")
    if request.payload is None:
        request = replace(request, payload=etree.SubElement(request.body, tag or "nothing"))
    return request, method


def _empty_name(binding: Binding, call: Call) -> str:
    if call.operation.body is not None:
        raise Refused("The Body is empty.", check=Check.PAYLOAD)
    found = (key for key, m in binding.methods.items() if m.operation_name == call.operation.name)
    return next((body for _, body in found), "")


def _carry_out(binding: Binding, method: Method, request: Envelope, call: Call) -> Message | None:
    ctx = MethodContext(binding.server, MethodContext.SERVER)
    ctx.transport.message, ctx.transport.failure = call.message, None
    ctx.descriptor, ctx.in_document, ctx.in_body_doc = method, request.root, request.payload
    # Listeners identify an operation by it; spyne's protocols set it on looking up the method.
    ctx.method_request_string = None if request.payload is None else request.payload.tag
    ctx.in_header_doc = None if request.header is None else list(request.header)
    try:
        _read_arguments(ctx)
        binding.server.get_out_object(ctx)
        if ctx.transport.failure is not None:
            _raise_unless_explained(ctx, call)
        if call.operation.one_way:
            _log_unseen(ctx, call)
            return None
        return _reply(ctx, binding, call.message)
    finally:
        ctx.transport.failure = None  # breaks the cycle with the frames of its traceback
        ctx.close()


def _raise_unless_explained(ctx: MethodContext, call: Call) -> None:
    """Raise user code's exception, unless a listener has replaced it by its own fault."""
    fault = ctx.out_error
    if fault is None or (fault.faultcode, fault.faultstring) == ("Server", "Internal Error"):
        raise ctx.transport.failure
    failure = ctx.transport.failure
    log.error("%s: %s failed", call.message.id, call.operation.name, exc_info=unquoted(failure))


def _read_arguments(ctx: MethodContext) -> None:
    served = operation_of(ctx.descriptor)
    try:
        if served is not None:
            # Not through spyne: it would interpret the element's xsi:type and xsi:nil itself.
            ctx.in_object = served.read(ctx.in_body_doc, ctx.in_header_doc or ())
            return
        ctx.app.in_protocol.deserialize(ctx, message=ctx.app.in_protocol.REQUEST)
    except UNREADABLE as error:
        raise _UnreadableError from error


def _log_unseen(ctx: MethodContext, call: Call) -> None:
    """Log the fault that a one-way operation ended with: it is reported nowhere else."""
    if ctx.out_error is not None:
        kind = type(ctx.out_error).__name__
        log.warning("%s: the one-way %s raised a %s", call.message.id, call.operation.name, kind)


def _reply(ctx: MethodContext, binding: Binding, request: Message) -> Message:
    try:
        if ctx.out_error is None:
            answer = ctx.out_object[0] if ctx.out_object else None
            if isinstance(answer, Answer):
                ctx.out_document = reply_envelope(answer, binding.version)
            binding.server.get_out_string(ctx)  # this runs generators, which are user code
    except Fault as late:
        ctx.out_error = late
    if ctx.out_error is not None:
        ctx.out_document = fault_envelope(ctx, ctx.out_error, binding.version)
        binding.server.get_out_string(ctx)
    return Message(
        body=b"".join(ctx.out_string),
        content_type=f"{binding.version.media_type}; charset=utf-8",
        target_service=request.target_service,
        is_fault=ctx.out_error is not None,
    )


def _internal_error(request: Message) -> Message:
    """Return the fault for an internal error: the caller learns the id of the log line only."""
    return replace(fault(BackendFailed("Internal error"), request), correlation_id="")
