"""WS-Security of callers: what has to be shown, when it counts, and what goes on afterwards."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import attacks
import pytest
import wsse
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admission.wss import replay as wss_replay
from gateway.admission.wss.header import moment
from gateway.admission.wss.keys import Signers
from gateway.admission.wss.x509 import read_signers
from gateway.errors import ConfigurationError, NotSecured, Refused
from gateway.message import Message
from gateway.secrets.reference import LOOK
from gateway.soap.envelope import WSSE, fault

SIGNED = (attacks.CORPUS / "wss-signed.xml").read_bytes()
USER = (attacks.CORPUS / "wss-user.xml").read_bytes()
TOKEN = SIGNED[SIGNED.index(b"<w:BinarySecurityToken") : SIGNED.index(b"<d:Signature>")]
KEY_INFO = SIGNED[SIGNED.index(b"<d:KeyInfo>") + 11 : SIGNED.index(b"</d:KeyInfo>")]
X509 = b"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#"


@pytest.fixture(scope="module")
def gate():
    return wsse.gate()


def message(template: bytes = SIGNED, age: float = 0.0, **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", **fields}
    return Message(body=wsse.made(template, age), **values)


def named_by(how: bytes) -> bytes:
    """Return the template with another way to name the certificate, and without a token."""
    return SIGNED.replace(TOKEN, b"").replace(KEY_INFO, how)


def signer():
    file = wsse.keys(wsse.SIGNER).certificate
    (found,) = read_signers(file, file.read_bytes())
    return found


def identifier(kind: bytes, value: bytes) -> bytes:
    written = base64.b64encode(value)
    return (
        b'<w:SecurityTokenReference><w:KeyIdentifier ValueType="%s">%s</w:KeyIdentifier>'
        b"</w:SecurityTokenReference>" % (kind, written)
    )


def refusal(gate, one: Message) -> str:
    with pytest.raises(Refused) as caught:
        gate.admit(one)
    return caught.value.reason


SERIAL = (
    b"<d:X509IssuerSerial><d:X509IssuerName>CN=whatever</d:X509IssuerName>"
    b"<d:X509SerialNumber>%d</d:X509SerialNumber></d:X509IssuerSerial>"
)


@pytest.mark.parametrize(
    "how",
    [
        lambda one: (
            b"<d:X509Data><d:X509Certificate>@@certificate@@</d:X509Certificate></d:X509Data>"
        ),
        lambda one: b"<d:X509Data>%s</d:X509Data>" % (SERIAL % one.serial),
        lambda one: (
            b"<w:SecurityTokenReference><d:X509Data>%s<d:X509Certificate>@@certificate@@"
            b"</d:X509Certificate></d:X509Data></w:SecurityTokenReference>" % (SERIAL % one.serial)
        ),
        lambda one: identifier(X509 + b"X509v3", one.der),
        lambda one: identifier(X509 + b"X509SubjectKeyIdentifier", one.key_id),
        lambda one: identifier(b"urn:wss-soap-message-security-1.1#ThumbprintSHA1", one.thumbprint),
    ],
    ids=["certificate", "serial", "both", "embedded", "key identifier", "thumbprint"],
)
def test_a_certificate_may_be_named_in_each_usual_way(gate, how):
    assert gate.admit(message(named_by(how(signer()))))


def test_what_names_another_certificate_is_refused(gate):
    for how in (b"<d:X509Data>%s</d:X509Data>" % (SERIAL % 7), identifier(X509 + b"X509v3", b"x")):
        assert "not in the settings" in refusal(gate, message(named_by(how)))
    both = (SERIAL % 7) + b"<d:X509Certificate>@@certificate@@</d:X509Certificate>"
    wrong = named_by(b"<d:X509Data>%s</d:X509Data>" % both)
    assert "not in the settings" in refusal(gate, message(wrong))


def test_openssl_says_the_same_of_a_certificate():
    file = wsse.keys(wsse.SIGNER).certificate
    asked = ["openssl", "x509", "-in", file, "-noout"]
    told = subprocess.run(
        [*asked, "-serial", "-fingerprint", "-sha1", "-ext", "subjectKeyIdentifier", "-enddate"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    one = signer()
    # OpenSSL writes whole bytes, a number that begins with a nought among them.
    assert int(told.partition("serial=")[2].split()[0], 16) == one.serial
    assert one.key_id.hex(":").upper() in told
    assert one.thumbprint.hex(":").upper() in told
    end = time.strptime(told.partition("notAfter=")[2].strip(), "%b %d %H:%M:%S %Y GMT")
    assert time.strftime("%Y%m%d%H%M%S", time.gmtime(one.not_after)) == time.strftime(
        "%Y%m%d%H%M%S", end
    )


@pytest.mark.parametrize("size", [256, 384, 512])
def test_elliptic_curves_and_longer_hashes_are_accepted(tmp_path, size):
    certificate, key = wsse.Authority.make(tmp_path).issue("curve")
    curve = wsse.Keys(certificate, key)
    method = f"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha{size}".encode()
    template = SIGNED.replace(b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", method).replace(
        b"@@certificate@@", curve.text
    )
    unsigned = wsse.made(template.replace(b"@@signature@@", b"HERE"))
    value = curve.signature(unsigned, f"ECDSA_SHA{size}")
    gate = wsse.gate(certificates=[str(certificate)])
    raw = base64.b64decode(value)
    for other in (raw[:-1], raw + b"\0", raw[32:] + raw[:32], b"\0" * 64, b""):
        wrong = unsigned.replace(b"HERE", base64.b64encode(other))
        assert "not by the certificate" in refusal(
            gate, Message(body=wrong, content_type="text/xml")
        )
    signed = unsigned.replace(b"HERE", value)
    assert gate.admit(Message(body=signed, content_type="text/xml"))


def test_sha_1_is_accepted_where_the_settings_say_so():
    weak = b"http://www.w3.org/2000/09/xmldsig#"
    template = (
        SIGNED.replace(b"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", weak + b"rsa-sha1")
        .replace(b"http://www.w3.org/2001/04/xmlenc#sha256", weak + b"sha1")
        .replace(b":body@@", b":body:sha1@@")
        .replace(b":time@@", b":time:sha1@@")
        .replace(b"@@signature@@", b"@@signature:sha1@@")
    )
    assert wsse.gate(unsafe_sha1=True).admit(message(template))
    assert "SignatureMethod" in refusal(wsse.gate(), message(template))


def test_the_namespaces_that_a_signature_includes_are_part_of_what_is_signed(gate):
    """As WSS4J and WCF do it: prefixes that only values use are in a list."""
    included = (
        b'<d:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><c:InclusiveNamespaces '
        b'xmlns:c="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="t w"/></d:Transform>'
    )
    plain = b'<d:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>'
    one = message(SIGNED.replace(plain, included, 1))
    assert "not what was signed" in refusal(gate, one)
    template = SIGNED.replace(plain, included, 1).replace(b"@@digest:body@@", b"DIGEST")
    template = template.replace(b"@@signature@@", b"HERE")
    body = wsse.made(template)
    canonical = (
        b'<e:Body xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        b'xmlns:t="urn:example:warehouse:types" xmlns:u="%s" xmlns:w="%s" u:Id="body">'
        b"<t:GetOrder><t:orderId>WH-100001</t:orderId></t:GetOrder></e:Body>"
        % (wsse.WSU.encode(), WSSE.encode())
    )
    body = body.replace(b"DIGEST", base64.b64encode(hashlib.sha256(canonical).digest()))
    body = body.replace(b"HERE", wsse.keys(wsse.SIGNER).signature(body))
    assert gate.admit(replace(one, body=body))


def test_of_a_signature_that_is_by_nobody_no_large_form_is_made(gate):
    end = b"</d:Reference></d:SignedInfo>"  # in front of it are 13 elements
    for more, cause in ((51, "not by the certificate"), (52, "holds over 64 elements")):
        template = SIGNED.replace(b"@@signature@@", b"QUJD").replace(end, b"<a/>" * more + end)
        assert cause in refusal(gate, message(template))


# When it counts


def test_freshness_is_that_of_the_moment_in_which_the_queue_took_it(gate):
    hours = 5 * 3600.0
    late = message(USER, age=hours)
    assert "s old" in refusal(gate, late)
    assert gate.admit(replace(late, arrived=time.time() - hours + 1))
    ahead = message(USER, age=-30)
    assert gate.admit(ahead), "clocks of callers may be a minute ahead"
    assert "ahead" in refusal(gate, replace(message(USER), arrived=time.time() - hours))


def test_window_and_skew_are_settings():
    wide, narrow = wsse.gate(window=3600.0, skew=600.0), wsse.gate(window=1.0, skew=0.0)
    assert wide.admit(message(USER, age=3000))
    assert wide.admit(message(USER, age=-500))
    assert "s old" in refusal(narrow, message(USER, age=5))
    assert "ahead" in refusal(narrow, message(USER, age=-5))


def test_a_certificate_counts_only_while_it_is_valid(gate):
    in_a_year = time.time() + 365 * 24 * 3600
    assert "not valid at this time" in refusal(gate, replace(message(), arrived=in_a_year))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("1970-01-01T00:01:00.1234567Z", 60.1234567),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("1970-01-01T00:01:00", 60.0),
    ],
)
def test_a_time_is_read_as_callers_write_it(written, seconds):
    assert moment(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "now", "1970-01-01", "1970-13-01T00:00:00Z", "٢٠٢٦-01-01T00:00:00Z", "0" * 99]
)
def test_what_is_no_time_is_refused(written):
    with pytest.raises(NotSecured):
        moment(written)


# What comes again


@pytest.mark.parametrize("template", [SIGNED, USER], ids=["signature", "user"])
def test_the_same_request_may_come_as_often_as_the_queue_hands_it_out(gate, template):
    one = message(template)
    for _ in range(3):
        assert gate.admit(one)
    for other in ({"sender": "bob"}, {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}):
        assert "a replay" in refusal(gate, replace(one, **other))
    changed = one.body.replace(b"</e:Envelope>", b"\n</e:Envelope>")
    assert "a replay" in refusal(gate, replace(one, body=changed))


@pytest.mark.parametrize(("fractions", "is_replay"), [(("", ""), True), ((".001", ".002"), False)])
def test_the_same_call_twice_within_a_second_takes_a_timestamp_with_fractions(
    gate, fractions, is_replay
):
    """RSA has one signature for the same bytes: nothing tells the second call from a replay."""
    second, end = (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + ahead)) for ahead in (0, 300)
    )
    template = SIGNED.replace(b"@@now+300@@", f"{end}Z".encode())
    first, again = (
        message(template.replace(b"@@now@@", f"{second}{fraction}Z".encode()))
        for fraction in fractions
    )
    assert gate.admit(first)
    if is_replay:
        assert first.body == again.body
        assert "write milliseconds in Created" in refusal(gate, again)
    else:
        assert gate.admit(again)


def test_what_was_refused_is_not_taken_for_shown(gate):
    one = message(USER)
    late = replace(one, arrived=time.time() + 5000)
    assert "s old" in refusal(gate, late)
    assert gate.admit(replace(one, id="01ARZ3NDEKTSV4RRFFQ69G5FAV"))


def test_of_many_at_once_one_request_shows_a_token_first(gate):
    one = message(USER)
    requests = [replace(one, id=f"01ARZ3NDEKTSV4RRFFQ69G5F{n:02d}") for n in range(16)]

    def admitted(request: Message) -> bool:
        try:
            return bool(gate.admit(request))
        except NotSecured:
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(admitted, requests)) == 1


def test_the_oldest_are_forgotten_for_want_of_room_and_the_operator_is_told_once(caplog):
    memory = wss_replay.Memory(most=2, clock=lambda: 0.0)
    messages = [Message(body=b"", content_type="", id=f"{n:026d}") for n in range(5)]
    for n, one in enumerate(messages):
        memory.note([b"%d" % n], one)
    memory.note([b"0"], messages[4])  # forgotten
    with pytest.raises(NotSecured):
        memory.note([b"4"], messages[0])
    assert caplog.text.count("could be shown again") == 1


def test_what_has_been_too_old_to_be_shown_for_a_day_is_forgotten_and_not_before():
    now = [0.0]
    memory = wss_replay.Memory(300.0, clock=lambda: now[0])
    one, other = (Message(body=b"", content_type="", id=f"{n:026d}") for n in range(2))
    memory.note([b"x"], one)
    now[0] = wss_replay.LONGEST_WAIT + 299
    memory.note([b"y"], one)
    with pytest.raises(NotSecured):
        memory.note([b"x"], other)
    now[0] += 2
    memory.note([b"y"], one)
    memory.note([b"x"], other)


# What has to be shown


def test_both_are_asked_for_unless_one_is_enough():
    both = wsse.gate(either=False)
    assert "asked for: a UsernameToken and a signature" in refusal(both, message(USER))
    assert "it shows a signature;" in refusal(both, message(SIGNED))
    token = USER[USER.index(b"<w:UsernameToken>") : USER.index(b"</w:Security>")]
    together = SIGNED.replace(b"<d:Signature>", token + b"<d:Signature>")
    assert both.admit(message(together))
    assert wsse.gate().admit(message(together))


def test_what_nobody_asked_for_is_refused_for_nobody_verified_it():
    only_users = wsse.gate(either=False, certificates=[])
    only_signed = wsse.gate(either=False, users={})
    assert only_users.admit(message(USER))
    assert only_signed.admit(message(SIGNED))
    assert "it shows a signature" in refusal(only_users, message(SIGNED))
    assert "it shows a UsernameToken" in refusal(only_signed, message(USER))
    stray = USER.replace(b"<w:UsernameToken>", TOKEN + b"<w:UsernameToken>")
    assert "no signature" in refusal(only_users, message(stray))


def test_a_timestamp_beside_a_password_has_to_be_fresh_as_well(gate):
    timestamp = SIGNED[SIGNED.index(b"<u:Timestamp") : SIGNED.index(b"</u:Timestamp>") + 14]
    beside = USER.replace(b"<w:UsernameToken>", timestamp + b"<w:UsernameToken>")
    assert gate.admit(message(beside))
    old = beside.replace(b"@@now@@", b"2020-01-01T00:00:00Z", 1)
    assert "s old" in refusal(gate, message(old))


TEXT = (
    USER.replace(b"#PasswordDigest", b"#PasswordText")
    .replace(b"@@password@@", b"@@secret@@")
    .replace(b"<w:Nonce>@@nonce@@</w:Nonce><u:Created>@@now@@</u:Created>", b"")
)


def test_a_password_as_text_passes_where_that_is_accepted():
    gate = wsse.gate(password_types=["text", "digest"])
    assert gate.admit(message(TEXT))
    assert gate.admit(message(USER))
    assert gate.admit(message(TEXT.replace(b' Type="', b' Type="" x="', 1)))
    wrong = TEXT.replace(b"@@secret@@", b" @@secret@@")
    assert "password is wrong, for the user 'joe'" in refusal(gate, message(wrong))
    digests = wsse.gate(password_types=["text"])
    assert "of a type" in refusal(digests, message(USER))


@pytest.mark.parametrize("template", [USER, TEXT], ids=["digest", "text"])
def test_for_an_unknown_user_all_is_done_that_is_done_for_a_known_one(monkeypatch, template):
    """So neither takes longer: hashes of both sides are made, and compared in constant time."""
    gate = wsse.gate(password_types=["text", "digest"])
    done: list[str] = []
    for module, name in ((hmac, "compare_digest"), (hashlib, "sha1"), (hashlib, "sha256")):
        original = getattr(module, name)

        def noted(*given, original=original, name=name, **named):
            done.append(name)
            return original(*given, **named)

        monkeypatch.setattr(module, name, noted)
    wrong = template.replace(b"@@password@@", b"@@password:wrong@@").replace(b"@@secret@@", b"x")
    requests = [message(wrong), message(wrong.replace(b"joe", b"eve"))]
    steps = []
    for one in requests:
        done.clear()
        refusal(gate, one)
        steps.append(list(done))
    assert steps[0] == steps[1]
    assert "compare_digest" in steps[0]


# What goes on


def test_the_verified_header_is_taken_out_and_every_other_byte_stays(gate):
    other = b'<x:k xmlns:x="urn:k"> 1 <!-- kept --></x:k>'
    template = SIGNED.replace(b"<e:Header>", b"<e:Header>" + other).replace(
        b"</e:Header>", other + b"\n </e:Header>"
    )
    one = message(template)
    call = gate.admit(one)
    begin, end = one.body.index(b"<w:Security"), one.body.index(b"</w:Security>") + 13
    assert call.message.body == one.body[:begin] + one.body[end:]
    assert not list(call.envelope.root.iter(f"{{{WSSE}}}Security"))
    assert replace(call.message, body=one.body) == one


def test_an_empty_element_behind_the_header_is_no_part_of_it(gate):
    one = message(SIGNED.replace(b"</e:Header>", b'<x:k xmlns:x="urn:k"/></e:Header>'))
    assert b'<e:Header><x:k xmlns:x="urn:k"/></e:Header>' in gate.admit(one).message.body


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_the_header_is_found_in_any_encoding(gate, encoding):
    text = wsse.made(USER).decode()
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    one = message(USER)
    call = gate.admit(replace(one, body=(mark + text).encode(encoding)))
    begin, end = text.index("<w:Security"), text.index("</w:Security>") + 13
    assert call.message.body == (mark + text[:begin] + text[end:]).encode(encoding)


def test_the_header_of_somebody_else_stays(gate):
    other = (
        b'<w:Security e:actor="urn:other"><w:UsernameToken><w:Username>canary</w:Username>'
        b"</w:UsernameToken></w:Security>"
    )
    call = gate.admit(message(USER.replace(b"<e:Header>", b"<e:Header>" + other)))
    assert other in call.message.body
    assert call.message.body.count(b"<w:Security") == 1


def test_the_header_is_passed_on_where_the_settings_say_so():
    one = message()
    assert wsse.gate(pass_on=True).admit(one).message is one


def multipart(envelope: bytes, encoding: bytes = b"binary") -> bytes:
    return (
        b"--b\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n"
        b"--b\r\nContent-ID: <a>\r\n\r\nbytes\r\n--b--" % (encoding, envelope)
    )


def test_with_attachments_the_header_is_taken_out_of_the_envelopes_part(gate):
    envelope = wsse.made(USER)
    kind = 'multipart/related; boundary=b; type="text/xml"'
    one = Message(body=multipart(envelope), content_type=kind)
    begin, end = envelope.index(b"<w:Security"), envelope.index(b"</w:Security>") + 13
    assert gate.admit(one).message.body == multipart(envelope[:begin] + envelope[end:])
    packed = multipart(base64.b64encode(wsse.made(USER, age=1)), b"base64")
    with pytest.raises(Refused, match="must not be packed"):
        gate.admit(replace(one, body=packed))


INCLUDE = (
    b'<t:orderId><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:a"/>'
    b"</t:orderId>"
)


@pytest.mark.parametrize("content", [INCLUDE, b"<t:orderId>cid:a</t:orderId>"])
@pytest.mark.parametrize("id", [b"Content-ID: <a>", b"Content-Location: a"])
def test_a_signature_with_attachments_is_refused_in_so_many_words(gate, content, id):
    """It does not cover them, however the Body names them: they could be exchanged."""
    envelope = wsse.made(SIGNED.replace(b"<t:orderId>WH-100001</t:orderId>", content))
    body = multipart(envelope).replace(b"Content-ID: <a>", id)
    one = Message(body=body, content_type='multipart/related; boundary=b; type="text/xml"')
    with pytest.raises(Refused, match=r"does not cover attachments|xop:Include"):
        gate.admit(one)


def test_a_signed_envelope_alone_in_a_multipart_message_passes(gate):
    body = multipart(wsse.made(SIGNED)).partition(b"--b\r\nContent-ID")[0] + b"--b--"
    kind = 'multipart/related; boundary=b; type="text/xml"'
    call = gate.admit(Message(body=body, content_type=kind))
    assert b"w:Security" not in call.message.body


# Faults, settings, certificates


@pytest.mark.parametrize("kind", ["text/xml", "application/soap+xml"])
def test_the_fault_has_the_code_of_the_standard(kind):
    said = fault(NotSecured("canary"), Message(body=b"", content_type=kind)).body.decode()
    assert f'xmlns:sub="{WSSE}"' in said
    assert "sub:InvalidSecurity" in said
    assert "canary" not in said


def test_certificates_that_change_are_read_again(tmp_path):
    file = tmp_path / "callers.pem"
    file.write_bytes(wsse.keys("mallory").certificate.read_bytes())
    gate = wsse.gate(certificates=[str(file)])
    assert "not in the settings" in refusal(gate, message())
    both = [wsse.keys(who).certificate.read_bytes() for who in ("mallory", wsse.SIGNER)]
    file.write_bytes(b"".join(both))
    time.sleep(LOOK)
    assert gate.admit(message())


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_that_holds_no_certificate_stops_the_start(tmp_path, text):
    file = tmp_path / "empty.pem"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"services\.it: wss\.certificates: .*empty"):
        wsse.gate(certificates=[str(file)])
    with pytest.raises(ConfigurationError, match=r"missing\.pem cannot be read"):
        wsse.gate(certificates=[str(tmp_path / "missing.pem")])


def test_each_file_of_certificates_is_read_again_whatever_the_others_hold(tmp_path, caplog):
    files = [tmp_path / "a.pem", tmp_path / "b.pem"]
    ours, theirs = (wsse.keys(name).certificate for name in (wsse.SIGNER, "mallory"))
    for file in files:
        file.write_bytes(ours.read_bytes())
    signers = Signers(files, look=0.0)

    def count() -> int:
        (found,) = read_signers(ours, ours.read_bytes())
        with contextlib.suppress(NotSecured):
            return len(list(signers.matching(lambda one: one.der == found.der, time.time())))
        return 0

    assert count() == 2
    files[1].write_bytes(b"")
    files[0].write_bytes(theirs.read_bytes())
    assert count() == 1  # of the file that is broken, the last one is kept
    assert "b.pem holds no certificate" in caplog.text
    files[1].write_bytes(theirs.read_bytes())
    assert count() == 0


def test_a_short_key_stops_the_start(tmp_path):
    key = ("-newkey", "rsa:1024", "-nodes", "-keyout", tmp_path / "key.pem")
    made = ("openssl", "req", "-x509", *key, "-subj", "/CN=short", "-out", tmp_path / "short.pem")
    subprocess.run(made, check=True, capture_output=True)
    with pytest.raises(ConfigurationError, match=r"short\.pem .* RSA of at least 2048 bits"):
        wsse.gate(certificates=[str(tmp_path / "short.pem")])


def test_without_cryptography_the_start_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    monkeypatch.delitem(sys.modules, "gateway.admission.wss.x509")
    with pytest.raises(ConfigurationError, match=r"pip install 'soap-queue-gateway\[wss\]'"):
        wsse.gate()
    assert wsse.gate(either=False, certificates=[]).admit(message(USER))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_is_done_to_a_secured_request_it_is_admitted_or_refused(data):
    body = bytearray(wsse.made(data.draw(st.sampled_from([SIGNED, USER]))))
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(body)))
        piece = bytes(body[begin : begin + data.draw(st.integers(0, 60))])
        body[begin : begin + len(piece)] = data.draw(
            st.sampled_from([b"", piece * 2, piece[::-1], b"<w:Nonce/>", b"<!---->"])
            | st.binary(max_size=4)
        )
    with contextlib.suppress(Refused):
        GATE.admit(Message(body=bytes(body), content_type="text/xml"))


GATE = wsse.gate()
