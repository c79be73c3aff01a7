"""``gateway policy``: what each role must be allowed, to be pasted into IAM."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.commands.provision import desired_by
from gateway.cli.running import ConfigOption
from gateway.errors import ConfigurationError
from gateway.provision.connection import partition_of, region_of
from gateway.provision.desired import Desired
from gateway.provision.documents import Arns
from gateway.provision.policies import client_policy, gateway_policy, operator_policy, queue_arn
from gateway.settings import NAMED, Settings, is_name, read


class QueueUser(StrEnum):
    """A user of a queue."""

    GATEWAY = "gateway"
    CLIENT = "client"
    LISTENER = "listener"
    OPERATOR = "operator"


def policy(
    role: Annotated[
        QueueUser,
        typer.Argument(
            help="gateway drains; client NAME sends; listener does so for all; operator empties"
            " the quarantine."
        ),
    ],
    name: Annotated[str, typer.Argument(help="The client's name, as its settings have it.")] = "",
    account: Annotated[str, typer.Option(help="The account of the SQS queue, 12 digits.")] = "",
    config: ConfigOption = Path("gateway.toml"),
) -> None:
    """Show the least that a role must be allowed, as an IAM policy."""
    settings = read(config)
    desired = desired_by(settings)
    if account and not re.fullmatch(r"[0-9]{12}", account):
        raise ConfigurationError("--account: must be 12 digits.")
    arns = _arns(desired, account)
    if name and role is not QueueUser.CLIENT:
        raise ConfigurationError(f"the role {role} has no name: leave {name!r} out.")
    typer.echo(json.dumps(_document(role, name, settings, desired, arns), indent=2))


def _document(
    role: QueueUser, name: str, settings: Settings, desired: Desired, arns: Arns
) -> dict[str, Any]:
    match role:
        case QueueUser.GATEWAY:
            return gateway_policy(desired, arns, settings.sqs.reply_queues)
        case QueueUser.OPERATOR:
            return operator_policy(desired, arns)
        case QueueUser.LISTENER:
            # Whose calls it passes on, it writes and reads in their names.
            return client_policy(desired, arns, *(settings.clients or [settings.client]))
    return client_policy(desired, arns, _checked(name))


def _checked(name: str) -> str:
    if not is_name(name):
        raise ConfigurationError(f"name the client, {NAMED}: gateway policy client shop.")
    return name


def _arns(desired: Desired, account: str) -> Arns:
    """Return the names as far as they can be known without asking AWS."""
    place = desired.bucket or desired.queue
    assert place is not None  # an address names one of them
    partition = partition_of(region_of(place.access))
    if desired.queue is None:
        return Arns(partition=partition)
    queue = queue_arn(desired.queue, region_of(desired.queue.access), account, partition)
    return Arns(partition=partition, queue=queue)
