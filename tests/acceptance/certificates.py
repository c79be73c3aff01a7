"""Certificates for tests, made by the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """One that certifies whatever it is asked to."""

    folder: Path
    name: str

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        openssl(
            folder,
            f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name}"
            f" -keyout {name}.key -out {name}.pem -addext keyUsage=critical,keyCertSign"
            " -addext basicConstraints=critical,CA:TRUE",
        )
        return cls(folder, name)

    def certify(self, subject: str, beside: str = "", name: str = "", days: int = 2) -> Path:
        """Return a file with a certificate and its key; ``beside`` are alternative names."""
        name = name or subject
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={beside}\n" if beside else "")
        openssl(
            self.folder,
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
            f" -subj /CN={subject} -keyout {name}.key -out {name}.csr",
        )
        openssl(
            self.folder,
            f"x509 -req -in {name}.csr -CA {self.name}.pem -CAkey {self.name}.key"
            f" -CAcreateserial -days {days} -extfile {name}.ext -out {name}.crt",
        )
        whole = self.folder / f"{name}-whole.pem"
        parts = [self.folder / f"{name}.{kind}" for kind in ("crt", "key")]
        whole.write_bytes(b"".join(part.read_bytes() for part in parts))
        return whole


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
