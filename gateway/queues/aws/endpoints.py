"""Where requests to AWS's services go: to a host, perhaps by a proxy."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

from yarl import URL


@dataclass(frozen=True, slots=True)
class Route:
    """Where requests go: the name that they say, and the proxy on the way, if there is one."""

    host: str
    proxy: str | None


class Places:
    """The places that were asked for. Proxies are those of the environment, as boto3 finds them.

    Left to aiohttp they are looked for in a thread, for each request: half of what that costs.
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
