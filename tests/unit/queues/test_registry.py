"""What is known of a queue by its address alone, and the kinds that packages bring."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.queues.kind import Reach
from gateway.queues.options import Bounds, QueueOptions
from gateway.queues.registry import abilities_of, kind_of, open_queue

KIND = """
from gateway.queues.kind import Abilities, Kind, Reach
from gateway.queues.memory import MemoryQueue

async def opened(address, folder, options):
    return MemoryQueue()

LOUD = Kind(
    form="loud:",
    abilities=lambda address, folder, options: Abilities(
        reach=Reach.PROCESS, callers=f"whoever shouts {address}"
    ),
    open=opened,
)
SILENT = "no kind"

def untold(address, folder, options):
    raise LookupError("nothing is known")

DUMB = Kind(form="dumb:", abilities=untold, open=opened)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that brings kinds of queues, as pip would."""
    (tmp_path / "loudqueue.py").write_text(KIND)
    about = tmp_path / "loudqueue-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loudqueue\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[gateway.queues]\nloud = loudqueue:LOUD\nsilent = loudqueue:SILENT\n"
        "dumb = loudqueue:DUMB\n"
        "broken = loudqueue.nowhere:KIND\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "loudqueue", raising=False)


@pytest.mark.parametrize(
    ("address", "reach", "is_durable", "keeps_replies", "is_paid", "is_provisioned"),
    [
        ("memory:", Reach.PROCESS, False, True, False, False),
        ("sqlite:///queue.db", Reach.MACHINE, True, True, False, False),
        ("s3://bucket/p", Reach.NETWORK, True, True, True, True),
        ("s3://bucket/p?doorbell=bell", Reach.NETWORK, True, True, True, True),
        ("sqs://q?replies=s3://bucket/p", Reach.NETWORK, True, True, True, True),
        ("sqs://q.fifo", Reach.NETWORK, True, False, True, True),
    ],
)
def test_what_a_queue_can_do_is_told_by_its_address(
    address, reach, is_durable, keeps_replies, is_paid, is_provisioned
):
    found = abilities_of(address)
    told = (found.reach, found.is_durable, found.keeps_replies, found.is_paid)
    assert told == (reach, is_durable, keeps_replies, is_paid)
    assert found.is_provisioned is is_provisioned


def test_files_are_kept_beside_a_queue_file_alone(tmp_path):
    assert abilities_of("sqlite:///queue.db", tmp_path).files.is_relative_to(tmp_path)
    assert abilities_of("sqlite:///nowhere/queue.db", tmp_path).files is None
    assert abilities_of("s3://bucket/p", tmp_path).files is None


def test_the_bounds_of_a_quarantine_are_told_by_those_who_keep_to_others():
    options = QueueOptions(quarantine=Bounds(days=9))
    assert abilities_of("s3://bucket/p", options=options).quarantine.startswith("9 days, by the")
    assert abilities_of("sqlite:///queue.db", options=options).quarantine == ""


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("queue.db", "'queue.db' is not a queue this program knows: use sqlite:///queue.db"),
        ("s3", "or memory: (for tests)."),
        ("redis://here", "s3://BUCKET/PREFIX, sqs://QUEUE?replies=s3://BUCKET/PREFIX, or"),
        ("memory:here", "write memory:"),
        ("sqlite:queue.db", "names no file: write sqlite:///queue.db"),
        ("s3://b", "names no bucket"),
        ("sqs://q?color=red", "have no option 'color'"),
    ],
)
async def test_a_wrong_address_is_told_with_its_cure_before_anything_is_opened(
    address, told, tmp_path
):
    with pytest.raises(ConfigurationError) as raised:
        abilities_of(address)
    assert told in str(raised.value)
    with pytest.raises(ConfigurationError) as raised:
        await open_queue(address, tmp_path)
    assert told in str(raised.value)
    assert list(tmp_path.iterdir()) == []


async def test_a_package_brings_a_kind_of_its_own(package, tmp_path):
    assert abilities_of("loud:here").callers == "whoever shouts loud:here"
    queue = await open_queue("loud:here", tmp_path)
    assert (await queue.status()).depth == 0


def test_a_kind_that_cannot_be_used_is_told_with_the_package_that_brings_it(package):
    with pytest.raises(ConfigurationError, match=r"package loudqueue brings broken: .*repair it"):
        kind_of("broken:")
    with pytest.raises(ConfigurationError, match=r"dumb: queues cannot tell .*LookupError: noth"):
        abilities_of("dumb:")
    with pytest.raises(
        ConfigurationError, match=r"loudqueue:SILENT is not a gateway\.queues\.kind"
    ):
        kind_of("silent:")


def test_kinds_that_packages_bring_are_named_to_whoever_got_an_address_wrong(package):
    with pytest.raises(ConfigurationError, match="installed beside it: broken, dumb, loud, silent"):
        kind_of("laud:here")


def test_a_package_cannot_take_the_place_of_a_kind_that_is_here(package, tmp_path):
    points = tmp_path / "loudqueue-1.0.dist-info" / "entry_points.txt"
    points.write_text("[gateway.queues]\nsqlite = loudqueue:LOUD\n")
    importlib.invalidate_caches()
    assert kind_of("sqlite:///queue.db").form.startswith("sqlite:///")


def test_one_scheme_of_two_packages_is_told(package, tmp_path):
    about = tmp_path / "louder-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: louder\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text("[gateway.queues]\nloud = loudqueue:LOUD\n")
    importlib.invalidate_caches()
    with pytest.raises(ConfigurationError, match="2 packages bring loud: queues: louder, loudqu"):
        kind_of("loud:")
