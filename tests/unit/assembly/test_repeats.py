"""Which requests may be carried out twice, by the settings of whoever asks."""

from __future__ import annotations

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.assembly import Repeats
from gateway.settings import read

ROOT = Path(__file__).parents[3]
ONCE = 'queue = "sqlite:///queue.db"\n[services.warehouse]\nwsdl = "warehouse.wsdl"\n'
READS = ONCE + 'repeatable = ["GetOrder"]\n'
HARBOUR = '[services.harbour]\nwsdl = "harbour.wsdl"\nforward = "http://127.0.0.1:9/"\n'


@pytest.fixture
def repeats(tmp_path: Path):
    for folder in (ROOT / "wsdl", ROOT / "tests" / "contracts"):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)

    def build(settings: str) -> Repeats:
        (tmp_path / "gateway.toml").write_text(settings)
        return Repeats(read(tmp_path / "gateway.toml"))

    return build


@pytest.mark.parametrize(
    ("settings", "service", "why"),
    [
        (READS, "warehouse", "PlaceOrder is not repeatable"),
        (READS, "", "PlaceOrder is not repeatable"),
        (READS + HARBOUR, "", "PlaceOrder is not repeatable"),
        (ONCE, "warehouse", "these settings have no repeatable operation for it"),
        (READS, "billing", "these settings have no repeatable operation for it"),
        (READS.replace("use.wsdl", "use2.wsdl"), "warehouse", "do not tell whether"),
        (READS.replace("GetOrder", "GetAll"), "warehouse", "has no operation 'GetAll'"),
    ],
)
def test_what_is_not_known_as_repeatable_is_not(repeats, sample, settings, service, why):
    assert why in repeats(settings).hindrance(sample("place_order_11", target_service=service))


@pytest.mark.parametrize("service", ["warehouse", ""])
@pytest.mark.parametrize("settings", [READS, READS + HARBOUR])
def test_what_is_repeatable_is_known_by_its_body(repeats, sample, settings, service):
    request = sample("get_order_11", target_service=service)
    assert repeats(settings).hindrance(request) == ""
    packed = replace(request, body=gzip.compress(request.body), content_encoding="gzip")
    assert repeats(settings).hindrance(packed) == ""


def test_where_all_of_a_service_is_repeatable_its_operations_are(repeats, sample):
    request = sample("place_order_11", target_service="")
    assert repeats(ONCE + "repeatable = true\n" + HARBOUR).hindrance(request) == ""


def test_what_is_no_envelope_is_not_repeatable_unless_all_is(repeats, sample):
    broken = sample("get_order_11", body=b"<none/>")
    assert "do not tell whether" in repeats(READS).hindrance(broken)
    assert repeats(ONCE + "repeatable = true\n").hindrance(broken) == ""
