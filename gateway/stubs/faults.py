"""The errors that a call can end with."""

from __future__ import annotations

from typing import Any

from gateway.stubs.record import Element


class SoapFault(Exception):
    """The service answered with a fault; those that a contract declares have classes below this.

    A service raises them too, with a code that begins with Client or Server.
    """

    detail: Any
    """What the contract says of this fault; in a fault that it does not declare, its element."""

    def __init__(
        self, code: str, text: str, *, detail: Any = None, element: Element | None = None
    ) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        """As in ``Client`` or ``Server.OutcomeUnknown``; of SOAP 1.2, with its subcodes."""
        self.text = text
        self.detail = detail
        self.element = element
        """The soap:Fault, as it came; None where it was raised here."""


class UnreadableReply(Exception):
    """The reply does not follow the contract, so far that it has no value in Python."""


class UnwritableValue(ValueError):
    """A value is not one that its type allows; nothing was sent."""
