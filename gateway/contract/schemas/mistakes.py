"""Mistakes in an element, in the contract's terms: libxml2's own texts quote the message.

The kind of an error says most. Expected names are taken from the end of libxml2's text, behind
anything that a message could have put into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_EXPECTED = re.compile(r"\. Expected is (?:one of )?\( ([^()]*) \)\.")
_TYPE = re.compile(r" is not a valid value of the (?:atomic|list|union) type '([^']*)'\.")
_REQUIRED = re.compile(r": The attribute '([^']*)' is required but missing\.")
_MISSING = ": Missing child element(s). "
_SHOWN = 10
_SAID = {
    "SCHEMAV_CVC_PATTERN_VALID": "its value does not match the pattern of its type",
    "SCHEMAV_CVC_ENUMERATION_VALID": "its value is not one that its type lists",
    "SCHEMAV_CVC_LENGTH_VALID": "its value does not have the length of its type",
    "SCHEMAV_CVC_MINLENGTH_VALID": "its value is too short",
    "SCHEMAV_CVC_MAXLENGTH_VALID": "its value is too long",
    "SCHEMAV_CVC_MININCLUSIVE_VALID": "its value is too small",
    "SCHEMAV_CVC_MINEXCLUSIVE_VALID": "its value is too small",
    "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "its value is too large",
    "SCHEMAV_CVC_MAXEXCLUSIVE_VALID": "its value is too large",
    "SCHEMAV_CVC_TOTALDIGITS_VALID": "its value has too many digits",
    "SCHEMAV_CVC_FRACTIONDIGITS_VALID": "its value has too many digits after the decimal point",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_1": "it must be empty",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_2": "it takes a value, and no elements",
    "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "it takes elements, and no text",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1": "it has an attribute that is not declared",
    "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2": "it has an attribute that is not declared",
    "SCHEMAV_CVC_TYPE_2": "its type is abstract: name another one in xsi:type",
    "SCHEMAV_CVC_TYPE_3_1_1": "it has an attribute that is not declared",
    "SCHEMAV_CVC_TYPE_3_1_2": "it takes a value, and no elements",
    "SCHEMAV_CVC_ELT_3_1": "it must not be nil",
    "SCHEMAV_CVC_ELT_3_2_1": "it is nil, and not empty",
    "SCHEMAV_CVC_ELT_4_2": "its xsi:type is not declared",
    "SCHEMAV_CVC_ELT_4_3": "its xsi:type is not derived from its own type",
    "SCHEMAV_CVC_IDC": "a key is missing, there twice, or refers to nothing",
}
"""By the kind of an error, if that says it all."""


def mistake(kind: str, text: str, names: frozenset[str], *, is_here: bool) -> str:
    """The mistake in words; empty where it is not known.

    ``kind`` and ``text`` are libxml2's; ``names`` are those of the contract's elements; ``is_here``
    tells whether it is about the named element, or about a child of it that cannot be named.
    """
    if kind == "SCHEMAV_ELEMENT_CONTENT":
        return _content(text, _listed(_at_the_end(_EXPECTED, text), names), is_here)
    if not is_here:
        return ""
    if kind == "SCHEMAV_CVC_DATATYPE_VALID_1_2_1":
        name = _local(_at_the_end(_TYPE, text))
        return f"it has a value that is not a valid {name}" if name else "its value is not valid"
    if kind == "SCHEMAV_CVC_COMPLEX_TYPE_4":
        name = _local(_at_the_end(_REQUIRED, text))
        return f"it lacks the attribute {name}" if name else "it lacks an attribute"
    return _SAID.get(kind, "")


def _content(text: str, expected: str, is_here: bool) -> str:
    if _MISSING in f"{text} ":
        return f"it lacks {expected}" if expected else "it lacks an element"
    what = "it is not expected here" if is_here else "it has a child that is not expected"
    return f"{what}; {expected} is" if expected else what


def _at_the_end(pattern: re.Pattern[str], text: str) -> str:
    """The match of a pattern at the end of the text, where nothing of a message can be."""
    found = [one for one in pattern.finditer(text.rstrip()) if one.end() == len(text.rstrip())]
    return found[-1][1] if found else ""


def _listed(expected: str, names: frozenset[str]) -> str:
    """Return the expected elements without their namespaces; wildcards are left out."""
    found = list(dict.fromkeys(_known(expected, names)))
    more = ", ..." if len(found) > _SHOWN else ""
    return f"one of ({', '.join(found[:_SHOWN])}{more})" if len(found) > 1 else "".join(found)


def _known(expected: str, names: frozenset[str]) -> Iterator[str]:
    for one in expected.split(", "):
        local = one.rpartition("}")[2].strip()
        if local in names:
            yield local


def _local(name: str) -> str:
    """Return a type's or an attribute's name; built-in types keep their prefix."""
    return name.rpartition("}")[2]
