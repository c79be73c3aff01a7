"""spyne 2.14.0, made importable on Python 3.12 and later, and silent: take its names from here.

spyne's last release is of 2022. Three fixes are for today's Python, and two for a gateway; all five
are process-wide, and applied when this module is imported.

* It has a copy of six whose importer Python 3.12 does not support, and 3.11 warns about at every
  failed import: the modules that spyne imports through it are registered directly, and the importer
  is removed.
* Python 3.13 has no ``cgi``, of which it uses one function: a substitute exists during its import.
* Its import warns about that importer (3.11), about ``cgi`` (3.11, 3.12), and, when it is compiled,
  about an escape sequence in ``spyne.protocol.http``. Only these warnings are hidden, and only
  during the import.
* It would run the garbage collector with each call, at most once a second: 0.3 s with a large heap.
* It logs whole messages: its loggers are off, at every level. The gateway logs a service's
  exceptions, under the id of the message.
"""

# ruff: noqa: E402 - spyne can be imported only after the functions of this module have run

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message as Header

_MOVED = {
    "collections_abc": "collections.abc",
    "http_cookies": "http.cookies",
    "urllib": "urllib",
    "urllib.error": "urllib.error",
    "urllib.parse": "urllib.parse",
    "urllib.request": "urllib.request",
}
"""Every module that spyne 2.14.0 imports out of ``spyne.util.six.moves``, by its real name."""

_WARNINGS = {
    "_SixMetaPathImporter": ImportWarning,
    "'cgi' is deprecated": DeprecationWarning,
    "invalid escape sequence": SyntaxWarning if sys.version_info >= (3, 12) else DeprecationWarning,
}
"""The beginning of each warning of spyne's import, and its kind."""


def _parse_header(line: str) -> tuple[str, dict[str, str]]:
    """Split a header into its value and its parameters, as ``cgi.parse_header`` did."""
    header = Header()
    header["content-type"] = line
    (value, _), *parameters = header.get_params([("", "")])
    return value, dict(parameters)


@contextmanager
def _lent_cgi() -> Iterator[None]:
    """Provide a module ``cgi`` during spyne's import, where the standard library has none."""
    if sys.version_info < (3, 13) or importlib.util.find_spec("cgi") is not None:
        yield
        return
    lent = types.ModuleType("cgi")
    lent.__dict__["parse_header"] = _parse_header
    sys.modules["cgi"] = lent
    try:
        yield
    finally:
        # Others must still see that there is none.
        del sys.modules["cgi"]


def _import_spyne() -> None:
    for moved, real in _MOVED.items():
        sys.modules.setdefault(f"spyne.util.six.moves.{moved}", importlib.import_module(real))
    with warnings.catch_warnings(), _lent_cgi():
        for beginning, kind in _WARNINGS.items():
            warnings.filterwarnings("ignore", beginning, kind)
        importlib.import_module("spyne.protocol.soap")
        # Not used here, but by services that also run under a web server; it needs cgi as well.
        importlib.import_module("spyne.server.wsgi")
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != "spyne.util.six"]


def _quieten() -> None:
    logging.getLogger("spyne").setLevel(logging.CRITICAL + 1)
    importlib.import_module("spyne.const").__dict__["MIN_GC_INTERVAL"] = float("inf")


_import_spyne()
_quieten()

from spyne import AnyXml, Application, ComplexModel, EventManager, Fault, Service, rpc
from spyne.const.xml import DEFAULT_NS
from spyne.context import MethodContext
from spyne.interface import Interface
from spyne.interface.wsdl import Wsdl11
from spyne.model.complex import ComplexModelBase
from spyne.protocol.soap import Soap11, Soap12
from spyne.server import ServerBase
from spyne.server.wsgi import WsgiApplication
from spyne.util.appreg import unregister_application

__all__ = [
    "DEFAULT_NS",
    "AnyXml",
    "Application",
    "ComplexModel",
    "ComplexModelBase",
    "EventManager",
    "Fault",
    "Interface",
    "MethodContext",
    "ServerBase",
    "Service",
    "Soap11",
    "Soap12",
    "Wsdl11",
    "WsgiApplication",
    "rpc",
    "unregister_application",
]
