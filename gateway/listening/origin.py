"""The first checks of a call: it is meant for this listener, and no foreign web page sent it.

A browser sends what any page tells it to, from inside its network. So the Host header must name
this listener (otherwise a page could point its own name here: DNS rebinding), and an Origin must be
an allowed one.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.errors import INTERNAL, Check, FaultError, Refused, unquoted
from gateway.listening.answers import HOST, message_of, refusal
from gateway.listening.settings import ListenerSettings

log = logging.getLogger(__name__)

ONCE = {"SOAPAction": Check.SOAP_ACTION, "Content-Encoding": Check.CONTENT_ENCODING}
"""Headers that a call may have only once, and that the HTTP library accepts twice."""
ORIGIN = web.RequestKey("ORIGIN", str)
"""Key of a request: the origin that may read its answer."""
MAY_SEND = "Authorization, Content-Type, Prefer, SOAPAction"
MAY_READ = "Location, Preference-Applied, Retry-After"


def door(settings: ListenerSettings) -> Middleware:
    """Return a middleware that refuses calls for another host, and those of foreign web pages."""
    names = {settings.host, urlsplit(settings.url or "").hostname or "", *settings.hosts}
    hosts = {one.lower() for one in names - {""}}

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = (
            _in_other_words(request)
            or _misdirected(request, hosts)
            or _cross_site(request, settings)
            or _twofold(request)
        )
        if refused is not None:
            answer: web.StreamResponse = refused
        elif request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            answer = _preflight(request)
        else:
            answer = await _answered(request, handler)
        if _is_last(request):
            answer.force_close()
        return answer

    return middleware


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Handle a request; a bug becomes a fault."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if _is_last(request):
            error.force_close()
        raise
    except ConnectionError:
        raise
    except Exception as error:
        message = message_of(request)
        log.error("%s failed in the listener", message.id, exc_info=unquoted(error))
        return refusal(request, FaultError(INTERNAL), 500)


def _in_other_words(request: web.Request) -> web.Response | None:
    """Refuse unusual HTTP versions and transfer codings that the library accepts.

    A proxy in front may have read the request differently (RFC 9112, sections 2.3 and 6.1).
    """
    codings = request.headers.getall("Transfer-Encoding", ())
    if request.version.major != 1:
        status, text = 505, "Speak HTTP/1.1."
    elif codings and [one.strip().lower() for one in codings] != ["chunked"]:
        status, text = 501, "Send the body with a length or in chunks, and in no other coding."
    elif codings and request.version < (1, 1):
        status, text = 400, "HTTP/1.0 has no chunks: send the body with a length."
    else:
        return None
    return _ended(refusal(request, Refused(text, check=Check.HTTP), status))


def _is_last(request: web.Request) -> bool:
    """Tell whether a request asks to switch protocols, which is never done here.

    The library discards what follows such a request: a call behind it would have no answer.
    """
    return request.method == "CONNECT" or "Upgrade" in request.headers


def _ended(response: web.Response) -> web.Response:
    """Close the connection after this response: where such a request ends is uncertain."""
    response.force_close()
    return response


def _misdirected(request: web.Request, hosts: Collection[str]) -> web.Response | None:
    stated = request.headers.getall("Host", ())
    if not _agrees(request.raw_path, stated):
        text = "The request line names another host than the Host header."
        return _ended(refusal(request, Refused(text, check=Check.HOST), 400))
    if not stated and request.version < (1, 1):
        return None  # HTTP/1.0 had no such header; no browser speaks it
    found = HOST.fullmatch(stated[0]) if len(stated) == 1 else None
    if found is None:
        return refusal(request, Refused("The Host header names no host.", check=Check.HOST), 400)
    if is_own(found[1], hosts):
        return None
    log.warning("not answered: its Host header does not name this listener; see listener.hosts")
    text = "This listener does not go by the name in the Host header. Its operator can add it."
    return refusal(request, Refused(text, check=Check.HOST), 421)


def _agrees(target: str, stated: Sequence[str]) -> bool:
    """Tell whether a request line names no host, or the same as the Host header.

    Clients send the first form, and the second to proxies (RFC 9112, section 3.2.2).
    """
    scheme, separator, rest = target.partition("://")
    if target.startswith("/") or not separator:
        return True
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    is_http = scheme.lower() in ("http", "https")
    return is_http and [one.lower() for one in stated] == [authority.lower()]


def is_own(host: str, hosts: Collection[str]) -> bool:
    """Tell whether a host is this listener. An address always is: DNS rebinding needs a name."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name in hosts:
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _cross_site(request: web.Request, settings: ListenerSettings) -> web.Response | None:
    """Refuse a call from another site's page; note the origin of an allowed one."""
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    if origin in settings.origins:
        request[ORIGIN] = origin
        return None
    scheme, _, place = origin.partition("://")  # not urlsplit: it fails on some of what is sent
    here = {request.headers.get("Host", ""), urlsplit(settings.url or "").netloc} - {""}
    if scheme in ("http", "https") and place in here:
        return None
    text = "Pages of this origin may not call here. The operator can add it to listener.origins."
    return refusal(request, Refused(text, check=Check.ORIGIN), 403)


def _twofold(request: web.Request) -> web.Response | None:
    """Refuse repeated headers: a proxy in front may have used the other value."""
    for name, check in ONCE.items():
        if len(request.headers.getall(name, ())) > 1:
            return refusal(request, Refused(f"Send the header {name} once.", check=check), 400)
    return None


def _preflight(request: web.Request) -> web.Response:
    """Answer a browser's preflight: what a page may send (Fetch Standard, CORS-preflight)."""
    if ORIGIN not in request:
        raise web.HTTPForbidden(text="Pages of this origin may not call here.\n")
    headers = {
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": MAY_SEND,
        "Access-Control-Max-Age": "600",
    }
    return web.Response(status=204, headers=headers)


async def let_read(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of an allowed origin read the answer; called before that is sent."""
    if origin := request.get(ORIGIN):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = MAY_READ
        response.headers["Vary"] = "Origin"
