"""The host of a request to AWS's services, and the proxy on the way."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from yarl import URL


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go: their Host header, and the proxy, if there is one."""

    host: str
    proxy: str | None


class Places:
    """The places seen so far. Proxies are those of the environment, as boto3 finds them.

    aiohttp would look for them in a thread, for each request: half of a request's cost.
    """

    def __init__(self) -> None:
        self._known: dict[str, Route] = {}

    def of(self, url: str) -> Route:
        """Return the place of a URL."""
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        if origin not in self._known:
            place = URL(origin)
            is_direct = urllib.request.proxy_bypass(place.host or "")
            proxy = None if is_direct else urllib.request.getproxies().get(scheme)
            self._known[origin] = Route(place.host_port_subcomponent or "", proxy)
        return self._known[origin]
