"""A hostile contract: whatever it names, nothing else is read, and it comes to an end."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from certificates import Authority

from gateway.contract import (
    Access,
    Copies,
    from_documents,
    load,
)
from gateway.contract.documents import fetching
from gateway.contract.documents import gathering as documents
from gateway.errors import ConfigurationError, ContractError

ROOT = Path(__file__).resolve().parents[3]
XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SECRET = f'<xs:schema {XS} targetNamespace="urn:orders"><xs:element name="secret"/></xs:schema>'
TYPE = '<xs:element name="getOrder" type="xs:int"/>'

ORDERS = '<xs:schema targetNamespace="urn:orders">{}</xs:schema>'
FORMS = {
    "wsdl:import": {"head": '<import namespace="urn:x" location="{}"/>'},
    "wsdl:import at the end": {"tail": '<import namespace="urn:x" location="{}"/>'},
    "xs:import": {
        "types": '<xs:schema><xs:import namespace="urn:x" schemaLocation="{}"/></xs:schema>'
    },
    "xs:include": {"types": ORDERS.format('<xs:include schemaLocation="{}"/>')},
    "xs:redefine": {"types": ORDERS.format('<xs:redefine schemaLocation="{}"/>')},
    "behind an include": {"types": ORDERS.format('<xs:include schemaLocation="next.xsd"/>')},
}
"""Every way in which WSDL 1.1 and XML Schema 1.0 name another document."""

OUTSIDE = [
    "../secret.xsd",
    "./../secret.xsd",
    "x/../../secret.xsd",
    "%2e%2e/secret.xsd",
    "..%2fsecret.xsd",
    "%2E%2E%2Fsecret.xsd",
    "  ../secret.xsd  ",
    "\t../secret.xsd",
    "..//secret.xsd",
    "link.xsd",
    "up/secret.xsd",
    "chain.xsd",
    "{outside}",
    "file:{outside}",
    "file://{outside}",
    "file://localhost{outside}",
    "FILE:{outside}",
    "file:../secret.xsd",
    "file:%2e%2e/secret.xsd",
    "file:%252e%252e/secret.xsd",
    "/proc/self/environ",
    "/dev/zero",
    "//secret.xsd",
    "///etc/hostname",
    "~/secret.xsd",
    "..\\secret.xsd",
    "file://elsewhere/secret.xsd",
    "ftp://127.0.0.1/x",
    "jar:file:{outside}!/x",
    "data:text/xml,%3Cx/%3E",
    "php://filter/resource={outside}",
    "http://127.0.0.1:1/x",
    "HTTP://LOCALHOST:1/x",
    "http://documents.invalid/x",
    "http://[::1]/x",
    "http://[x",
    "file://[x",
    "//[x",
    "x%00.xsd",
    "pipe",
    "folder",
    "x" * 5000,
    "a/" * 3000,
    "#fragment",
    "?query",
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.xsd").write_text(SECRET)
    inside = tmp_path / "contracts"
    inside.mkdir()
    (inside / "link.xsd").symlink_to("../secret.xsd")
    (inside / "chain.xsd").symlink_to("link.xsd")
    (inside / "up").symlink_to("..")
    (inside / "folder").mkdir()
    os.mkfifo(inside / "pipe")
    return inside


@pytest.fixture
def write(folder, wsdl, get):
    def write_it(form, location):
        location = location.replace("{outside}", str(folder.parent / "secret.xsd"))
        parts = {key: text.replace("{}", location) for key, text in FORMS[form].items()}
        if form == "behind an include":
            (folder / "next.xsd").write_text(
                f'<xs:schema {XS} targetNamespace="urn:orders">\n<xs:import namespace="urn:x"'
                f' schemaLocation="{location}"/>{TYPE}</xs:schema>'
            )
        (folder / "a.wsdl").write_bytes(wsdl(get, **parts))

    return write_it


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("location", OUTSIDE)
def test_nothing_outside_is_read_and_the_line_that_tried_is_told(folder, write, form, location):
    write(form, location)
    with pytest.raises(ContractError) as caught:
        load("a.wsdl", folder=folder)
    file, line = ("next.xsd", 2) if form == "behind an include" else ("a.wsdl", None)
    said = str(caught.value)
    assert "\n" not in said.replace(location, "")
    assert said.startswith(f"{folder / file}:{line or ''}")
    number = said.removeprefix(f"{folder / file}:").partition(":")[0]
    text = (folder / file).read_text().splitlines()
    assert any(
        "ocation=" in text[at] for at in range(int(number) - 1, min(int(number) + 1, len(text)))
    )


HINTS = (
    f'<x:hint xmlns:x="urn:x" xmlns:xsi="{XSI}" xsi:schemaLocation="urn:x {{0}}"'
    ' xsi:noNamespaceSchemaLocation="{0}"/>'
    '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{0}"/>'
    '<wsp:PolicyReference xmlns:wsp="http://www.w3.org/ns/ws-policy" URI="{0}"/>'
)


def test_hints_xincludes_and_stylesheets_are_not_followed(site, folder, wsdl, get):
    types = ORDERS.format(f"<xs:annotation><xs:appinfo>{HINTS}</xs:appinfo></xs:annotation>{TYPE}")
    for location in (f"{site.url}/hint", str(folder.parent / "secret.xsd")):
        data = wsdl(get, types=types.format(location), head=HINTS.format(location))
        style = f'<?xml-stylesheet href="{location}" type="text/xsl"?>'
        start = f'{style}<definitions xml:base="{location}"'
        (folder / "a.wsdl").write_bytes(data.replace(b"<definitions", start.encode(), 1))
        assert load("a.wsdl", folder=folder, hosts=frozenset({site.host})).operations
    assert not site.asked


ENTITIES = [
    '<!DOCTYPE d SYSTEM "{0}">',
    '<!DOCTYPE d [<!ENTITY e SYSTEM "{0}">]>',
    '<!DOCTYPE d [<!ENTITY % e SYSTEM "{0}"> %e;]>',
    '<!DOCTYPE d [<!ENTITY e "x">]>',
    "<!DOCTYPE d>",
]


@pytest.mark.parametrize("declared", ENTITIES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_and_leads_nowhere(site, folder, wsdl, get, declared, encoding):
    for location in (f"{site.url}/dtd", (folder.parent / "secret.xsd").as_uri()):
        text = wsdl(get).decode().partition("?>")[2]
        text = f'<?xml version="1.0" encoding="{encoding}"?>' + declared.format(location) + text
        (folder / "a.wsdl").write_bytes(
            text.replace("getOrder", "getOrder&e;" if "e S" in declared else "getOrder").encode(
                encoding
            )
        )
        with pytest.raises(ContractError, match=r"DOCTYPE|not well-formed"):
            load("a.wsdl", folder=folder, hosts=frozenset({site.host}))
    assert not site.asked


def test_entities_do_not_grow(folder, wsdl, get):
    laughs = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE d [<!ENTITY a0 "ha">{laughs}]><definitions x="&a9;"'
    (folder / "a.wsdl").write_bytes(wsdl(get).replace(b"<definitions", doctype.encode(), 1))
    with quickly(), pytest.raises(ContractError):
        load("a.wsdl", folder=folder)


def test_a_name_that_is_changed_in_between_leads_nowhere(folder, wsdl, get, monkeypatch):
    """A file becomes a link after it was looked at and before it is opened."""
    (folder / "o.xsd").write_text(SECRET.replace("secret", "getOrder"))
    (folder / "deep").mkdir()
    (folder / "deep" / "o.xsd").write_text(SECRET.replace("secret", "getOrder"))
    look = os.path.realpath

    def swap(name, target):
        def changed(path, **options):
            found = look(path, **options)
            if str(path).endswith(("/o.xsd", "deep/o.xsd")) and not (folder / name).is_symlink():
                kept = folder / "kept"
                (folder / name).rename(kept)
                (folder / name).symlink_to(target)
            return found

        return changed

    for name, target, location in (
        ("o.xsd", "../secret.xsd", "o.xsd"),
        ("deep", "..", "deep/o.xsd"),
    ):
        monkeypatch.setattr(os.path, "realpath", swap(name, target))
        types = ORDERS.format(f'<xs:include schemaLocation="{location}"/>')
        (folder / "a.wsdl").write_bytes(wsdl(get, types=types))
        with pytest.raises(ContractError, match=r"a\.wsdl:5: .* (cannot be read|is not there)"):
            load("a.wsdl", folder=folder)
        assert (folder / name).is_symlink()
        shutil.rmtree(folder / "kept") if (folder / "kept").is_dir() else (folder / "kept").unlink()


def test_links_inside_of_the_folder_are_followed(folder, wsdl, get):
    (folder / "folder" / "o.xsd").write_text(SECRET.replace("secret", "getOrder"))
    (folder / "inner.xsd").symlink_to("folder/o.xsd")
    types = ORDERS.format('<xs:include schemaLocation="inner.xsd"/>')
    (folder / "a.wsdl").write_bytes(wsdl(get, types=types))
    assert load("a.wsdl", folder=folder).operations


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")
def test_the_system_sees_nothing_opened_or_dialled(folder, write, tmp_path):
    log = tmp_path / "strace"
    program = (
        "import sys; from pathlib import Path; from gateway.contract import load\n"
        "from gateway.errors import ContractError\n"
        "folder = Path(sys.argv[1])\n"
        "for path in sorted(folder.glob('*.wsdl')):\n"
        "    try: load(path.name, folder=folder)\n"
        "    except ContractError: pass\n"
    )
    for number, location in enumerate(OUTSIDE):
        write("xs:include", location)
        (folder / "a.wsdl").rename(folder / f"{number}.wsdl")
    command = ["strace", "-f", "-e", "trace=openat,open,connect,stat,newfstatat", "-o", log]
    subprocess.run([*command, sys.executable, "-P", "-c", program, folder], check=True)
    told = log.read_text()
    assert "0.wsdl" in told
    calls = [line for line in told.splitlines() if "secret.xsd" in line]
    # What it says to be outside is not even looked for; a link is looked at to see where it leads.
    assert not [line for line in calls if re.search(r" open(at)?\(", line) and "= -1" not in line]
    assert not [line for line in told.splitlines() if "connect(" in line and "AF_INET" in line]
    assert not [
        line for line in told.splitlines() if "/dev/zero" in line or "/etc/hostname" in line
    ]


class quickly:
    """What is inside comes to an end within some seconds, whatever it is given."""

    def __init__(self, seconds=10.0):
        self._seconds = seconds

    def __enter__(self):
        self._began = time.process_time()

    def __exit__(self, *error):
        assert time.process_time() - self._began < self._seconds


def including(*locations):
    included = "".join(f'<xs:include schemaLocation="{one}"/>' for one in locations)
    return (
        f'<xs:schema targetNamespace="urn:orders" xmlns:o="urn:orders">{included}{TYPE}</xs:schema>'
    )


def schema(body):
    return f'<xs:schema targetNamespace="urn:orders" xmlns:o="urn:orders">{TYPE}{body}</xs:schema>'


def doubling(kind):
    """Return groups of which each is made of the one before, twice."""
    inside = '<xs:{0} ref="o:g{1}"/>' * 2
    first = "<xs:sequence>{}</xs:sequence>" if kind == "group" else "{}"
    groups = "".join(
        f'<xs:{kind} name="g{n}">{first.format(inside.format(kind, n - 1))}</xs:{kind}>'
        for n in range(1, 40)
    )
    leaf = first.format("<xs:element name='q'/>" if kind == "group" else "<xs:attribute name='q'/>")
    used = f'<xs:complexType name="b"><xs:{kind} ref="o:g39"/></xs:complexType>'
    return f'<xs:{kind} name="g0">{leaf}</xs:{kind}>{groups}{used}'


@pytest.mark.parametrize(
    ("types", "others", "says"),
    [
        (including(*map(str, range(5000))), "wide", "it takes more than 1000 documents"),
        (including("0"), "endless", "it takes more than 1000 documents"),
        (including(*["0"] * 30_000), "wide", "it takes more than 20000 imports and includes"),
        (schema(doubling("group")), "", "orders.wsdl:5: this group expands to more than"),
        (schema(doubling("attributeGroup")), "", "this group expands to more than"),
        (including("0"), "chain", "nested too deep or build on each other"),
        (
            schema(
                "<xs:complexType name='b'>"
                + "<xs:sequence>" * 1500
                + "</xs:sequence>" * 1500
                + "</xs:complexType>"
            ),
            "",
            "nested too deep or build on each other",
        ),
    ],
)
def test_a_contract_without_an_end_is_refused_soon(wsdl, get, types, others, says, monkeypatch):
    empty = f"<xs:schema {XS}/>".encode()
    made = {
        "": {},
        "wide": {str(n): empty for n in range(5000)},
        "endless": {
            str(n): f'<xs:schema {XS}><xs:include schemaLocation="{n + 1}"/></xs:schema>'.encode()
            for n in range(1200)
        },
        "chain": {
            str(n): f'<xs:schema {XS}><xs:include schemaLocation="{n + 1}"/></xs:schema>'.encode()
            for n in range(990)
        }
        | {"990": empty},
    }[others]
    with quickly(), pytest.raises(ContractError) as caught:
        from_documents({"orders.wsdl": wsdl(get, types=types), **made}, "orders.wsdl")
    assert says in str(caught.value)


def test_groups_in_utf_16_are_measured_as_well(folder, wsdl, get):
    text = wsdl(get, types=schema(doubling("group"))).decode()
    text = text.replace('<?xml version="1.0"?>', '<?xml version="1.0" encoding="utf-16"?>')
    (folder / "a.wsdl").write_bytes(text.encode("utf-16"))
    with quickly(), pytest.raises(ContractError, match="this group expands to more than"):
        load("a.wsdl", folder=folder)


def test_groups_in_a_circle_come_to_an_end(contract, wsdl, get):
    circle = (
        '<xs:group name="g"><xs:sequence><xs:group ref="o:h"/></xs:sequence></xs:group>'
        '<xs:group name="h"><xs:sequence><xs:group ref="o:g"/></xs:sequence></xs:group>'
        '<xs:complexType name="b"><xs:group ref="o:g"/></xs:complexType>'
    )
    with quickly():
        try:
            notes = contract(wsdl(get, types=schema(circle))).notes
        except ContractError:
            return
    assert any("do not compile" in note for note in notes)


def test_too_many_bytes_and_too_much_time_are_refused(wsdl, get, monkeypatch):
    data = {"orders.wsdl": wsdl(get, types=including("0")), "0": f"<xs:schema {XS}/>".encode()}
    for name, value, says in (
        ("MAX_TOTAL", 500, "it takes more than 500 bytes"),
        ("LOADING", -1.0, "s to be read"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(documents, name, value)
            with pytest.raises(ContractError, match=says):
                from_documents(data, "orders.wsdl")
    assert from_documents(data, "orders.wsdl").operations


@pytest.fixture
def raw_server():
    """Return what serves bytes as a function of the socket, on a free port; yields addresses."""
    ends = []

    def serve(handle):
        listening = socket.create_server(("127.0.0.1", 0))

        def run():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        handle(connection)
                    except OSError:
                        pass

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        ends.append((listening, thread))
        return f"127.0.0.1:{listening.getsockname()[1]}"

    yield serve
    for listening, thread in ends:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5.0)


def drip(connection):
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def endless(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b" " * 65536)


def answer(head, body=b""):
    return lambda connection: connection.sendall(head + b"\r\n\r\n" + body)


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        (drip, "does not come within|does not answer"),
        (lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), drip(c)), "does not come within"),
        (endless, "is larger than"),
        (
            answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip", gzip.compress(b" " * 10**7)),
            "is compressed, which was not asked for",
        ),
        (
            answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x"),
            "answers with a redirect",
        ),
        (answer(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic"), r"log in with \[services"),
        (
            answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99", b"<x/>"),
            "does not answer|not well-formed",
        ),
        (answer(b"SSH-2.0-x"), "does not answer"),
        (answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"zz\r\n"), "does not answer"),
    ],
)
def test_a_hostile_server_is_given_up(folder, raw_server, monkeypatch, handle, says):
    monkeypatch.setattr(fetching, "TOTAL_TIMEOUT", 1.5)
    monkeypatch.setattr(fetching, "MAX_DOCUMENT", 2**20)
    host = raw_server(handle)
    began = time.monotonic()
    with pytest.raises(ContractError, match=says):
        load(f"http://{host}/a", folder=folder, hosts=frozenset({host}))
    assert time.monotonic() - began < 8.0


def test_a_copy_is_no_way_around_the_hosts(site, folder, wsdl, get, tmp_path):
    site.pages["/a"] = (200, {}, wsdl(get))
    named, copies = frozenset({site.host}), Copies(tmp_path / "copies", "a")
    load(f"{site.url}/a", folder=folder, hosts=named, copies=copies)
    site.pages.clear()
    assert load(f"{site.url}/a", folder=folder, hosts=named, copies=copies).operations
    with pytest.raises(ContractError, match="not named for contracts"):
        load(f"{site.url}/a", folder=folder, copies=copies)


def test_a_password_in_an_address_is_not_repeated(folder, write):
    write("xs:include", "http://me:canary@127.0.0.1/x")
    with pytest.raises(ContractError) as caught:
        load("a.wsdl", folder=folder)
    assert "canary" not in str(caught.value)


def access(host, headers=None, tls=None):
    return Access(host=host, headers=lambda: headers or {}, tls=lambda: tls)


def test_the_login_is_shown_to_the_server_of_the_wsdl_alone(site, raw_server, folder, wsdl, get):
    seen = []

    def other(connection):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\n\r\n" + SECRET.replace("secret", "getOrder").encode()
        )

    def recorded(host):
        def handle(connection):
            seen.append(host)
            other(connection)

        return handle

    elsewhere = raw_server(recorded("other"))
    site.pages["/a"] = (
        200,
        {},
        wsdl(get, types=including(f"http://{elsewhere}/o.xsd").replace(TYPE, "")),
    )
    asked = access(site.host, {"Authorization": "Basic eDp5"})
    loaded = load(
        f"{site.url}/a", folder=folder, hosts=frozenset({site.host, elsewhere}), access=asked
    )
    assert loaded.operations
    assert seen == ["other"]
    assert site.authorizations == ["Basic eDp5"]


def test_a_secret_that_is_missing_is_told_as_such(site, folder, wsdl, get):
    site.pages["/a"] = (200, {}, wsdl(get))

    def missing():
        raise ConfigurationError("backend.password: the environment has no variable X")

    asked = Access(host=site.host, headers=missing, tls=lambda: None)
    with pytest.raises(ConfigurationError, match="no variable X"):
        load(f"{site.url}/a", folder=folder, hosts=frozenset({site.host}), access=asked)


class Verified:
    """TLS with an authority of its own, as ``backends.tls`` makes it."""

    def __init__(self, authority, name=None):
        self.name = name
        self._authority = authority

    def context(self):
        return ssl.create_default_context(cafile=self._authority)


def test_tls_is_verified_with_the_authority_and_the_name_that_are_set(
    site, folder, wsdl, get, tmp_path
):
    authority = Authority.make(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("orders.internal.example"))
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.pages["/a"] = (200, {}, wsdl(get))
    url, hosts = f"https://{site.host}/a", frozenset({site.host})
    right = Verified(authority.file, "orders.internal.example")
    assert load(url, folder=folder, hosts=hosts, access=access(site.host, tls=right)).operations
    for wrong in (
        None,
        Verified(authority.file),
        Verified(authority.file, "x.example"),
    ):
        with pytest.raises(ContractError, match=r"is not trusted; name its authority"):
            load(url, folder=folder, hosts=hosts, access=access(site.host, tls=wrong))


def test_a_server_without_tls_is_not_told_as_one_that_is_not_trusted(raw_server, folder):
    def plain(connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    def refusing(connection):
        connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # the alert handshake_failure

    for handle, told in ((plain, "does not speak TLS; write http://"), (refusing, "TLS 1.2")):
        host = raw_server(handle)
        with pytest.raises(ContractError, match=told) as caught:
            load(f"https://{host}/a", folder=folder, hosts=frozenset({host}))
        assert "trusted" not in str(caught.value)


def test_a_host_that_no_resolver_knows_is_told_as_that(folder):
    with pytest.raises(ContractError, match="on a host whose name is not known here; correct"):
        load("http://queue.invalid/a", folder=folder, hosts=frozenset({"queue.invalid"}))
