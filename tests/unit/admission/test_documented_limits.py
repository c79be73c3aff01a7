"""The page of all limits, the settings and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.admission import Limits
from gateway.errors import Check, ConfigurationError, Refused
from gateway.queue import reason_code
from gateway.settings import Settings, from_values
from gateway.settings.values import keys_of

KEYS = keys_of(Limits)
PAGES = Path(__file__).resolve().parents[3] / "docs" / "reference"
ADMISSION = r"^\| `(\w+)` \| `(\d+)` \| (\d+) to (\d+) \|"
SETTINGS = r"^\| `(\w+)` \| integer \| `(\d+)` \|.*; (\d+) to (\d+)\. \|$"


def settings(**limits: int) -> Settings:
    values = {"queue": "memory:", "services": {"a": {"wsdl": "a.wsdl"}}, "limits": limits}
    return from_values(values, Path("/"), "it")


def rows(page: str, pattern: str) -> dict[str, tuple[int, ...]]:
    """Return default, least and most of every limit that a page lists."""
    text = (PAGES / page).read_text("utf-8")
    found = re.findall(pattern, text.partition("imits")[2], re.MULTILINE)
    return {name: tuple(map(int, numbers)) for name, *numbers in found if name in KEYS}


@pytest.mark.parametrize(
    ("page", "pattern"), [("admission.md", ADMISSION), ("settings.md", SETTINGS)]
)
def test_every_limit_is_on_the_page_with_its_default(page, pattern):
    defaults = {name: (field.default,) for name, field in KEYS.items()}
    assert {name: numbers[:1] for name, numbers in rows(page, pattern).items()} == defaults


@pytest.mark.parametrize("name", KEYS)
def test_a_limit_may_be_what_the_page_says_and_no_more(name):
    _, least, most = rows("admission.md", ADMISSION)[name]
    assert rows("settings.md", SETTINGS)[name][1:] == (least, most)
    settings(**{name: least})
    settings(**{name: most})
    for beyond in (least - 1, most + 1):
        with pytest.raises(ConfigurationError, match=f"limits.{name}: "):
            settings(**{name: beyond})


def test_every_reason_code_is_on_the_page_and_can_be_read_back():
    text = (PAGES / "admission.md").read_text("utf-8").partition("## Reason codes")[2]
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(Check)
    for check in Check:
        assert reason_code(f"{Refused('no', check=check).reason_code}: no") == f"Client.{check}"


def test_the_settings_have_the_defaults_of_the_code():
    assert settings().limits == Limits()
