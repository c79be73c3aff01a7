"""The byte spans of a Header's elements in an envelope, to cut there.

Everything around a cut stays unchanged, so a signed Body stays valid. With expat, which tells its
position in bytes; it stops at the Body, however large that is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from gateway.soap.envelope import SoapVersion

UNREADABLE = (expat.ExpatError, ValueError, LookupError)
"""The errors of ``HeaderSpans.read``; the latter two for encodings that expat does not have."""

_BLOCK = 3
"""The depth of a header block: inside Header, inside Envelope."""
_BODIES = tuple(f"{version.namespace} Body" for version in SoapVersion)
_HEADERS = tuple(f"{version.namespace} Header" for version in SoapVersion)


@dataclass(slots=True)
class Span:
    """An element, and its positions in the bytes; -1 where not reached."""

    name: str
    """Its namespace, a blank, its local name."""
    begin: int
    content: int = -1
    """Behind its start tag."""
    close: int = -1
    """Before its end tag."""
    end: int = -1
    has_elements: bool = False
    texts: list[str] = field(default_factory=list)
    """Its text, in pieces, if it has no elements."""


class HeaderSpans:
    """The elements of an envelope's Header."""

    def __init__(self) -> None:
        self.blocks: list[list[Span]] = []
        """Each header block, followed by the elements inside it, in document order."""
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._path: list[Span] = []
        self._last: Span | None = None
        """The element just opened or closed: its content, or its end, is at the next event."""

    def read(self, data: bytes) -> None:
        """Find the elements in an envelope. Raises UNREADABLE; earlier findings are kept."""
        parser = self._parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._close
        parser.CharacterDataHandler, parser.DefaultHandlerExpand = self._characters, self._next
        try:
            parser.Parse(data, True)
        except _AtBody:
            return

    def _next(self, *_: object) -> int:
        """Return the parser's position, up to which the tag just opened or closed reaches."""
        here, last = self._parser.CurrentByteIndex, self._last
        if last is not None:
            if last.close < 0:
                last.content = here
            else:
                last.end = here
            self._last = None
        return here

    def _start(self, name: str, attributes: object) -> None:
        self._last = opened = Span(name, self._next())
        if self._path:
            self._path[-1].has_elements = True
        self._path.append(opened)
        depth = len(self._path)
        if depth == _BLOCK - 1 and name in _BODIES:
            raise _AtBody
        if depth >= _BLOCK and self._path[1].name in _HEADERS:
            if depth == _BLOCK:
                self.blocks.append([])
            self.blocks[-1].append(opened)

    def _characters(self, text: str) -> None:
        self._next()
        self._path[-1].texts.append(text)

    def _close(self, name: str) -> None:
        here = self._next()
        closed = self._path.pop()
        closed.close = here
        self._last = closed


class _AtBody(Exception):
    """The headers are over."""
