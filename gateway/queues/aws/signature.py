"""Signature Version 4, which authenticates a request to AWS and protects it from changes.

By the IAM user guide, "Create a signed AWS API request". The tests compare it with botocore's
signer, which takes five times as long: an eighth of a call's cost.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from botocore.credentials import ReadOnlyCredentials

ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs the requests to one service (``s3`` or ``sqs``) in one region."""

    def __init__(self, service: str, region: str) -> None:
        self._service = service
        self._region = region

    def authorization(
        self, method: str, url: str, headers: Mapping[str, str], credentials: ReadOnlyCredentials
    ) -> str:
        """Return the header ``Authorization`` for a request.

        It covers all of ``headers``, which must have ``Host``, ``X-Amz-Date`` and
        ``X-Amz-Content-SHA256``.
        """
        lines = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        names, moment = sorted(lines), lines["x-amz-date"]
        signed = ";".join(names)
        canonical = (
            f"{method}\n{self._target(url)}\n"
            + "".join([f"{name}:{lines[name]}\n" for name in names])
            + f"\n{signed}\n{lines['x-amz-content-sha256']}"
        )
        day = moment[:8]
        scope = f"{day}/{self._region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = _key(credentials.secret_key, day, self._region, self._service)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, SignedHeaders={signed}, "
            f"Signature={signature}"
        )

    def _target(self, url: str) -> str:
        """Return the path of a URL and its query, sorted, a line each."""
        target, _, query = url.partition("://")[2].partition("?")
        path = "/" + target.partition("/")[2]
        if self._service != "s3":  # S3 alone signs a path as it is sent
            path = quote(path, safe="/~")
        pairs = sorted(pair.partition("=") for pair in query.split("&") if pair)
        return f"{path}\n" + "&".join(f"{name}={value}" for name, _, value in pairs)


@lru_cache(maxsize=8)
def _key(secret: str, *scope: str) -> bytes:
    """Derive the signing key of a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
