"""A bare HTTP relay: ``relay.py ADDRESS`` passes each POST on, and prints where it listens.

Two of them in a row are the least that a way through two processes can cost with the HTTP library
that the gateway uses: no queue, no XML, no disk.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import aiohttp
import uvloop
from aiohttp import web


async def main(target: str) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as client:

        async def relay(request: web.BaseRequest) -> web.Response:
            headers = {name: request.headers[name] for name in ("Content-Type", "SOAPAction")}
            async with client.post(target, data=await request.read(), headers=headers) as answer:
                kind = {"Content-Type": answer.headers["Content-Type"]}
                return web.Response(body=await answer.read(), status=answer.status, headers=kind)

        runner = web.ServerRunner(web.Server(relay, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/echo", flush=True)
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
