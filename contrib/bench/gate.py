"""What admission costs: ``python contrib/bench/gate.py [--quick] [--save]``; see README.md."""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import machine
from borrowed import wsse
from lxml import etree
from report import megabytes, table, verdict

from gateway.admission import Gate, Limits
from gateway.admission.wss.header import SECURITY
from gateway.contract import Contract, load
from gateway.errors import Refused
from gateway.message import Message
from gateway.soap.envelope import parser

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOAL = 60e-6
"""Seconds that the whole gate may take more than one parse, for a message of about 1 KB."""
GROWTH = 64 << 20
SECURED = {
    "UsernameToken, digest": "wss-user.xml",
    "signature, RSA of 2048 bits": "wss-signed.xml",
}
TURN = 2e-3
"""Seconds that a thing is done for before it is the other one's turn."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for one message: a bare, safe parse, and the whole gate; the best of all turns."""

    name: str
    size: int
    elements: int
    bare: float
    gate: float

    @property
    def more(self) -> float:
        return self.gate - self.bare


def order(lines: int) -> bytes:
    """Return a golden order that has one of its lines so many times."""
    envelope = (ROOT / "tests/golden/envelopes/place_order_11.xml").read_bytes()
    match = re.search(rb"<typ:lines>.*?</typ:lines>\s*", envelope, re.DOTALL)
    assert match is not None
    return envelope.replace(match[0], match[0] * lines)


def measured(name: str, gate: Gate, body: bytes, seconds: float) -> Cost:
    message = Message(body=body, content_type="text/xml; charset=utf-8")
    root = etree.fromstring(body, parser())
    bare, whole = best(
        seconds, lambda: etree.fromstring(body, parser()), lambda: gate.admit(message)
    )
    return Cost(name, len(body), sum(1 for _ in root.iter("*")), bare, whole)


def best(seconds: float, *things: Callable[[], object]) -> list[float]:
    """Take turns, so that all meet the same moments of a machine that others use as well."""
    found = [float("inf")] * len(things)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        found = [min(one, _once(thing)) for one, thing in zip(found, things, strict=True)]
    return found


def _once(thing: Callable[[], object]) -> float:
    """Do a thing for a turn, or once where it takes longer; return the seconds for one."""
    began, times = time.perf_counter(), 0
    while times == 0 or time.perf_counter() - began < TURN:
        thing()
        times += 1
    return (time.perf_counter() - began) / times


def costs(gate: Gate, seconds: float) -> list[Cost]:
    envelopes = ROOT / "tests/golden/envelopes"
    bodies = {
        "GetOrder": (envelopes / "get_order_11.xml").read_bytes(),
        "PlaceOrder, one line": order(0),
        "PlaceOrder, two lines": order(1),
        "PlaceOrder, 40 lines": order(39),
        "PlaceOrder, 400 lines": order(399),
        "PlaceOrder, 4000 lines": order(3999),
    }
    return [measured(name, gate, body, seconds) for name, body in bodies.items()]


def cost_table(found: Iterable[Cost]) -> list[str]:
    rows = [
        (
            one.name,
            f"{one.size}",
            f"{one.elements}",
            f"{1e6 * one.bare:.1f}",
            f"{1e6 * one.gate:.1f}",
            f"{1e6 * one.more:.1f}",
            f"{one.gate / one.bare:.1f}",
            verdict(one.more <= GOAL) if 800 <= one.size <= 1500 else "",
        )
        for one in found
    ]
    columns = ("message", "bytes", "elements", "parse, us", "gate, us", "more, us", "ratio")
    return table((*columns, "<= 60 us more"), rows)


def security_table(contract: Contract, seconds: float) -> list[str]:
    """Measure the same message at a gate that lets its header pass, and at one that verifies it."""
    passing = Gate(contract, Limits(), understands=frozenset({SECURITY}))
    verifying, rows = wsse.gate(), []
    for name, file in SECURED.items():
        body = wsse.made((ROOT / "tests" / "attacks" / file).read_bytes())
        message = Message(body=body, content_type="text/xml")
        without, whole = best(
            seconds,
            lambda message=message: passing.admit(message),
            lambda message=message: verifying.admit(message),
        )
        more = f"{1e6 * (whole - without):.1f}"
        rows.append((name, f"{len(body)}", f"{1e6 * without:.1f}", f"{1e6 * whole:.1f}", more))
    return table(("GetOrder with", "bytes", "passed, us", "verified, us", "more, us"), rows)


ENVELOPE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    b'<t:PlaceOrder xmlns:t="urn:example:warehouse:types">%s</t:PlaceOrder></e:Body></e:Envelope>'
)


def heaviest(size: int) -> dict[str, bytes]:
    """Return messages of about so many bytes that are heavy in one way each."""
    attributes = b" ".join(b'a%d=""' % n for n in range(60))
    return {
        "empty elements, over the limit": b"<a/>" * (size // 4),
        "empty elements, as many as the limit": b"<a/>" * (size // 21) + b" " * (size * 17 // 21),
        "elements with text": b"<a>text</a>x" * (size // 21),
        "sixty attributes each": b"<a %s/>" % attributes * (size // (len(attributes) + 5)),
        "one element of attributes": b"<a %s/>"
        % b" ".join(b'a%d=""' % n for n in range(size // 11)),
        "namespaces": b"<a %s/>" % b" ".join(b'xmlns:a%d="u"' % n for n in range(size // 18)),
        "comments": b"<!---->" * (size // 7),
        "one text": b"x" * (size - 300),
        "one attribute": b'<a b="%s"/>' % (b"x" * (size - 300)),
        "a thousand CDATA sections": (b"<![CDATA[" + b"x" * (size // 1100) + b"]]>") * 1000,
    }


def growth(gate: Gate, body: bytes) -> tuple[int, str]:
    """Return how far this process grows while it admits a message, and what becomes of that."""
    message = Message(body=ENVELOPE % body, content_type="text/xml")
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew (proc(5))
    before, outcome = _memory("VmRSS"), "admitted"
    try:
        gate.admit(message)
    except Refused as refused:
        outcome = refused.text.partition(":")[0]
    return max(0, _memory("VmHWM") - before), outcome


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return 1024 * int(found[1])


def memory_table(gates: dict[int, Gate]) -> list[str]:
    """``gates`` by the size that each of them accepts."""
    rows = []
    for size, gate in gates.items():
        for name, body in heaviest(size - 300).items():
            more, outcome = growth(gate, body)
            kept = verdict(more <= GROWTH) if size == 1 << 20 else ""
            times = f"{more / size:.1f}"
            rows.append((megabytes(size), name, megabytes(more), times, outcome, kept))
    columns = ("size", "message", "grows by", "times its size", "outcome", "<= 64 MiB")
    return table(columns, rows)


def wider(size: int) -> Limits:
    """Return limits that grow with the size, so that the tree of such a message is built."""
    return Limits(request=size, elements=50_000 * size >> 20)


def main() -> None:
    """Measure, print, and with ``--save`` write results-gate.md."""
    parsing = argparse.ArgumentParser(description=__doc__)
    parsing.add_argument("--quick", action="store_true", help="fewer turns")
    parsing.add_argument("--save", action="store_true", help="write results-gate.md")
    options, _ = parsing.parse_known_args()  # tox gives all benchmarks the same options
    warehouse = load("warehouse.wsdl", folder=ROOT / "wsdl")
    seconds = 0.5 if options.quick else 5.0
    found = costs(Gate(warehouse, Limits()), seconds)
    gates = {size: Gate(warehouse, wider(size)) for size in (1 << 20, 4 << 20)}
    about = machine.described(HERE)
    heads = [f"- {name}: {value}" for name, value in about if not name.startswith("queue")]
    each = statistics.median(one.bare / one.elements for one in found)
    heads.append(f"- a bare parse takes {1e6 * each:.2f} us for an element")
    lines = ["# Results of the gate", "", *heads, "", "## Time for one message", ""]
    lines += [*cost_table(found), "", "## WS-Security of callers, for one message", ""]
    lines += [
        *security_table(warehouse, seconds),
        "",
        "## Memory for one message",
        "",
        *memory_table(gates),
        "",
    ]
    print("\n".join(lines))
    if options.save:
        (HERE / "results-gate.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
