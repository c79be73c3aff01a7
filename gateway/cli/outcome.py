"""How a command ends: its exit status, and a line for what went wrong."""

from __future__ import annotations

import contextlib
import sys
import traceback

import typer
from rich.markup import escape

from gateway.cli import streams
from gateway.errors import ConfigurationError, GatewayError, Unforeseen, WrongSettings
from gateway.settings.suggestions import plainly

FAILED = 1
USAGE = 2
"""The exit status for what a person must change: settings, a file, an argument."""

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""

_WANTED: list[type[Exception]] = []
"""The errors that a person wants to see with their tracebacks."""

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What click raises for wrong arguments: it is a package of its own, or a part of typer."""


def of(app: typer.Typer) -> int:
    """Run the command that the arguments name; return the exit status."""
    try:
        status = int(app(standalone_mode=False) or 0)
        if sys.stdout:  # None where it was closed
            sys.stdout.flush()
    except GatewayError as error:
        return _told(error)
    except typer.Abort:
        _tell("nothing was done")
        return FAILED
    except USAGE_ERROR as error:
        return _usage(error)
    except OSError as error:
        return _of_a_file(error)
    return status


def show_tracebacks() -> None:
    """Have what ends a command for a defect told with its traceback."""
    _WANTED.append(Unforeseen)


def has_traceback(error: Exception) -> bool:
    """True where an error is shown with its traceback."""
    return isinstance(error, tuple(_WANTED))


def shows_tracebacks() -> bool:
    """Whether tracebacks are wanted, here and in processes that are started later."""
    return bool(_WANTED)


def _told(error: GatewayError) -> int:
    for one in error.mistakes if isinstance(error, WrongSettings) else [str(error)]:
        _tell(one)
    if has_traceback(error):
        typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    return USAGE if isinstance(error, ConfigurationError) else FAILED


def _usage(error: Exception) -> int:
    """Print the mistake in the arguments, unless the help was shown in its place."""
    if type(error).__name__ != "NoArgsIsHelpError":
        text = plainly(getattr(error, "format_message", error.__str__)()).rstrip(".")
        command = getattr(getattr(error, "ctx", None), "command_path", "gateway")
        _tell(f"{text[0].lower()}{text[1:]} ({command} --help shows what there is)")
    return USAGE


def _of_a_file(error: OSError) -> int:
    """Tell of a file that could not be used; what has no name is where the output goes."""
    if error.filename is not None:
        _tell(f"{error.filename}: {error.strerror}")
        return FAILED
    streams.discard(sys.stdout, 1)
    _tell(f"the output cannot be written: {error.strerror or error}")
    return FAILED


def _tell(told: str) -> None:
    text = escape(f"error: {told}").replace("error:", "[bold red]error:[/]")
    with contextlib.suppress(OSError):  # the status tells it all the same
        streams.console(stderr=True).print(text)
