"""What a contract's schemas allow, its stub reads and writes again, and it is the same."""

from __future__ import annotations

import pytest
from deployment import CORPUS, ROOT
from roundtrip import RoundTrip

OWN = [*(ROOT / "wsdl").glob("*.wsdl"), *(ROOT / "tests" / "golden" / "stubs").glob("*.wsdl")]
REAL = ("gowsdl/ec2.wsdl", "gowsdl/chromedata.wsdl", "wasabi/marketo.wsdl", "gowsdl/ferry.wsdl")


@pytest.mark.parametrize("path", sorted(OWN), ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(3))
def test_every_message_of_our_contracts_comes_back_the_same(path, seed):
    outcome = RoundTrip(path, seed).run()
    assert not outcome.reasons
    assert outcome.passed == outcome.operations > 0


@pytest.mark.parametrize("name", REAL)
def test_every_message_of_real_contracts_comes_back_the_same(name):
    path = CORPUS / name
    if not path.exists():
        pytest.skip("the corpus of real WSDLs is not beside this")
    outcome = RoundTrip(path).run()
    assert not outcome.reasons
    assert outcome.passed == outcome.operations > 0
