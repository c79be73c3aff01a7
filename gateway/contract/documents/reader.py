"""Reads the documents of a contract, from one folder and allowed hosts only."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from gateway.contract.documents.fetching import MAX_DOCUMENT
from gateway.errors import ContractError, OutOfBounds

Read = Callable[[str], bytes]
"""Returns the document at an absolute location. Raises ContractError, with the cure."""

MEMORY = "http://documents.invalid/"
"""The seeming location of documents in memory; RFC 2606 keeps .invalid unused."""


def absolute(location: str, base: str) -> str:
    """Resolve a reference relative to the document that contains it.

    By the text alone: nothing is opened, or a contract could make the gateway probe this machine.
    Raises ContractError for a malformed reference.
    """
    location = location.strip()
    if _is_web(location):
        return location
    try:
        return urljoin(base, location) if _is_web(base) else _path(location, os.path.dirname(base))
    except ValueError as error:  # a bracket without its other half
        raise ContractError(f"{location!r} is not an address; correct it") from error


def from_folder(folder: Path, fetch: Read) -> Read:
    """Return a reader of files below a folder, and of web documents, by ``fetch``."""
    top = folder.resolve()

    def read(location: str) -> bytes:
        return fetch(location) if _is_web(location) else _read_file(location, top)

    return read


def from_memory(documents: Mapping[str, bytes]) -> Read:
    """Return a reader of documents by their names; it opens nothing."""
    by_location = {urljoin(MEMORY, name): data for name, data in documents.items()}

    def read(location: str) -> bytes:
        try:
            return by_location[location]
        except KeyError:
            raise ContractError(f"{shown(location)} is not among the documents; add it") from None

    return read


def shown(location: str) -> str:
    """Return a location as the operator knows it."""
    return location.removeprefix(MEMORY)


def _is_web(location: str) -> bool:
    return location[:8].lower().startswith(("http://", "https://"))


def _path(location: str, folder: str) -> str:
    if location[:5].lower() == "file:":
        parts = urlsplit(location)
        if parts.netloc not in ("", "localhost"):
            raise ContractError(
                f"{location} is on another machine; save it in the contract's folder"
            )
        location = url2pathname(parts.path)
    elif "://" in location:
        raise ContractError(f"{location} cannot be read; save it in the contract's folder")
    return os.path.normpath(os.path.join(folder, location))


def _read_file(path: str, top: Path) -> bytes:
    """Read a file below a folder. Raises ContractError.

    A schemaLocation is a URI: a blank in a file's name should be %20 there.
    """
    plain = os.path.normpath(unquote(path))
    try:
        return _read_below(path if plain == path or os.path.lexists(path) else plain, top)
    except (ValueError, RecursionError) as error:  # a NUL, an endless path
        raise ContractError(f"{path!r} is not the path of a file; correct it") from error
    except OSError as error:
        raise ContractError(f"{path} {_told(error)}") from error


def _read_below(path: str, top: Path) -> bytes:
    """Open a file step by step from the folder, without following symbolic links.

    So the checked file is the opened one, even if names change in between. Links within the folder
    are resolved before. Raises OSError, ValueError, ContractError.
    """
    _check_below(path, path, top)
    real = os.path.realpath(path)
    _check_below(real, path, top)
    *folders, name = Path(real).relative_to(top).parts or (".",)
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inside
        # O_NONBLOCK: opening a pipe would wait for a writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with open(os.open(name, flags, dir_fd=here), "rb") as file:
            return _whole(file, path)
    finally:
        os.close(here)


def _check_below(path: str, shown: str, top: Path) -> None:
    if not Path(path).is_relative_to(top):
        raise OutOfBounds(f"{shown} is outside of the contract's folder {top}; move it there")


def _whole(file: BinaryIO, path: str) -> bytes:
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        raise ContractError(f"{path} is not there, or is not a file; save it there")
    data = file.read(MAX_DOCUMENT + 1)
    if len(data) > MAX_DOCUMENT:
        raise ContractError(f"{path} is larger than {MAX_DOCUMENT} bytes; split it")
    return data


def _told(error: OSError) -> str:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "is not there, or is not a file; save it there"
    if isinstance(error, IsADirectoryError):
        return "cannot be read (it is a folder); name the file in it"
    return f"cannot be read ({error.strerror}); give access to it"
