"""Requests to AWS are signed as Signature Version 4 wants it: botocore's signer says the same."""

from __future__ import annotations

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import assume, given
from hypothesis import strategies as some

from gateway.queues.aws.signature import Signer

HASH = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

parts = some.text("abcXYZ019-._~", min_size=1, max_size=8)
paths = some.lists(parts | some.sampled_from(["%20", "a%2Fb", "%C3%A9", "x=y", "k:v"]), max_size=4)
queries = some.lists(some.tuples(parts, some.just("") | parts), max_size=4)
values = some.text(some.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
metadata = some.dictionaries(parts.map(lambda part: f"X-Amz-Meta-{part}"), values, max_size=4)


def _of_botocore(
    service: str, method: str, url: str, headers: dict[str, str], credentials: ReadOnlyCredentials
) -> str:
    request = AWSRequest(method, url, headers=headers)
    request.context["timestamp"] = headers["X-Amz-Date"]
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, "eu-west-1")
    canonical = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, canonical), request)
    signer._inject_signature_to_request(request, signature)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("service", ["s3", "sqs"])
@given(
    method=some.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE"]),
    path=paths,
    query=queries,
    extra=metadata,
    day=some.sampled_from(["20261126", "20261127"]),
    secret=some.sampled_from(["one", "another/+="]),
)
def test_any_request_is_signed_as_by_botocore(
    service: str,
    method: str,
    path: list[str],
    query: list[tuple[str, str]],
    extra: dict[str, str],
    day: str,
    secret: str,
) -> None:
    # The path to SQS is that of its endpoint; only keys in S3 may have such parts.
    assume(service == "s3" or not {".", ".."}.intersection(path))
    url = "https://bucket.s3.example:8443/" + "/".join(path)
    if query:
        url += "?" + "&".join(f"{name}={value}" for name, value in query)
    headers = {
        "Host": "bucket.s3.example:8443",
        "Content-Type": "text/xml; charset=utf-8",
        "X-Amz-Date": f"{day}T120000Z",
        "X-Amz-Content-SHA256": HASH,
        **{name.lower(): value for name, value in extra.items()},
    }
    credentials = ReadOnlyCredentials("AKIDEXAMPLE", secret, None)

    signed = Signer(service, "eu-west-1").authorization(method, url, headers, credentials)

    assert signed == _of_botocore(service, method, url, headers, credentials)


def test_the_example_of_aws_has_the_signature_that_aws_says() -> None:
    """S3 API reference, "Signature Calculations for the Authorization Header", "Get Object"."""
    headers = {
        "Host": "examplebucket.s3.amazonaws.com",
        "Range": "bytes=0-9",
        "X-Amz-Content-SHA256": HASH,
        "X-Amz-Date": "20130524T000000Z",
    }
    credentials = ReadOnlyCredentials(
        "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", None
    )

    signed = Signer("s3", "us-east-1").authorization(
        "GET", "https://examplebucket.s3.amazonaws.com/test.txt", headers, credentials
    )

    assert signed == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )
