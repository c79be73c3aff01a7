"""The command line. Each command is a module: it parses, calls, and prints."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.markup import escape

from gateway.cli.application import app
from gateway.errors import ConfigurationError, GatewayError

USAGE = 2
"""The exit status for what a person must change: settings, a file, an argument."""


def main() -> None:
    """Run the command that the arguments name; whatever goes wrong is told in a line."""
    try:
        app()
    except GatewayError as error:
        text = escape(f"error: {error}").replace("error:", "[bold red]error:[/]")
        Console(stderr=True, soft_wrap=True).print(text, highlight=False)
        sys.exit(USAGE if isinstance(error, ConfigurationError) else 1)
