"""Reads ``gateway.toml``: every mistake in it is told by its key, with what would be right."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.errors import ConfigurationError, WrongSettings
from gateway.settings.suggestions import meant, plainly
from gateway.settings.tables import Settings
from gateway.settings.values import NAMED, keys_of, tables_in

EXAMPLE = """\
queue = "sqlite:///queue.db"

[services.orders]
wsdl = "http://10.1.2.3/Orders?wsdl"
"""

TOML_CURE = (
    'text must be in quotes, as in wsdl = "orders.wsdl", and a key may be in its table only once.'
)


def read(path: Path | str) -> Settings:
    """Read a file. Raises ConfigurationError with one line for each mistake."""
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{path}: there is no such file: name yours with -c, or make one with these lines:\n"
            f"{EXAMPLE}"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not text in UTF-8: save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not valid TOML: {error}: {TOML_CURE}") from error
    return from_values(values, path.resolve().parent, str(path))


def from_values(
    values: Mapping[str, Any], folder: Path | str = Path(), source: str = "settings"
) -> Settings:
    """Check values as ``gateway.toml`` has them; relative paths are taken from ``folder``.

    Raises ConfigurationError with one line for each mistake, which begins with ``source``.
    """
    if "folder" in values:
        raise ConfigurationError(f"{source}: folder: is not a key of this file: remove it.")
    try:
        return Settings.model_validate({**values, "folder": Path(folder)})
    except ValidationError as error:
        lines = [f"{source}: {_explain(one)}" for one in error.errors(include_url=False)]
        raise WrongSettings(*lines) from error


def _explain(error: ErrorDetails) -> str:
    """Return one line: the key, what is wrong with it, and what would be right."""
    path = [str(part) for part in error["loc"] if not _is_kind(part)]
    key = ".".join(path) or "the file"
    match error["type"]:
        case "missing":
            return f"{key}: is missing: {_MISSING.get(path[-1], 'add it')}."
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f"{key}: {_not_a_key(path[:-1], path[-1])}"
        case "string_pattern_mismatch":
            return f"{key}: a name must have {NAMED}."
        case "gateway":
            return f"{key}: {error['msg']}."
        case "model_type" | "dataclass_type" | "dict_type":
            return f"{key}: must be a table, [{key}]{_given(path, error['input'])}."
    return f"{key}: {plainly(error['msg'])}{_given(path, error['input'])}."


_MISSING = {
    "queue": 'add a line like queue = "sqlite:///queue.db"',
    "services": "add a table like [services.orders]",
}


def _is_kind(part: object) -> bool:
    """True where a part of a location is pydantic's own: a kind in a union, a key of a table."""
    return part == "[key]" or (isinstance(part, str) and part.startswith(("bool", "tuple[")))


def _not_a_key(table: Sequence[str], name: str) -> str:
    """The key that was probably meant by one that its table does not have."""
    field = Settings.model_fields.get(name) if table and name != "folder" else None
    if field is None:
        return f"is not a key of this file: {meant(name, _known_keys(table))}"
    is_table = any(tables_in(field.annotation))
    where = f"write it as [{name}]" if is_table else f"write {name} above the first [table]"
    return f"is not a key of [{'.'.join(table)}], but of the whole file: {where}."


def _known_keys(path: Iterable[str]) -> list[str]:
    table: type[object] = Settings
    for part in path:
        if (field := keys_of(table).get(part)) is not None:
            table = next(tables_in(field.annotation), table)
    return [name for name in keys_of(table) if name != "folder"]


def _given(path: Iterable[str], value: object) -> str:
    """The value that was written, unless it may be a secret in the wrong place."""
    text = repr(value)
    short = text if len(text) <= 60 else f"{text[:57]}..."
    return "" if {"backend", "wss"} & set(path) else f", not {short}"
