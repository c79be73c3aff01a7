"""The command line. Each command is a module: it parses, calls, and prints.

What a person types comes in, lines and an exit status go out. It imports whatever a command
needs.
"""

from __future__ import annotations

import sys

_INTERRUPTED = 130
"""As in ``outcome``, which may not be loaded yet when Ctrl-C comes."""


def main() -> None:
    """Run the command that the arguments name. Any mistake ends with one line."""
    try:
        # Here, not above: Ctrl-C while all of it is imported ends in one line, too.
        from gateway.cli import outcome, streams
        from gateway.cli.application import app

        streams.prepare()
        sys.exit(outcome.of(app))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
