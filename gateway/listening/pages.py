"""What the listener publishes about its services: pages for people, contracts for programs."""

from __future__ import annotations

import asyncio
import html
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from gateway.admission import Gate
from gateway.contract import Contract, Operation
from gateway.listening.answers import CLIENT, HOST

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
 body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto }}
 td, th {{ text-align: left; padding: .2rem 1rem .2rem 0 }}
 code {{ background: #eee; padding: .1rem .3rem }}
</style>
<h1>{title}</h1>
{content}
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedService:
    """A service as the listener offers it."""

    contract: Contract
    gate: Gate


_HERE = f"http://{secrets.token_hex(16)}.invalid/"
"""Placeholder in the documents for a service's address, which depends on the caller."""


class Pages:
    """Answers requests about services; ``url`` is the listener's address, if it is set."""

    def __init__(self, services: Mapping[str, ListedService], url: str) -> None:
        self._services = services
        self._url = url
        self._publishing = asyncio.Lock()
        self._documents: dict[str, Mapping[str, bytes]] = {}

    async def index(self, request: web.Request) -> web.Response:
        """List the services."""
        names = [name for name in self._services if self._of_use(request, name) is not None]
        return _page(index_page({name: self._address(request, name) for name in names}))

    async def service(self, request: web.Request) -> web.Response:
        """Answer ``?wsdl`` and the documents that it refers to, with the listener's address."""
        name = request.match_info["service"]
        listed = self._of_use(request, name)
        if listed is None:
            raise web.HTTPNotFound(text=f"There is no service {name!r}: GET / lists them.\n")
        address, query = self._address(request, name), request.query_string.lower()
        if not query:
            may = partial(listed.gate.rights.may, request.get(CLIENT, ""))
            allowed = [one for one in listed.contract.operations if may(one.name)]
            return _page(service_page(name, allowed, address))
        document = (await self._published(name, listed)).get(query)
        if document is None:
            raise web.HTTPNotFound(text=f"{name} has no document {query!r}: try ?wsdl.\n")
        written = html.escape(address).encode()
        document = document.replace(_HERE.encode(), written)
        return web.Response(body=document, content_type="text/xml", charset="utf-8")

    async def _published(self, name: str, listed: ListedService) -> Mapping[str, bytes]:
        """Return the documents of a service, with _HERE for its address; made once.

        Large ones take a second: repeated requests must not hold up others.
        """
        async with self._publishing:
            if name not in self._documents:
                publish = listed.contract.publish
                self._documents[name] = await asyncio.to_thread(publish, _HERE)
        return self._documents[name]

    def _of_use(self, request: web.Request, name: str) -> ListedService | None:
        """Return a service if the client may call any of its operations; None otherwise."""
        listed, client = self._services.get(name), request.get(CLIENT, "")
        return listed if listed is not None and listed.gate.rights.is_of_use(client) else None

    def _address(self, request: web.Request, name: str) -> str:
        """Return the address of a service: as configured, or else as the client wrote it."""
        # Not request.host: that lacks the port where the request line has the whole address.
        host = request.headers.get("Host", request.host)
        if not self._url and not HOST.fullmatch(host):
            raise web.HTTPBadRequest(text="The Host header names no host.\n")
        return f"{self._url.rstrip('/') or f'{request.scheme}://{host}'}/{name}"


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def index_page(addresses: Mapping[str, str]) -> str:
    """Return a page that lists the services by name and address."""
    rows = "".join(
        f'<tr><td><a href="{html.escape(name)}">{html.escape(name)}</a>'
        f"<td><code>{html.escape(address)}</code>"
        f'<td><a href="{html.escape(name)}?wsdl">WSDL</a>'
        for name, address in sorted(addresses.items())
    )
    return PAGE.format(
        title="SOAP services on this queue",
        content=f"<table><tr><th>Service<th>Address<th>Contract{rows}</table>",
    )


def service_page(name: str, operations: Iterable[Operation], address: str) -> str:
    """Return a page with the operations of a service, and a call to copy."""
    unique = sorted({(operation.name, operation.one_way) for operation in operations})
    rows = "".join(
        f"<tr><td>{html.escape(operation)}<td>{'one-way' if one_way else 'request and reply'}"
        for operation, one_way in unique
    )
    call = f"curl -H 'Content-Type: text/xml; charset=utf-8' --data-binary @request.xml {address}"
    return PAGE.format(
        title=html.escape(name),
        content=(
            f'<p>Its contract: <a href="?wsdl"><code>{html.escape(address)}?wsdl</code></a></p>'
            f"<table><tr><th>Operation<th>Kind{rows}</table>"
            f"<p>Call it with any SOAP client, or by hand:</p><pre>{html.escape(call)}</pre>"
        ),
    )
