"""The warehouse as a SOAP service: an envelope in, an HTTP status and an envelope out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lxml import etree

from gateway.demo.envelope import (
    SERVICE,
    Element,
    Fault,
    Request,
    Version,
    read,
    write,
    write_fault,
)
from gateway.demo.operations import OPERATIONS, Act, LegacyOperation, detail
from gateway.demo.stock import OrderNotFound, OutOfStock, Warehouse

Answer = tuple[int, bytes]
"""An HTTP status, and an envelope; empty with 202, which is the answer of a one-way operation."""

Service = Callable[[Version, str, bytes], Answer]
"""Answers an envelope of a SOAP version that was posted with a SOAP action, maybe an empty one."""

Record = Callable[[str, str], None]
"""Notes an execution, by its operation and its key. Durable when it returns."""


def service(
    warehouse: Warehouse, schema: etree.XMLSchema, record: Record, delay: float = 0.0
) -> Service:
    """Return the service. Each execution is recorded, then delayed (in seconds), then acts."""
    check = _checker(schema)

    def execute(version: Version, action: str, data: bytes) -> Element | None:
        request = read(data, version)
        operation = _operation(request.payload, action)
        check(request.payload)
        act = _read(operation, request.payload)
        _note(record, operation, request)
        time.sleep(delay)
        return _act(act, warehouse)

    def answer(version: Version, action: str, data: bytes) -> Answer:
        try:
            reply = execute(version, action, data)
        except Fault as fault:
            return write_fault(fault, version)
        return (202, b"") if reply is None else (200, write(reply, version))

    return answer


def _checker(schema: etree.XMLSchema) -> Callable[[Element], None]:
    # A schema keeps the errors of its last run, so threads take turns.
    lock = threading.Lock()

    def check(payload: Element) -> None:
        with lock:
            try:
                schema.assertValid(payload)
            except etree.DocumentInvalid as error:
                text = f"The request does not match the schema. {error}"
                raise Fault("Client", text) from error

    return check


def _operation(payload: Element, action: str) -> LegacyOperation:
    operation = OPERATIONS.get(payload.tag)
    if operation is None:
        raise Fault("Client", f"There is no operation {payload.tag}.")
    if action not in ("", f"{SERVICE}/{operation.name}"):
        raise Fault("Client", f"The SOAP action is not the one of {operation.name}.")
    return operation


def _read(operation: LegacyOperation, payload: Element) -> Act:
    try:
        return operation.read(payload)
    except (ValueError, OverflowError) as error:
        raise Fault("Client", "A number or a date in the request is out of range.") from error


def _note(record: Record, operation: LegacyOperation, request: Request) -> None:
    key = " ".join((request.call_key or operation.key_of(request.payload)).split())
    try:
        record(operation.name, key or "-")
    except OSError as error:
        raise Fault("Server", "The ledger cannot be written, and nothing was done.") from error


def _act(act: Act, warehouse: Warehouse) -> Element | None:
    try:
        return act(warehouse)
    except OrderNotFound as error:
        raise Fault("Client", str(error), detail(error)) from error
    except OutOfStock as error:
        # Not the caller's mistake: the same request may succeed another day.
        raise Fault("Server", str(error), detail(error)) from error


def ledger(path: Path) -> Record:
    """A writer of ``OPERATION TAB KEY`` lines to a file, for one process or for many."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def record(operation: str, key: str) -> None:
        os.write(file, f"{operation}\t{key}\n".encode())
        os.fsync(file)

    return record


def no_ledger(_operation: str, _key: str) -> None:
    """Note nothing."""
