"""The table [provision]: what cannot be meant is told by its key."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.commands.provision import desired_by
from gateway.errors import ConfigurationError
from gateway.settings import from_values

LEAST = {"queue": "s3://orders", "services": {"orders": {"wsdl": "orders.wsdl"}}}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"cors_origins": ["*"]}, 'provision.cors_origins: must be a list of origins like ["http'),
        ({"cors_origins": ["https://a.example/x"]}, "provision.cors_origins: must be a list"),
        ({"cors_origins": "https://a.example"}, "provision.cors_origins: must be a list"),
        ({"kms_key": "alias/orders"}, "provision.kms_key: is not the ARN of a key"),
        ({"quarantine_days": 9}, "provision.quarantine_days: is not a key of this file"),
        ({"dead_letter_receives": 1001}, "provision.dead_letter_receives: must be 1000 or less"),
        (
            {"origins": []},
            "provision.origins: is not a key of this file: did you mean cors_origins",
        ),
    ],
)
def test_a_value_that_cannot_be_meant_is_told_by_its_key(values, says):
    with pytest.raises(ConfigurationError) as raised:
        from_values({**LEAST, "provision": values}, Path(), "gateway.toml")
    assert says in str(raised.value)


def test_good_values_are_taken():
    values = {
        "cors_origins": ["https://shop.example.com", "http://localhost:8080"],
        "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/0a1b-2c",
    }
    table = from_values({**LEAST, "provision": values}, Path(), "gateway.toml").provision
    assert table.cors_origins == tuple(values["cors_origins"])
    assert table.kms_key == values["kms_key"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"days": 0}, "quarantine.days: must be 1 or more"),
        ({"bytes": 1000}, "quarantine.bytes: must be 1048576 or more"),
    ],
)
def test_bounds_of_the_quarantine_that_cannot_be_meant_are_told(values, says):
    with pytest.raises(ConfigurationError) as raised:
        from_values({**LEAST, "quarantine": values}, Path(), "gateway.toml")
    assert says in str(raised.value)


def test_the_days_of_the_quarantine_are_those_of_the_rule_in_the_bucket():
    settings = from_values({**LEAST, "quarantine": {"days": 9}}, Path(), "gateway.toml")
    assert desired_by(settings).quarantine.days == 9
