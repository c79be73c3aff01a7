"""The parts of the tables of ``gateway.toml``: their form, common kinds of values, mistakes."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Seconds = Annotated[float, Field(gt=0, le=24 * 3600)]
Bytes = Annotated[int, Field(ge=1024, le=1 << 30)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
NAMED = "1 to 64 letters, digits, '_' or '-'"
"""What the name of a service or a client is."""


class Table(BaseModel):
    """A table of the file: no key more than those that are known, no value of another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def is_name(text: str) -> bool:
    """True for a text that may name a service or a client."""
    return re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) is not None


def is_http(address: str) -> bool:
    """True for an address that HTTP can connect to."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna")
        return parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # a port that is none, a bracket without its other half
        return False


def is_origin(value: object) -> bool:
    """True for an origin as browsers write it (RFC 6454): without a path, and not ``*``."""
    return isinstance(value, str) and is_http(value) and value.count("/") == 2


def wrong(text: str) -> PydanticCustomError:
    """Return the error that says what is wrong with a value, to be raised by a validator."""
    return PydanticCustomError("gateway", "{text}", {"text": text})
