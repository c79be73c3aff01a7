"""Services hosted in this process, on spyne, hardened where it needs it.

spyne is given less to do than it can: the gateway has parsed, checked and routed a request before,
and writes the faults. What is left to it is what it is good at: XML into Python values, and back.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from functools import partial
from types import ModuleType
from weakref import WeakKeyDictionary

from gateway.backend import Call
from gateway.backends.hosted_contract import is_served, spyne_service
from gateway.backends.hosted_dispatch import answer, bind
from gateway.backends.hosted_pool import Threads
from gateway.backends.hosted_wsdl import publish
from gateway.backends.spyne_compat import Service
from gateway.contract.operations import Operation
from gateway.errors import ConfigurationError
from gateway.message import Message
from gateway.soap import SoapVersion

_namespaces: WeakKeyDictionary[type, str] = WeakKeyDictionary()
"""The namespace of each class that was hosted: spyne has written it into the class's types."""


def load_service(target: str) -> type:
    """Return the spyne service class that ``module:attribute`` names. Raises ConfigurationError.

    The module is looked for on ``sys.path`` as it is. What its own code raises passes through.
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
        raise ConfigurationError(
            f"{target!r} is not a service: it must be a subclass of spyne.Service whose methods "
            "are decorated with @rpc, or of a class that gateway stubs has written."
        )
    service: type = found
    return service


def _import(module: str) -> ModuleType:
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
    if not isinstance(value, type) or value is Service:
        return False
    return issubclass(value, Service) or is_served(value)


class HostedBackend:
    """A backend that calls a service class in this process, for SOAP 1.1 and 1.2.

    Where no namespace is given, it is the ``__namespace__`` of the class, or else
    ``urn:MODULE:CLASS``. A class belongs to one namespace for the life of the process: spyne
    writes it into the types. The service's name is that of its class where none is given.

    User code runs in one of ``threads`` threads, and must itself be fit for that. It finds the
    request, with its id and its sender, as ``ctx.transport.message``. Whatever it raises but a
    spyne.Fault becomes a Server fault without a word about it, and a line in the log under the
    message's id; SystemExit and KeyboardInterrupt too: a call cannot end the process, in which
    other calls are being carried out.
    """

    def __init__(
        self, service: type, *, namespace: str = "", name: str = "", threads: int = 8
    ) -> None:
        namespace = namespace or getattr(service, "__namespace__", "") or _urn(service)
        if _namespaces.setdefault(service, namespace) != namespace:
            raise ConfigurationError(
                f"{service.__name__} is hosted in the namespace {_namespaces[service]!r} already: "
                f"write another class to host it in {namespace!r} as well."
            )
        name = name or service.__name__
        self._is_code_first = not is_served(service)
        spoken = service if self._is_code_first else spyne_service(service)
        self._bindings = {
            version: bind(spoken, version, namespace, name) for version in SoapVersion
        }
        self._threads: Threads[Message | None] = Threads(threads, f"hosted-{name}")

    def wsdl(self, address: str) -> bytes:
        """Return the service's WSDL, made from its code, with a port for each version of SOAP."""
        return publish(self._bindings[SoapVersion.V11].application, address)

    @property
    def is_code_first(self) -> bool:
        """Tell whether its contract can be made from its code."""
        return self._is_code_first

    def unimplemented(self, operations: Iterable[Operation]) -> list[str]:
        """Return the names of a contract's operations that the service has no method for."""
        return sorted({one.name for one in operations if not self._implements(one)})

    def _implements(self, operation: Operation) -> bool:
        binding = self._bindings[operation.version]
        if operation.body is None and self._is_code_first:
            return True  # it is found by its name when it is called
        return binding.method(operation, operation.body or "") is not None

    async def invoke(self, call: Call) -> Message | None:
        """Carry out a call; return its reply, a fault included, or None for a one-way operation.

        Raises Refused, BackendFailed or Unreached, and then no user code has run. Where the wait is
        cancelled, a call that has begun goes on in its thread, and its reply is dropped.
        """
        return await self._threads.run(partial(answer, self._bindings[call.envelope.version], call))

    async def aclose(self) -> None:
        """Begin no more calls; wait a few seconds for those that run, then leave them behind."""
        await self._threads.close()


def _urn(service: type) -> str:
    return f"urn:{service.__module__}:{service.__name__}"
