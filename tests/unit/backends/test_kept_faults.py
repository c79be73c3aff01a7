"""Originals of faults that were rewritten: found by their operator, private, and not too many."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest

from gateway.backends.redact import kept_faults
from gateway.backends.redact.kept_faults import LONGEST, KeptFaults, Original

DAY = 86400.0
NOW = 1_800_000_000.0


def original(id: str = "01M84FZB4J9DBN4MEPEYEP998H", **fields: object) -> Original:
    values = {
        "id": id,
        "client": "shop",
        "service": "orders",
        "operation": "GetOrder",
        "since": NOW,
        "rewritten": ("text", "detail"),
        "content_type": "text/xml",
        "size": 4,
        "body": b"<a/>",
    }
    return Original(**(values | fields))  # type: ignore[arg-type]


@pytest.fixture
def kept(tmp_path) -> KeptFaults:
    return KeptFaults(tmp_path / "live" / "faults", 30 * DAY, lambda: NOW)


def files(kept: KeptFaults) -> list[str]:
    return sorted(one.name for one in kept.folder.iterdir())


def test_an_original_is_found_by_its_id(kept):
    assert kept.keep(original())
    assert kept.keep(original(id="01M84FZB4J9DBN4MEPEYEP99XX", client=""))
    assert kept.find(original().id) == [original()]
    assert kept.find("01M84FZB4J9DBN4MEPEYEP998") == []
    assert KeptFaults(kept.folder / "none", DAY).find(original().id) == []


def test_two_clients_may_have_the_same_id(kept):
    assert kept.keep(original())
    assert kept.keep(original(client="farm"))
    assert [one.client for one in kept.find(original().id)] == ["farm", "shop"]


def test_only_its_user_may_read_it_whatever_the_umask_is(kept):
    before = os.umask(0)
    try:
        kept.keep(original())
    finally:
        os.umask(before)
    (name,) = files(kept)
    assert stat.S_IMODE((kept.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_of_a_long_one_the_beginning_is_kept(kept):
    kept.keep(original(body=b"a" * (LONGEST + 1), size=LONGEST + 1))
    (found,) = kept.find(original().id)
    assert (found.body, found.size) == (b"a" * LONGEST, LONGEST + 1)


@pytest.mark.parametrize("id", ["../../01M84FZB4J9DBN4MEPEYEP", "", "a/b", "a\nb", "x" * 65])
def test_what_could_name_another_file_is_not_kept_and_not_found(kept, id):
    assert not kept.keep(original(id=id))
    assert not kept.keep(original(client="../x"))
    assert kept.find(id) == []
    assert not kept.folder.exists()


def test_what_cannot_be_kept_is_said_to_be_so_and_logged_once(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    kept = KeptFaults(tmp_path / "file", DAY)
    assert not kept.keep(original())
    assert not kept.keep(original())
    assert len(caplog.records) == 1


def test_the_oldest_go_where_there_are_too_many(kept, monkeypatch):
    monkeypatch.setattr(kept_faults, "MOST", 3)
    for n in range(5):
        kept.keep(original(id=f"01M84FZB4J9DBN4M-{n}"))
        os.utime(kept.folder / f"01M84FZB4J9DBN4M-{n}.shop", (NOW - 5 + n,) * 2)
    kept.tidy()
    assert files(kept) == [f"01M84FZB4J9DBN4M-{n}.shop" for n in (2, 3, 4)]


def test_what_is_too_old_is_neither_found_nor_left(kept):
    kept.keep(original(since=NOW - 31 * DAY))
    assert kept.find(original().id) == []
    os.utime(kept.folder / files(kept)[0], (NOW - 31 * DAY,) * 2)
    kept.tidy()
    assert files(kept) == []


def test_what_a_crash_left_half_written_goes(kept):
    kept.keep(original())
    torn = [kept.folder / f".0123456789abcde{n}" for n in "ab"]
    for path, text in zip(torn, ["", '{"id": "01M'], strict=True):
        path.write_text(text)
        os.utime(path, (NOW - 3600,) * 2)
    os.utime(kept.folder / f"{original().id}.shop", (NOW, NOW))
    kept.tidy()
    assert files(kept) == [f"{original().id}.shop"]


OTHERS = (
    "gateway.toml",
    "credentials.txt",
    "queue.db",
    "backup-of-last-friday.db",
    f"{original().id}.shop.old",
    original().id,
    ".hidden",
    ".fedcba9876543210",
)


@pytest.mark.parametrize("most", [0, 1000])
def test_files_that_are_none_of_its_own_stay_in_a_folder_that_others_use(kept, monkeypatch, most):
    monkeypatch.setattr(kept_faults, "MOST", most)
    kept.keep(original())
    for name in OTHERS:
        (kept.folder / name).write_text("[queue]")
    (kept.folder / "01M84FZB4J9DBN4MEPEYEP9990.folder").mkdir()
    for path in kept.folder.iterdir():
        os.utime(path, (NOW - 31 * DAY,) * 2)
    kept.tidy()
    assert files(kept) == sorted([*OTHERS, "01M84FZB4J9DBN4MEPEYEP9990.folder"])


def test_one_file_that_cannot_be_removed_keeps_no_other(kept, monkeypatch):
    for n in range(3):
        kept.keep(original(id=f"01M84FZB4J9DBN4M-{n}"))
        os.utime(kept.folder / f"01M84FZB4J9DBN4M-{n}.shop", (NOW - 31 * DAY,) * 2)
    unlink = Path.unlink

    def fail(path, *args, **kwargs):
        if path.name.startswith("01M84FZB4J9DBN4M-1"):
            raise PermissionError
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(Path, "unlink", fail)
    kept.tidy()
    assert files(kept) == ["01M84FZB4J9DBN4M-1.shop"]


async def test_after_many_it_tidies_up_without_being_asked(kept, monkeypatch):
    monkeypatch.setattr(kept_faults, "MOST", 1)
    monkeypatch.setattr(kept_faults, "EVERY", 3)
    tending = asyncio.create_task(kept.tend())
    for n in range(3):
        kept.keep(original(id=f"01M84FZB4J9DBN4M-{n}"))
    async with asyncio.timeout(240):
        while len(files(kept)) > 1:
            await asyncio.sleep(0.01)
    tending.cancel()
    await asyncio.wait([tending])
