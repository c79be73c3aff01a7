"""Where the elements of a Header are in the bytes of an envelope, to cut there.

All around what is cut stays as it came, the signed Body too. With expat, which tells where in the
bytes it is; it stops at the Body, however large that is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from gateway.soap.envelope import SoapVersion

UNREADABLE = (expat.ExpatError, ValueError, LookupError)
"""What ``HeaderSpans.read`` raises; the second and the third for encodings that expat has not."""

_BLOCK = 3
"""How deep a header block is: inside of Header, inside of Envelope."""
_BODIES = tuple(f"{version.namespace} Body" for version in SoapVersion)
_HEADERS = tuple(f"{version.namespace} Header" for version in SoapVersion)


@dataclass(slots=True)
class Span:
    """An element, and where in the bytes it is; -1 for what was not come to."""

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
    """What it holds, if no elements."""


class HeaderSpans:
    """The elements of an envelope's Header."""

    def __init__(self) -> None:
        self.blocks: list[list[Span]] = []
        """Each header block, with the elements inside of it behind it, in document order."""
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._path: list[Span] = []
        self._last: Span | None = None
        """What was opened or closed just now: its content, or its end, is where the next is."""

    def read(self, data: bytes) -> None:
        """Find the elements in an envelope. What was found before it raises UNREADABLE, stays."""
        parser = self._parser
        parser.StartElementHandler, parser.EndElementHandler = self._start, self._close
        parser.CharacterDataHandler, parser.DefaultHandlerExpand = self._characters, self._next
        try:
            parser.Parse(data, True)
        except _AtBody:
            return

    def _next(self, *_: object) -> int:
        """Return where the parser is: what was opened or closed just now reaches up to there."""
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
