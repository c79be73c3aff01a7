"""Try stubs on a folder of real WSDLs: ``python contrib/stubs/corpus.py FOLDER > table.md``.

For each WSDL: is a client written, and how fast; is it imported; and do messages that the WSDL's
own schemas allow come back from it as they were, each operation's request and reply ten times.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "acceptance"))

from roundtrip import Outcome, RoundTrip  # noqa: E402  # found by the line above

from gateway.errors import ContractError  # noqa: E402

IMPORT = """\
import time, gateway.stub
began = time.perf_counter()
import tried
print(time.perf_counter() - began)
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
    """Return how long the command takes, its memory, and how long the stub takes to import."""
    with tempfile.TemporaryDirectory() as folder:
        stub = Path(folder) / "tried.py"
        command = [sys.executable, "-P", "-m", "gateway", "stubs", str(path), "--client", str(stub)]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - began
        memory = peak(command)
        imported = [
            subprocess.run(
                [sys.executable, "-c", IMPORT],
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for _ in range(2)  # the first compiles it
        ][1]
    return f"{seconds:.1f} s", f"{memory} MB", f"{float(imported):.2f} s"


def peak(command: list[str]) -> int:
    """Return the memory of a command in MB, measured by a process that starts nothing else."""
    source = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], capture_output=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source, *command], check=True, capture_output=True, text=True
    )
    return int(done.stdout) // MB


if __name__ == "__main__":
    main()
