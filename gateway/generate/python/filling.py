"""Writes a service stub: its base again and again, the file that a person fills in once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.generate.model import Model
from gateway.generate.python.changes import Changes, changes, diff
from gateway.generate.python.files import Written, check_module, write
from gateway.generate.python.service import ServiceNames, render_base, render_service


@dataclass(frozen=True, slots=True)
class ServiceFiles:
    """The two files of a service stub, and what is to be in them."""

    path: Path
    """The file that a person fills in."""
    base_path: Path
    base: str
    own: str

    @property
    def host(self) -> str:
        """The service as gateway.toml names it: its module and its class."""
        return f"{self.path.stem}:{self.own}"


def service_files(path: Path, model: Model, source: str) -> ServiceFiles:
    """Return the files of a service stub. Raises ConfigurationError, as ``check_module`` does."""
    check_module(path)
    names = ServiceNames.of(model, path.stem)
    base = path.with_name(f"{names.base_module}.py")
    return ServiceFiles(path, base, render_base(model, names, source), names.own)


def difference(files: ServiceFiles) -> str:
    """The changes to the base, as a patch; empty where there are none."""
    return diff(_text(files.base_path), files.base, str(files.base_path))


def write_service(
    files: ServiceFiles, model: Model, *, force: bool = False
) -> tuple[list[Written], Changes]:
    """Write the base, and the other file where there is none; tell what changed for a person.

    Raises ConfigurationError where the base is a file that gateway stubs has not written.
    """
    old = _text(files.base_path)
    written = [write(files.base_path, files.base, force=force)]
    if not files.path.exists():
        names = ServiceNames.of(model, files.path.stem)
        written.append(write(files.path, render_service(model, names)))
    is_first = not old
    told = Changes() if is_first else changes(old, files.base, _text(files.path))
    return written, told


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace") if path.exists() else ""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
