"""The caller's side of WS-Security in the corpus of attacks: what stands between ``@@`` is made.

A signature has to be fresh, so no file can hold one. What is signed is chosen by the file: the
digest of whichever element, by whichever key.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import hmac
import re
import shutil
import ssl
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import xmlsec
from certificates import Authority
from deployment import ROOT
from lxml import etree

from gateway import assembly
from gateway.admission import Gate
from gateway.assembly.caller_security import caller_security
from gateway.settings import from_values

WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
SECRET = "canary-secret"
SIGNER = "signer"
_NOW = re.compile(rb"@@now([+-]\d+)?@@")
_DIGEST = re.compile(rb"@@digest:(\w+)(?::(\w+))?@@")
_SIGNATURE = re.compile(rb"@@signature(?::(\w+))?@@")
_CERTIFICATE = re.compile(rb"@@certificate(?::(\w+))?@@")
_PASSWORD = re.compile(rb"@@password(?::(\w+))?@@")


@dataclass(frozen=True)
class Keys:
    """A certificate and its key, each a file in PEM."""

    certificate: Path
    key: Path

    @property
    def text(self) -> bytes:
        return base64.b64encode(ssl.PEM_cert_to_DER_cert(self.certificate.read_text()))

    def signature(self, data: bytes, algorithm: str = "RSA_SHA256") -> bytes:
        """Return the signature of the SignedInfo of a message, in base64."""
        info = etree.fromstring(data).find(f".//{{{DS}}}SignedInfo")
        return base64.b64encode(self.sign(_canonical(info), algorithm))

    def sign(self, data: bytes, algorithm: str = "RSA_SHA256") -> bytes:
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(str(self.key), xmlsec.KeyFormat.PEM)
        return context.sign_binary(data, getattr(xmlsec.Transform, algorithm))


@cache
def keys(name: str) -> Keys:
    """Return the keys of somebody; of ``signer`` the settings know the certificate."""
    folder = Path(tempfile.mkdtemp(prefix="wsse-"))
    atexit.register(shutil.rmtree, folder)
    return Keys(*Authority.make(folder).issue(name, rsa=True))


@cache
def wss() -> dict[str, object]:
    """Return the table ``[services.NAME.wss]`` of the service that these messages are for."""
    secret = keys(SIGNER).key.with_name("secret")
    secret.write_text(SECRET)
    return {
        "users": {"joe": f"file:{secret}"},
        "certificates": [str(keys(SIGNER).certificate)],
        "either": True,
    }


def gate(**table: object) -> Gate:
    """Return the gate of that service; ``table`` has more keys of its settings."""
    services = {"it": {"wsdl": str(ROOT / "wsdl" / "warehouse.wsdl"), "wss": wss() | table}}
    settings = from_values({"queue": "memory:", "services": services}, ROOT, "it")
    contract = assembly.load_service_contract(settings, "it").contract
    security = caller_security(settings, time.time)["it"]
    return assembly.gate(settings, "it", contract, security=security)


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def made(data: bytes, age: float = 0.0) -> bytes:
    """Return a message of which all that is between ``@@`` was made, some seconds ago."""
    now = datetime.now(UTC) - timedelta(seconds=age)
    nonce = hashlib.sha256(f"{now}".encode()).digest()[:16]

    def moment(found: re.Match[bytes]) -> bytes:
        return written(now + timedelta(seconds=int(found[1] or 0))).encode()

    data = _NOW.sub(moment, data)
    data = data.replace(b"@@nonce@@", base64.b64encode(nonce)).replace(
        b"@@secret@@", SECRET.encode()
    )
    data = _PASSWORD.sub(lambda found: _password(found[1], nonce, written(now)), data)
    data = _CERTIFICATE.sub(lambda found: keys((found[1] or b"signer").decode()).text, data)
    data = _DIGEST.sub(lambda found: _digest(data, found), data)
    return _SIGNATURE.sub(lambda found: _signature(data, found[1] or b"signer"), data)


def _password(kind: bytes | None, nonce: bytes, created: str) -> bytes:
    """Return the digest of a password: another one's, or without the nonce, where that is said."""
    secret = "wrong" if kind == b"wrong" else SECRET
    number = b"" if kind == b"bare" else nonce
    return base64.b64encode(hashlib.sha1(number + created.encode() + secret.encode()).digest())


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _digest(data: bytes, found: re.Match[bytes]) -> bytes:
    id, kind = found[1].decode(), (found[2] or b"sha256").decode()
    path = "//*[@u:Id=$id or @Id=$id or @xml:id=$id]"
    element = etree.fromstring(data).xpath(path, namespaces={"u": WSU}, id=id)[0]
    return base64.b64encode(hashlib.new(kind, _canonical(element)).digest())


def _signature(data: bytes, who: bytes) -> bytes:
    info = _canonical(etree.fromstring(data).find(f".//{{{DS}}}SignedInfo"))
    if who == b"hmac":
        public = keys(SIGNER).certificate.read_bytes()
        return base64.b64encode(hmac.new(public, info, "sha256").digest())
    if who == b"sha1":
        return base64.b64encode(keys(SIGNER).sign(info, "RSA_SHA1"))
    return base64.b64encode(keys(who.decode()).sign(info))
