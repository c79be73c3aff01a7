"""Messages between two processes of one machine: four bytes of length, then so many bytes."""

from __future__ import annotations

import socket
import struct

_LENGTH = struct.Struct("!I")


def send(to: socket.socket, data: bytes) -> None:
    """Send a message. Blocks; raises OSError."""
    to.sendall(_LENGTH.pack(len(data)) + data)


def receive(source: socket.socket) -> bytes:
    """Return the next message. Blocks; raises EOFError at the end, and OSError."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    return _exactly(source, length)


def _exactly(source: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = source.recv(min(length - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
