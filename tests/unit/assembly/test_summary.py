"""What a program tells of itself as it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.assembly.summary import (
    CHECKS,
    MOST,
    Role,
    checks,
    size,
    slow_checks,
    summary,
)
from gateway.contract import from_documents, load
from gateway.settings import Settings, from_values

BOTH = Role(serves=True, listens=True)


def settings(queue: str = "sqlite:///queue.db", **values: object) -> Settings:
    services = {"orders": {"wsdl": "orders.wsdl"}}
    return from_values({"queue": queue, "services": services, **values}, Path("/nowhere"), "here")


def said(role: Role = BOTH, **values: object) -> str:
    return "\n".join(summary(settings(**values), role))


@pytest.mark.parametrize("role", [Role(serves=True), Role(listens=True), BOTH])
@pytest.mark.parametrize(
    "queue", ["sqlite:///q.db", "s3://bucket/p", "sqs://q?replies=s3://bucket/p"]
)
def test_it_takes_ten_lines_at_most_each_of_one_screen(role, queue):
    services = {
        f"service{n}": {"wsdl": "a.wsdl", "repeatable": [f"Get{m}" for m in range(50)]}
        for n in range(50)
    }
    senders = {f"AROA{n}": f"client{n}" for n in range(200)}
    lines = summary(settings(queue, services=services, sqs={"senders": senders}), role)
    assert 3 <= len(lines) <= MOST
    assert max(map(len, lines)) <= 160


def test_a_listener_for_other_machines_is_told_in_large_letters():
    assert "this machine only, no authentication, at 127.0.0.1:8800, as client local" in said()
    assert "ANY MACHINE that can reach it, no authentication, at 0.0.0.0:80" in said(
        listener={"bind": "0.0.0.0:80"}
    )


@pytest.mark.parametrize(
    ("queue", "who"),
    [
        ("sqlite:///queue.db", "whoever may write the queue file"),
        ("memory:", "this process only"),
        ("s3://bucket/p", "whoever may write requests/ID.CLIENT into the bucket, as that CLIENT"),
        ("sqs://q?replies=s3://bucket/p", "ANYONE who may send to it, under any client's name"),
    ],
)
def test_who_may_call_from_the_queue_is_what_the_queue_knows(queue, who):
    assert f"queue callers: {who}" in said(queue=queue)


def test_a_queue_that_one_program_reaches_is_told_where_it_is_of_no_use():
    told = "NO OTHER PROGRAM reaches this queue"
    assert told in said(Role(serves=True), queue="memory:")
    assert told in said(Role(listens=True), queue="memory:")
    assert told not in said(queue="memory:")
    assert told not in said(Role(serves=True))


def test_senders_of_sqs_are_named_by_their_clients():
    sqs = {"senders": {"AROA1": "shop", "AROA2": "billing"}}
    lines = said(queue="sqs://q?replies=s3://bucket/p", sqs=sqs)
    assert "callers: billing, shop, by their credentials" in lines
    sqs["senders"]["AROA3"] = "*"
    lines = said(queue="sqs://q?replies=s3://bucket/p", sqs=sqs)
    assert "callers: listeners as any client, billing, shop, by their credentials" in lines


def test_what_may_be_carried_out_twice_is_named():
    services = {
        "orders": {"wsdl": "a.wsdl", "repeatable": ["GetOrder"]},
        "stock": {"wsdl": "b.wsdl", "repeatable": True},
    }
    assert "after a failure: orders.GetOrder, all of stock; all others" in said(services=services)
    assert "after a failure: nothing; all others at most once" in said()


def test_limits_bounds_and_audit_are_those_of_the_settings():
    lines = said(
        limits={"request": 2048, "reply": 5000},
        gateway={"concurrency": 7},
        quarantine={"days": 9, "bytes": 3 << 20},
        audit={"file": "audit.jsonl"},
    )
    assert "limits: request 2 KiB, reply 5000 bytes, 7 at a time" in lines
    assert "quarantine keeps requests: 9 days and 3 MiB" in lines
    assert "audit log: audit.jsonl" in lines
    assert "audit log: off" in said()


@pytest.mark.parametrize(
    ("queue", "kept"),
    [
        ("s3://bucket/p", "30 days, by the rule of the bucket"),
        ("sqs://q?replies=s3://bucket/p", "30 days, by the rule of the bucket"),
        ("sqs://q.fifo", "for as long as SQS keeps it, in the dead-letter queue"),
    ],
)
def test_the_bounds_of_a_quarantine_are_those_that_its_queue_keeps_to(queue, kept):
    assert f"quarantine keeps requests: {kept}" in said(queue=queue)


def test_a_listener_tells_nothing_of_what_it_does_not_do():
    lines = said(Role(listens=True))
    assert "quarantine" not in lines
    assert "queue callers" not in lines
    assert "at a time" not in lines


def test_the_address_of_a_queue_with_its_options_is_in_no_line():
    assert "secret" not in said(queue="s3://bucket/p?profile=secret")


def test_clients_are_named_and_how_they_are_known():
    lines = said(
        clients={"shop": {"allow": ["*"]}, "bank": {}},
        listener={"bind": "0.0.0.0:443", "tls": {"certificate": "a.pem"}},
    )
    assert "callers: bank, shop, by secret, at 0.0.0.0:443, over TLS" in lines
    clients = settings(clients={"shop": {"allow": ["*"]}})
    assert "addresses, whether its client may call it, schema" in checks(clients, {})
    assert "whether its client" not in checks(settings(), {})
    assert "rights" not in lines.partition("off: ")[2]
    assert "TLS" not in lines.partition("off: ")[2]
    assert "off: rights and quotas of clients" in said()


def test_certificates_of_clients_count_only_where_an_authority_is_named():
    tls = {"certificate": "a.pem", "client_ca": "ca.pem"}
    assert "shop, by secret or certificate, at" in said(clients={"shop": {}}, listener={"tls": tls})


def test_a_service_whose_schema_is_not_checked_is_named():
    services = {"orders": {"wsdl": "a.wsdl", "validate": False}, "stock": {"wsdl": "b.wsdl"}}
    assert "the schemas of orders," in said(services=services)
    assert "schemas" not in said()


def test_what_is_unsafe_is_told_by_the_name_of_its_setting():
    services = {"orders": {"wsdl": "a.wsdl", "backend": {"unsafe_faults": True}}}
    lines = said(
        queue="sqs://q?unsafe_duplicates=true",
        services=services,
        listener={"unsafe_no_tls": True},
    )
    told = "listener.unsafe_no_tls, services.orders.backend.unsafe_faults, unsafe_duplicates of"
    assert f"UNSAFE settings: {told} the queue" in lines
    assert "UNSAFE" not in said()


def test_what_is_off_depends_on_what_is_done():
    assert "TLS" not in said(Role(serves=True))
    assert "strict SOAP/JMS" in said(queue="sqs://q.fifo")
    assert "strict SOAP/JMS" not in said(queue="sqs://q.fifo", gateway={"soapjms": "strict"})


@pytest.mark.parametrize(
    ("number", "text"), [(1 << 30, "1 GiB"), (1536 << 20, "1536 MiB"), (1, "1 bytes")]
)
def test_sizes_are_told_in_the_largest_unit_that_is_whole(number, text):
    assert size(number) == text


ROOT = Path(__file__).parents[3]


def test_what_is_not_checked_against_a_schema_is_an_exception_in_one_statement(warehouse):
    twice = '<xs:element name="b" minOccurs="0"/>' * 2
    broken = f'<xs:complexType name="A"><xs:sequence>{twice}</xs:sequence></xs:complexType>'
    broken = f'<xs:schema targetNamespace="urn:a">{broken}</xs:schema>'
    wsdl = (ROOT / "tests/attacks/legacy.wsdl").read_text().replace("<types>", f"<types>{broken}")
    legacy = from_documents({"legacy.wsdl": wsdl.encode()}, "legacy.wsdl")
    assert "do not compile" in legacy.notes[0]
    whole = checks(settings(), {"warehouse": warehouse})
    assert whole == f"checks on every request: {CHECKS}, schema"
    said = checks(settings(), {"old": legacy, "warehouse": warehouse})
    assert said == f"checks on every request: {CHECKS}, schema (not of old)"


def test_operations_that_no_schema_describes_are_counted():
    legacy = load("legacy.wsdl", folder=ROOT / "tests" / "attacks")
    said = checks(settings(), {"old": legacy})
    assert said.endswith(f"schema (not of {len(legacy.unchecked)} operations of old)")
    assert 0 < len(legacy.unchecked) < len(legacy.operations)


def test_what_may_take_long_to_check_is_told_with_the_limit():
    legacy = load("legacy.wsdl", folder=ROOT / "tests" / "attacks")
    (line,) = slow_checks(settings(limits={"schema_time": 7}), legacy)
    assert "legacy.wsdl:9: a pattern with many ways to read a value of Costly; write it" in line
    assert line.endswith("of their own, 7 s each at most (limits.schema_time)")
