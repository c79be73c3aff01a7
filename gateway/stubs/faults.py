"""The errors of calls."""

from __future__ import annotations

from typing import Any

from gateway.stubs.record import Element


class SoapFault(Exception):
    """The service answered with a fault; a fault that the contract declares has a subclass.

    A service raises them, too, with a code that begins with Client or Server.
    """

    detail: Any
    """The value of the declared detail; in an undeclared fault, the detail's element."""

    def __init__(
        self, code: str, text: str, *, detail: Any = None, element: Element | None = None
    ) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        """Such as ``Client`` or ``Server.OutcomeUnknown``; for SOAP 1.2, with its subcodes."""
        self.text = text
        self.detail = detail
        self.element = element
        """The soap:Fault, as it came; None if it was raised here."""


class UnreadableReply(Exception):
    """The reply deviates from the contract too far to be converted to Python values."""


class UnwritableValue(ValueError):
    """A value is not allowed by its type; nothing was sent."""
