"""Servers of S3 and SQS on this machine, as ``contrib/servers/install.sh`` installs them.

Each is a context manager that starts the server on a free port of the loopback interface, with all
it writes in one folder, waits until it answers, and ends it. ``clouds`` makes fixtures of them.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from deployment import ROOT, end, free_port

PLACE = ROOT / "contrib" / "servers"
MINISTACK = PLACE / ".venv-ministack" / "bin" / "ministack"
MOTO = PLACE / ".venv-moto" / "bin" / "moto_server"
MINIO = PLACE / "bin" / "minio"
ELASTICMQ = PLACE / "elasticmq" / "lib"
CEPH = PLACE / "ceph.sh"

JAVA = ("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""These programs run for seconds: to compile them well takes half of their CPU, and saves none."""

REGION = "us-east-1"
_creating = threading.Lock()
"""A session makes clients for one thread at a time."""
STARTING = 180.0
"""Seconds that a server may take to start, at most."""
ELASTICMQ_SETTINGS = """\
include classpath("application.conf")
rest-sqs {{ bind-hostname = "127.0.0.1", bind-port = {port} }}
rest-stats {{ enabled = false }}
# Otherwise the URLs of queues would have the port 9324.
generate-node-address = true
"""


@dataclass(frozen=True, slots=True)
class Cloud:
    """The URLs of running services, empty where a server has no such service, and their key."""

    s3: str = ""
    sqs: str = ""
    access_key: str = "test"
    secret_key: str = "test"


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[Cloud]:
    """S3 and SQS, with the events of buckets. Takes any key, but checks presigned URLs."""
    port = free_port()
    environ = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,sqs",
        "LOG_LEVEL": "WARNING",
        "S3_DATA_DIR": str(folder / "objects"),
    }
    url = f"http://127.0.0.1:{port}"
    with _running([MINISTACK], folder, f"{url}/_ministack/health", environ):
        yield Cloud(s3=url, sqs=url)


@contextlib.contextmanager
def moto(folder: Path) -> Iterator[Cloud]:
    """S3 and SQS; of concurrent receivers some get the same message, as SQS permits."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _running([MOTO, "-H", "127.0.0.1", "-p", str(port)], folder, f"{url}/moto-api/"):
        yield Cloud(s3=url, sqs=url)


@contextlib.contextmanager
def minio(folder: Path) -> Iterator[Cloud]:
    """S3 on a disk, as it is used in production; checks every signature."""
    port = free_port()
    cloud = Cloud(f"http://127.0.0.1:{port}", access_key="tester", secret_key="secret-of-tester")
    environ = {
        "MINIO_ROOT_USER": cloud.access_key,
        "MINIO_ROOT_PASSWORD": cloud.secret_key,
        # The console would listen on all interfaces.
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    command = [MINIO, "server", "--address", f"127.0.0.1:{port}", folder / "objects"]
    # Not /ready: that says 200 before there is a bucket to be made.
    with _running(command, folder, f"{cloud.s3}/minio/health/cluster", environ):
        yield cloud


@contextlib.contextmanager
def elasticmq(folder: Path) -> Iterator[Cloud]:
    """SQS on the Java virtual machine."""
    port = free_port()
    settings = folder / "elasticmq.conf"
    settings.write_text(ELASTICMQ_SETTINGS.format(port=port))
    main = ["-cp", f"{ELASTICMQ}/*", "org.elasticmq.server.Main"]
    command = [*JAVA, "-Xmx256m", f"-Dconfig.file={settings}", *main]
    url = f"http://127.0.0.1:{port}"
    with _running(command, folder, f"{url}/health"):
        yield Cloud(sqs=url)


@contextlib.contextmanager
def ceph(folder: Path) -> Iterator[Cloud]:
    """S3 of radosgw, with a monitor and a store in memory; takes about 15 s to start."""
    started = subprocess.run(
        [CEPH, "start", folder, str(free_port())], stdout=subprocess.PIPE, text=True, check=True
    )
    try:
        yield Cloud(s3=started.stdout.strip())
    finally:
        subprocess.run([CEPH, "stop", folder], check=True)


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started, and what must be there for it."""

    start: Callable[[Path], AbstractContextManager[Cloud]]
    needs: tuple[Path | str, ...]
    """Files, folders, and commands."""
    is_optional: bool = False
    """Whether CI may go without it."""


SERVERS = {
    "ministack": Server(ministack, (MINISTACK,)),
    "moto": Server(moto, (MOTO,)),
    "minio": Server(minio, (MINIO,)),
    "elasticmq": Server(elasticmq, (ELASTICMQ, "java")),
    "ceph": Server(ceph, ("radosgw", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin"), True),
}


def available(name: str) -> str:
    """Return why a server cannot be started here; empty where it can be."""
    missing = [need for need in SERVERS[name].needs if not _is_there(need)]
    if missing:
        option = " --ceph" if name == "ceph" else ""
        return f"{name} is not here ({missing[0]}): contrib/servers/install.sh{option} installs it"
    if name == "ceph" and os.geteuid() != 0:
        return "ceph is started by root only"
    return ""


def require(name: str) -> None:
    """Skip a test without a server; in CI, where everything is to be tested, fail it."""
    why = available(name)
    if why and os.environ.get("CI") == "true" and not SERVERS[name].is_optional:
        pytest.fail(why)
    if why:
        pytest.skip(why)


def client(cloud: Cloud, service: str) -> Any:
    """Return boto3's client of ``s3`` or ``sqs``: it tries once, with the key of the cloud."""
    config = Config(
        signature_version="s3v4" if service == "s3" else "v4",
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1},
        # As many as a test has threads: the default of 10 drops the others, with a warning.
        max_pool_connections=50,
    )
    with _creating:
        return _session().client(
            service,
            endpoint_url={"s3": cloud.s3, "sqs": cloud.sqs}[service],
            region_name=REGION,
            aws_access_key_id=cloud.access_key,
            aws_secret_access_key=cloud.secret_key,
            config=config,
        )


def fresh_bucket(cloud: Cloud) -> str:
    """Create an empty bucket; return its name."""
    name = f"bucket-{uuid.uuid4().hex}"
    _kept(cloud, "s3").create_bucket(Bucket=name)
    return name


def fresh_queue(cloud: Cloud, fifo: bool = False) -> str:
    """Create an empty queue; return its URL."""
    name = f"queue-{uuid.uuid4().hex}" + (".fifo" if fifo else "")
    attributes = {"FifoQueue": "true"} if fifo else {}
    created = _kept(cloud, "sqs").create_queue(QueueName=name, Attributes=attributes)
    return str(created["QueueUrl"])


def environment(cloud: Cloud) -> dict[str, str]:
    """Return what boto3 in another process needs to find a cloud, and nothing but that cloud."""
    return {
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.secret_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": cloud.s3,
        "AWS_ENDPOINT_URL_SQS": cloud.sqs,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@functools.cache
def _kept(cloud: Cloud, service: str) -> Any:
    """A client that makes buckets or queues for all tests: to make one takes longer than these."""
    return client(cloud, service)


@functools.cache
def _session() -> boto3.session.Session:
    """One for all clients: it has read the descriptions of the services, which takes most time."""
    return boto3.session.Session()


@contextlib.contextmanager
def _running(
    command: Sequence[Path | str],
    folder: Path,
    health: str,
    environ: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a server in a folder, which is its home too; inside the context it answers."""
    log = folder / "log"
    here = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder)}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, cwd=folder, env={**here, **(environ or {})}
        )
    try:
        _await(process, health, log)
        yield
    finally:
        end(process)


def _await(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    until = time.monotonic() + STARTING
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(health, timeout=5).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} did not start: {log.read_text('utf-8')[-2000:]}")


def _is_there(need: Path | str) -> bool:
    return need.exists() if isinstance(need, Path) else shutil.which(need) is not None
