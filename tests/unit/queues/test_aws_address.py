"""Addresses of buckets and SQS queues."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigurationError
from gateway.queues.aws.address import (
    AwsAccess,
    BucketAddress,
    parse_bucket,
    parse_sqs,
)


def test_a_bucket_with_a_prefix_is_understood():
    address = parse_bucket("s3://my-bucket/a/orders?region=eu-west-1")
    access = AwsAccess(region="eu-west-1")
    assert address == BucketAddress(bucket="my-bucket", prefix="a/orders", access=access)
    assert address.key("requests", "x") == "a/orders/requests/x"


def test_a_bucket_needs_no_prefix():
    assert parse_bucket("s3://my-bucket").key("format.json") == "format.json"
    assert parse_bucket("s3://my-bucket/") == parse_bucket("s3://my-bucket")


def test_a_doorbell_is_a_name_or_a_url():
    assert parse_bucket("s3://bucket/p?doorbell=bell").doorbell == "bell"
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/bell"
    assert parse_bucket(f"s3://bucket/p?doorbell={url}").doorbell == url
    assert parse_bucket(f"s3://bucket/p?doorbell={url[8:]}").doorbell == url


def test_the_endpoint_of_one_service_goes_before_that_of_both():
    text = "s3://bucket?endpoint_url=http://127.0.0.1:1&sqs_endpoint_url=http://127.0.0.1:2"
    access = parse_bucket(text).access
    assert access.endpoint("s3") == "http://127.0.0.1:1"
    assert access.endpoint("sqs") == "http://127.0.0.1:2"


def test_the_bucket_of_replies_is_reached_as_its_queue_is():
    address = parse_sqs("sqs://orders.fifo?replies=s3://bucket/r&region=eu-west-1")
    assert address.is_fifo
    assert address.replies is not None
    assert address.replies.access.region == "eu-west-1"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("s3:bucket", "must begin with s3://"),
        ("s3://", "names no bucket"),
        ("s3://Big_Bucket/x", "names no bucket"),
        ("s3://bucket/a//b", "prefix"),
        ("s3://bucket/a b", "prefix"),
        ("s3://bucket?door=bell", "have no option 'door'"),
        ("s3://bucket?doorbell=a b", "neither the name of an SQS queue"),
        ("s3://bucket?addressing=weird", "addressing must be one of"),
        ("s3://bucket?endpoint_url=ftp://x", "must be like http://127.0.0.1:9000"),
        ("s3://bucket?endpoint_url=http://x/path", "without a path"),
        ("sqs://", "neither the name of an SQS queue"),
        ("sqs://orders?replies=bucket", "must begin with s3://"),
        ("sqs://orders?replies=s3://bucket?doorbell=bell", "has no doorbell"),
        ("sqs://orders?unsafe_duplicates=yes", "true or false"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_with_its_cure(address, said):
    parse = parse_sqs if address.startswith("sqs") else parse_bucket
    with pytest.raises(ConfigurationError, match=said):
        parse(address)
