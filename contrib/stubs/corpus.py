"""Try stubs on a folder of real WSDLs: ``python contrib/stubs/corpus.py FOLDER > table.md``.

For each WSDL: is a client written, and how fast; is it imported; and do messages that the WSDL's
own schemas allow come back from it as they were, each operation's request and reply ten times.
Times are those of the processor, the same on a busy machine.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "acceptance"))

from roundtrip import Outcome, RoundTrip  # noqa: E402  # found by the line above

from gateway.errors import ContractError  # noqa: E402

IMPORT = """\
import time, gateway.stubs
began = time.process_time()
import tried
print(time.process_time() - began)
"""
RUN = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, capture_output=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
COLUMNS = ("operations", "passed", "left out", "messages", "written in", "memory", "imported in")
MB = 1024


def main() -> None:
    """Print a table in Markdown, and the sum of it."""
    folder = Path(sys.argv[1])
    print(f"| contract | {' | '.join(COLUMNS)} |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    total, refused = Outcome(), []
    for path in sorted(folder.rglob("*.wsdl")):
        name = path.relative_to(folder).as_posix()
        try:
            outcome = RoundTrip(path).run()
        except ContractError:
            refused.append(name)
            continue
        print(f"| {name} | {row(path, outcome)} |", flush=True)
        total.operations += outcome.operations
        total.passed += outcome.passed
        total.left_out += outcome.left_out
        total.messages += outcome.messages
        for reason in outcome.reasons:
            print(f"{name}: {reason}", file=sys.stderr)
    sums = (total.operations, total.passed, total.left_out, total.messages)
    print(f"| **all** | {' | '.join(map(str, sums))} | | | |")
    print(f"\nRefused, each in one line: {', '.join(refused)}.")


def row(path: Path, outcome: Outcome) -> str:
    """Return the cells of a contract after its name."""
    counts = [outcome.operations, outcome.passed, outcome.left_out, outcome.messages]
    figures = measured(path) if outcome.operations else ("", "", "")
    return " | ".join([*map(str, counts), *figures])


def measured(path: Path) -> tuple[str, str, str]:
    """Return the processor's time and the memory of the command, and the time of an import."""
    with tempfile.TemporaryDirectory() as folder:
        stub = Path(folder) / "tried.py"
        command = [sys.executable, "-P", "-m", "gateway", "stubs", str(path), "--client", str(stub)]
        seconds, memory = output([sys.executable, "-c", RUN, *command], folder).split()
        imported = [output([sys.executable, "-c", IMPORT], folder) for _ in range(2)]
    # The first import compiles the module; what counts is the second.
    return f"{float(seconds):.1f} s", f"{int(memory) // MB} MB", f"{float(imported[1]):.2f} s"


def output(command: list[str], folder: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


if __name__ == "__main__":
    main()
