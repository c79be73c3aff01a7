"""Options of a command as the fields of one value: for commands with many of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar, get_type_hints

T = TypeVar("T")


def with_options(kind: type[T]) -> Callable[[Callable[[str, T], None]], Callable[..., None]]:
    """Return what makes a command of a function of an argument and a value with the options.

    ``kind`` is a dataclass; each of its fields is an option, by its annotation and its default.
    """

    def wrap(command: Callable[[str, T], None]) -> Callable[..., None]:
        (argument, _), hints = inspect.signature(command).parameters.values(), _hints(kind)

        def run(**given: Any) -> None:
            value = given.pop(argument.name)
            command(value, kind(**given))

        own = get_type_hints(command, include_extras=True)[argument.name]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__annotations__ = {argument.name: own, **hints}
        keyword = inspect.Parameter.KEYWORD_ONLY
        options = [
            inspect.Parameter(one.name, keyword, default=_default(one), annotation=hints[one.name])
            for one in fields(kind)  # type: ignore[arg-type]
        ]
        first = inspect.Parameter(argument.name, keyword, annotation=own)
        run.__signature__ = inspect.Signature([first, *options])  # type: ignore[attr-defined]
        return run

    return wrap


def _default(one: Field[Any]) -> Any:
    """Return the default of an option; one without must be given."""
    return inspect.Parameter.empty if one.default is MISSING else one.default


def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
