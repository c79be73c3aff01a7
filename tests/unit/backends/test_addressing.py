"""WS-Addressing headers of replies: the service's address goes, every other byte stays."""

from __future__ import annotations

import pytest

from gateway.backends.redact.addresses import without_addresses
from gateway.contract.backend_names import places
from gateway.errors import BackendFailed
from gateway.message import Message

WSA = "http://www.w3.org/2005/08/addressing"
WSA_2004 = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
HOST = "app01.internal.example"
PLACES = places([f"http://{HOST}:8080/Warehouse"])


def envelope(headers, namespace=WSA):
    return (
        f'<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="{SOAP}"  xmlns:a="{namespace}">'
        f"<s:Header>{headers}</s:Header>\n<s:Body Id = 'b'><x>http://{HOST}/in/the/body</x>"
        "</s:Body></s:Envelope>\n"
    )


def passed(text, content_type="text/xml"):
    body = text if isinstance(text, bytes) else text.encode()
    return without_addresses(Message(body=body, content_type=content_type), PLACES).body


CASES = [
    (
        f"<a:From><a:Address>http://{HOST}:8080/x</a:Address></a:From>",
        f"<a:From><a:Address>{WSA}/anonymous</a:Address></a:From>",
    ),
    (
        f"<a:ReplyTo k='>'><a:Address k='>'>\n http://{HOST}\n</a:Address></a:ReplyTo>",
        f"<a:ReplyTo k='>'><a:Address k='>'>{WSA}/anonymous</a:Address></a:ReplyTo>",
    ),
    (f"<a:To><![CDATA[http://{HOST}/x]]></a:To>", f"<a:To>{WSA}/anonymous</a:To>"),
    (f"<a:To><!-- {HOST} -->http://{HOST}/x</a:To>", f"<a:To>{WSA}/anonymous</a:To>"),
    ("<a:To>http://&#97;pp01.internal.example/x</a:To>", f"<a:To>{WSA}/anonymous</a:To>"),
    (
        f"<a:MessageID>uuid:1@{HOST}</a:MessageID>",
        "<a:MessageID>uuid:1@service.invalid</a:MessageID>",
    ),
    (
        f"<a:From><a:Address>urn:a</a:Address><a:Metadata><m l='http://{HOST}:8080/w'>APP01</m></a:Metadata></a:From>",
        "<a:From><a:Address>urn:a</a:Address><a:Metadata><m l='http://service.invalid/w'>service.invalid</m></a:Metadata></a:From>",
    ),
    (
        f"<a:From><a:Address>x<b/>{HOST}</a:Address></a:From>",
        "<a:From><a:Address>x<b/>service.invalid</a:Address></a:From>",
    ),
]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_an_address_is_replaced_and_all_around_it_stays(before, after):
    text = envelope(f"<k>1</k>{before}<k>2</k>")
    assert passed(text) == text.replace(before, after).encode()


@pytest.mark.parametrize(
    "headers",
    [
        "",
        f"<a:Action>http://{HOST}/GetOrder</a:Action>",
        f"<a:RelatesTo>http://{HOST}/1</a:RelatesTo>",
        f"<a:From><a:Address>{WSA}/anonymous</a:Address></a:From>",
        "<a:To/>",
        f"<own xmlns='urn:own'>{HOST}</own>",
    ],
)
def test_what_names_no_place_or_belongs_to_the_contract_stays(headers):
    assert passed(envelope(headers)) == envelope(headers).encode()


def test_the_older_namespace_has_its_own_anonymous_address():
    text = envelope(f"<a:To>http://{HOST}/</a:To>", WSA_2004)
    assert f"<a:To>{WSA_2004}/role/anonymous</a:To>".encode() in passed(text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_stays_utf_16(encoding):
    text = envelope(f"<a:To>http://{HOST}/</a:To>").replace(
        '<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>'
    )
    mark = b"" if encoding == "utf-16" else b"\xfe\xff"
    body = mark + text.encode(encoding)
    seen = passed(body)
    assert seen[:2] == body[:2]
    assert seen.decode("utf-16") == text.replace(f"<a:To>http://{HOST}/", f"<a:To>{WSA}/anonymous")
    assert passed(mark + envelope("").encode(encoding)) == mark + envelope("").encode(encoding)


def test_in_a_multipart_message_only_the_root_part_is_changed():
    part = envelope(f"<a:To>http://{HOST}/</a:To>").encode()
    rest = f"\r\n--b\r\nContent-ID: <d@{HOST}>\r\n\r\n\x00addressing {HOST}\r\n--b--".encode()
    head = b"--b\r\nContent-Type: text/xml\r\n\r\n"
    seen = passed(head + part + rest, "multipart/related; boundary=b")
    assert seen == head + passed(part) + rest
    assert seen != head + part + rest


def test_a_large_body_is_not_read():
    text = envelope(f"<a:To>http://{HOST}/</a:To>").replace("<x>", "<x>" + "y" * 5_000_000)
    assert passed(text) == text.replace(f"<a:To>http://{HOST}/", f"<a:To>{WSA}/anonymous").encode()


def test_headers_that_cannot_be_read_and_may_name_it_are_a_failure():
    broken = envelope(f"<a:To>http://{HOST}/</a:To>").replace("<s:Header>", "<s:Header>&no;")
    with pytest.raises(BackendFailed):
        passed(broken)


def test_thousands_of_addresses_are_replaced_each():
    address = f"<a:Address>http://{HOST}:8080/x</a:Address>"
    block = f"<a:From>{address}<x>{HOST}</x><y>{HOST} {HOST}</y></a:From>"
    said = block.replace(f"http://{HOST}:8080/x", f"{WSA}/anonymous").replace(
        HOST, "service.invalid"
    )
    assert passed(envelope(block * 1000)) == envelope(said * 1000).encode()


@pytest.mark.parametrize("surrogate", [b"\x00\xd8", b"\x00\xdc"])
def test_half_of_a_character_in_utf_16_is_no_soap(surrogate):
    text = envelope(f"<a:To>http://{HOST}/</a:To><x>|</x>").encode("utf-16-le")
    before, _, after = text.partition("|".encode("utf-16-le"))
    with pytest.raises(BackendFailed, match="did not answer with a SOAP"):
        passed(b"\xff\xfe" + before + surrogate + after)


@pytest.mark.parametrize("last", ["x", "\U0001f600"])
def test_of_a_large_message_in_utf_16_only_the_beginning_is_read(last):
    text = envelope(f"<a:To>http://{HOST}/</a:To>").replace('<?xml version="1.0"?>', "")
    text = text.replace("<x>", "<x>" + f"{last}\u4e00" * 500_000)
    seen = passed(text.encode("utf-16"))
    assert seen.decode("utf-16") == text.replace(f"http://{HOST}/<", f"{WSA}/anonymous<")


def test_without_a_place_nothing_is_replaced():
    message = Message(body=envelope(CASES[0][0]).encode(), content_type="text/xml")
    assert without_addresses(message, places([])) is message
