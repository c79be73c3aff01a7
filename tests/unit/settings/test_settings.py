"""Settings: every mistake is told by its key, with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError
from gateway.settings import read

GOOD = """
queue = "sqlite:///queue.db"

[services.orders]
wsdl = "orders.wsdl"
forward = "http://10.1.2.3/Orders"
repeatable = ["GetOrder"]
"""


@pytest.fixture
def parse(tmp_path: Path):
    def read_text(text: str):
        path = tmp_path / "gateway.toml"
        path.write_text(text)
        return read(path)

    return read_text


def test_a_good_file_is_read_with_its_defaults(parse, tmp_path):
    settings = parse(GOOD)
    assert settings.folder == tmp_path
    assert settings.services["orders"].repeatable == ("GetOrder",)
    assert settings.listener.bind == "127.0.0.1:8800"
    assert (settings.listener.host, settings.listener.port) == ("127.0.0.1", 8800)


def test_an_ipv6_address_is_understood(parse):
    settings = parse(GOOD + '[listener]\nbind = "[::1]:8800"')
    assert (settings.listener.host, settings.listener.port) == ("::1", 8800)


SERVICE = '[services.orders]\nwsdl = "a.wsdl"\n'
QUEUE = 'queue = "memory:"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SERVICE, 'queue: is missing: add a line like queue = "sqlite:///queue.db".'),
        (QUEUE, "services: is missing: add a table like [services.orders]."),
        (QUEUE + "[services]", "services: is empty: add a table like [services.orders]."),
        (
            QUEUE + SERVICE + "fowrard = 'x'",
            "services.orders.fowrard: is not a key of this file: did you mean forward?",
        ),
        (
            QUEUE + SERVICE + "lifetime = 10",
            "services.orders.lifetime: is not a key of [services.orders], but of the whole file: "
            "write lifetime above the first [table].",
        ),
        (
            QUEUE + SERVICE + "[listener]\nqueue = 'memory:'",
            "listener.queue: is not a key of [listener], but of the whole file: "
            "write queue above the first [table].",
        ),
        (
            QUEUE + SERVICE + "limits = { depth = 9 }",
            "services.orders.limits: is not a key of [services.orders], but of the whole file: "
            "write it as [limits].",
        ),
        (
            QUEUE + SERVICE + "[listener]\nbind = '127.0.0.1:65536'",
            "listener.bind: has a port over 65535: it must be from 0 to 65535.",
        ),
        (
            QUEUE + "lisener = 1\n" + SERVICE,
            "lisener: is not a key of this file: did you mean listener?",
        ),
        (
            QUEUE + "zzz = 1\n" + SERVICE,
            "zzz: is not a key of this file: there is audit, client,",
        ),
        (QUEUE + 'folder = "/"\n' + SERVICE, "folder: is not a key of this file"),
        (
            QUEUE + SERVICE + "timeout = 0",
            "services.orders.timeout: must be greater than 0, not 0.",
        ),
        (
            QUEUE + SERVICE + 'timeout = "5"',
            "services.orders.timeout: must be a number, not '5'.",
        ),
        (
            QUEUE + SERVICE + 'repeatable = "all"',
            "services.orders.repeatable: must be true, false, or a list",
        ),
        (
            QUEUE + SERVICE + 'forward = "10.1.2.3"',
            "services.orders.forward: is not an HTTP address",
        ),
        (
            QUEUE + SERVICE + 'forward = "http://h:80800/"',
            "services.orders.forward: is not an HTTP",
        ),
        (QUEUE + SERVICE + 'forward = "http://a..b/"', "services.orders.forward: is not an HTTP"),
        (QUEUE + '[services.orders]\nwsdl = "http://[x"', "services.orders.wsdl: is neither"),
        (
            QUEUE + SERVICE + 'forward = "ftp://a/"',
            "services.orders.forward: is not an HTTP address",
        ),
        (QUEUE + SERVICE + 'host = "quotes"', 'services.orders.host: must be "module:attribute"'),
        (
            QUEUE + SERVICE + 'forward = "http://a/"\nhost = "a:b"',
            "services.orders: has both forward and host",
        ),
        (QUEUE + "[services.orders]\nrepeatable = true", "services.orders: needs wsdl = "),
        (QUEUE + '[services."a b"]\nwsdl = "x"', "a name must have 1 to 64 letters"),
        (QUEUE + SERVICE + '[listener]\nbind = "8800"', 'listener.bind: must be "host:port"'),
        (
            QUEUE + SERVICE + '[listener]\nurl = "soap.example.com"',
            "listener.url: is not an HTTP address",
        ),
        (QUEUE + SERVICE + "[gateway]\nconcurrency = 0", "gateway.concurrency: "),
        (QUEUE + SERVICE + "[limits]\nrequest = 1.5", "limits.request: "),
        (QUEUE + SERVICE + "[limits]\ndepth = 256", "limits.depth: "),
        (QUEUE + SERVICE + "validate = 1", "services.orders.validate: "),
        (QUEUE + SERVICE + "validat = true", "did you mean validate?"),
        (QUEUE + SERVICE + "understands = ['Session']", '["{urn:example:crm}Session"]'),
        (QUEUE + SERVICE + "understands = '{urn:x}a'", '["{urn:example:crm}Session"]'),
        (
            QUEUE + "[services.a]\nhost = 'a:B'\nunderstands = ['{urn:x}a']",
            "services.a: has host: declare what it understands in its class",
        ),
        ("queue = ", "is not valid TOML"),
        (
            QUEUE + "[services.a]\nwsdl = a.wsdl",
            'text must be in quotes, as in wsdl = "orders.wsdl"',
        ),
        ("queue = 'a'\nqueue = 'b'", "is not valid TOML"),
    ],
)
def test_each_mistake_is_told_by_its_key_and_its_cure(parse, text, says):
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert "gateway.toml: " in str(caught.value)


def test_every_mistake_has_a_line(parse):
    with pytest.raises(ConfigurationError) as caught:
        parse('[services.orders]\ntimeout = -1\nnope = 2\nwsdl = "x"')
    lines = str(caught.value).splitlines()
    assert len(lines) == 3, lines
    assert all("gateway.toml: " in line for line in lines)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no such file"):
        read(tmp_path / "gateway.toml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path)


def test_a_file_that_is_not_text_is_told(tmp_path):
    (tmp_path / "gateway.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="is not text in UTF-8"):
        read(tmp_path / "gateway.toml")


def test_a_folder_in_the_place_of_the_file_is_told_in_plain_words(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot be read: Is a directory\.$"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[listener]\nhosts = ['a:80']", "listener.hosts: must be a list of names without ports"),
        ("[listener]\nhosts = 'a'", "listener.hosts: must be a list of names without ports"),
        ("[listener]\norigins = ['*']", "listener.origins: must be a list of origins like"),
        ("[listener]\nconnections = 0", "listener.connections:"),
        ("[listener.tls]\nkey = 'a.pem'", "listener.tls: needs certificate"),
        ("[listener.tls]\ncert = 'a.pem'", "listener.tls.cert: is not a key of this file"),
        ("[sqs]\nsenders = {A = 'a b'}", "sqs.senders.A: a name must have 1 to 64"),
        ("[clients.'a b']", "clients.a b: a name must have 1 to 64"),
    ],
)
def test_what_is_wrong_with_the_front_door_is_told_by_its_key(parse, text, says):
    with pytest.raises(ConfigurationError) as caught:
        parse(QUEUE + SERVICE + text)
    assert says in str(caught.value)
