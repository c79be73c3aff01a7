"""Where the elements of a Header are in the bytes of an envelope."""

from __future__ import annotations

import pytest

from gateway.soap.spans import UNREADABLE, HeaderSpans

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
BLOCKS = [
    "<a k='>'>x<![CDATA[y]]></a>",
    "<b/>",
    "<c><d> </d><!-- e --></c>",
    "<f><?g?>&#104;</f>",
]


def read(blocks, body="<s:Body><z/></s:Body>", encoding="utf-8"):
    text = f"<s:Envelope xmlns:s='{SOAP}'><s:Header>{blocks}</s:Header>{body}</s:Envelope>"
    header, data = HeaderSpans(), text.encode(encoding)
    header.read(data)
    return header, data


@pytest.mark.parametrize("between", ["", "\r\n", "<!-- x -->"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_block_is_from_its_start_tag_to_behind_its_end_tag(between, encoding):
    header, data = read(between.join(BLOCKS) + between, encoding=encoding)
    wide = encoding if encoding == "utf-8" else "utf-16-le"
    found = [data[block.begin : block.end].decode(wide) for block, *_ in header.blocks]
    assert found == BLOCKS


def test_what_an_element_holds_is_between_its_tags():
    header, data = read("".join(BLOCKS))
    found = {one.name: data[one.content : one.close] for block in header.blocks for one in block}
    assert found == {
        "a": b"x<![CDATA[y]]>",
        "b": b"",
        "c": b"<d> </d><!-- e -->",
        "d": b" ",
        "f": b"<?g?>&#104;",
    }
    (_, _, (c, d), (f,)) = header.blocks
    assert (c.has_elements, d.has_elements, f.texts) == (True, False, ["h"])


def test_nothing_behind_the_headers_is_read():
    header, _ = read("<a/>", body="<s:Body><z></y></s:Body>")
    assert [block.name for block, *_ in header.blocks] == ["a"]


def test_what_was_found_before_the_headers_break_off_is_kept():
    header = HeaderSpans()
    with pytest.raises(UNREADABLE):
        header.read(f"<s:Envelope xmlns:s='{SOAP}'><s:Header><a>x</a><b>".encode())
    ((a,), (b,)) = header.blocks
    assert (a.name, a.texts, b.name, b.close) == ("a", ["x"], "b", -1)
