"""The places of a backend: the hosts and ports by which a text would give it away."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

STAND_IN = "service.invalid"
"""The replacement for a place: RFC 2606 keeps .invalid unused."""

_BEFORE, _AFTER = r"(?<![\w.-])", r"(?![\w-]|\.\w)"
_NEVER = re.compile(r"(?!)")


def places(addresses: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds the hosts of some addresses in a text, each with its port if it has one.

    A loopback address is only found with its port: the listener may have the same one.
    """
    found = {part for address in addresses for part in _parts(address)}
    if not found:
        return _NEVER
    return re.compile("|".join(sorted(found, key=len, reverse=True)), re.IGNORECASE | re.ASCII)


def _parts(address: str) -> Iterable[str]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # a malformed address names no host
        return ()
    name = re.escape(f"[{host}]" if ":" in host else host)
    if is_loopback(host):
        return (f"{_BEFORE}{name}:{port}(?!\\d)",) if port else ()
    if _is_word(host):
        # A text may well have the word "orders" without meaning the machine.
        return (f"(?<=//){name}(?::\\d+)?{_AFTER}", f"{_BEFORE}{name}:\\d+")
    return (f"{_BEFORE}{name}(?::\\d+)?{_AFTER}", *_machine(host)) if host else ()


def _machine(host: str) -> Iterable[str]:
    """Yield the machine's short name, such as APP01 of app01.internal.example."""
    label = host.partition(".")[0]
    if len(label) >= 4 and not _is_word(label) and not label.isdigit():
        yield f"{_BEFORE}{re.escape(label)}{_AFTER}"


def _is_word(host: str) -> bool:
    return host.isalpha()


def is_loopback(host: str) -> bool:
    """True where only this machine can connect to a host. Any other name may lead elsewhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
