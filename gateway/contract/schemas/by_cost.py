"""Schemas whose check takes time by a message's size: quick checks here, others in a process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

from gateway.contract.operations import Operation
from gateway.contract.schemas.check import Schemas
from gateway.contract.schemas.cost import LONG
from gateway.contract.schemas.schema_set import NotCompiled, SchemaSet
from gateway.contract.schemas.separate_process import CHECK_SECONDS, ApartSchemas, unchecked
from gateway.errors import Check, ContractError, Refused
from gateway.soap.envelope import Envelope

log = logging.getLogger(__name__)

PAUSE = 60.0
"""Seconds before a process is started again that failed before it could compile."""
TOO_LARGE = "The message is too large to check against this contract: send smaller ones."


class WeighedSchemas:
    """The schemas of a contract; threads may share them.

    A message that may take longer than LONG is checked in another process, which is started for the
    first such message.
    """

    def __init__(self, documents: SchemaSet, headers: Iterable[str], weight: float) -> None:
        """Compile. ``weight`` is how many seconds a byte takes, at most. Raises NotCompiled."""
        self.elements = documents.elements
        self._here = Schemas(documents, headers)
        self._parts = documents, frozenset(headers)
        self._weight = weight
        self._apart: ApartSchemas | ContractError | None = None
        self._tried = 0.0
        self._starting = threading.Lock()

    def is_slow(self, size: int) -> bool:
        """True if a message of so many bytes may take long; it then waits for a process."""
        return size * self._weight > LONG

    def validate(
        self,
        operation: Operation,
        envelope: Envelope,
        size: int,
        seconds: float = CHECK_SECONDS,
    ) -> None:
        """Check Body and Header of a message of this size, as ``Schemas`` does.

        A check that may take long is limited to ``seconds`` of work. Raises Refused, Unchecked.
        """
        if not self.is_slow(size):
            self._here.validate(operation, envelope)
            return
        apart = self._started()
        if isinstance(apart, ContractError):
            raise Refused(TOO_LARGE, check=Check.SCHEMA, reason=str(apart))
        apart.validate(operation, envelope, seconds)

    def _started(self) -> ApartSchemas | ContractError:
        """The check in the other process, or why the schemas do not compile there.

        Raises Unchecked.
        """
        with self._starting:
            apart = self._apart
            if apart is None or self._may_be_over(apart):
                self._apart = apart = self._start(is_first=apart is None)
            return apart

    def _may_be_over(self, apart: ApartSchemas | ContractError) -> bool:
        """True if the start failed a while ago, for a reason outside the schemas."""
        if isinstance(apart, NotCompiled) or not isinstance(apart, ContractError):
            return False
        return time.monotonic() - self._tried >= PAUSE

    def _start(self, is_first: bool) -> ApartSchemas | ContractError:
        try:
            return ApartSchemas(*self._parts)
        except NotCompiled as error:
            return error
        except OSError as error:
            raise unchecked(error) from error
        except ContractError as error:
            self._tried = time.monotonic()
            if is_first:
                log.error("large messages are refused, since %s; tried again each minute", error)
            return error
