"""A fast SOAP server to measure against: ``backend.py`` prints the address it listens on.

With ``--held`` it keeps every answer back until SIGUSR1; ``--takes`` makes it slow.
"""

from __future__ import annotations

import argparse
import asyncio
import signal

import uvloop
from aiohttp import web
from envelopes import CONTENT_TYPE, NAMESPACE, reply_to

LARGE = 50 << 20
"""Bytes of the attachment that Fetch answers with."""
BOUNDARY = "part-of-the-large-reply"


async def main(held: bool, takes: float) -> None:
    """Serve until SIGTERM; each answer takes so many seconds."""
    stop, released = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, released.set)
    if not held:
        released.set()

    async def answer(request: web.BaseRequest) -> web.Response:
        body = await request.read()
        operation = request.headers["SOAPAction"].strip('"').rpartition("/")[2]
        if not released.is_set():
            await released.wait()
        if takes:
            await asyncio.sleep(takes)
        if operation == "Fetch":
            return _large()
        return web.Response(body=reply_to(body, operation), headers={"Content-Type": CONTENT_TYPE})

    # Without an application's routes: whatever the backend costs, the gateway is measured against.
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await stop.wait()
    await runner.cleanup()


def _large() -> web.Response:
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<e:FetchReply xmlns:e="{NAMESPACE}">cid:large</e:FetchReply></s:Body></s:Envelope>'
    )
    between = f"\r\n--{BOUNDARY}\r\n"
    body = b"".join(
        (
            between[2:].encode(),
            f"Content-Type: {CONTENT_TYPE}\r\nContent-ID: <root>\r\n\r\n{envelope}".encode(),
            between.encode(),
            b"Content-Type: application/octet-stream\r\nContent-ID: <large>\r\n\r\n",
            bytes(LARGE),
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
    )
    kind = f'multipart/related; type="text/xml"; start="<root>"; boundary="{BOUNDARY}"'
    return web.Response(body=body, headers={"Content-Type": kind})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--takes", type=float, default=0.0, help="seconds for each answer")
    options = parser.parse_args()
    uvloop.run(main(options.held, options.takes))
