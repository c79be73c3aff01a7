"""AWS credentials, region and endpoints, found the way boto3 finds them."""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
import time
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader, create_loader

from gateway.errors import ConfigurationError, QueueUnavailable
from gateway.queues.aws.address import AwsAccess

FRESH = 60.0
"""Seconds for which credentials are used before botocore is asked whether to renew them.

It does so ten minutes before they expire, at the latest.
"""
ASKING = 15.0
"""Seconds to wait for new credentials, at most."""
PATIENCE = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra="soap-queue-gateway",
)
"""Timeouts of boto3's calls, those for a role's credentials included: its own are minutes."""
_REGION = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""Where to look for a region: botocore by itself knows the second variable alone, and other SDKs of
AWS the first."""
ANY_REGION = "us-east-1"
"""The region to sign for where none is set: most S3-compatible stores accept any."""
NO_CREDENTIALS = (
    "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile "
    "(?profile=NAME or AWS_PROFILE), or give the machine a role."
)


@dataclass(frozen=True, slots=True)
class AwsEndpoint:
    """Where a service is; ``path_style`` puts the bucket into the path, not into the host."""

    url: str
    path_style: bool


class Account:
    """Credentials, region and endpoints."""

    def __init__(self, access: AwsAccess, session: boto3.session.Session) -> None:
        self._access = access
        self._session = session
        self._credentials: Credentials = session.get_credentials()
        self._frozen: ReadOnlyCredentials | None = None
        self._fresh_until = 0.0
        self._renewing: asyncio.Future[ReadOnlyCredentials] | None = None
        self.region: str = access.region or session.region_name or ANY_REGION

    @classmethod
    async def open(cls, access: AwsAccess) -> Account:
        """Find credentials and region. Raises ConfigurationError with the cure."""
        return await asyncio.to_thread(cls._open, access)

    @classmethod
    def _open(cls, access: AwsAccess) -> Account:
        try:
            account = cls(access, session_of(access))
        except BotoCoreError as error:
            raise ConfigurationError(f"queue: {error}") from error
        if account._credentials is None:
            raise ConfigurationError(f"queue: {NO_CREDENTIALS}")
        return account

    async def endpoint(self, service: str) -> AwsEndpoint:
        """Find the endpoint of ``s3`` or ``sqs``. Raises ConfigurationError: no region is set."""
        return await asyncio.to_thread(self._endpoint, service)

    def _endpoint(self, service: str) -> AwsEndpoint:
        # A client knows all the places where an endpoint can be set; it sends nothing here.
        own = self._access.endpoint(service)
        region = self.region
        try:
            client = self._session.client(service, region_name=region, endpoint_url=own or None)
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(f"queue: {error}") from error
        url = str(client.meta.endpoint_url).rstrip("/")
        is_aws = url.endswith((".amazonaws.com", ".amazonaws.com.cn"))
        if is_aws and not (self._access.region or self._session.region_name):
            raise ConfigurationError(
                "queue: no AWS region is set: add ?region=eu-west-1 to the address, or set "
                "AWS_REGION."
            )
        style = (client.meta.config.s3 or {}).get("addressing_style", self._access.addressing)
        if self._access.addressing != "auto":
            style = self._access.addressing
        return AwsEndpoint(url, path_style=style == "path" or (style == "auto" and not is_aws))

    async def credentials(self, *, renewed: bool = False) -> ReadOnlyCredentials:
        """Return the keys to sign with; ``renewed`` after they were refused as expired.

        Raises QueueUnavailable where a role's credentials cannot be obtained now.
        """
        now = time.monotonic()
        if self._frozen is None or renewed or now > self._fresh_until:
            self._frozen = await self._renewed()
            self._fresh_until = now + FRESH
        return self._frozen

    async def _renewed(self) -> ReadOnlyCredentials:
        """Ask botocore, once for all waiters: the source of credentials may hang, too."""
        if self._renewing is None or self._renewing.done():
            get = self._credentials.get_frozen_credentials
            self._renewing = asyncio.ensure_future(asyncio.to_thread(get))
            self._renewing.add_done_callback(_seen)
        try:
            async with asyncio.timeout(ASKING):
                return await asyncio.shield(self._renewing)
        except BotoCoreError as error:
            raise QueueUnavailable(f"AWS credentials cannot be renewed: {error}") from error
        except TimeoutError as error:
            raise QueueUnavailable(
                f"AWS credentials were not renewed in {ASKING:g} s: their source does not answer"
            ) from error

    def tls(self) -> ssl.SSLContext:
        """Return a TLS context with the CA bundle of AWS's settings, or else the system's.

        Raises ConfigurationError where the bundle cannot be read.
        """
        bundle = self._session._session.get_config_variable("ca_bundle")
        place = bundle or ssl.get_default_verify_paths().cafile
        try:
            return _certificates(bundle, os.stat(place).st_mtime_ns if place else 0)
        except OSError as error:
            raise ConfigurationError(f"queue: the CA bundle {bundle!r}: {error}") from error


@functools.lru_cache(maxsize=4)
def _certificates(bundle: str | None, _written: int) -> ssl.SSLContext:
    """Load a bundle, cached: reading it takes as long as the rest of opening a queue."""
    return ssl.create_default_context(cafile=bundle)


def boto_client(access: AwsAccess, service: str) -> Any:
    """Return boto3's client of ``s3`` or ``sqs``. Raises ConfigurationError."""
    try:
        session = session_of(access)
        return session.client(
            service,
            region_name=session.region_name or ANY_REGION,
            endpoint_url=access.endpoint(service) or None,
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"queue: {error}") from error


def session_of(access: AwsAccess) -> boto3.session.Session:
    """Return the session of boto3 for an address. Raises BotoCoreError.

    Its clients have timeouts, and so have its requests for the credentials of a role.
    """
    own = botocore.session.get_session(_REGION)
    own.set_default_client_config(PATIENCE)
    session = boto3.session.Session(
        profile_name=access.profile or None,
        region_name=access.region or None,
        botocore_session=own,
    )
    # Only now: boto3's session adds a folder to any loader that it finds.
    own.register_component("data_loader", _loader(own.get_config_variable("data_path")))
    return session


@functools.cache
def _loader(folders: str | None) -> Loader:
    """Return a shared loader of service descriptions: loading takes most of a client's start."""
    return create_loader(folders)


def _seen(renewing: asyncio.Future[ReadOnlyCredentials]) -> None:
    """Retrieve its exception: all waiters may be gone."""
    if not renewing.cancelled():
        renewing.exception()
