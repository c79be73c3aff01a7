"""The standard streams: they are there, and they take what is printed."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import os
import sys
import unicodedata
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from gateway.errors import ConfigurationError

SIGNS = {"✓": "ok", "✗": "NO"}
"""What stands for signs in an encoding that has none of them."""
OUTPUT = "-"
"""The file that is standard output."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""The categories of what is not shown but obeyed: colours, the title, the direction of text."""
_LEFT = "\n\t\u200c\u200d"
"""What is of these, and only text: line feeds, tabs, and what joins letters or parts them."""


def prepare() -> None:
    """Open what was closed, and have every character printed in some way.

    A file that is opened later would else take the number of a closed stream, and be written to.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    codecs.register_error("gateway.signs", _signs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # None where it was closed
            stream.reconfigure(errors="gateway.signs")
    # The first that is registered runs last: after it the interpreter alone writes. Where it
    # cannot, as to a full disk or a closed terminal, it would end with a status of its own, 120.
    if sys.stderr:
        atexit.register(_settle_errors)


class _Console(Console):
    """Shows text and obeys none of it: contracts and replies may hold a terminal's commands."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text), **options)


def console(*, stderr: bool = False) -> Console:
    """A console for a person: a text is only printed, whatever it holds."""
    return _Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)


def shown(text: str) -> str:
    """Return text with escapes for what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(ascii(one)[1:-1] if _is_obeyed(one) else one for one in text)


def _is_obeyed(sign: str) -> bool:
    return sign not in _LEFT and unicodedata.category(sign) in _UNSEEN


def _settle_errors() -> None:
    try:
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr, 2)


def plain(text: str) -> str:
    """Return a text of strangers as a terminal may show it: control characters are written out."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def discard(stream: TextIO, number: int) -> None:
    """Throw away what a stream still has for its file: that takes no more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    with contextlib.suppress(OSError):
        stream.flush()
    os.close(nowhere)


def write_body(body: bytes, place: str) -> None:
    """Write a message to the file of ``--body``. Raises ConfigurationError."""
    if place == OUTPUT:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    try:
        Path(place).write_bytes(body)
    except OSError as error:
        raise ConfigurationError(f"--body: {place} cannot be written: {error.strerror}.") from error
    print(f"{len(body)} bytes in {place}")


def _signs(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding has not, as ``codecs.register_error`` asks for it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    shown = (SIGNS.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lost)
    return "".join(shown), error.end
