"""``gateway serve``, ``gateway listen`` and ``gateway up``: what runs until it is stopped."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway import assembly
from gateway.cli.log import LogLevel, LogOption, log_to_stderr
from gateway.cli.running import ConfigOption, run_until_stopped
from gateway.cli.supervisor import supervise
from gateway.settings import read, writers

log = logging.getLogger(__name__)

DEFAULT = Path("gateway.toml")


def serve(
    config: ConfigOption = DEFAULT,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="How many processes drain the queue together.")
    ] = 1,
    log_level: LogOption = LogLevel.INFO,
) -> None:
    """Drain the queue: take each request, have its service answer it, store the reply.

    Ends with SIGTERM or Ctrl-C: nothing new is taken, and what was begun is finished.
    """
    settings = read(config)
    log_to_stderr(log_level)
    _warn_of_writers(config)
    if processes > 1:
        supervise(settings, log_level, processes)
    else:
        assembly.say_summary(settings, assembly.Role(serves=True))
        loaded = assembly.load_contracts(settings)
        run_until_stopped(partial(assembly.serve, settings, loaded))


def listen(config: ConfigOption = DEFAULT, log_level: LogOption = LogLevel.INFO) -> None:
    """Listen for HTTP: existing SOAP clients call the queue as if it were the service.

    A service is at /NAME, its contract at /NAME?wsdl; / lists them all.
    """
    settings = read(config)
    log_to_stderr(log_level)
    _warn_of_writers(config)
    assembly.say_summary(settings, assembly.Role(listens=True))
    loaded = assembly.load_contracts(settings)
    run_until_stopped(partial(assembly.listen, settings, loaded))


def up(config: ConfigOption = DEFAULT, log_level: LogOption = LogLevel.INFO) -> None:
    """Do what serve and listen do, in one process: for one machine."""
    settings = read(config)
    log_to_stderr(log_level)
    _warn_of_writers(config)
    assembly.say_summary(settings, assembly.Role(serves=True, listens=True))
    loaded = assembly.load_contracts(settings)
    run_until_stopped(partial(assembly.up, settings, loaded))


def _warn_of_writers(config: Path) -> None:
    for told in writers(config):
        log.warning("%s", told)
