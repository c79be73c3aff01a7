"""Names for Python, from those of XML: the same contract always gives the same ones."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable

LONGEST = 200
"""Characters of a value that its name is made of: a value may be a whole page."""

_BEFORE_WORD = re.compile(r"(?<=[A-Z])(?=[A-Z][a-z])")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""A character that XML names cannot have, as .NET writes it: a blank is _x0020_."""
_AFTER_LOWER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

RESERVED = frozenset(
    {
        "self",
        # What annotations need: an attribute of that name would hide it in its class.
        *(
            "bool",
            "bytes",
            "dict",
            "dt",
            "field",
            "float",
            "int",
            "list",
            "object",
            "str",
            "tuple",
            "type",
        ),
        "l",  # which looks like a figure
        # Methods of every client.
        *("close", "aclose", "wsdl"),
    }
)
"""Names that no field, parameter or method may have."""

RESERVED_CLASSES = frozenset(
    {
        *("Any", "AnyValue", "AsyncClient", "Client", "Decimal", "Duration", "Element", "Enum"),
        *("IntEnum", "Layout", "NIL", "Record", "Self", "SoapFault", "StrEnum"),
        *("AsyncClient", "Embedded", "I", "O", "l"),
        *(name for name in dir(builtins) if name[:1].isupper()),
    }
)
"""Names that the stubs import, and Python's own ones."""


class Names:
    """Hands out names, each once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}
        """The number to go on with: of a thousand equal names each is found at once."""

    def unique(self, name: str) -> str:
        """Return a name, with a number behind it where it is taken."""
        found, number = name, self._next.get(name, 2)
        while found in self._taken:
            glue = "_" if name[-1].isdigit() else ""
            found, number = f"{name}{glue}{number}", number + 1
        self._next[name] = number
        self._taken.add(found)
        return found

    def first(self, *candidates: str) -> str:
        """Return the first of some names that is free, or the last with a number."""
        free = next((name for name in candidates if name not in self._taken), candidates[-1])
        return self.unique(free)


def snake(name: str) -> str:
    """Return the name of a field, a parameter or a method: orderId becomes order_id."""
    found = _started(_words(name).lower() or "value", "n")
    # Where letters have no case, a field would hide the class that it is called like.
    is_taken = found in RESERVED or keyword.iskeyword(found) or found == found.upper()
    return f"{found}_" if is_taken else found


def pascal(name: str) -> str:
    """Return the name of a class: order-line becomes OrderLine."""
    words = _plain(name).split("_")
    found = _started("".join(word[:1].upper() + word[1:] for word in words) or "Type", "N")
    return f"{found}_" if found in RESERVED_CLASSES or keyword.iskeyword(found) else found


def member(value: str) -> str:
    """Return the name of a value of an enumeration: "in stock" becomes IN_STOCK."""
    value = re.sub(r"^-(?=\d)", "minus ", value[:LONGEST])
    signs = " ".join(unicodedata.name(one, "SIGN") for one in value[:3])
    found = _started((_words(value) or _words(signs)).upper() or "EMPTY", "VALUE_")
    return f"{found}_" if found in ("I", "O") or keyword.iskeyword(found) else found


def _started(name: str, start: str) -> str:
    """Return an identifier: not all that may stand in one may begin it."""
    name = _plain(name)  # a capital of two letters may hold a sign
    return name if name.isidentifier() else f"{start}{name}"


def _words(name: str) -> str:
    """Return a name with an underscore between its words."""
    words = _AFTER_LOWER.sub("_", _BEFORE_WORD.sub("_", _plain(name)))
    return re.sub("_+", "_", words).strip("_")


def _plain(name: str) -> str:
    """Return a name with nothing in it that an identifier must not have (NFKC, as Python does)."""
    meant = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
    folded = unicodedata.normalize("NFKC", meant)
    return "".join(one if f"a{one}".isidentifier() else "_" for one in folded)
