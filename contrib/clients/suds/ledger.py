"""Posts to the ledger, which is rpc/encoded, with suds.

python3 ledger.py WSDL-FILE ADDRESS
"""

from __future__ import annotations

import sys
from pathlib import Path

import suds.client


def main(wsdl: str, address: str) -> None:
    client = suds.client.Client(Path(wsdl).resolve().as_uri(), cache=None, location=address)
    entry = client.factory.create("{urn:example:ledger}Entry")
    for side, name in (("from", "Żak & Söhne"), ("to", "Bank")):
        party = client.factory.create("{urn:example:ledger}Party")
        party.name, party.iban = name, "GB00 0000"
        setattr(entry, side, party)
    entry.amount = "12.50"
    entries = client.factory.create("{urn:example:ledger}Entries")
    entries.item = [entry, entry]
    client.service.Post("main", entries)


if __name__ == "__main__":
    main(*sys.argv[1:])
