"""Writes stubs to files; what a person wrote is never written over."""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.generate.python.describing import MARK


@dataclass(frozen=True, slots=True)
class Written:
    """The result of writing a file: how many lines are new, and how many are gone."""

    path: Path
    is_new: bool
    added: int = 0
    removed: int = 0

    def __str__(self) -> str:
        if self.is_new:
            return "written"
        if not self.added and not self.removed:
            return "unchanged"
        return f"changed (lines +{self.added} -{self.removed})"


def check_module(path: Path) -> None:
    """Refuse a file that Python cannot import, or would import in place of another.

    Raises ConfigurationError.
    """
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier() or iskeyword(name):
        raise ConfigurationError(
            f"{path} is not the name of a Python module: name a file like orders.py, of "
            "letters, digits and _."
        )
    if name in sys.stdlib_module_names or name == "gateway":
        whose = "the gateway" if name == "gateway" else "Python's own library"
        raise ConfigurationError(
            f"{path} would hide the module {name} of {whose} from what is started beside it: name "
            f"a file like {name}_client.py."
        )


def write(path: Path, text: str, *, force: bool = False) -> Written:
    """Write a stub, whole or not at all. Raises ConfigurationError.

    A file that is there is replaced if an earlier run wrote it, or with ``force``.
    """
    try:
        old = path.read_text("utf-8", "replace") if path.exists() else None
        if old is not None and not force and not old.startswith(MARK):
            raise ConfigurationError(
                f"{path} was not written by gateway stubs: name another file, or give --force."
            )
        if old != text:
            _replace(path, text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
    if old is None:
        return Written(path, is_new=True)
    before, after = Counter(old.splitlines()), Counter(text.splitlines())
    return Written(path, False, (after - before).total(), (before - after).total())


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.write_text(text, "utf-8")
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
