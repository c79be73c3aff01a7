"""The templates: both hold the same, and what provisioning makes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.errors import ConfigurationError
from gateway.provision.desired import ProvisionSettings, desire
from gateway.provision.templates import cloudformation, refuse_other_clouds
from gateway.provision.terraform import terraform
from gateway.queues.options import Bounds

ADDRESSES = [
    "s3://shop/q",
    "s3://shop?doorbell=bell",
    "sqs://orders.fifo",
    "sqs://orders?replies=s3://shop/q",
]
SETTINGS = ProvisionSettings(cors_origins=("https://shop.example.com",))


def plain(value: Any) -> Any:
    """Return a document with the placeholders of either kind left out."""
    if isinstance(value, dict):
        return (
            plain(value["Fn::Sub"])
            if "Fn::Sub" in value
            else {k: plain(v) for k, v in value.items()}
        )
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and value.startswith("{"):
        return plain(json.loads(value))
    return re.sub(r"\$\{[^}]*\}", "?", value) if isinstance(value, str) else value


def statements(document: Any) -> list[Any]:
    """Return all statements of all policies in a template, in the order of their text."""
    found = []
    if isinstance(document, dict):
        found += document.get("Statement", [])
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            found += statements(one)
    return sorted(found, key=json.dumps)


@pytest.mark.parametrize("address", ADDRESSES)
def test_both_templates_have_the_same_policies(address):
    desired = desire(address, SETTINGS)
    ours = statements(plain(cloudformation(desired)))
    assert ours
    assert ours == statements(plain(terraform(desired)))


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_resource_that_a_template_refers_to_is_in_it(address):
    desired = desire(address, SETTINGS)
    template = cloudformation(desired)
    text = json.dumps(template)
    names = re.findall(r"\$\{(\w+)\.Arn\}", text) + re.findall(r'"Ref": "(\w+)"', text)
    assert names
    assert set(names) <= set(template["Resources"])
    written = terraform(desired)
    for kind, name in re.findall(r"\$\{(aws_\w+)\.(\w+)\.", json.dumps(written)):
        assert name in written["resource"][kind]


def test_a_doorbell_is_made_before_it_is_rung():
    desired = desire("s3://shop?doorbell=bell", SETTINGS)
    assert cloudformation(desired)["Resources"]["Bucket"]["DependsOn"] == ["QueuePolicy"]
    bell = terraform(desired)["resource"]["aws_s3_bucket_notification"]["bucket"]
    assert bell["depends_on"] == ["aws_sqs_queue_policy.queue"]
    assert bell["queue"]["filter_prefix"] == "requests/"


def test_both_templates_have_the_same_lifecycle():
    desired = desire("s3://shop/q", SETTINGS, Bounds(days=9))
    bucket = cloudformation(desired)["Resources"]["Bucket"]["Properties"]
    ours = [
        (rule["Prefix"], rule.get("ExpirationInDays"))
        for rule in bucket["LifecycleConfiguration"]["Rules"]
    ]
    rules = terraform(desired)["resource"]["aws_s3_bucket_lifecycle_configuration"]["bucket"][
        "rule"
    ]
    theirs = [(rule["filter"]["prefix"], rule.get("expiration", {}).get("days")) for rule in rules]
    assert ours == theirs
    assert ("q/quarantine/", 9) in ours


def test_what_holds_messages_outlives_its_template():
    desired = desire("s3://shop?doorbell=bell", SETTINGS)
    resources = cloudformation(desired)["Resources"]
    for name in ("Bucket", "Queue", "DeadLetters"):
        assert resources[name]["DeletionPolicy"] == "Retain"
    made = terraform(desired)["resource"]
    assert made["aws_s3_bucket"]["bucket"]["lifecycle"] == {"prevent_destroy": True}
    assert made["aws_sqs_queue"]["queue"]["lifecycle"] == {"prevent_destroy": True}


def test_a_fifo_queue_is_one_in_both():
    desired = desire("sqs://orders.fifo", SETTINGS)
    assert cloudformation(desired)["Resources"]["DeadLetters"]["Properties"]["FifoQueue"] is True
    assert terraform(desired)["resource"]["aws_sqs_queue"]["dead_letters"]["fifo_queue"] is True


def test_a_store_of_ones_own_has_no_template():
    with pytest.raises(ConfigurationError, match="templates are for AWS"):
        refuse_other_clouds(desire("s3://shop?endpoint_url=http://127.0.0.1:9000", SETTINGS))
