"""The border for unexpected errors with a contract: one sentence, with the cause attached."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gateway.contract.names import one_line
from gateway.errors import GatewayError, Unforeseen


@contextlib.contextmanager
def doing(what: str, contract: str) -> Iterator[None]:
    """Raise Unforeseen in place of an unexpected error: zeep's, lxml's, or one in our own code.

    ``what`` was done with the ``contract``, as its operator knows both.
    """
    try:
        yield
    except (GatewayError, OSError):
        raise
    # Any exception: the libraries raise whatever their code runs into.
    except Exception as error:
        kind, reason = type(error).__name__, one_line(error)
        raise Unforeseen(
            f"{contract}: {what} failed ({kind}: {reason}). This is a defect of the gateway: "
            "report it with the contract; gateway --traceback COMMAND shows where it is"
        ) from error
