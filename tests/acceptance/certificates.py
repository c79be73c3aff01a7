"""Certificates for tests, made by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

CURVE = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


@dataclass(frozen=True)
class Authority:
    """One that certifies whatever it is asked to; everything is in one folder, in PEM."""

    folder: Path
    name: str

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    @classmethod
    def make(cls, folder: Path, name: str = "authority") -> Authority:
        openssl(
            *("req", "-x509", "-newkey", *CURVE, "-nodes", "-days", "2", "-subj", f"/CN={name}"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            *("-addext", "keyUsage=critical,keyCertSign"),
            *("-addext", "basicConstraints=critical,CA:TRUE"),
        )
        return cls(folder, name)

    def certify(self, subject: str, beside: str = "", name: str = "", days: int = 2) -> Path:
        """Return a file with a certificate and its key; ``beside`` are alternative names."""
        name = name or subject
        certificate, key = self._sign(name, subject, beside, days, "-newkey", *CURVE, "-nodes")
        whole = self.folder / f"{name}-whole.pem"
        whole.write_bytes(certificate.read_bytes() + key.read_bytes())
        return whole

    def issue(self, name: str, *, password: str = "", rsa: bool = False) -> tuple[Path, Path]:
        """Return the files of a certificate for a host, or a client, and of its key."""
        beside = f"IP:{name}" if name.replace(".", "").isdigit() else f"DNS:{name}"
        kind = ("rsa:2048",) if rsa else CURVE
        locked = ("-passout", f"pass:{password}") if password else ("-nodes",)
        return self._sign(name, name, beside, 2, "-newkey", *kind, *locked)

    def _sign(
        self, name: str, subject: str, beside: str, days: int, *key_options: str
    ) -> tuple[Path, Path]:
        key, request, certificate, extensions = (
            self.folder / f"{name}.{end}" for end in ("key", "csr", "crt", "ext")
        )
        extensions.write_text(f"subjectAltName={beside}\n" if beside else "")
        openssl(*("req", *key_options, "-subj", f"/CN={subject}", "-keyout", key, "-out", request))
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.file),
            *("-CAkey", self.file.with_suffix(".key"), "-CAcreateserial"),
            *("-days", days, "-extfile", extensions, "-out", certificate),
        )
        return certificate, key


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
