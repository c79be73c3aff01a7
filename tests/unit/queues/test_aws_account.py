"""Where the region of an account is found."""

from __future__ import annotations

import os

import pytest

from gateway.queues.aws.account import session_of
from gateway.queues.aws.address import AwsAccess


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({}, None),
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
    ],
)
def test_the_region_is_found_under_both_its_names(monkeypatch, environment, region):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert session_of(AwsAccess()).region_name == region
    assert session_of(AwsAccess(region="us-east-2")).region_name == "us-east-2"
