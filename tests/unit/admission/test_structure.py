"""The parts of an envelope, and what they hold."""

from __future__ import annotations

import pytest

from gateway.admission.structure import check_parts
from gateway.errors import Refused


def test_as_many_header_blocks_pass_as_the_limit_lets_and_comments_do_not_count(envelope):
    check_parts(envelope("<h:a/><!-- -->" * 32), 32)
    with pytest.raises(Refused, match="32 header blocks"):
        check_parts(envelope("<h:a/>" * 33), 32)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("", "text<op/>"),
        ("", "<op/>text"),
        ("", "<op/><!-- -->text"),
        ("", "<![CDATA[text]]><op/>"),
        ("text<h:a/>", "<op/>"),
        ("<h:a/>text", "<op/>"),
    ],
)
def test_text_between_the_parts_is_refused(envelope, header, body):
    with pytest.raises(Refused, match="no text"):
        check_parts(envelope(header, body), 32)


def test_blanks_and_comments_between_the_parts_pass(envelope):
    check_parts(envelope("\n <h:a/>\t", " <!-- text --> <op>text</op>\n"), 32)
