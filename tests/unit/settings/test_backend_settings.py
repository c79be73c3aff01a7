"""``[services.NAME.backend]``: what may stand there, and that no mistake repeats a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import assembly
from gateway.errors import ConfigurationError
from gateway.settings import from_values

ROOT = Path(__file__).resolve().parents[3]
LOGIN = {"login": "basic", "username": "gateway", "password": "env:ORDERS_PASSWORD"}


@pytest.fixture
def settings(tmp_path):
    for source in (ROOT / "wsdl").glob("warehouse.*"):
        (tmp_path / source.name).write_bytes(source.read_bytes())

    def read(backend, **service):
        service = {"wsdl": "warehouse.wsdl", "forward": "https://10.1.2.3/Orders"} | service
        values = {"queue": "memory:", "services": {"orders": {**service, "backend": backend}}}
        return from_values(values, tmp_path, "gateway.toml")

    return read


@pytest.mark.parametrize(
    ("backend", "says"),
    [
        ({"pasword": "canary"}, "pasword: is not a key of this file: did you mean password?"),
        ({"password": "canary"}, "backend.password: must say where the secret is"),
        ({"password": 5}, "backend.password: must say where the secret is"),
        ({"password": ["canary"]}, "backend.password: must say where the secret is"),
        ({"wss": {"password": "canary"}}, "backend.wss.password: must say where"),
        ({"wss": "canary"}, "backend.wss: must be a table"),
        ({"login": "NTLM"}, "NTLM, Kerberos and Digest need several messages"),
        ({"login": "kerberos"}, 'Have the service accept "basic" over https'),
        ({"login": "canary"}, 'must be "basic" or "bearer"'),
        ({"login": "basic", "username": "x"}, 'login = "basic" needs username and password'),
        ({"login": "bearer"}, 'login = "bearer" needs token'),
        ({"token": "env:X"}, 'token has no effect without login = "bearer"'),
        ({**LOGIN, "token": "env:X"}, "token has no effect without"),
        ({**LOGIN, "username": "a:b"}, "must not hold a colon"),
        ({"key": "a.pem"}, "key has no effect without certificate"),
        ({"hosts": ["http://x/"]}, "must be a list of hosts like"),
        ({"hosts": "x"}, "must be a list of hosts like"),
        ({"connect": 0}, "backend.connect: "),
        ({"wss": {"username": "x"}}, "has both username and password"),
        ({"wss": {"signing_key": "x"}}, "both signing_certificate and signing_key"),
        ({"wss": {}}, "has neither username nor signing_key"),
        (
            {"wss": {"username": "x", "password": "env:X", "password_type": "canary"}},
            'must be "digest" or "text"',
        ),
    ],
)
def test_each_mistake_is_told_with_its_cure_and_without_what_may_be_a_secret(
    settings, backend, says
):
    with pytest.raises(ConfigurationError) as caught:
        settings(backend)
    assert says in str(caught.value)
    assert "services.orders.backend" in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("key", ["forward", "wsdl"])
def test_a_password_in_an_address_is_refused_and_not_repeated(settings, key):
    with pytest.raises(ConfigurationError) as caught:
        settings({}, **{key: "https://gateway:canary@10.1.2.3/x"})
    assert "these go into [services.NAME.backend]" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_hosted_service_has_no_backend(settings):
    with pytest.raises(ConfigurationError, match="has no effect: remove it"):
        settings({"connect": 1.0}, forward=None, host="quotes:QuoteService")


def build(read):
    loaded = assembly.load_service_contract(read, "orders")
    return assembly.forward_backend(read, "orders", loaded.contract)


async def test_a_login_over_http_has_to_be_said_to_be_unsafe(settings, monkeypatch):
    monkeypatch.setenv("ORDERS_PASSWORD", "canary")
    plain = "http://10.1.2.3/Orders"
    for backend in (LOGIN, {"login": "bearer", "token": "env:ORDERS_PASSWORD"}):
        with pytest.raises(ConfigurationError, match="set unsafe_clear_text = true"):
            build(settings(backend, forward=plain))
        await build(settings({**backend, "unsafe_clear_text": True}, forward=plain)).aclose()
        await build(settings(backend)).aclose()


async def test_a_password_in_a_security_header_is_one_in_the_clear_unless_it_is_a_digest(
    settings, monkeypatch
):
    monkeypatch.setenv("ORDERS_PASSWORD", "canary")
    plain = "http://10.1.2.3/Orders"
    wss = {"username": "gateway", "password": "env:ORDERS_PASSWORD"}
    await build(settings({"wss": wss}, forward=plain)).aclose()
    text = {"wss": {**wss, "password_type": "text"}}
    with pytest.raises(ConfigurationError, match="set unsafe_clear_text = true"):
        build(settings(text, forward=plain))
    await build(settings(text)).aclose()
    await build(settings({**text, "unsafe_clear_text": True}, forward=plain)).aclose()


async def test_calls_go_to_named_hosts_only(settings):
    for hosts, forward in (
        (["10.1.2.3"], "https://10.1.2.3:8443/x"),
        (["10.1.2.3:443"], "https://10.1.2.3:443/x"),
        (["ORDERS.example"], "https://orders.Example/x"),
        (["[fe80::1]"], "https://[fe80::1]:81/x"),
    ):
        await build(settings({"hosts": hosts}, forward=forward)).aclose()
    for hosts, forward in (
        (["10.1.2.4"], "https://10.1.2.3/x"),
        (["10.1.2.3:8443"], "https://10.1.2.3/x"),
        (["example"], "https://orders.example/x"),
    ):
        with pytest.raises(ConfigurationError, match="which is not among"):
            build(settings({"hosts": hosts}, forward=forward))


def test_a_wsdl_from_a_server_sends_no_calls_elsewhere(settings, serve_wsdl):
    address = serve_wsdl("http://169.254.169.254/latest")
    with pytest.raises(ConfigurationError) as caught:
        build(settings({}, wsdl=address, forward=None))
    assert "its calls would go to 169.254.169.254" in str(caught.value)
    assert 'hosts = ["169.254.169.254"]' in str(caught.value)


async def test_a_wsdl_from_a_server_sends_calls_there_or_where_the_settings_allow(
    settings, serve_wsdl
):
    here = serve_wsdl("http://127.0.0.1:9/Orders")
    await build(settings({}, wsdl=here, forward=None)).aclose()
    there = serve_wsdl("http://10.9.9.9/Orders")
    allowed = {"hosts": ["10.9.9.9"]}
    await build(settings(allowed, wsdl=there, forward=None)).aclose()
    await build(settings({}, wsdl=there, forward="http://10.9.9.9/Orders")).aclose()


@pytest.fixture
def serve_wsdl():
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages.get(self.path, b"")
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    pages["/warehouse.xsd"] = (ROOT / "wsdl" / "warehouse.xsd").read_bytes()

    def serve(address):
        text = (ROOT / "wsdl" / "warehouse.wsdl").read_text("utf-8")
        path = f"/{len(pages)}.wsdl"
        pages[path] = with_address(text, address).encode()
        return f"http://127.0.0.1:{server.server_port}{path}"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def with_address(wsdl, address):
    import re

    return re.sub(r'(:address location=")[^"]*"', rf'\1{address}"', wsdl)


async def test_a_secret_that_is_not_there_stops_the_start(settings, monkeypatch):
    monkeypatch.delenv("ORDERS_PASSWORD", raising=False)
    with pytest.raises(ConfigurationError, match=r"services\.orders\.backend\.password: the env"):
        build(settings(LOGIN))


def test_a_ca_that_is_not_there_stops_the_start(settings):
    with pytest.raises(ConfigurationError, match=r"services\.orders: backend\.ca: "):
        build(settings({"ca": "nowhere.pem"}))
