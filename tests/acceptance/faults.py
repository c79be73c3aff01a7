"""A proxy between a client and a server of S3 or SQS: it fails requests by rules, and counts them.

Requests pass as they came, with the ``Host`` that the client signed, so a signature made for the
proxy's address is good at the server too. In a test::

    async with FaultProxy(cloud.s3) as proxy:
        rule = proxy.inject(answer_lost, kind("PUT", "/replies/"))
        ...
        assert rule.hits == 1

As a process of its own, ``python faults.py UPSTREAM --latency 0.02``, it prints its URL, and when
it is ended, how many requests of each kind passed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import json
import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect"})
"""What is said to the proxy, not through it (RFC 9110, section 7.6.1)."""
NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came; ``target`` is its path and query, still encoded."""

    method: str
    target: str
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def kind(self) -> str:
        """SQS's action, or for S3 ``LIST`` or the method: ``PUT``, ``GET``, ``HEAD``..."""
        _, _, action = self.headers.get("X-Amz-Target", "").partition(".")
        if action:
            return action
        is_list = self.method == "GET" and "list-type=" in self.target.partition("?")[2]
        return "LIST" if is_list else self.method


Forward = Callable[[], Awaitable[web.Response]]
"""Has the server do the work, once for each call of it."""
Fault = Callable[[Call, Forward], Awaitable[web.Response | None]]
"""Answers a request in the place of the server; None drops the connection."""
Predicate = Callable[[Call], bool]


@dataclass(slots=True)
class Rule:
    """Which requests a fault befalls: those chosen, so many of them, with a probability."""

    fault: Fault
    chosen: Predicate
    times: float
    probability: float
    hits: int = field(default=0, init=False)


class FaultProxy:
    """Runs inside its context, on a port of the loopback interface; ``port`` 0 is any free one.

    Rules are tried in the order of their injection: the first that applies answers. ``latency`` is
    added to every request, in seconds. ``counts`` has every request that arrived, by its kind.
    """

    def __init__(
        self, upstream: str, *, port: int = 0, latency: float = 0.0, seed: int | None = None
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.latency = latency
        self.url = ""
        self._upstream = upstream.rstrip("/")
        self._port = port
        self._random = random.Random(seed)
        self._rules: list[Rule] = []
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> FaultProxy:
        async with contextlib.AsyncExitStack() as stack:
            self._session = await stack.enter_async_context(_session())
            # What a client no longer waits for, the server is told not to wait for either.
            server = web.Server(
                self._answer, handler_cancellation=True, auto_decompress=False, access_log=None
            )
            runner = web.ServerRunner(server, shutdown_timeout=1.0)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def inject(
        self,
        fault: Fault,
        chosen: Predicate = lambda _: True,
        *,
        times: float = 1,
        probability: float = 1.0,
    ) -> Rule:
        """Have a fault befall the next ``times`` chosen requests; ``math.inf`` for all of them."""
        rule = Rule(fault, chosen, times, probability)
        self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Forget all rules."""
        self._rules.clear()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue":
            # boto3 waits a second for it before it sends a body.
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        # Not request.read(), which takes no more than a MiB.
        body = await request.content.read()
        call = Call(request.method, request.raw_path, request.headers, body)
        self.counts[call.kind] += 1
        await asyncio.sleep(self.latency)
        rule = self._applicable(call)
        answer: web.Response | None
        try:
            if rule is None:
                answer = await self._forward(call)
            else:
                answer = await rule.fault(call, lambda: self._forward(call))
        except aiohttp.ClientError:
            answer = None
        if answer is None and request.transport is not None:
            request.transport.abort()
        return answer or web.Response(status=502)

    def _applicable(self, call: Call) -> Rule | None:
        for rule in self._rules:
            due = rule.hits < rule.times and rule.chosen(call)
            if due and self._random.random() < rule.probability:
                rule.hits += 1
                return rule
        return None

    async def _forward(self, call: Call) -> web.Response:
        async with self._session.request(
            call.method,
            URL(self._upstream + call.target, encoded=True),
            headers=_end_to_end(call.headers),
            # aiohttp warns of bytes over a MiB.
            data=io.BytesIO(call.body) if call.body else None,
            allow_redirects=False,
        ) as response:
            return web.Response(
                status=response.status,
                reason=response.reason,
                headers=_end_to_end(response.headers),
                body=await response.read() if call.method != "HEAD" else None,
            )


@contextlib.contextmanager
def proxied(upstream: str, latency: float = 0.0) -> Iterator[FaultProxy]:
    """Run a proxy in a thread of its own, for tests that have no event loop."""
    started: list[FaultProxy] = []
    ready, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def run() -> None:
        try:
            async with FaultProxy(upstream, latency=latency) as proxy:
                started.append(proxy)
                ready.set()
                await ended.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def kind(name: str, part: str = "") -> Predicate:
    """Choose requests of a kind; with ``part`` only those that have it in their path or query."""
    return lambda call: call.kind == name and part in call.target


def conditional(header: str = "If-None-Match") -> Predicate:
    """Choose requests with a header, as conditional writes have it."""
    return lambda call: header in call.headers


async def failed_after(call: Call, forward: Forward) -> web.Response:
    """The work is done, and the answer is 500."""
    await forward()
    return _error(call, 500, "InternalError")


async def failed_before(call: Call, forward: Forward) -> web.Response:
    """Nothing is done, and the answer is 500."""
    return _error(call, 500, "InternalError")


async def slow_down(call: Call, forward: Forward) -> web.Response:
    """Nothing is done: too many requests."""
    if _is_sqs(call):
        return _error(call, 400, "ThrottlingException")
    return _error(call, 503, "SlowDown")


async def conflict(call: Call, forward: Forward) -> web.Response:
    """Nothing is done: S3's 409 for a conditional write that met another one."""
    return _error(call, 409, "ConditionalRequestConflict")


async def refused(call: Call, forward: Forward) -> web.Response:
    """Nothing is done, and the answer is 412, as if another writer had been first."""
    return _error(call, 412, "PreconditionFailed")


async def denied(call: Call, forward: Forward) -> web.Response:
    """Nothing is done: the key may not."""
    if _is_sqs(call):
        return _error(call, 400, "AccessDeniedException")
    return _error(call, 403, "AccessDenied")


async def answer_lost(call: Call, forward: Forward) -> None:
    """The work is done, and the connection drops."""
    await forward()


async def request_lost(call: Call, forward: Forward) -> None:
    """Nothing is done, and the connection drops."""


async def silent(call: Call, forward: Forward) -> None:
    """Nothing is done, and nothing ever comes: the store stands still."""
    await asyncio.Event().wait()


async def doubled(call: Call, forward: Forward) -> web.Response:
    """The work is done twice: of a message there are two then."""
    await forward()
    return await forward()


async def swallowed(call: Call, forward: Forward) -> web.Response:
    """SendMessage and SendMessageBatch: nothing is done, and the answer is that of success."""
    asked = json.loads(call.body)
    said: dict[str, object]
    if call.kind == "SendMessage":
        said = {**_sent(asked)}
    else:
        said = {"Successful": [{"Id": entry["Id"], **_sent(entry)} for entry in asked["Entries"]]}
    return _json(200, said)


def delayed(seconds: float, then: Fault | None = None) -> Fault:
    """Wait before the work is done, or before another fault."""

    async def fault(call: Call, forward: Forward) -> web.Response | None:
        await asyncio.sleep(seconds)
        return await (then(call, forward) if then else forward())

    return fault


def late(seconds: float) -> Fault:
    """The work is done at once, and its answer comes late."""

    async def fault(call: Call, forward: Forward) -> web.Response:
        answer = await forward()
        await asyncio.sleep(seconds)
        return answer

    return fault


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        # A connection for each request: over one that was used, aiohttp sends a PUT again by
        # itself when the server drops it, and the proxy would double what nobody asked it to.
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        skip_auto_headers=NOT_ADDED,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    passed = CIMultiDict(headers)
    for name in HOP_BY_HOP & {name.lower() for name in headers}:
        del passed[name]
    return passed


def _is_sqs(call: Call) -> bool:
    return "X-Amz-Target" in call.headers


def _error(call: Call, status: int, code: str) -> web.Response:
    message = "injected by a test"
    if _is_sqs(call):
        return _json(status, {"__type": f"com.amazonaws.sqs#{code}", "message": message})
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    body = None if call.method == "HEAD" else text.encode()
    return web.Response(status=status, body=body, content_type="application/xml")


def _json(status: int, said: object) -> web.Response:
    body = json.dumps(said).encode()
    return web.Response(status=status, body=body, content_type="application/x-amz-json-1.0")


def _sent(message: dict[str, str]) -> dict[str, str]:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False)
    return {"MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest.hexdigest()}


async def _serve(upstream: str, port: int, latency: float) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with FaultProxy(upstream, port=port, latency=latency) as proxy:
        print(f"listening on {proxy.url}", flush=True)
        await ended.wait()
    print(json.dumps(proxy.counts), flush=True)


def _main() -> None:
    parser = argparse.ArgumentParser(description="A proxy that counts and delays requests.")
    parser.add_argument("upstream", help="the URL of the server")
    parser.add_argument("--port", type=int, default=0, help="0, the default, is any free one")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to each request")
    given = parser.parse_args()
    asyncio.run(_serve(given.upstream, given.port, given.latency))


if __name__ == "__main__":
    _main()
