"""Services hosted in this process, on spyne, hardened where it needs it.

spyne does only what it is good at: converting XML to Python values, and back. The gateway has
parsed, checked and routed the request before, and writes the faults.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from functools import partial
from types import ModuleType
from weakref import WeakKeyDictionary

from gateway.backends.hosted.application import application_of, check, unheard, unused
from gateway.backends.hosted.contract import is_served, spyne_service
from gateway.backends.hosted.dispatch import answer, bind
from gateway.backends.hosted.pool import Threads
from gateway.backends.hosted.spyne_compat import Application, Service, WsgiApplication
from gateway.backends.hosted.wsdl import publish
from gateway.contract.operations import Operation
from gateway.endpoint import Call
from gateway.errors import ConfigurationError
from gateway.message import Message
from gateway.soap.envelope import SoapVersion

_namespaces: WeakKeyDictionary[type, str] = WeakKeyDictionary()
"""The namespace of each hosted class: spyne has written it into the class's types."""


def load_service(target: str) -> type | Application:
    """Return the spyne service class, or Application, that ``module:attribute`` names.

    The module is imported from ``sys.path`` as it is. Raises ConfigurationError, also for errors of
    the module's own code.
    """
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise ConfigurationError(f"{target!r} is not of the form 'module:ServiceClass'.")
    found = getattr(_import(module), attribute, None)
    if found is None:
        raise ConfigurationError(
            f"The module {module!r} has no {attribute!r}: name the service class behind the "
            f"colon. It has {', '.join(_services_of(sys.modules[module])) or 'none'}."
        )
    if not _is_service(found):
        raise ConfigurationError(f"{target!r} is not a service: {_needed(found)}")
    service: type | Application = found
    return service


def beside(target: str) -> list[str]:
    """Return a note if a loaded class is also a service of an Application in its module."""
    module, _, attribute = target.partition(":")
    found = vars(sys.modules[module])
    return [
        f"{attribute} is also a service of the Application {name}, whose namespace and "
        f'listeners are not used now: write host = "{module}:{name}" to have both'
        for name, value in found.items()
        if isinstance(value, Application) and found[attribute] in value.services
    ]


def _needed(found: object) -> str:
    if isinstance(found, WsgiApplication):
        return "it is a WsgiApplication, for a web server: name its Application."
    return (
        "it must be a subclass of spyne.Service whose methods are decorated with @rpc, a spyne "
        "Application, or a subclass of a class that gateway stubs has written."
    )


def _import(module: str) -> ModuleType:
    if module.partition(".")[0] == "gateway":
        raise ConfigurationError(
            f"The module {module!r} of a service has the name of this program, which comes first: "
            "rename it."
        )
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"The module {module!r} of a service cannot be imported: {error}. Is its folder on "
            "the Python path, and is everything that it imports installed?"
        ) from error
    except Exception as error:  # whatever the module's own code raises
        raise ConfigurationError(
            f"The module {module!r} of a service fails when it is imported: "
            f"{type(error).__name__}: {error}. Correct it."
        ) from error


def _services_of(module: ModuleType) -> list[str]:
    return sorted(name for name, value in vars(module).items() if _is_service(value))


def _is_service(value: object) -> bool:
    if isinstance(value, Application):
        return True
    if not isinstance(value, type) or value is Service:
        return False
    return issubclass(value, Service) or is_served(value)


class HostedBackend:
    """A backend that calls services in this process, for SOAP 1.1 and 1.2.

    An Application keeps its own namespace and name. For a class, the namespace defaults to its
    ``__namespace__``, or else ``urn:MODULE:CLASS``; the name defaults to that of the class. A class
    belongs to one namespace for the life of the process: spyne writes it into the types. ``notes``
    says what works differently here.

    User code runs in one of ``threads`` threads, and must be thread-safe. It finds the request,
    with its id and sender, in ``ctx.transport.message``. Any exception but a spyne.Fault becomes a
    Server fault that says nothing about it, and a line in the log under the message's id;
    SystemExit and KeyboardInterrupt too: a call cannot end the process, which carries out others.
    """

    def __init__(
        self, service: type | Application, *, namespace: str = "", name: str = "", threads: int = 8
    ) -> None:
        self._is_code_first = not is_served(service)
        if isinstance(service, Application):
            check(service)
            application = service
        else:
            application = _made(service, namespace, name)
        for one in application.services:
            _belong(one, application.tns)
        self.notes = (*unheard(application), *unused(application))
        self._bindings = {version: bind(application, version) for version in SoapVersion}
        self._threads: Threads[Message | None] = Threads(threads, f"hosted-{application.name}")

    def wsdl(self, address: str) -> bytes:
        """Return the WSDL, generated from the service's code, with a port for each SOAP version."""
        return publish(self._bindings[SoapVersion.V11].application, address)

    @property
    def is_code_first(self) -> bool:
        """Whether its contract can be generated from its code."""
        return self._is_code_first

    def unimplemented(self, operations: Iterable[Operation]) -> list[str]:
        """Return the names of a contract's operations that the service has no method for."""
        return sorted({one.name for one in operations if not self._implements(one)})

    def _implements(self, operation: Operation) -> bool:
        binding = self._bindings[operation.version]
        if operation.body is None and self._is_code_first:
            return True  # it is found by its name on a call
        return binding.method(operation, operation.body or "") is not None

    async def invoke(self, call: Call) -> Message | None:
        """Carry out a call; return its reply, a fault included, or None for a one-way operation.

        Raises Refused, BackendFailed or Unreached, and then no user code has run. If the wait is
        cancelled, a call that has begun goes on in its thread, and its reply is dropped.
        """
        return await self._threads.run(partial(answer, self._bindings[call.envelope.version], call))

    async def aclose(self) -> None:
        """Begin no more calls; wait a few seconds for running ones, then leave them behind."""
        await self._threads.close()


def _made(service: type, namespace: str, name: str) -> Application:
    namespace = namespace or getattr(service, "__namespace__", "") or _urn(service)
    _belong(service, namespace)
    spoken = spyne_service(service) if is_served(service) else service
    return application_of(spoken, namespace, name or service.__name__)


def _belong(service: type, namespace: str) -> None:
    """Assign a class to a namespace. Raises ConfigurationError if it has another one already."""
    if _namespaces.setdefault(service, namespace) != namespace:
        raise ConfigurationError(
            f"{service.__name__} is hosted in the namespace {_namespaces[service]!r} already: "
            f"write another class to host it in {namespace!r} as well."
        )


def _urn(service: type) -> str:
    return f"urn:{service.__module__}:{service.__name__}"
