"""The folder of a new project: what is in it, and how it comes to be there, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.errors import ConfigurationError, ContractError
from gateway.generate.model import Model
from gateway.generate.python import describing
from gateway.generate.python.client import ClientOptions, render
from gateway.generate.python.service import (
    ServiceNames,
    render_base,
    render_service,
    render_test,
)
from gateway.settings import is_http

CONTRACT = "wsdl"
"""The folder of the contract, inside of the project's."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")

_FORWARDED = """\
# forward = "http://10.1.2.3/Service"    # where the service is, if not where its WSDL says
"""
_HOSTED = """\
host = {host}
"""
_SETTINGS = """\
queue = {queue}

[services.{name}]
wsdl = "{contract}/{name}.wsdl"
{answers}# repeatable = [{operation}]    # these only read; all others are never carried out twice
"""


def check_name(name: str, folder: Path) -> None:
    """Raise ConfigurationError where a project cannot have this name, or its folder is taken."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a name for a service: use 1 to 64 letters, digits, '_' or '-', "
            "a letter first."
        )
    if os.path.lexists(folder / name):
        raise ConfigurationError(
            f"{name} exists already, and is left as it is: choose another name, or move it away."
        )


def check_wsdl(place: str) -> None:
    """Raise ConfigurationError where a WSDL is neither said to be a file nor at an address."""
    if not place or ("://" in place and not is_http(place)):
        raise ConfigurationError(
            f"--wsdl: {place!r} is neither a path nor an HTTP address: name the WSDL's."
        )


def python_files(model: Model, name: str, host: bool) -> Mapping[str, bytes]:
    """Return the stubs of a project: a client, and, to ``host``, a service with one test.

    Raises ContractError where there is no operation to host; without one there is no client.
    """
    if not model.operations:
        if host:
            raise ContractError(
                f"no operation of port {model.port.name} can be hosted from a stub: "
                f"{'; '.join(describing.grouped_gaps(model))}"
            )
        return {}
    stem, source = _stem(name), f"{name}.wsdl"
    client = render(model, ClientOptions(source=source, service=name))
    files = {f"{stem}_client.py": client}
    if host:
        names = ServiceNames.of(model, f"{stem}_service")
        files[f"{names.base_module}.py"] = render_base(model, names, source)
        files[f"{names.module}.py"] = render_service(model, names)
        files[f"test_{stem}.py"] = render_test(model, names)
    return {path: text.encode() for path, text in files.items() if text}


def settings(name: str, queue: str, model: Model, host: bool) -> str:
    """Return the text of ``gateway.toml``."""
    own = ServiceNames.of(model, f"{_stem(name)}_service")
    return _SETTINGS.format(
        name=name,
        queue=_quoted(queue),
        contract=CONTRACT,
        answers=_HOSTED.format(host=_quoted(f"{own.module}:{own.own}")) if host else _FORWARDED,
        operation=_quoted(model.operations[0].name if model.operations else "GetOrder"),
    )


def _stem(name: str) -> str:
    """Return a name as modules begin with it."""
    return name.replace("-", "_").lower()


def _quoted(text: str) -> str:
    """Return a text as a basic string of TOML, on one line whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    inside = "".join(one if one.isprintable() else rf"\U{ord(one):08x}" for one in escaped)
    return f'"{inside}"'


@contextlib.contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Yield a folder to fill beside ``target``; it takes that name in the end, or is gone.

    Raises ConfigurationError where nothing can be written, or the name was taken meanwhile.
    """
    unseen = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        unseen.mkdir()
    except OSError as error:
        raise ConfigurationError(
            f"{target.parent}: no folder can be made here ({error.strerror}): work elsewhere."
        ) from error
    try:
        yield unseen
        # Making it fails where anything has the name; an empty folder is then replaced at once.
        target.mkdir()
        unseen.rename(target)
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be made: {error.strerror}.") from error
    finally:
        shutil.rmtree(unseen, ignore_errors=True)


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their paths inside a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
