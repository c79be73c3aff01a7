"""Fuzz the gate: ``python tests/fuzz/fuzz.py FOUND [CORPUS] [OPTIONS OF LIBFUZZER]``.

Needs atheris; ``tox -e fuzz`` has it. What is new goes into the folder FOUND.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway"]):
    import fuzz_target


def one(data: bytes) -> None:
    fuzz_target.run(data)


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    fuzz_target.gates()  # seconds, which are none of the first input's
    # libFuzzer starts itself again for a merge, by this name, in a shell.
    itself = f"{sys.executable} {Path(__file__).resolve()}"
    atheris.Setup([itself, *sys.argv[1:]], one)
    atheris.Fuzz()
