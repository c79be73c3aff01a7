"""Calls every operation of many contracts from a client stub, through a queue, to a service stub.

    python contrib/stubs/round_trips.py FOLDER [--samples N] > docs/reference/stubs-corpus.md

FOLDER holds WSDLs, at any depth. For each operation of each port, random instances of the
contract's own schemas go there and back; what came of it is a table, with the causes.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "acceptance"))

from stub_trip import RoundTrip, tried

from gateway.contract import Contract, load
from gateway.errors import ContractError
from gateway.generate.contract.reading import ports

SEED = 2006
MANY = 300
"""A port with so many operations has each of them called once."""
SECONDS = 420.0
"""How long one port may take; the operations that are left are counted as not tried."""

HEAD = """\
# Stubs, tried on real contracts

Each operation of each port was called {samples} times, or once in a port of over 300: random
instances of the contract's own schemas, from a client stub through a queue to a hosted service
stub, and another one back. An operation *passed* when every request and every reply was valid by
the original schemas, and all values came back equal. The contracts are public ones, as their
owners published them; those that lack documents, port types or services cannot be used by anyone,
and are not in the table.

`contrib/stubs/round_trips.py` makes this page.

| contract | port | operations | passed | failed | not expressible | no sample |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
"""


@dataclass
class Row:
    """What came of the operations of one port."""

    contract: str
    port: str
    operations: int = 0
    passed: int = 0
    failed: int = 0
    inexpressible: int = 0
    unsampled: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        counts = (self.operations, self.passed, self.failed, self.inexpressible, self.unsampled)
        return f"| {self.contract} | {self.port} | {' | '.join(map(str, counts))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    rows = []
    for path in sorted(given.folder.rglob("*.wsdl")):
        for row in rows_of(path, given.samples):
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    print(HEAD.format(samples=given.samples) + "\n".join(map(str, rows)))
    print(end(rows))


def rows_of(path: Path, samples: int) -> Iterator[Row]:
    try:
        contract = load(path.name, folder=path.parent)
    except ContractError:
        return
    for _, port in ports(contract):
        yield row_of(contract, path.name, port, samples)


def row_of(contract: Contract, name: str, port: str, samples: int) -> Row:
    row = Row(name, port)
    with tempfile.TemporaryDirectory() as folder:
        trip = RoundTrip(contract, port, Path(folder), Random(SEED))
        row.operations = len(trip.operations)
        known = {one.name for one in trip.model.operations}
        for gap in trip.model.gaps:
            row.causes[f"not expressible: {gap.kind}"] += len(set(gap.operations) - known)
        row.inexpressible = len(trip.operations.keys() - known)
        samples = 1 if row.operations > MANY else samples
        until = time.monotonic() + SECONDS
        with trip.running() as client:
            for operation in sorted(known):
                if time.monotonic() < until:
                    call(row, trip, client, operation, samples)
                else:
                    row.unsampled += 1
                    row.causes["not tried: there was no time"] += 1
    return row


def call(row: Row, trip: RoundTrip, client: object, name: str, samples: int) -> None:
    """Call one operation some times, and count what came of it."""
    done = 0
    for _ in range(samples):
        try:
            trial = tried(trip, client, trip.operations[name])
        except LookupError as error:
            reason = f"no sample: {error}"
            continue
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what is looked for
            return failed(row, name, f"{type(error).__name__}: {str(error)[:160]}")
        if not trial.passed:
            return failed(row, name, (trial.invalid or trial.unequal)[:160])
        done += 1
    if done:
        row.passed += 1
        return None
    row.unsampled += 1
    row.causes[reason[:100]] += 1
    return None


def failed(row: Row, name: str, cause: str) -> None:
    row.failed += 1
    row.causes[f"{name}: {' '.join(cause.split())}"] += 1


def end(rows: list[Row]) -> str:
    """Return the sums, and every cause."""
    tried_, passed = sum(r.passed + r.failed for r in rows), sum(r.passed for r in rows)
    literal = sum(r.operations - r.inexpressible for r in rows)
    lines = [
        "",
        f"Of {literal} literal operations {tried_} were tried, and {passed} passed: "
        f"{100 * passed / max(tried_, 1):.2f} % of those tried, "
        f"{100 * passed / max(literal, 1):.2f} % of all.",
        "",
        "## Causes",
        "",
    ]
    for row in rows:
        for cause, count in (+row.causes).most_common(12):
            lines.append(f"- {row.contract}, {row.port}: {cause.replace('|', '/')} ({count})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
