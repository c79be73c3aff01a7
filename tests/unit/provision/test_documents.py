"""What is to be there for an address, and the documents that say so."""

from __future__ import annotations

import json

import pytest

from gateway.errors import ConfigurationError
from gateway.provision import documents
from gateway.provision.desired import ProvisionSettings, desire
from gateway.provision.documents import Arns
from gateway.provision.merging import with_rules, with_statement
from gateway.queues.options import Bounds

SETTINGS = ProvisionSettings()
ARNS = Arns(account="123456789012", queue="arn:aws:sqs:eu-west-1:123456789012:bell")


def of(address: str, **settings: object):
    desired = desire(address, ProvisionSettings(**settings))
    return desired, desired.bucket


@pytest.mark.parametrize(
    ("address", "mode"),
    [
        ("s3://orders", "plain"),
        ("s3://orders/a?doorbell=bell", "doorbell"),
        ("sqs://orders?replies=s3://orders", "replies"),
    ],
)
def test_the_mode_of_the_bucket_follows_from_the_address(address, mode):
    assert desire(address, SETTINGS).mode == mode


def test_a_queue_without_a_bucket_needs_none():
    assert desire("sqs://orders.fifo", SETTINGS).bucket is None


def test_a_fifo_queue_has_fifo_dead_letters():
    assert desire("sqs://orders.fifo", SETTINGS).queue.dead_letters == "orders-dead.fifo"


def test_a_fifo_doorbell_is_refused_since_s3_cannot_ring_it():
    with pytest.raises(ConfigurationError, match="is a FIFO queue, which S3 cannot notify"):
        desire("s3://orders?doorbell=bell.fifo", SETTINGS)


def test_an_address_that_is_not_of_aws_is_refused():
    with pytest.raises(ConfigurationError, match="is not on S3 or SQS"):
        desire("sqlite:///queue.db", SETTINGS)


def test_the_account_of_a_queue_is_read_from_its_url():
    queue = desire("sqs://sqs.eu-west-1.amazonaws.com/123456789012/a.fifo", SETTINGS).queue
    assert (queue.name, queue.account) == ("a.fifo", "123456789012")


@pytest.mark.parametrize("address", ["s3://orders", "s3://orders/a"])
def test_no_rule_ever_removes_a_request(address):
    desired, bucket = of(address)
    rules = documents.expirations(desired, bucket)
    prefixes = [rule["Filter"]["Prefix"] for rule in rules]
    assert len(prefixes) == 4
    assert not any(bucket.key("requests", "x").startswith(prefix) for prefix in prefixes)
    assert "Expiration" not in documents.unfinished_uploads(bucket)


def test_quarantine_is_kept_as_long_as_the_settings_say():
    desired = desire("s3://orders", SETTINGS, Bounds(days=7))
    days = {
        rule["ID"]: rule["Expiration"]["Days"]
        for rule in documents.expirations(desired, desired.bucket)
    }
    assert days == {
        "gateway-replies": 2,
        "gateway-payloads": 3,
        "gateway-quarantine": 7,
        "gateway-gateways": 1,
    }


def test_two_queues_of_one_bucket_have_rules_and_statements_of_their_own():
    (first, a), (second, b) = of("s3://orders/a"), of("s3://orders/b")
    ids = [rule["ID"] for rule in documents.expirations(first, a)]
    assert not set(ids) & {rule["ID"] for rule in documents.expirations(second, b)}
    assert documents.written_once(ARNS, a)["Sid"] != documents.written_once(ARNS, b)["Sid"]


def test_statement_ids_hold_what_iam_lets_them():
    _, bucket = of("s3://orders/a-b.c/d")
    assert documents.written_once(ARNS, bucket)["Sid"].isalnum()


def test_only_this_bucket_of_this_account_may_ring():
    _, bucket = of("s3://orders?doorbell=bell")
    statement = documents.may_ring(ARNS, bucket)
    assert statement["Condition"] == {
        "ArnEquals": {"aws:SourceArn": "arn:aws:s3:::orders"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_the_doorbell_counts_more_receives_than_a_queue_of_messages():
    bell = desire("s3://orders?doorbell=bell", SETTINGS).queue
    queue = desire("sqs://a?replies=s3://orders", SETTINGS).queue
    receives = [
        json.loads(documents.queue_attributes(one, "arn")["RedrivePolicy"])["maxReceiveCount"]
        for one in (bell, queue)
    ]
    assert receives == [1000, 100]


def test_a_key_of_ones_own_is_for_bodies_and_not_for_the_doorbell():
    key = "arn:aws:kms:eu-west-1:123456789012:key/a"
    bell = of("s3://orders?doorbell=bell", kms_key=key)[0].queue
    queue = of("sqs://a?replies=s3://orders", kms_key=key)[0].queue
    assert "KmsMasterKeyId" not in documents.dead_letter_attributes(bell)
    assert documents.dead_letter_attributes(queue)["KmsMasterKeyId"] == key
    assert documents.encryption(key)["BucketKeyEnabled"] is True


def test_browsers_get_a_rule_only_where_an_origin_is_named():
    assert documents.cors(*of("s3://orders")) is None
    rule = documents.cors(*of("s3://orders", cors_origins=("https://a.example",)))
    assert rule["AllowedOrigins"] == ["https://a.example"]
    assert "if-none-match" in rule["AllowedHeaders"]


def test_rules_of_others_are_kept_and_ours_replaced():
    theirs, old, new = {"ID": "x"}, {"ID": "gateway-a", "n": 1}, {"ID": "gateway-a", "n": 2}
    assert with_rules([theirs, old], {"gateway-a": new}, "ID") == [theirs, new]


def test_a_rule_that_is_no_longer_wanted_goes():
    assert with_rules([{"ID": "x"}, {"ID": "gateway-a"}], {"gateway-a": None}, "ID") == [
        {"ID": "x"}
    ]


def test_a_rule_that_is_right_stays_where_it_is():
    rules = [{"ID": "gateway-a", "n": ["1"]}, {"ID": "x"}]
    assert with_rules(rules, {"gateway-a": {"ID": "gateway-a", "n": "1"}}, "ID") == rules


def test_a_statement_joins_those_of_others():
    theirs = {"Sid": "Theirs", "Effect": "Allow"}
    policy = {"Version": "2012-10-17", "Statement": theirs}
    _, bucket = of("s3://orders")
    ours = documents.tls_only(ARNS, bucket)
    assert with_statement(policy, ours)["Statement"] == [theirs, ours]


def test_a_statement_that_a_store_wrote_another_way_is_the_same():
    _, bucket = of("s3://orders")
    ours = documents.tls_only(ARNS, bucket)
    rewritten = {**ours, "Principal": {"AWS": ["*"]}, "Action": ["s3:*"]}
    policy = {"Version": "2012-10-17", "Statement": [rewritten]}
    assert with_statement(policy, ours) is policy


def test_a_statement_that_was_weakened_is_set_right():
    _, bucket = of("s3://orders")
    ours = documents.tls_only(ARNS, bucket)
    policy = {"Version": "2012-10-17", "Statement": [{**ours, "Effect": "Allow"}]}
    assert with_statement(policy, ours)["Statement"] == [ours]
