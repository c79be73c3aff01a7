"""WS-Security that a service requires of its callers; the verified header is taken out.

The queue says who sent a request; a token or a signature is required in addition, and may be bound
to the client: it may have to use a certain user, or a certain certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.admission.wss import signature as wss_signature
from gateway.admission.wss import username as wss_username
from gateway.admission.wss.cut import without_block
from gateway.admission.wss.header import Moments, SecurityHeader, moments, security_header
from gateway.admission.wss.keys import Signers
from gateway.admission.wss.replay import Memory
from gateway.errors import Check, NotSecured, Refused
from gateway.message import Clock, Message
from gateway.secrets.reference import Secret
from gateway.soap.envelope import Envelope
from gateway.soap.multipart import has_attachments

ATTACHED = "A signature does not cover attachments: send the message without any, or unsigned."


@dataclass(frozen=True, slots=True)
class BoundClient:
    """The user and certificate that a client must use; empty: any that the service accepts."""

    user: str = ""
    certificate: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What a service requires; times in seconds."""

    users: Mapping[str, Secret]
    kinds: frozenset[str]
    """The accepted forms of a password."""
    files: tuple[Path, ...]
    """Files with the certificates of signers."""
    either: bool
    """A token or a signature is enough, where there are users and certificates."""
    algorithms: wss_signature.Algorithms
    window: float
    """How old a token or signature may be when the queue takes the request."""
    skew: float
    """How far a caller's clock may be ahead."""
    bound: Mapping[str, BoundClient]
    pass_on: bool
    """The header stays in the request."""


class CallerSecurity:
    """Verifies the WS-Security of one service's callers."""

    def __init__(self, demands: Demands, memory: Memory, clock: Clock) -> None:
        """Raises ConfigurationError where a certificate cannot be used.

        ``clock`` is the queue's, for requests without a time of arrival.
        """
        self._demands = demands
        self._memory = memory
        self._clock = clock
        self._signers = Signers(demands.files) if demands.files else None

    def secured(self, message: Message, envelope: Envelope) -> Message:
        """Return a request without its Security header, once that is verified.

        The header is removed from the envelope's tree as well. Raises Refused.
        """
        header = security_header(envelope)
        self._verify(message, envelope, header)
        if self._demands.pass_on:
            return message
        parent = header.block.getparent()
        assert parent is not None  # it is in the Header
        number = list(parent.iterchildren("*")).index(header.block)
        body = without_block(message, number)
        parent.remove(header.block)
        return replace(message, body=body)

    def expired(self, now: float) -> list[str]:
        """Return the names of the files with a certificate that is not valid at that time."""
        return [] if self._signers is None else self._signers.expired(now)

    def _verify(self, message: Message, envelope: Envelope, header: SecurityHeader) -> None:
        arrived = self._clock() if message.arrived is None else message.arrived
        self._check_shown(header)
        if header.signature is not None and has_attachments(message.body, message.content_type):
            raise Refused(ATTACHED, check=Check.WS_SECURITY)
        user, told_by_user = self._user(header, arrived)
        signer, told_by_signature = self._signature(envelope, header, arrived)
        if header.timestamp is not None:
            self._check_fresh(moments(header.timestamp), arrived)
        self._check_bound(message.sender, BoundClient(user, signer))
        self._memory.note([*told_by_user, *told_by_signature], message)

    def _check_shown(self, header: SecurityHeader) -> None:
        """Refuse a header that lacks a required part, or has one that cannot be verified here."""
        wanted = _listed(bool(self._demands.users), self._signers is not None)
        found = _listed(header.username is not None, header.signature is not None)
        are_enough = bool(found) and found <= wanted if self._demands.either else found == wanted
        if not are_enough:
            raise NotSecured(f"it shows {_told(found)}; asked for: {_told(wanted)}")
        if header.token is not None and header.signature is None:
            raise NotSecured("a BinarySecurityToken is there, and no signature")

    def _user(self, header: SecurityHeader, arrived: float) -> tuple[str, list[bytes]]:
        if header.username is None:
            return "", []
        demands = self._demands
        shown = wss_username.verified(header.username, demands.users, demands.kinds)
        if shown.moments is not None:
            self._check_fresh(shown.moments, arrived)
        token = b"user\n" + shown.user.encode() + b"\n" + shown.nonce
        return shown.user, [hashlib.sha256(token).digest()] if shown.nonce else []

    def _signature(
        self, envelope: Envelope, header: SecurityHeader, arrived: float
    ) -> tuple[Path | None, list[bytes]]:
        if header.signature is None or self._signers is None:
            return None, []
        algorithms = self._demands.algorithms
        signed = wss_signature.verified(envelope, header, self._signers, arrived, algorithms)
        return signed.signer.file, [signed.token]

    def _check_fresh(self, made: Moments, arrived: float) -> None:
        demands = self._demands
        if made.created > arrived + demands.skew:
            raise NotSecured(f"it was made {made.created - arrived:.0f} s ahead of the queue")
        end = made.created + demands.window
        if arrived > end or (made.expires is not None and arrived > made.expires + demands.skew):
            age = arrived - made.created
            raise NotSecured(f"it was {age:.0f} s old, or expired, when the queue took it")

    def _check_bound(self, sender: str, shown: BoundClient) -> None:
        """Refuse a client with another user or certificate than it is bound to."""
        bound = self._demands.bound.get(sender, BoundClient())
        if self._demands.users and bound.user not in ("", shown.user):
            raise NotSecured(f"its client has to show the user {bound.user!r}")
        if self._signers is not None and bound.certificate not in (None, shown.certificate):
            raise NotSecured("its client has to sign with another certificate")


def _listed(user: bool, signature: bool) -> set[str]:
    """Return the parts of a header by names for the operator."""
    parts = {"a UsernameToken": user, "a signature": signature}
    return {name for name, is_there in parts.items() if is_there}


def _told(names: set[str]) -> str:
    return " and ".join(sorted(names)) or "nothing"
