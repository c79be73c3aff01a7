"""The arguments of a call, from the words of a command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from gateway.errors import ConfigurationError

TEXT = "_value_1"
"""What zeep calls the text of an element that has attributes beside it."""
HOW = "write key=value, parent.child=value, list.0.child=value, or key:=JSON (as in count:=3)"


def parse_arguments(words: Iterable[str]) -> dict[str, Any]:
    """Return nested dictionaries and lists: dots lead inside, numbers are places in a list.

    Raises ConfigurationError with the cure.
    """
    root: dict[str, Any] = {}
    for word in words:
        path, value = _split(word)
        _place(root, path, value, word)
    return {key: _with_lists(value) for key, value in root.items()}


def _split(word: str) -> tuple[list[str], Any]:
    key, equals, text = word.partition("=")
    if not equals or not key.strip(":."):
        raise ConfigurationError(f"argument {word!r}: {HOW}.")
    if not key.endswith(":"):
        return key.split("."), text
    try:
        return key[:-1].split("."), json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"argument {word!r}: what follows := is not JSON: {error}."
        ) from error


def _place(root: dict[str, Any], path: list[str], value: Any, word: str) -> None:
    place = root
    for part, inner in pairwise(path):
        inside = place.setdefault(part, {})
        if not isinstance(inside, dict):
            # amount=12.50 and amount.currency=EUR: a text, and an attribute beside it.
            if not _is_text(inside) or inner.isdigit():
                raise _given_before(word)
            place[part] = inside = {TEXT: inside}
        place = inside
    last = path[-1]
    inside = place.get(last)
    if isinstance(inside, dict) and _is_text(value) and not any(map(str.isdigit, inside)):
        place, last = inside, TEXT
    if last in place:
        raise _given_before(word)
    place[last] = value


def _is_text(value: Any) -> bool:
    """True where a value can be the text of an element: no list, no parts, not nothing."""
    return isinstance(value, str | int | float | bool)


def _given_before(word: str) -> ConfigurationError:
    return ConfigurationError(f"argument {word!r}: was given twice; for a list: {HOW}.")


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inside = {key: _with_lists(one) for key, one in value.items()}
    if inside and all(key.isdigit() for key in inside):
        return [inside[key] for key in sorted(inside, key=int)]
    return inside
