"""The console script: tells where a module of somebody's own hides the gateway.

It has another name than the package, or it would be hidden as well.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

USAGE = 2
"""The exit status for what a person must change."""


def main() -> None:
    """Run the command line, unless Python would take another module for it."""
    spec = importlib.util.find_spec("gateway")  # which runs nothing of it
    folders = (spec.submodule_search_locations or ()) if spec else ()
    if not any(Path(folder, "cli", "__init__.py").is_file() for folder in folders):
        where = spec.origin or next(iter(folders), "") if spec else "nothing"
        print(
            f"error: Python takes {where} for the gateway: rename it, or take its folder out of "
            "PYTHONPATH.",
            file=sys.stderr,
        )
        sys.exit(USAGE)
    from gateway.cli import main as run

    run()
