"""Whatever comes, the gate lets it in or says no: with hypothesis, and what the fuzzer has kept."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

import fuzz_target
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FUZZ = Path(fuzz_target.__file__).parent
KEPT = sorted((FUZZ / "corpus").iterdir())
ENVELOPES = sorted((fuzz_target.ROOT / "tests" / "golden" / "envelopes").glob("*.xml"))
TOKENS = [
    codecs.escape_decode(token)[0]
    for token in re.findall(r'^"(.*)"$', (FUZZ / "soap.dict").read_text("ascii"), re.MULTILINE)
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid envelope with up to five mistakes in it, behind the byte that says its way."""
    body = bytearray(draw(st.sampled_from(ENVELOPES)).read_bytes())
    for _ in range(draw(st.integers(1, 5))):
        begin = draw(st.integers(0, len(body)))
        end = min(len(body), begin + draw(st.integers(0, 40)))
        piece = bytes(body[begin:end])
        body[begin:end] = draw(
            st.sampled_from(
                [b"", piece * 2, piece[::-1], draw(st.sampled_from(TOKENS)), piece.swapcase()]
            )
            | st.binary(max_size=4)
        )
    form = draw(st.sampled_from([0, 0, 1, 2, 3, 4, 6, 8]))
    return bytes([form]) + bytes(body)


@settings(max_examples=300, deadline=None)
@given(mutated())
def test_a_valid_envelope_with_mistakes_in_it_is_admitted_or_refused(data):
    fuzz_target.run(data)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2 * fuzz_target.PLACES - 1), st.lists(st.sampled_from(TOKENS), max_size=12))
def test_a_heap_of_what_messages_are_made_of_is_refused(way, tokens):
    assert fuzz_target.run(bytes([way]) + b"".join(tokens)) != ""


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_the_fuzzer_kept_is_admitted_or_refused(path):
    fuzz_target.run(path.read_bytes())


def test_among_what_the_fuzzer_kept_are_requests_that_pass():
    verdicts = [fuzz_target.run(path.read_bytes()) for path in KEPT]
    assert "" in verdicts
    assert {"Client", "VersionMismatch", "MustUnderstand"} <= set(verdicts)
