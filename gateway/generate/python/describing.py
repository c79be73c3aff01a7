"""The texts in a stub: docstrings, and what could not be expressed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from gateway.contract.notes import SHOWN
from gateway.errors import shortlist
from gateway.generate.model import Gap, GapKind, Model, StubOperation
from gateway.generate.naming import snake
from gateway.generate.python.source import WIDTH, unseen_escaped

MARK = "# Written by gateway stubs"
"""The beginning of the first line of every file that may be written again."""

_IN_CLIENT = {
    GapKind.ENCODED: "is rpc/encoded, and left out",
    GapKind.ANY: "holds xs:any: such elements are given and taken as they are, as lxml's",
    GapKind.ANY_ATTRIBUTE: "holds xs:anyAttribute: such attributes are text, by name",
    GapKind.ANY_TYPE: "holds xs:anyType: it is an element of lxml unless the XML says its type",
    GapKind.MIXED: "is mixed content: text between its elements is lost",
    GapKind.ANY_XML: "is any XML, given and taken as lxml's elements; text in place of one is lost",
    GapKind.REPLY_HEADER: "is a header of the reply, and not returned",
    GapKind.ATTACHMENT: "has attachments: they are neither sent nor returned",
    GapKind.UNDECLARED: "is declared nowhere, or by a type where SOAP needs an element",
}
"""What becomes of each kind of gap in a client stub; of others nothing is lost."""


def marker(source: str) -> str:
    """Return the first line of a stub."""
    return f"{MARK} from {unseen_escaped(source)}: write it again rather than change it."


def module(model: Model, name: str, is_async: bool) -> list[str]:
    """Return the paragraphs of a client stub's docstring."""
    port = model.port
    start = "async with" if is_async else "with"
    wait = "await " if is_async else ""
    variable = snake(port.class_name)
    example = model.operations[0].method if model.operations else "call"
    lines = [
        f'    {start} {name}("sqlite:///queue.db") as {variable}:',
        f"        {wait}{variable}.{example}(...)",
    ]
    found = list(gaps(model))
    return [
        f"The client of the service {port.service}, for its port {port.name}.",
        port.documentation,
        "It is called like this:",
        "\n".join(lines),
        "Not wholly expressed:" if found else "",
        "\n".join(found),
    ]


def client(model: Model) -> list[str]:
    """Return the paragraphs of the docstring of a client's class."""
    port = model.port
    return [
        port.documentation or f"Calls the service {port.service}.",
        "The address is that of a queue, of a listener, or of the service itself.",
    ]


def base_module(model: Model, module: str, own: str) -> list[str]:
    """Return the paragraphs of the docstring of a service's base."""
    found = list(gaps(model))
    return [
        f"The service {model.port.service}, for its port {model.port.name}: to be filled in.",
        f"The class {own} of {module}.py is what gateway.toml names. It is built on this module.",
        "Not wholly expressed:" if found else "",
        "\n".join(found),
    ]


def base_class(model: Model) -> list[str]:
    """Return the paragraphs of the docstring of a service's class."""
    return [model.port.documentation or f"Carries out the service {model.port.service}."]


def method(operation: StubOperation) -> list[str]:
    """Return the paragraphs of the docstring of a method."""
    text = operation.documentation or f"Call {operation.name}."
    faults = ", ".join(dict.fromkeys(one.class_name for one in operation.faults))
    is_told = operation.one_way and "one-way" not in text
    return [
        *text.split("\n\n"),
        "One-way: there is no reply." if is_told else "",
        f"Raises {faults}." if faults else "",
    ]


def gaps(model: Model, *, as_list: bool = True) -> Iterator[str]:
    """Yield a line for all that a client stub does not, or not wholly, express.

    In a list it begins with a dash, and may be broken into several.
    """
    for gap in _told(model):
        line = f"{gap.where} {_IN_CLIENT[gap.kind]}{_concerned(gap)}"
        yield _entry(line) if as_list else line


def grouped_gaps(model: Model) -> Iterator[str]:
    """Yield a line for each kind of what a stub does not express, with the first of its places."""
    found: dict[GapKind, list[Gap]] = {}
    for gap in _told(model):
        found.setdefault(gap.kind, []).append(gap)
    for kind, gaps in found.items():
        if len(gaps) == 1:
            yield f"{gaps[0].where} {_IN_CLIENT[kind]}{_concerned(gaps[0])}"
        else:
            names = shortlist(list(dict.fromkeys(one.where for one in gaps)), SHOWN)
            yield f"each of these {len(gaps)} {_IN_CLIENT[kind]} ({names})"


def _told(model: Model) -> Iterator[Gap]:
    """Yield what is worth telling; any XML holds xs:any as a matter of course."""
    any_xml = {one.where for one in model.gaps if one.kind is GapKind.ANY_XML}
    for gap in model.gaps:
        if gap.kind in _IN_CLIENT and not (gap.kind is GapKind.ANY and gap.where in any_xml):
            yield gap


def _entry(line: str) -> str:
    return textwrap.fill(
        f"- {line}", WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _concerned(gap: Gap) -> str:
    names = [one for one in gap.operations if one != gap.where]
    return f" ({shortlist(names, SHOWN)})" if names else ""
