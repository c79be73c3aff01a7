"""Whoever else may write the settings is told at the start, and by check."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings import writers

STRANGER = 12345


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o755)
    path = folder / "gateway.toml"
    path.write_text('queue = "memory:"\n[services.a]\nwsdl = "a.wsdl"\n')
    path.chmod(0o644)
    return path


def test_what_its_user_alone_may_write_is_no_doubt(settings):
    assert writers(settings) == []


@pytest.mark.parametrize("place", ["", ".."])
def test_what_all_may_write_is_told_with_the_cure(settings, place):
    which = (settings / place).resolve()
    which.chmod(0o777)
    (told,) = writers(settings)
    assert told.startswith(f"{which} can be written by others, all users of this machine")
    assert told.endswith(f"chmod o-w {which}")


def test_a_folder_like_tmp_lets_nobody_replace_the_file(settings):
    settings.parent.chmod(0o1777)
    assert writers(settings) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_another_owner_or_group_is_told(settings):
    os.chown(settings, STRANGER, -1)
    assert f"the user {STRANGER}" in writers(settings)[0]
    os.chown(settings, 0, STRANGER)
    assert writers(settings) == []  # which may read it
    settings.chmod(0o664)
    assert f"the group {STRANGER}" in writers(settings)[0]


def test_a_link_is_followed(settings, tmp_path):
    link = tmp_path / "link.toml"
    link.symlink_to(settings)
    settings.chmod(0o666)
    assert writers(link) == writers(settings) != []


@pytest.mark.parametrize("command", ["check", "serve"])
def test_it_is_told_where_a_person_looks(settings, command):
    settings.chmod(0o666)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gateway", command],
        cwd=settings.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "can be written by others" in done.stdout + done.stderr
