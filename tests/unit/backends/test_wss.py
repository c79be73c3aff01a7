"""WS-Security towards a service: what it gets can be verified, and is made for this one request."""

from __future__ import annotations

import base64
import datetime
import functools
import hashlib
import os
from dataclasses import replace

import pytest
from certificates import Authority
from lxml import etree
from zeep import ns

from gateway.admission import Gate, Limits
from gateway.backends.forward.security import Security, WssSettings
from gateway.errors import ConfigurationError, Refused
from gateway.secrets.reference import Secret

if not os.environ.get("CI"):
    pytest.importorskip("xmlsec", reason="signatures need the extra [wss]")
import xmlsec

PASSWORD = Secret("key", "s3cret")
settings_of = functools.partial(WssSettings, lifetime=300.0)
TOKEN = settings_of(username="gateway", password=PASSWORD)
SECURITY, ID = f"{{{ns.WSSE}}}Security", f"{{{ns.WSU}}}Id"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def signing(authority):
    certificate, key = authority.issue("signer", rsa=True)
    return settings_of(certificate=certificate, key=key)


@pytest.fixture
def call(warehouse, sample):
    def admit(name="get_order_11", **fields):
        return Gate(warehouse, Limits()).admit(sample(name, **fields))

    return admit


def envelope(head="", body_attributes="", namespace="http://schemas.xmlsoap.org/soap/envelope/"):
    head = f"<s:Header>{head}</s:Header>" if head else ""
    return (
        f'<s:Envelope xmlns:s="{namespace}" xmlns:wsu="{ns.WSU}">{head}<s:Body {body_attributes}>'
        '<t:GetOrder xmlns:t="urn:example:warehouse:types"><t:orderId>WH-100001</t:orderId>'
        "</t:GetOrder></s:Body></s:Envelope>"
    ).encode()


def security(data):
    found = etree.fromstring(data).findall(f"{{*}}Header/{SECURITY}")
    assert len(found) == 1
    return found[0]


def texts(node):
    return {etree.QName(one).localname: one.text for one in node.iter("{*}*") if one.text}


@pytest.mark.parametrize("name", ["get_order_11", "get_order_12"])
async def test_a_password_is_sent_as_a_digest(call, name):
    one, two = [texts(security(await Security(TOKEN).secured(call(name)))) for _ in range(2)]
    assert one["Username"] == "gateway"
    made = base64.b64decode(one["Nonce"]) + one["Created"].encode() + b"s3cret"
    assert one["Password"] == base64.b64encode(hashlib.sha1(made).digest()).decode()
    assert one["Nonce"] != two["Nonce"]
    created = datetime.datetime.fromisoformat(one["Created"])
    assert abs(datetime.datetime.now(datetime.UTC) - created) < datetime.timedelta(minutes=1)


async def test_a_password_is_sent_as_text_where_that_is_asked_for(call):
    sent = await Security(replace(TOKEN, is_digest=False)).secured(call())
    assert texts(security(sent)) == {"Username": "gateway", "Password": "s3cret"}
    assert security(sent).find(".//{*}Password").get("Type").endswith("#PasswordText")


async def test_a_header_that_came_along_is_removed_and_all_else_stays(call):
    old = (
        f'<w:Security xmlns:w="{ns.WSSE}"><w:UsernameToken><w:Username>mallory</w:Username>'
        "</w:UsernameToken></w:Security>"
    )
    body = envelope(f'{old}<k xmlns="urn:k"> 1 </k>{old}', "x='1'").replace(b"x='1'", b'x="1"')
    sent = await Security(TOKEN).secured(call(body=body))
    assert b"mallory" not in sent
    assert b'<k xmlns="urn:k"> 1 </k>' in sent
    assert sent.partition(b"<s:Body")[2] == body.partition(b"<s:Body")[2]
    assert security(sent).get("{http://schemas.xmlsoap.org/soap/envelope/}mustUnderstand") == "1"


def verify(data, certificate):
    """Check a signature as a service does; return the elements that it covers."""
    root = etree.fromstring(data)
    signature = root.find(f".//{{{ns.DS}}}Signature")
    by_id = {}
    for node in root.iter("{*}*"):
        if ID in node.attrib:
            assert node.get(ID) not in by_id, "an id is there twice"
            by_id[node.get(ID)] = node
    context = xmlsec.SignatureContext()
    for node in by_id.values():
        context.register_id(node, "Id", ns.WSU)
    context.key = xmlsec.Key.from_memory(certificate.read_bytes(), xmlsec.KeyFormat.CERT_PEM)
    context.verify(signature)
    references = signature.findall(f".//{{{ns.DS}}}Reference")
    return [by_id[one.get("URI")[1:]] for one in references]


@pytest.mark.parametrize("name", ["get_order_11", "get_order_12"])
async def test_body_and_timestamp_are_signed(call, signing, name):
    sent = await Security(signing).secured(call(name))
    covered = [etree.QName(one).localname for one in verify(sent, signing.certificate)]
    assert sorted(covered) == ["Body", "Timestamp"]
    assert b"rsa-sha256" in sent
    assert b"sha1" not in sent
    names = [etree.QName(one).localname for one in security(sent)]
    assert names == ["Timestamp", "BinarySecurityToken", "Signature"]


async def test_a_changed_body_is_noticed(call, signing):
    sent = await Security(signing).secured(call())
    with pytest.raises(xmlsec.Error):
        verify(sent.replace(b"WH-100002", b"WH-100003"), signing.certificate)


async def test_token_and_signature_stand_side_by_side(call, signing):
    both = replace(signing, username="gateway", password=PASSWORD, lifetime=60.0)
    sent = await Security(both).secured(call())
    names = [etree.QName(one).localname for one in security(sent)]
    assert names == ["Timestamp", "BinarySecurityToken", "UsernameToken", "Signature"]
    verify(sent, signing.certificate)
    assert "Timestamp" not in str(await Security(replace(signing, lifetime=0)).secured(call()))


async def test_an_id_that_the_message_chose_is_not_what_is_signed(call, signing):
    twin = '<x xmlns="urn:k" wsu:Id="same"><w xmlns="urn:w">forged</w></x>'
    sent = await Security(signing).secured(call(body=envelope(twin, 'wsu:Id="same"')))
    bodies = [
        one for one in verify(sent, signing.certificate) if etree.QName(one).localname == "Body"
    ]
    assert len(bodies) == 1
    assert bodies[0].get(ID) != "same"


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "us-ascii"])
async def test_the_charset_stays_true(call, charset):
    text = envelope().decode().replace("100001", "100001<!-- \u00fc -->")
    body = text.encode(charset, "xmlcharrefreplace")
    declared = f'<?xml version="1.0" encoding="{charset}"?>'.encode(charset)
    body = declared + (body[2:] if charset == "utf-16" else body)
    sent = await Security(TOKEN).secured(
        call(body=body, content_type=f"text/xml; charset={charset}")
    )
    assert sent.decode(charset)
    assert etree.fromstring(sent).findtext(".//{*}Username") == "gateway"


def multipart(root, encoding="binary"):
    return (
        b'--b\r\nContent-Type: application/xop+xml; type="text/xml"; charset=utf-8\r\n'
        b"Content-Transfer-Encoding: "
        + encoding.encode()
        + b"\r\n\r\n"
        + root
        + b"\r\n--b\r\nContent-ID: <d@x>\r\n\r\n\x00\xff\r\n--b--"
    )


KIND = 'multipart/related; type="application/xop+xml"; start-info="text/xml"; boundary=b'


async def test_in_a_multipart_message_the_root_part_is_changed_alone(call):
    sent = await Security(TOKEN).secured(call(body=multipart(envelope()), content_type=KIND))
    head, tail = multipart(b"|").split(b"|")
    assert sent.startswith(head)
    assert sent.endswith(tail)
    assert texts(security(sent[len(head) : -len(tail)]))["Username"] == "gateway"


async def test_what_cannot_be_changed_or_signed_is_refused(call, signing):
    packed = multipart(base64.b64encode(envelope()), "base64")
    with pytest.raises(Refused, match="8bit or binary") as caught:
        await Security(TOKEN).secured(call(body=packed, content_type=KIND))
    assert caught.value.reason_code == "Client.multipart"
    include = b'<x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:d@x"/>'
    attached = multipart(envelope().replace(b"WH-100001", include))
    one = call(body=multipart(envelope()), content_type=KIND)
    one = replace(one, message=replace(one.message, body=attached))
    with pytest.raises(Refused, match="without attachments"):
        await Security(signing).secured(one)


async def test_a_key_that_is_locked_is_opened_and_one_that_rotates_is_read_again(
    call, authority, tmp_path
):
    locked = [authority.issue(name, rsa=True, password="open sesame") for name in ("old", "new")]
    mine = tmp_path / "certificate", tmp_path / "key"
    for source, target in zip(locked[0], mine, strict=True):
        target.write_bytes(source.read_bytes())
    password = Secret("key", "open sesame")
    settings = settings_of(certificate=mine[0], key=mine[1], key_password=password)
    made = Security(settings, look=0.0)
    verify(await made.secured(call()), locked[0][0])
    mine[1].write_text("half written")
    verify(await made.secured(call()), locked[0][0])
    for source, target in zip(locked[1], mine, strict=True):
        target.write_bytes(source.read_bytes())
    verify(await made.secured(call()), locked[1][0])


def test_keys_that_are_of_no_use_are_told_by_name(authority, signing, tmp_path):
    nothing, curve = tmp_path / "nothing.pem", authority.issue("curve")
    locked = authority.issue("locked", rsa=True, password="canary-right")
    wrong = Secret("key", "canary-wrong")
    for settings, says in (
        (replace(signing, key=nothing), "nothing.pem cannot be read (No such file"),
        (replace(signing, certificate=nothing), "nothing.pem cannot be read"),
        (settings_of(certificate=curve[0], key=curve[1]), "the key be RSA"),
        (settings_of(certificate=locked[0], key=locked[1]), "signing_key_password be right"),
        (
            settings_of(certificate=locked[0], key=locked[1], key_password=wrong),
            "signing_key_password be right",
        ),
    ):
        with pytest.raises(ConfigurationError) as caught:
            Security(settings)
        assert says in str(caught.value)
        assert "canary" not in str(caught.value)


def test_without_xmlsec_a_signature_says_what_to_install(signing, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xmlsec", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'soap-queue-gateway\[wss\]'"):
        Security(signing)
    Security(TOKEN)
