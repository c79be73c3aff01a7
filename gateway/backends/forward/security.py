"""WS-Security on requests to a service: zeep's plugins add a UsernameToken or a signature.

The one place where an envelope is changed on its way, and only if the settings require it. What
zeep's plugins leave to their caller is done here: an existing Security header is removed, or theirs
would be added to it; SHA-256 replaces SHA-1; the message's own Body id is replaced, since a second
element could have the same, and be taken for the signed one.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lxml import etree
from zeep import ns
from zeep.wsse.signature import BinarySignature
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import get_security_header, get_timestamp

from gateway.endpoint import Call
from gateway.errors import Check, ConfigurationError, FaultError, Refused
from gateway.secrets.reference import LOOK, Secret, changes
from gateway.soap.envelope import XOP_INCLUDE, Element, SoapVersion, parser
from gateway.soap.multipart import envelope_span, parameter

log = logging.getLogger(__name__)

LARGE = 64 << 10
"""Bytes above which a message is changed in a thread; signing is always in a thread."""
INSTALL = "install it with: pip install 'soap-queue-gateway[wss]'"
ATTACHED = "A message with xop:Include cannot be signed on its way: send it without attachments."
FAILED = "The gateway could not sign the request. Its operator finds the cause in the log."
_SECURITY, _ID = f"{{{ns.WSSE}}}Security", f"{{{ns.WSU}}}Id"
_ORDER = ("Timestamp", "BinarySecurityToken", "UsernameToken", "Signature")
"""The strict layout of WS-SecurityPolicy 1.2, section 6.7.1: tokens come before their use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WssSettings:
    """The content of a Security header: a UsernameToken, a signature, or both."""

    username: str = ""
    password: Secret | None = None
    is_digest: bool = True
    certificate: Path | None = None
    key: Path | None = None
    key_password: Secret | None = None
    lifetime: float
    """Lifetime in the Timestamp of a signature, in seconds; 0: no Timestamp."""


class Security:
    """Puts a Security header into requests."""

    def __init__(self, settings: WssSettings, *, look: float = LOOK) -> None:
        """Raises ConfigurationError where the key cannot be used, or xmlsec is not installed."""
        self._settings = settings
        files = [path for path in (settings.certificate, settings.key) if path is not None]
        self._changed = changes(files, look=look)
        self._sign = _signer(settings) if files else None

    async def secured(self, call: Call) -> bytes:
        """Return the bytes to send for a call. Raises Refused if it cannot be signed."""
        if self._sign is None and len(call.message.body) <= LARGE:
            return self.apply(call)
        return await asyncio.to_thread(self.apply, call)

    def apply(self, call: Call) -> bytes:
        """Do the same, blocking."""
        body = call.message.body
        begin, end = envelope_span(body, call.message.content_type)
        encoding = parameter(call.envelope.content_type, "charset") or "utf-8"
        envelope = self._with_header(body[begin:end], call.envelope.version, encoding)
        return body[:begin] + envelope + body[end:]

    def _with_header(self, data: bytes, version: SoapVersion, encoding: str) -> bytes:
        root = etree.fromstring(data, parser())
        for old in list(root.iterfind(f"{{{version.namespace}}}Header/{_SECURITY}")):
            old.getparent().remove(old)
        header = get_security_header(root)
        header.set(f"{{{version.namespace}}}mustUnderstand", "1")
        self._add_token(root)
        if self._sign is not None:
            self._add_signature(root, header, version)
        header[:] = sorted(header, key=lambda one: _ORDER.index(etree.QName(one).localname))
        written = etree.tostring(root.getroottree(), xml_declaration=True, encoding=encoding)
        assert isinstance(written, bytes)  # for every encoding but "unicode"
        return written

    def _add_token(self, root: Element) -> None:
        settings = self._settings
        if settings.password is not None:
            UsernameToken(
                settings.username,
                settings.password.value(),
                use_digest=settings.is_digest,
                zulu_timestamp=True,
            ).apply(root, {})

    def _add_signature(self, root: Element, header: Element, version: SoapVersion) -> None:
        body = root.find(f"{{{version.namespace}}}Body")
        assert body is not None  # it was admitted
        if next(body.iter(XOP_INCLUDE), None) is not None:
            raise Refused(ATTACHED, check=Check.MULTIPART)
        body.attrib.pop(_ID, "")
        if self._settings.lifetime:
            header.append(_timestamp(self._settings.lifetime))
        self._signer()(root)

    def _signer(self) -> Callable[[Element], None]:
        """Return the signing function, renewed when its files have changed and are usable."""
        if self._changed():
            try:
                self._sign = _signer(self._settings)
            except ConfigurationError as error:
                log.warning("%s The last ones are kept.", error)
        assert self._sign is not None  # only called if there is one
        return self._sign


def _timestamp(lifetime: float) -> Element:
    now = datetime.datetime.now(datetime.UTC)
    node = etree.Element(f"{{{ns.WSU}}}Timestamp", nsmap={"wsu": ns.WSU})
    for name, moment in (("Created", now), ("Expires", now + datetime.timedelta(seconds=lifetime))):
        etree.SubElement(node, f"{{{ns.WSU}}}{name}").text = get_timestamp(moment, True)
    return node


def _signer(settings: WssSettings) -> Callable[[Element], None]:
    """Return a function that signs the Body and the Timestamp, after a trial signature."""
    try:
        import xmlsec
    except ImportError as error:
        raise ConfigurationError(
            f"backend.wss: a signature needs xmlsec, which is not installed: {INSTALL}."
        ) from error
    # Never None: for an encrypted key, OpenSSL would then ask at the terminal.
    password = settings.key_password.value() if settings.key_password is not None else ""
    algorithms = cast(Any, xmlsec).Transform  # its type stubs are incomplete
    try:
        plugin = BinarySignature(
            settings.key,
            settings.certificate,
            password,
            signature_method=algorithms.RSA_SHA256,
            digest_method=algorithms.SHA256,
        )
    except OSError as error:
        raise ConfigurationError(
            f"backend.wss: {error.filename} cannot be read ({error.strerror}): "
            "make it, or give access to it."
        ) from error

    def sign(root: Element) -> None:
        try:
            plugin.apply(root, {})
        except (xmlsec.Error, xmlsec.InternalError) as error:
            raise FaultError(FAILED, reason=f"xmlsec: {type(error).__name__}") from error

    try:
        sign(_sample())
    except FaultError as error:
        raise ConfigurationError(
            f"backend.wss: {settings.certificate} and {settings.key} do not sign: both must be PEM "
            "and belong together, the key be RSA, and signing_key_password be right."
        ) from error
    return sign


def _sample() -> Element:
    namespace = SoapVersion.V11.namespace
    return etree.fromstring(
        f'<s:Envelope xmlns:s="{namespace}"><s:Header/><s:Body/></s:Envelope>', parser()
    )
