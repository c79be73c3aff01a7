"""What each role may do: the policies are asked, by a small evaluator of IAM's rules."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from gateway.provision.desired import ProvisionSettings, desire
from gateway.provision.documents import Arns
from gateway.provision.policies import (
    client_policy,
    gateway_policy,
    operator_policy,
    queue_arn,
)

BUCKET = "arn:aws:s3:::shop"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
ID = "01J00000000000000000000000"
ADDRESSES = {
    "plain": "s3://shop/q",
    "doorbell": "s3://shop/q?doorbell=orders",
    "replies": "sqs://orders?replies=s3://shop/q",
    "sqs": "sqs://orders?unsafe_duplicates=true",
}


def holds(condition: dict, context: dict) -> bool:
    """Evaluate the operators that our policies use (IAM user guide, "Condition operators")."""
    operators = {
        "Null": lambda value, wanted: (value is None) == (wanted == "true"),
        "StringLikeIfExists": lambda value, wanted: (
            value is None or any(fnmatchcase(value, one) for one in wanted)
        ),
    }
    return all(
        operators[operator](context.get(key), wanted)
        for operator, tests in condition.items()
        for key, wanted in tests.items()
    )


def allows(policy: dict, action: str, resource: str, **context: str) -> bool:
    context = {f"s3:{key.replace('_', '-')}": value for key, value in context.items()}
    return any(
        action in one["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in one["Resource"])
        and holds(one.get("Condition", {}), context)
        for one in policy["Statement"]
    )


def client(kind: str) -> dict:
    return client_policy(desire(ADDRESSES[kind], ProvisionSettings()), Arns(queue=QUEUE), "web")


def gateway(kind: str, *reply_queues: str) -> dict:
    desired = desire(ADDRESSES[kind], ProvisionSettings())
    return gateway_policy(desired, Arns(queue=QUEUE), reply_queues)


@pytest.mark.parametrize("kind", ["plain", "doorbell"])
def test_a_client_puts_its_own_requests_and_only_once(kind):
    policy = client(kind)
    own = f"{BUCKET}/q/requests/{ID}.web"
    assert allows(policy, "s3:PutObject", own, if_none_match="*")
    assert not allows(policy, "s3:PutObject", own)
    assert not allows(policy, "s3:PutObject", f"{BUCKET}/q/requests/{ID}.other", if_none_match="*")
    assert not allows(policy, "s3:GetObject", own)
    assert not allows(policy, "s3:DeleteObject", own)


@pytest.mark.parametrize("kind", ["plain", "doorbell", "replies"])
def test_a_client_reads_its_own_replies_and_the_contracts(kind):
    policy = client(kind)
    assert allows(policy, "s3:GetObject", f"{BUCKET}/q/replies/web/{ID}")
    assert allows(policy, "s3:GetObject", f"{BUCKET}/q/contracts/orders/service.wsdl")
    assert allows(policy, "s3:GetObject", f"{BUCKET}/q/format.json")
    assert not allows(policy, "s3:GetObject", f"{BUCKET}/q/replies/other/{ID}")
    assert not allows(policy, "s3:PutObject", f"{BUCKET}/q/replies/web/{ID}", if_none_match="*")
    assert not allows(policy, "s3:ListBucket", BUCKET)


@pytest.mark.parametrize("kind", ["doorbell", "replies", "sqs"])
def test_a_client_sends_to_the_queue_and_receives_nothing_from_it(kind):
    policy = client(kind)
    assert allows(policy, "sqs:SendMessage", QUEUE)
    assert not allows(policy, "sqs:ReceiveMessage", QUEUE)
    assert not allows(policy, "sqs:DeleteMessage", QUEUE)


def test_a_client_of_sqs_puts_large_bodies_among_its_own_and_no_requests():
    policy = client("replies")
    assert allows(policy, "s3:PutObject", f"{BUCKET}/q/payloads/web/{ID}", if_none_match="*")
    assert not allows(policy, "s3:PutObject", f"{BUCKET}/q/payloads/other/{ID}", if_none_match="*")
    assert not allows(policy, "s3:PutObject", f"{BUCKET}/q/requests/{ID}.web", if_none_match="*")


@pytest.mark.parametrize("kind", ["plain", "doorbell"])
def test_a_gateway_takes_requests_and_writes_replies_which_it_cannot_delete(kind):
    policy = gateway(kind)
    request, reply = f"{BUCKET}/q/requests/{ID}.web", f"{BUCKET}/q/replies/web/{ID}"
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert allows(policy, action, request)
    assert allows(policy, "s3:PutObject", reply)
    assert not allows(policy, "s3:DeleteObject", reply)
    assert not allows(policy, "s3:PutObject", f"{BUCKET}/q/contracts/orders/service.wsdl")
    assert not allows(policy, "s3:GetObject", f"{BUCKET}/other/requests/{ID}.web")


def test_a_gateway_lists_its_own_prefix_and_learns_of_objects_that_are_not_there():
    policy = gateway("plain")
    assert allows(policy, "s3:ListBucket", BUCKET, prefix="q/requests/")
    assert not allows(policy, "s3:ListBucket", BUCKET, prefix="other/requests/")
    assert allows(policy, "s3:ListBucket", BUCKET)


def test_a_gateway_answers_to_the_reply_queues_of_the_settings_alone():
    policy = gateway("sqs", "replies-*", "https://sqs.eu-west-1.amazonaws.com/210987654321/theirs")
    assert allows(policy, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:replies-1")
    assert allows(policy, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:210987654321:theirs")
    assert not allows(policy, "sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:123456789012:replies-1")
    assert not allows(policy, "sqs:SendMessage", "arn:aws:sqs:eu-west-1:123456789012:others")


def test_a_key_of_ones_own_may_be_used_by_both():
    key = "arn:aws:kms:eu-west-1:123456789012:key/a"
    desired = desire(ADDRESSES["plain"], ProvisionSettings(kms_key=key))
    for policy in (gateway_policy(desired, Arns()), client_policy(desired, Arns(), "web")):
        assert allows(policy, "kms:Decrypt", key)
        assert allows(policy, "kms:GenerateDataKey", key)


def test_what_is_not_known_of_a_queue_is_left_open_in_its_arn():
    queue = desire(ADDRESSES["sqs"], ProvisionSettings()).queue
    assert queue_arn(queue, "", "", "aws") == "arn:aws:sqs:*:*:orders"
    assert queue_arn(queue, "eu-west-1", "123456789012", "aws") == QUEUE


def operator(kind: str) -> dict:
    return operator_policy(desire(ADDRESSES[kind], ProvisionSettings()), Arns(queue=QUEUE))


@pytest.mark.parametrize("kind", ["plain", "doorbell"])
def test_an_operator_empties_the_quarantine_and_touches_no_request_or_reply(kind):
    policy = operator(kind)
    aside, noted = f"{BUCKET}/q/quarantine/{ID}.web", f"{BUCKET}/q/quarantine/again/{ID}.web"
    request, reply = f"{BUCKET}/q/requests/{ID}.web", f"{BUCKET}/q/replies/web/{ID}"
    assert allows(policy, "s3:ListBucket", BUCKET, prefix="q/quarantine/")
    assert allows(policy, "s3:GetObject", aside)
    assert allows(policy, "s3:DeleteObject", aside)
    for key in (noted, request):
        assert allows(policy, "s3:PutObject", key, if_none_match="*")
        assert not allows(policy, "s3:PutObject", key)
    assert not allows(policy, "s3:PutObject", reply, if_none_match="*")
    assert not allows(policy, "s3:DeleteObject", request)
    assert not allows(policy, "s3:DeleteObject", reply)


@pytest.mark.parametrize("kind", ["replies", "sqs"])
def test_an_operator_empties_the_dead_letter_queue_and_receives_from_no_other(kind):
    policy = operator(kind)
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"):
        assert allows(policy, action, f"{QUEUE}-dead")
        assert not allows(policy, action, QUEUE)
    assert allows(policy, "sqs:SendMessage", QUEUE)


def test_a_gateway_without_a_bucket_puts_aside_into_the_dead_letter_queue():
    assert allows(gateway("sqs"), "sqs:SendMessage", f"{QUEUE}-dead")
    assert not allows(gateway("sqs"), "sqs:ReceiveMessage", f"{QUEUE}-dead")
    assert not allows(gateway("replies"), "sqs:SendMessage", f"{QUEUE}-dead")


@pytest.mark.parametrize("kind", ["plain", "replies"])
def test_a_listener_may_write_and_read_for_its_clients_and_for_no_other(kind):
    desired = desire(ADDRESSES[kind], ProvisionSettings())
    policy = client_policy(desired, Arns(queue=QUEUE), "web", "shop")
    place = "requests/{id}.{name}" if kind == "plain" else "payloads/{name}/{id}"
    for name, may in (("web", True), ("shop", True), ("bank", False), ("*", False)):
        sent = f"{BUCKET}/q/{place.format(id=ID, name=name)}"
        assert allows(policy, "s3:PutObject", sent, if_none_match="*") is may
        assert not allows(policy, "s3:PutObject", sent)
        assert allows(policy, "s3:GetObject", f"{BUCKET}/q/replies/{name}/{ID}") is may
    assert not allows(policy, "s3:DeleteObject", f"{BUCKET}/q/requests/{ID}.web")


def test_without_a_bucket_a_client_owns_the_queue_of_its_replies_and_a_gateway_sends_there():
    replies, other = (QUEUE.rpartition(":")[0] + name for name in (":gateway-replies-1", ":x"))
    for action in ("sqs:CreateQueue", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:DeleteQueue"):
        assert allows(client("sqs"), action, replies)
        assert not allows(client("sqs"), action, other)
        assert not allows(client("sqs"), action, QUEUE)
        assert not allows(client("replies"), action, replies)
    assert allows(gateway("sqs"), "sqs:SendMessage", replies)
    assert not allows(gateway("replies"), "sqs:SendMessage", replies)
