"""Provisioning, publishing, granting: as commands, on real servers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import forks
import pytest
import zeep
from deployment import ROOT, free_port
from servers import Cloud, client, environment

from gateway.provision.desired import ProvisionSettings, desire
from gateway.provision.examine import examine

ORIGIN = "https://shop.example.com"
ENVELOPE = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body/></e:Envelope>'


class Site:
    """A folder with settings, and the cloud that its commands reach."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        self.bucket = f"site-{uuid.uuid4().hex}"
        self.queue = f"{self.bucket}-bell"
        self.configure(f"s3://{self.bucket}/orders")

    def configure(self, address: str, rest: str = "") -> None:
        for name in ("warehouse.wsdl", "warehouse.xsd"):
            (self.folder / name).write_bytes((ROOT / "wsdl" / name).read_bytes())
        service = '[services.warehouse]\nwsdl = "warehouse.wsdl"\n'
        (self.folder / "gateway.toml").write_text(f'queue = "{address}"\n{service}{rest}')

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = forks.run(arguments, self.folder, environ={**kept, **environment(self.cloud)})
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def succeed(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextlib.contextmanager
def clients(site: Site) -> Iterator[tuple[Any, Any]]:
    with contextlib.closing(client(site.cloud, "s3")) as s3:
        if not site.cloud.sqs:
            yield s3, None
            return
        with contextlib.closing(client(site.cloud, "sqs")) as sqs:
            yield s3, sqs


@pytest.fixture
def site(tmp_path: Path, ministack_cloud: Cloud) -> Site:
    """On a store that has bucket policies, CORS, notifications, and SQS."""
    made = Site(tmp_path, ministack_cloud)
    address = f"s3://{made.bucket}/orders?doorbell={made.queue}"
    made.configure(address, f'[provision]\ncors_origins = ["{ORIGIN}"]\n')
    return made


@pytest.fixture
def strict_site(tmp_path: Path, minio_cloud: Cloud) -> Site:
    """On a store that checks every signature, and lacks some features."""
    return Site(tmp_path, minio_cloud)


def test_the_second_run_has_nothing_to_do(site):
    first = site.succeed("provision", "--yes")
    assert f"bucket {site.bucket}" in first
    assert "nothing to do" not in first
    second = site.succeed("provision")
    assert "nothing to do" in second
    assert "create" not in second
    assert "change" not in second


def test_all_that_was_planned_is_there(site):
    site.succeed("provision", "--yes")
    with clients(site) as (s3, sqs):
        block = s3.get_public_access_block(Bucket=site.bucket)["PublicAccessBlockConfiguration"]
        assert all(block.values())
        policy = json.loads(s3.get_bucket_policy(Bucket=site.bucket)["Policy"])
        assert [one["Condition"] for one in policy["Statement"]] == [
            {"Null": {"s3:if-none-match": "true"}}
        ]
        rules = s3.get_bucket_lifecycle_configuration(Bucket=site.bucket)["Rules"]
        assert {one["ID"] for one in rules if "Expiration" in one} == {
            f"gateway-orders-{part}" for part in ("replies", "payloads", "quarantine", "gateways")
        }
        note = s3.get_object(Bucket=site.bucket, Key="orders/format.json")["Body"].read()
        assert json.loads(note) == {"format": "gateway-queue", "version": 1, "mode": "doorbell"}
        url = sqs.get_queue_url(QueueName=site.queue)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["ReceiveMessageWaitTimeSeconds"] == "20"
    assert found["MessageRetentionPeriod"] == str(14 * 86400)
    redrive = json.loads(found["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(f":{site.queue}-dead")


def test_a_new_request_rings_the_doorbell(site):
    site.succeed("provision", "--yes")
    with clients(site) as (s3, sqs):
        s3.put_object(Bucket=site.bucket, Key="orders/replies/a/b", Body=b"quiet")
        s3.put_object(Bucket=site.bucket, Key="orders/requests/a.b", Body=b"loud")
        url = sqs.get_queue_url(QueueName=site.queue)["QueueUrl"]
        rung = []
        while not any("requests" in one for one in rung):
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10)
            assert answer.get("Messages"), "the doorbell stays silent"
            rung += [one["Body"] for one in answer["Messages"]]
    assert not any("replies" in one for one in rung)


def test_a_quarantine_that_nothing_empties_is_told_by_check(site):
    site.succeed("provision", "--yes")
    kept = f"quarantine of {site.bucket}  is kept"
    assert f"✓ queue     {kept} for 30 days" in site.run("check").stdout
    address = f"s3://{site.bucket}/orders?doorbell={site.queue}"
    site.configure(address, "[quarantine]\ndays = 9\n")
    told = site.run("check").stdout
    assert f"! queue     {kept} for 30 days; quarantine.days is 9: gateway provision" in told
    with clients(site) as (s3, _):
        s3.delete_bucket_lifecycle(Bucket=site.bucket)
    told = site.run("check").stdout
    assert f"! queue     {kept} for ever: no rule removes it; quarantine.days is 9" in told


def test_rules_and_statements_of_others_are_kept(site):
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}}
    theirs["Expiration"] = {"Days": 9}
    cors = {"ID": "theirs", "AllowedOrigins": ["https://b.example"], "AllowedMethods": ["GET"]}
    resource = f"arn:aws:s3:::{site.bucket}/x/*"
    statement = {"Sid": "Theirs", "Effect": "Deny", "Principal": "*"}
    statement |= {"Action": "s3:GetObject", "Resource": resource}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    with clients(site) as (s3, sqs):
        url = sqs.create_queue(QueueName=f"{site.bucket}-other")["QueueUrl"]
        named = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        event = {"Id": "theirs", "QueueArn": named["Attributes"]["QueueArn"]}
        event["Events"] = ["s3:ObjectRemoved:*"]
        at = {"Bucket": site.bucket}
        s3.create_bucket(**at)
        s3.put_bucket_lifecycle_configuration(**at, LifecycleConfiguration={"Rules": [theirs]})
        s3.put_bucket_cors(**at, CORSConfiguration={"CORSRules": [cors]})
        s3.put_bucket_policy(**at, Policy=json.dumps(policy))
        s3.put_bucket_notification_configuration(
            **at, NotificationConfiguration={"QueueConfigurations": [event]}
        )
        site.succeed("provision", "--yes")
        rules = s3.get_bucket_lifecycle_configuration(**at)["Rules"]
        assert {one["ID"]: one for one in rules}["theirs"] == theirs
        assert len(rules) == 6
        origins = s3.get_bucket_cors(**at)["CORSRules"]
        assert [one["AllowedOrigins"] for one in origins] == [["https://b.example"], [ORIGIN]]
        statements = json.loads(s3.get_bucket_policy(**at)["Policy"])["Statement"]
        assert statement in statements
        assert len(statements) == 2
        events = s3.get_bucket_notification_configuration(**at)["QueueConfigurations"]
        assert {one["Id"] for one in events} == {"theirs", "gateway-orders-doorbell"}


def test_a_rule_that_was_changed_by_hand_is_set_right(site):
    site.succeed("provision", "--yes")
    with clients(site) as (s3, _):
        found = s3.get_bucket_lifecycle_configuration(Bucket=site.bucket)["Rules"]
        for rule in found:
            if rule["ID"] == "gateway-orders-replies":
                rule["Expiration"] = {"Days": 1}
        s3.put_bucket_lifecycle_configuration(
            Bucket=site.bucket, LifecycleConfiguration={"Rules": found}
        )
        lines = site.succeed("provision", "--yes").splitlines()
        assert [line.split()[1:3] for line in lines if line.startswith("change")] == [
            ["lifecycle:", "expiry"]
        ]
        rules = s3.get_bucket_lifecycle_configuration(Bucket=site.bucket)["Rules"]
    days = {one["ID"]: one.get("Expiration", {}).get("Days") for one in rules}
    assert days["gateway-orders-replies"] == 2


def test_nothing_is_done_unasked(site):
    done = site.run("provision")
    assert done.returncode == 2
    assert "add --yes" in done.stderr
    with clients(site) as (s3, _):
        names = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert site.bucket not in names


def test_a_prefix_of_another_mode_is_refused(site):
    site.succeed("provision", "--yes")
    site.configure(f"s3://{site.bucket}/orders")
    done = site.run("provision", "--yes")
    assert done.returncode == 2
    assert "mode 'doorbell', not 'plain'" in done.stderr


def test_a_fifo_queue_has_fifo_dead_letters(site):
    site.configure(f"sqs://{site.queue}.fifo")
    site.succeed("provision", "--yes")
    assert "nothing to do" in site.succeed("provision")
    with clients(site) as (_, sqs):
        assert sqs.get_queue_url(QueueName=f"{site.queue}-dead.fifo")["QueueUrl"]


def test_what_a_store_lacks_is_said_and_skipped(strict_site):
    done = strict_site.succeed("provision", "--yes")
    assert "public access" in done
    assert "this store does not have it: skipped" in done
    with clients(strict_site) as (s3, _):
        rules = s3.get_bucket_lifecycle_configuration(Bucket=strict_site.bucket)["Rules"]
        assert len(rules) == 4
        assert s3.head_object(Bucket=strict_site.bucket, Key="orders/format.json")


def test_what_a_store_lacks_is_not_offered_again(strict_site):
    strict_site.succeed("provision", "--yes")
    again = strict_site.succeed("provision")
    assert "nothing to do" in again
    assert "orders/provision.json to have it tried again" in again
    with clients(strict_site) as (s3, _):
        s3.delete_object(Bucket=strict_site.bucket, Key="orders/provision.json")
    assert "! encryption" in strict_site.succeed("provision", "--yes")


def refused(site: Site) -> str:
    """Provision in vain; return the one line that is said."""
    done = site.run("provision", "--yes")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.strip().splitlines()) == 1
    return str(done.stderr)


@pytest.mark.parametrize(
    ("key", "secret", "cure"),
    [
        ("nobody", "x" * 20, "check AWS_ACCESS_KEY_ID"),
        ("tester", "x" * 20, "check AWS_SECRET_ACCESS_KEY"),
        ("", "", "set AWS_ACCESS_KEY_ID"),
    ],
)
@pytest.mark.parametrize("is_there", [False, True])
def test_credentials_that_are_wrong_are_told_with_the_cure(
    strict_site, key, secret, cure, is_there
):
    if is_there:
        strict_site.succeed("provision", "--yes")
    strict_site.cloud = Cloud(s3=strict_site.cloud.s3, access_key=key, secret_key=secret)
    assert cure in refused(strict_site)


def test_a_store_that_is_down_is_told_with_the_cure(strict_site):
    strict_site.cloud = replace(strict_site.cloud, s3=f"http://127.0.0.1:{free_port()}")
    assert "cannot be reached: start what listens there" in refused(strict_site)


@contextlib.contextmanager
def web_server() -> Iterator[str]:
    """A server that has nothing, and says so in HTML."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("command", ["serve", "listen", "check", "status"])
@pytest.mark.parametrize("service", ["S3", "SQS"])
def test_no_command_takes_a_web_server_for_a_queue(strict_site, command, service):
    with web_server() as url:
        if service == "SQS":
            strict_site.configure("sqs://orders.fifo")
        strict_site.cloud = replace(strict_site.cloud, s3=url, sqs=url)
        done = strict_site.run(command)
        said = [line for line in (done.stdout + done.stderr).splitlines() if "not S" in line]
        assert len(said) == 1
        assert f"is not {service} (" in said[0]
        assert "endpoint_url" in said[0]
        assert done.returncode in (1, 2)


def test_a_server_that_is_no_store_is_told_with_the_cure(strict_site):
    with web_server() as url:
        strict_site.cloud = replace(strict_site.cloud, s3=url)
        assert f"the server at {url} is not S3 (status 404): correct endpoint_url" in refused(
            strict_site
        )


@pytest.mark.parametrize("kind", ["cloudformation", "terraform"])
def test_templates_are_written_without_a_look_at_aws(site, kind):
    site.cloud = Cloud()
    template = json.loads(site.succeed("provision", "--output", kind))
    assert site.bucket in json.dumps(template)


def granted(site: Site, *arguments: str) -> dict[str, Any]:
    out = site.succeed("grant", "web", *arguments, "--length", str(len(ENVELOPE)), "--json")
    return dict(json.loads(out))


def send(url: str, headers: dict[str, str], body: bytes | None, method: str = "PUT") -> int:
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=240) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_grant_is_good_for_one_request(strict_site):
    strict_site.succeed("provision", "--yes")
    grant = granted(strict_site, "warehouse.GetOrder")
    assert send(grant["url"], grant["headers"], ENVELOPE) == 200
    assert send(grant["url"], grant["headers"], ENVELOPE) == 412
    with clients(strict_site) as (s3, _):
        key = f"orders/requests/{grant['id']}.web"
        head = s3.head_object(Bucket=strict_site.bucket, Key=key)
        assert head["Metadata"]["soapjms-targetservice"] == "warehouse"
        assert head["Metadata"]["soapjms-soapaction"] == "urn:example:warehouse/GetOrder"
        reply = f"orders/replies/web/{grant['id']}"
        s3.put_object(Bucket=strict_site.bucket, Key=reply, Body=b"reply")
    with urllib.request.urlopen(grant["reply_url"], timeout=240) as answer:
        assert answer.read() == b"reply"


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"If-None-Match": None}, ENVELOPE),
        ({"Content-Type": "text/plain"}, ENVELOPE),
        ({"Content-Length": str(len(ENVELOPE) + 1)}, ENVELOPE + b" "),
        ({"x-amz-meta-soapjms-targetservice": "other"}, ENVELOPE),
    ],
    ids=["unconditional", "another type", "another length", "another service"],
)
def test_a_grant_is_good_for_nothing_else(strict_site, changes, body):
    strict_site.succeed("provision", "--yes")
    grant = granted(strict_site)
    headers = {**grant["headers"], **changes}
    headers = {name: value for name, value in headers.items() if value is not None}
    # MinIO answers 400, not 403, where a header that was signed is missing.
    assert send(grant["url"], headers, body) in (400, 403)
    other = grant["url"].replace(f"{grant['id']}.web", f"{grant['id']}.other")
    assert send(other, grant["headers"], ENVELOPE) == 403
    with clients(strict_site) as (s3, _):
        found = s3.list_objects_v2(Bucket=strict_site.bucket, Prefix="orders/requests/")
    assert found["KeyCount"] == 0


def test_a_grant_for_an_operation_that_there_is_not_is_refused(strict_site):
    done = strict_site.run("grant", "web", "warehouse.Nope", "--length", "1")
    assert done.returncode == 2
    assert "warehouse has no operation 'Nope'" in done.stderr


def test_contracts_are_published_once_and_zeep_reads_them(strict_site, tmp_path):
    strict_site.succeed("provision", "--yes")
    first = strict_site.succeed("publish")
    second = strict_site.succeed("publish")
    assert first.count("written") == second.count("kept") == 2
    folder = tmp_path / "read"
    folder.mkdir()
    with clients(strict_site) as (s3, _):
        prefix = "orders/contracts/warehouse/"
        listed = s3.list_objects_v2(Bucket=strict_site.bucket, Prefix=prefix)["Contents"]
        for one in listed:
            answer = s3.get_object(Bucket=strict_site.bucket, Key=one["Key"])
            assert answer["ContentType"] == "text/xml"
            (folder / one["Key"].rpartition("/")[2]).write_bytes(answer["Body"].read())
    with zeep.Client(str(folder / "service.wsdl")) as read:
        assert read.service._binding_options["address"] == f"s3://{strict_site.bucket}/orders"
        assert "GetOrder" in read.service._operations


def test_a_published_contract_names_the_listener_where_there_is_one(strict_site):
    strict_site.configure(
        f"s3://{strict_site.bucket}/orders", '[listener]\nurl = "https://soap.example.com/"\n'
    )
    strict_site.succeed("provision", "--yes")
    strict_site.succeed("publish")
    with clients(strict_site) as (s3, _):
        key = "orders/contracts/warehouse/service.wsdl"
        wsdl = s3.get_object(Bucket=strict_site.bucket, Key=key)["Body"].read()
    assert b'location="https://soap.example.com/warehouse"' in wsdl
    assert b".invalid" not in wsdl


def test_policies_are_shown_for_each_role(site):
    for arguments in (("gateway",), ("client", "web")):
        policy = json.loads(site.succeed("policy", *arguments, "--account", "123456789012"))
        queue = f"arn:aws:sqs:us-east-1:123456789012:{site.queue}"
        assert queue in [one for each in policy["Statement"] for one in each["Resource"]]


def test_a_policy_for_a_client_needs_its_name(site):
    done = site.run("policy", "client")
    assert done.returncode == 2
    assert "name the client" in done.stderr


@pytest.fixture
def examined(site, monkeypatch) -> Any:
    for name, value in environment(site.cloud).items():
        monkeypatch.setenv(name, value)
    address = f"s3://{site.bucket}/orders?doorbell={site.queue}"
    return lambda: list(examine(desire(address, ProvisionSettings())))


def test_every_permission_of_a_gateway_is_tried_and_nothing_is_left(site, examined):
    site.succeed("provision", "--yes")
    findings = examined()
    assert [one.cure for one in findings if one.cure] == []
    tried = {one.subject.split()[0] for one in findings}
    assert {"s3:ListBucket", "s3:PutObject", "sqs:ReceiveMessage", "sqs:SendMessage"} <= tried
    with clients(site) as (s3, _):
        left = s3.list_objects_v2(Bucket=site.bucket)["Contents"]
    assert [one["Key"] for one in left] == ["orders/format.json"]


def test_a_bucket_and_a_queue_that_are_missing_are_told_with_the_cure(examined):
    findings = examined()
    assert len(findings) == 2
    assert all("gateway provision" in one.cure for one in findings)


def test_a_wrong_doorbell_is_told_and_the_queue_has_no_tick_before_it(site):
    site.succeed("provision", "--yes")
    site.configure(f"s3://{site.bucket}/orders?doorbell=no-such-bell")
    told = site.run("check").stdout
    assert "no-such-bell" in told.partition("✗")[2]
    assert "✓ queue     s3://" not in told


@pytest.mark.parametrize("command", [("publish",), ("grant", "shop", "--length", "10")])
def test_a_bucket_that_is_missing_is_told_by_its_name(site, command):
    site.configure(f"s3://{site.bucket}/orders")
    done = site.run(*command)
    assert done.returncode == 2
    assert f"there is no bucket {site.bucket}" in done.stderr
    assert "correct its name, or run gateway provision" in done.stderr


def test_a_transport_that_nobody_closes_ends_without_a_word(site):
    site.configure(f"s3://{site.bucket}/orders")
    site.succeed("provision", "--yes")
    program = (
        "import zeep; from gateway.client import QueueTransport\n"
        f"way = QueueTransport('s3://{site.bucket}/orders', 'warehouse', operation_timeout=0.2)\n"
        "client = zeep.Client('warehouse.wsdl', transport=way)\n"
        "try: client.service.GetOrder('WH-100001')\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=site.folder,
        env={"PATH": os.environ["PATH"], **environment(site.cloud)},
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert "the request is pending" in done.stdout
    assert done.stderr == ""


def test_a_refused_permission_is_told_with_the_line_of_policy(tmp_path, minio_cloud, monkeypatch):
    made = Site(tmp_path, minio_cloud)
    made.succeed("provision", "--yes")
    stranger = Cloud(s3=minio_cloud.s3, access_key="nobody", secret_key="x" * 20)
    for name, value in environment(stranger).items():
        monkeypatch.setenv(name, value)
    findings = list(examine(desire(f"s3://{made.bucket}/orders", ProvisionSettings())))
    assert all(one.cure or one.is_note for one in findings)
