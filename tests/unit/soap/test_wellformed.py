"""A document is looked at as it streams by: what it must not hold, and how much it may."""

from __future__ import annotations

import codecs
import dataclasses
import time
import tracemalloc
from xml.parsers import expat

import pytest

from gateway.errors import Refused
from gateway.limits import USUAL, Limits
from gateway.soap.wellformed import (
    ENCODINGS,
    NOT_WELL_FORMED,
    check_wellformed,
)


def refusal(document: bytes | str, charset: str = "", limits: Limits = USUAL) -> str:
    """Return what is said of a document; empty where it passes."""
    data = document.encode() if isinstance(document, str) else document
    try:
        check_wellformed(data, charset, limits)
    except Refused as refused:
        return refused.text
    return ""


def nested(depth: int) -> str:
    return "<a>" * depth + "</a>" * depth


def attributes(count: int, name: str = "b") -> str:
    return "<a " + " ".join(f'{name}{n}="{n}"' for n in range(count)) + "/>"


AT_THE_LIMIT = {
    "depth": nested,
    "elements": lambda n: f"<r>{'<a/>' * (n - 1)}</r>",
    "attributes": attributes,
    "namespaces": lambda n: attributes(n, "xmlns:b"),
    "name": lambda n: f"<r><{'n' * n}/></r>",
    "attribute_value": lambda n: f'<a b="{"v" * n}"/>',
    "comments": lambda n: f"<a>{'<!---->' * n}</a>",
}
"""A document that is as large as a limit lets it be."""


@pytest.mark.parametrize("name", AT_THE_LIMIT)
@pytest.mark.parametrize("limits", [USUAL, Limits(**dict.fromkeys(AT_THE_LIMIT, 9))])
def test_what_is_at_a_limit_passes_and_one_more_does_not(name, limits):
    limit = getattr(limits, name)
    make = AT_THE_LIMIT[name]
    # The others out of the way: they have their own turn.
    only = dataclasses.replace(Limits(**dict.fromkeys(AT_THE_LIMIT, 1 << 20)), **{name: limit})
    assert refusal(make(limit), limits=only) == ""
    assert refusal(make(limit + 1), limits=only).startswith(f"No more than {limit} ")


def test_every_limit_has_such_a_document():
    elsewhere = {"request", "reply", "gzip_ratio", "header_blocks", "references", "schema_time"}
    assert set(AT_THE_LIMIT) == {field.name for field in dataclasses.fields(Limits)} - elsewhere


def test_the_name_of_an_attribute_has_the_limit_of_a_name():
    assert refusal(f'<a {"n" * 257}="1"/>').startswith("No more than 256 ")


def test_namespace_declarations_are_counted_apart_from_attributes():
    declared = " ".join(f'xmlns:b{n}="urn:b"' for n in range(64))
    given = " ".join(f'c{n}=""' for n in range(64))
    assert refusal(f"<a {declared} {given}/>") == ""


def test_elements_beside_each_other_are_not_deep():
    assert refusal(f"<r>{'<a><b/></a>' * 1000}</r>") == ""


@pytest.mark.parametrize(
    "document",
    [
        "<!DOCTYPE a><a/>",
        '<!DOCTYPE a SYSTEM "file:///etc/hostname"><a/>',
        '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;]><a/>',
        "<!DOCTYPE a><a/>".encode("utf-16"),
    ],
)
def test_a_document_type_is_refused_as_such(document):
    assert "document type" in refusal(document)


@pytest.mark.parametrize("document", ["<?php x?><a/>", "<a><?php?></a>", "<a/><?php x?>"])
def test_a_processing_instruction_is_refused_wherever_it_is(document):
    assert "processing instruction" in refusal(document)


@pytest.mark.parametrize(
    "document",
    [
        *(b" ", b"hello", b"<a", b"<a><b></a></b>", b"<a/><a/>", b"<a b='1' b='2'/>"),
        *(b"<a>&x;</a>", b"<a>\x00</a>", b"<a>\xed\xa0\x80</a>", b"<a>\xc0\xbc</a>"),
        "<a/>".encode("utf-32"),
    ],
)
def test_what_is_not_well_formed_is_refused_in_the_same_words(document):
    assert refusal(document) == NOT_WELL_FORMED


def test_where_it_is_not_well_formed_is_told_to_the_log_alone_and_nothing_of_it():
    with pytest.raises(Refused) as caught:
        check_wellformed(b"<a>\n<canary></a>", "", USUAL)
    assert caught.value.reason == "line 2, column 10"


DECLARED = '<?xml version="1.0" encoding="{}"?><a>\u00fc</a>'


@pytest.mark.parametrize(
    ("document", "charset"),
    [
        ("<a>\u00fc</a>".encode(), "utf-8"),
        (codecs.BOM_UTF8 + DECLARED.format("UTF-8").encode(), "UTF-8"),
        (DECLARED.format("utf-16").encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + DECLARED.format("utf-16").encode("utf-16-be"), "utf-16be"),
        (DECLARED.format("utf-16le").encode("utf-16-le"), "utf-16le"),
        ("<a/>".encode("utf-16"), ""),
        (b'<?xml version="1.0" encoding="us-ascii"?><a/>', "us-ascii"),
    ],
)
def test_utf_8_and_utf_16_pass_where_all_agree(document, charset):
    assert refusal(document, charset) == ""
    assert refusal(document, "") == ""


@pytest.mark.parametrize(
    ("document", "charset"),
    [
        (b"<a/>", "utf-16"),
        (b'<?xml version="1.0" encoding="utf-8"?><a/>', "utf-16"),
        ("<a/>".encode("utf-16"), "utf-8"),
        (codecs.BOM_UTF16_BE + "<a/>".encode("utf-16-be"), "utf-16le"),
        (codecs.BOM_UTF8 + DECLARED.format("us-ascii").encode(), ""),
        (codecs.BOM_UTF8 + DECLARED.format("us-ascii").encode(), "us-ascii"),
        (codecs.BOM_UTF8 + b"<a/>", "us-ascii"),
        (DECLARED.format("utf-8").encode("utf-16"), "utf-16"),
    ],
)
def test_mark_declaration_and_charset_must_agree(document, charset):
    assert "disagree" in refusal(document, charset)


@pytest.mark.parametrize(
    ("document", "charset"),
    [
        (b"<a/>", "iso-8859-1"),
        ("<a>\u00f6</a>".encode("latin-1"), "ISO-8859-1"),
        (DECLARED.format("iso-8859-1").encode(), "iso-8859-1"),
        # Names that no list has: a service might take them for any encoding.
        (b'<?xml version="1.0" encoding="us-ascii"?><a/>', "us-ascx"),
        (DECLARED.format("utf-16le").encode("utf-16-le"), "utf-16x"),
    ],
)
def test_another_charset_is_refused_with_what_to_send(document, charset):
    assert "encode it in UTF-8, and write charset=utf-8." in refusal(document, charset)


def test_an_empty_message_is_told_as_that():
    assert refusal(b"") == "The message is empty: send a SOAP envelope."


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-7", "cp037", "ucs-4", "x"])
def test_another_encoding_is_refused(encoding):
    assert encoding.upper() not in ENCODINGS
    assert "UTF-8 or UTF-16" in refusal(DECLARED.format(encoding).encode())


def test_xml_1_1_is_refused_since_it_has_other_characters():
    assert "version 1.0" in refusal('<?xml version="1.1"?><a>&#1;</a>')


def test_reading_ends_where_the_limit_is_and_holds_no_more_than_the_message():
    bomb = b"<r>" + b"<a/>" * 4_000_000
    tracemalloc.start()
    try:
        assert refusal(bomb).startswith("No more than 50000 ")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(bomb)


def test_a_document_type_ends_the_reading_however_much_is_behind_it():
    rest = b"<a>" + b"<b/>" * 4_000_000 + b"</a>"
    began = time.process_time()
    expat.ParserCreate().Parse(rest, True)
    whole = time.process_time() - began
    assert "document type" in refusal(b"<!DOCTYPE a>" + rest)
    assert time.process_time() - began - whole < whole / 2
