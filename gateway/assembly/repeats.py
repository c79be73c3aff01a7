"""Whether requests are repeatable, by the settings at hand."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.admission.gate import action
from gateway.assembly.contracts import load_service_contract
from gateway.assembly.parts import policy
from gateway.contract import Contract
from gateway.errors import ConfigurationError, Refused
from gateway.message import Message
from gateway.serving.intake import by_operation, unpacked
from gateway.settings import Settings
from gateway.soap.envelope import parse
from gateway.soap.jms import is_packed


class Repeats:
    """Tells whether a request is repeatable; each contract is loaded once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._contracts: dict[str, Contract] = {}

    def hindrance(self, message: Message) -> str:
        """Return why a request may not be carried out twice; empty where it may."""
        tables = self._settings.services
        named = [message.target_service] if message.target_service else list(tables)
        names = [name for name in named if name in tables]
        said = {tables[name].repeatable for name in names}
        if said == {True}:
            return ""
        if not any(said):
            return "these settings have no repeatable operation for it"
        try:
            name, operation = self._operation(message, names)
            if policy(self._settings, name, self._contract(name)).is_repeatable(operation):
                return ""
        except (Refused, ConfigurationError) as error:
            told = str(error).rstrip(".")
            return f"these settings do not tell whether it is repeatable ({told})"
        return f"{operation} is not repeatable"

    def _operation(self, message: Message, names: Sequence[str]) -> tuple[str, str]:
        """Return the service and the operation of a request. Raises Refused, ConfigurationError."""
        limits = self._settings.limits
        if is_packed(message.content_encoding):
            message = unpacked(message, limits)
        contracts = {name: self._contract(name) for name in names}
        name = by_operation(contracts, limits)(message)
        envelope = parse(message, limits)
        return name, contracts[name].find(envelope, action(message, envelope)).name

    def _contract(self, name: str) -> Contract:
        if name not in self._contracts:
            self._contracts[name] = load_service_contract(self._settings, name).contract
        return self._contracts[name]
