"""Pieces of Python source, laid out as ruff and black lay them out, at any usual line length.

What fits into 88 columns stands on one line; all else is split, with the comma at the end that
keeps it split where lines may be longer.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

WIDTH = 88

_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u2032\u00b4\u02bc", "'"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2009\u202f\u3000", " "),
        **dict.fromkeys("\u00ad\u200b\ufeff", ""),
        "\u2026": "...",
    }
)
"""Signs that look like others, as word processors make them."""
_JOINERS = "\u200c\u200d"
"""Signs of the category Cf that are letters' own business: Persian and Hindi need them."""


def literal(text: str) -> str:
    """Return text as a string of Python, in double quotes unless single ones need less escaping."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{unseen_escaped(escaped)}{quote}"


def unseen_escaped(text: str) -> str:
    """Return text with escapes for what is not seen: controls, line ends, signs of direction."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def visible(text: str) -> str:
    """Return prose with what is not seen left out, and plain signs for those that look like them.

    Line feeds stay; all else that ends a line, for anybody, becomes a blank.
    """
    plain = text.translate(_PLAIN)
    if plain.replace("\n", "").isprintable():
        return plain
    kept = "".join(map(_shown, plain))
    return kept if kept.strip(f"{_JOINERS} \n") else ""


def _shown(sign: str) -> str:
    if sign == "\n" or sign in _JOINERS or sign.isprintable():
        return sign
    return "" if unicodedata.category(sign) == "Cf" else " "


def docstring(paragraphs: Iterable[str], indent: int) -> str:
    """Return a docstring; a paragraph of several lines is taken as it is, others are wrapped."""
    margin = " " * indent
    texts = [text for text in map(_harmless, paragraphs) if text.strip()]
    if not texts:
        return ""
    blocks = [_wrapped(one, WIDTH - indent, 3 * (not n)) for n, one in enumerate(texts)]
    if len(blocks) == 1 and len(blocks[0]) == 1:
        return f'{margin}"""{blocks[0][0]}"""'
    first, *others = "\n\n".join("\n".join(block) for block in blocks).split("\n")
    inside = textwrap.indent("\n".join(others), margin)
    return "\n".join([f'{margin}"""{first}', *filter(None, [inside]), f'{margin}"""'])


def _wrapped(text: str, width: int, first: int) -> list[str]:
    if "\n" in text:
        return text.split("\n")
    quotes = "-" * first  # the first line begins behind them
    lines = textwrap.wrap(quotes + text, width, break_long_words=False, break_on_hyphens=False)
    return [lines[0][first:], *lines[1:]]


def _harmless(text: str) -> str:
    """A text that is safe in a docstring, with the same meaning."""
    text = visible(text).replace("\\", "\\\\")
    return re.sub('^"|"$', "'", text.replace('"""', "'''"))


def split(head: str, arguments: Sequence[str], tail: str, indent: int) -> str:
    """Return a call or a signature: on one line, or with each argument on one of its own."""
    margin = " " * indent
    line = f"{margin}{head}{', '.join(arguments)}{tail}"
    if len(line) <= WIDTH or not arguments:
        return kept(line)
    inside = [f"{margin}    {one}," for one in arguments]
    return kept("\n".join([f"{margin}{head}", *inside, f"{margin}{tail}"]))


def kept(code: str) -> str:
    """Return a statement, marked to be left as it is where names are too long for a line.

    Formatters for lines of different lengths would not agree on where to break it.
    """
    is_long = any(len(line) > WIDTH for line in code.split("\n"))
    return f"{code}  # fmt: skip" if is_long else code


def in_triple_quotes(text: str) -> str:
    """Return text as it stands between three double quotes."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def in_lines(text: str) -> str:
    """Return text without blanks in lines of a width that no tool complains of."""
    return "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
