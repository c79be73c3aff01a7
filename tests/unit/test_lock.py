"""The lock file has all that the package needs, in versions that it allows, and nothing else."""

from __future__ import annotations

import configparser
import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
ENTRIES = [one for one in re.sub(r"\\\n *", "", LOCK).splitlines() if not one.startswith("#")]
LOCKED = {one.partition("==")[0]: one.partition("==")[2].split()[0] for one in ENTRIES}


def needed() -> list[Requirement]:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    lines = settings["options"]["install_requires"] + settings["options.extras_require"]["wss"]
    found = [line.partition("#")[0].strip() for line in lines.splitlines()]
    return [Requirement(one) for one in found if one]


@pytest.mark.parametrize("wanted", needed(), ids=lambda one: one.name)
def test_what_the_package_needs_is_locked_in_a_version_that_it_allows(wanted):
    assert LOCKED[canonicalize_name(wanted.name)] in wanted.specifier


@pytest.mark.parametrize("name", sorted(LOCKED))
def test_what_a_locked_package_needs_is_locked_too(name):
    try:
        wanted = [Requirement(one) for one in requires(name) or ()]
    except PackageNotFoundError:
        pytest.skip(f"{name} is not here to be asked")
    here = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    assert {canonicalize_name(one.name) for one in here} <= set(LOCKED)


def test_each_version_has_hashes_and_no_place_to_get_it_from():
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", one) for one in ENTRIES)
    assert "://" not in LOCK
    assert "index" not in LOCK
