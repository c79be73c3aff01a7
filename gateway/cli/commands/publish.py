"""``gateway publish``: the contracts into the bucket, for clients who read them there."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from gateway import assembly
from gateway.cli import streams
from gateway.cli.commands.provision import desired_by
from gateway.cli.running import ConfigOption
from gateway.errors import ConfigurationError
from gateway.provision.publishing import HERE, relative
from gateway.provision.publishing import publish as write
from gateway.settings import Settings, read


def publish(config: ConfigOption = Path("gateway.toml")) -> None:
    """Write the contract of each service into the bucket; what is there already is kept."""
    settings = read(config)
    bucket = desired_by(settings).bucket
    if bucket is None:
        raise ConfigurationError(
            f"queue: {settings.queue!r} has no bucket: add ?replies=s3://BUCKET/PREFIX to it."
        )
    console = streams.console()
    for name, loaded in assembly.load_contracts(settings).items():
        files = relative(loaded.contract.publish(HERE), _address(settings, name))
        for one in write(bucket, name, files):
            mark = "[green]written[/]" if one.is_new else "[dim]kept   [/]"
            place = escape(f"s3://{bucket.bucket}/{one.key}")
            console.print(f"{mark} {place}")


def _address(settings: Settings, name: str) -> str:
    """The address in the ports of a contract: the listener's, or else that of the queue."""
    if settings.listener.url:
        return f"{settings.listener.url.rstrip('/')}/{name}"
    return settings.queue.partition("?")[0]
