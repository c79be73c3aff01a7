"""The names that programs may use: they are there, they are described, and there are no others."""

from __future__ import annotations

import importlib
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gateway

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "python.md"

PUBLIC = {
    "gateway": set(gateway.__all__),
    "gateway.stubs": set(importlib.import_module("gateway.stubs").__all__),
    "gateway.errors": {
        "ConfigurationError",
        "EntryGone",
        "GatewayError",
        "IdTaken",
        "LeaseLost",
        "NoReplyYet",
        "QueueBroken",
        "QueueUnavailable",
        "Refused",
    },
    "gateway.queue": {
        "AdministeredQueue",
        "Collected",
        "Delivery",
        "Forgettable",
        "Quarantine",
        "Quarantined",
        "Queue",
        "QueueAdmin",
        "QueueStatus",
        "State",
    },
    "gateway.message": {
        "Clock",
        "ID_WINDOW",
        "Message",
        "REPLY_RETENTION",
        "Unreadable",
        "check_identity",
        "digest",
        "from_properties",
        "id_time",
        "new_id",
        "to_properties",
    },
    "gateway.queues.kind": {"Abilities", "Kind", "Reach"},
    "gateway.queues.options": {"Bounds", "QueueOptions"},
    "gateway.queues.quarantine": {"check_sendable", "renewed"},
}
"""What is here stays from one version to the next; what is not may go at any time."""


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def described(text: str) -> set[str]:
    return set(re.findall(r"`([A-Za-z_][\w.]*)`", text))


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is(module):
    found = importlib.import_module(module)
    for name in PUBLIC[module]:
        one = getattr(found, name)
        if inspect.isclass(one) or inspect.isfunction(one):
            assert inspect.getdoc(one), f"{module}.{name}"


def test_the_reference_page_has_every_public_name_and_no_other():
    told = sections()
    for module in ("gateway", "gateway.stubs", "gateway.errors"):
        missing = PUBLIC[module] - described(told[f"`{module}`"])
        assert not missing, module
    own = described(told["A queue of your own"])
    kinds = {
        f"{module}.{name}"
        for module in PUBLIC
        if module.startswith(("gateway.queue", "gateway.message"))
        for name in PUBLIC[module]
    }
    assert {one for one in own if one.startswith("gateway.")} == kinds | {
        "gateway.queues",
        "gateway.testing.queue_contract",
    }
    everything = set().union(*PUBLIC.values())
    for module in ("gateway", "gateway.stubs", "gateway.errors"):
        classes = {one for one in described(told[f"`{module}`"]) if one[0].isupper()}
        assert classes <= everything | {"NIL"}, module


def test_help_shows_the_public_names():
    told = pydoc.plain(pydoc.render_doc(gateway))
    for name in gateway.__all__:
        assert name in told


def test_the_version_is_the_one_that_is_installed():
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", gateway.__version__)
    assert gateway.__version__ in (ROOT / "setup.cfg").read_text()


def test_a_name_that_is_not_there_is_no_attribute():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        gateway.nothing  # noqa: B018


def test_importing_the_package_imports_none_of_its_parts():
    code = "import sys, gateway; print([one for one in sys.modules if one.startswith('gateway.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
