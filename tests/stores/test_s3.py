"""The queue in a bucket alone: what several gateways on it do to each other."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from dataclasses import replace

import clouds
import pytest
import servers
from aiohttp import web
from answering import Answering
from faults import Call, FaultProxy, Forward, delayed, denied, failed_before, kind

from gateway.errors import IdTaken, LeaseLost, QueueBroken, QueueUnavailable
from gateway.message import Message, Unreadable, new_id
from gateway.queue import State
from gateway.queues.aws.address import BucketAddress, parse_bucket
from gateway.queues.bucket import backlog as s3_backlog
from gateway.queues.bucket import fleet as s3_fleet
from gateway.queues.bucket import intake as s3_intake
from gateway.queues.bucket.layout import Keys
from gateway.queues.bucket.ledger import BucketLedger
from gateway.queues.bucket.probe import check_conditions
from gateway.queues.bucket.queue import S3Queue
from gateway.queues.bucket.status import list_all
from gateway.queues.bucket.store import (
    AccessDenied,
    S3Store,
    Stored,
    Unauthenticated,
)
from gateway.queues.claims.records import Claim, Claimed, Settled, claimable, new_token
from gateway.queues.options import QueueOptions
from gateway.serving.loop import Gateway
from gateway.serving.settings import GatewaySettings

SOON = 60.0
LEASE = 1.0


def request(body: bytes = b"<Envelope/>", **fields: object) -> Message:
    values = {"content_type": "text/xml", "sender": "alice", "target_service": "orders"}
    return Message(body=body, **(values | fields))  # type: ignore[arg-type]


def reply(body: bytes = b"<Reply/>", **fields: object) -> Message:
    return Message(body=body, content_type="text/xml", **fields)  # type: ignore[arg-type]


@pytest.fixture
def address(request, monkeypatch) -> BucketAddress:
    cloud = clouds.started("ministack", request)
    for name, value in servers.environment(cloud).items():
        monkeypatch.setenv(name, value)
    return parse_bucket(f"s3://{servers.fresh_bucket(cloud)}/orders")


@pytest.fixture
async def store(address):
    opened = await S3Store.open(address, 8)
    yield opened
    await opened.aclose()


@pytest.fixture
async def gateways(address):
    options = QueueOptions(lease=LEASE)
    both = [await S3Queue.open(address, options) for _ in range(2)]
    yield both
    for one in both:
        await one.aclose()


def address_of(store: S3Store) -> str:
    """Return the endpoint of a store, for a proxy to stand before it."""
    return store._root.rpartition("/")[0]


def behind(proxy: FaultProxy, address: BucketAddress) -> BucketAddress:
    return parse_bucket(f"s3://{address.bucket}/orders?endpoint_url={proxy.url}")


async def take(queue: S3Queue):
    (delivery,) = await queue.receive(1, SOON)
    return delivery


async def test_what_a_dead_gateway_held_comes_to_another_once_its_lease_stood_still(gateways):
    first, second = gateways
    await first.send(sent := request())
    dead = await take(first)
    began = time.monotonic()
    again = await take(second)
    assert time.monotonic() - began >= LEASE
    assert again.message == replace(sent, interrupted=True)
    assert again.attempt == 2
    await again.answer(reply(b"right"))
    with pytest.raises(LeaseLost):
        await dead.answer(reply(b"zombie"))
    assert (await first.collect("alice", sent.id, 0)).reply.body == b"right"


async def test_a_lease_that_is_renewed_is_left_alone(gateways):
    first, second = gateways
    await first.send(request())
    delivery = await take(first)
    for _ in range(8):
        await asyncio.sleep(LEASE / 3)
        await delivery.extend(LEASE)
        assert list(await second.receive(1, 0)) == []
    await delivery.answer(reply())


async def test_a_renewal_and_an_answer_at_the_same_time_do_not_fence_each_other(gateways):
    first, _ = gateways
    await first.send(sent := request())
    delivery = await take(first)
    await asyncio.sleep(LEASE / 3)
    await asyncio.gather(delivery.extend(LEASE), delivery.answer(reply()))
    assert (await first.collect("alice", sent.id, 0)).state is State.REPLY


async def test_a_gateway_that_ends_gives_back_what_it_holds(address, gateways):
    first, _ = gateways
    other = await S3Queue.open(address, QueueOptions(lease=600))
    await other.send(sent := request())
    await take(other)
    await other.aclose()
    again = await take(first)
    assert again.message == sent
    await again.answer(None)


async def test_gateways_that_know_of_each_other_share_the_work_and_keep_off(gateways, monkeypatch):
    monkeypatch.setattr(s3_fleet, "BEAT", 0.1)
    await asyncio.gather(*(one.receive(1, 0) for one in gateways))
    for _ in range(2):
        await asyncio.gather(*(one._intake._lister._fleet._beat() for one in gateways))
    keys = [f"orders/requests/{new_id()}.alice" for _ in range(100)]
    first, second = ([one._intake._lister._fleet.place(key) for key in keys] for one in gateways)
    assert all({mine, theirs} == {0, 1} for mine, theirs in zip(first, second, strict=True))
    assert 20 < sum(first) < 80


async def test_clients_take_turns(gateways):
    first, _ = gateways
    many = [request(id=new_id(lambda n=n: time.time() - 60 + n / 1000)) for n in range(20)]
    for message in many:
        await first.send(message)
    await first.send(request(sender="bob"))
    taken = await first.receive(4, SOON)
    assert {one.message.sender for one in taken} == {"alice", "bob"}
    assert [one.message.id for one in taken if one.message.sender == "alice"] == [
        one.id for one in many[:3]
    ]


async def test_a_client_with_pages_of_requests_hides_no_other(gateways, monkeypatch):
    monkeypatch.setattr(s3_intake, "PAGE", 5)
    first, _ = gateways
    await asyncio.gather(*(first.send(request()) for _ in range(23)))
    await first.send(request(sender="bob", id=new_id(lambda: time.time() + 60)))
    taken = await first.receive(4, SOON)
    assert [one.message.sender for one in taken].count("bob") == 1


async def two_of_a_page(call: Call, forward: Forward) -> web.Response:
    """A page may have fewer keys than were asked for, and yet not be the last."""
    answer = await forward()
    items = re.findall(rb"<Contents>.*?</Contents>", answer.body, re.S)
    body = answer.body
    for item in items[2:]:
        body = body.replace(item, b"")
    if items[2:]:
        body = re.sub(rb"<IsTruncated>.*?<", b"<IsTruncated>true<", body)
    return web.Response(body=body, content_type="application/xml")


async def test_a_page_that_is_shorter_than_was_asked_for_is_not_the_end(store, address):
    for n in range(5):
        await store.put(f"orders/requests/{n}", b"")
    async with FaultProxy(address_of(store)) as proxy:
        through = await S3Store.open(behind(proxy, address), 4)
        proxy.inject(two_of_a_page, kind("LIST"), times=math.inf)
        listed = await list_all(through, "orders/requests/")
        assert [one.key[-1] for one in listed] == ["0", "1", "2", "3", "4"]
        page = await through.list("orders/requests/", after="orders/requests/2")
        assert (len(page.found), page.is_cut) == (2, False)
        await through.aclose()


async def test_what_is_behind_a_short_page_is_taken_by_a_gateway(store, address):
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions())
        proxy.inject(two_of_a_page, kind("LIST", "requests"), times=math.inf)
        sent = [request() for _ in range(5)]
        for one in sent:
            await queue.send(one)
        received: list[str] = []
        async with asyncio.timeout(240):
            while len(received) < len(sent):
                # None of them is removed: those behind the first page are found beside them.
                received += [one.message.id for one in await queue.receive(5, SOON)]
        assert sorted(received) == sorted(one.id for one in sent)
        await queue.aclose()


async def test_a_page_without_any_key_is_not_the_end_where_it_says_so(store, address):
    await store.put("orders/requests/a", b"")

    async def empty(call: Call, forward: Forward) -> web.Response:
        body = (
            b"<ListBucketResult><IsTruncated>true</IsTruncated>"
            b"<NextContinuationToken>a&amp;b</NextContinuationToken></ListBucketResult>"
        )
        return web.Response(body=body, content_type="application/xml")

    async def behind_it(call: Call, forward: Forward) -> web.Response:
        body = (
            b"<ListBucketResult><IsTruncated>false</IsTruncated>"
            b"<Contents><Key>orders/requests/a</Key></Contents></ListBucketResult>"
        )
        return web.Response(body=body, content_type="application/xml")

    async with FaultProxy(address_of(store)) as proxy:
        through = await S3Store.open(behind(proxy, address), 4)
        proxy.inject(behind_it, kind("LIST", "continuation-token=a%26b"))
        proxy.inject(empty, kind("LIST"))
        page = await through.list("orders/requests/")
        assert ([one.key for one in page.found], page.is_cut) == (["orders/requests/a"], False)
        await through.aclose()


@pytest.mark.parametrize("share", [0, 100])
async def test_more_pages_than_are_listed_at_once_hide_no_other(gateways, monkeypatch, share):
    """Of a client that has all its share, and of one that is being worked off."""
    for name, value in (("PAGE", 5), ("PAGES", 2), ("WHOLE", 0.1)):
        monkeypatch.setattr(s3_intake, name, value)
    monkeypatch.setattr(s3_backlog, "KNOWN", 3)
    first, _ = gateways
    await asyncio.gather(*(first.send(request()) for _ in range(33)))
    await first.send(sent := request(sender="bob", id=new_id(lambda: time.time() + 60)))
    taken: list[str] = []
    async with asyncio.timeout(240):
        while sent.id not in taken:
            for one in await first.receive(1, 0.2, {"alice": share}):
                taken.append(one.message.id)
                assert len(taken) <= 20
                await asyncio.sleep(0.1)
                await one.answer(None)


async def test_a_request_that_the_store_is_slow_to_give_holds_up_no_later_one(store, address):
    async with FaultProxy(address_of(store)) as proxy:
        slow = proxy.inject(delayed(4 * SOON), kind("GET", "/requests/"))
        place = behind(proxy, address)
        queue = await S3Queue.open(place, QueueOptions())
        await queue.send(request())
        taking = asyncio.create_task(queue.receive(2, 4 * SOON))
        while not slow.hits:
            await asyncio.sleep(0.01)
        later = await S3Queue.open(address, QueueOptions())  # another process: it wakes nobody here
        await later.send(sent := request())
        async with asyncio.timeout(SOON):
            (delivery,) = await taking
        assert delivery.message.id == sent.id
        await delivery.answer(None)
        await later.aclose()
        await queue.aclose()


async def test_a_claim_is_renewed_while_the_store_is_slow_to_give_its_request(
    gateways, store, address
):
    async with FaultProxy(address_of(store)) as proxy:
        reading = proxy.inject(delayed(5 * LEASE), kind("GET", "/requests/"))
        place = parse_bucket(f"s3://{address.bucket}/orders?endpoint_url={proxy.url}")
        slow = await S3Queue.open(place, QueueOptions(lease=LEASE))
        await gateways[0].send(request())
        taking = asyncio.create_task(slow.receive(1, 10 * LEASE))
        while not reading.hits:
            await asyncio.sleep(0.01)
        assert list(await gateways[1].receive(1, 3.5 * LEASE)) == []
        (delivery,) = await taking
        assert not delivery.message.interrupted
        await delivery.answer(reply())
        await slow.aclose()


async def test_work_that_takes_longer_than_a_lease_is_finished_within_the_grace(gateways):
    first, second = gateways
    done: list[str] = []
    began = asyncio.Event()

    async def work(request: Message) -> Message:
        began.set()
        await asyncio.sleep(4 * LEASE)
        done.append(request.id)
        return reply()

    settings = GatewaySettings(lease=LEASE, grace=10 * LEASE)
    stops = asyncio.Event(), asyncio.Event()
    await first.send(sent := request())
    stopping = asyncio.create_task(Gateway(first, Answering(work), settings).run(stops[0]))
    await began.wait()  # not for a time: on a busy machine the store is tried for longer
    stops[0].set()
    beside = asyncio.create_task(Gateway(second, Answering(work), settings).run(stops[1]))
    await stopping
    assert (await second.collect("alice", sent.id, SOON)).state is State.REPLY
    stops[1].set()
    await beside
    assert done == [sent.id]


async def test_an_object_that_is_no_request_is_put_aside_once(gateways, store, address):
    key = "orders/requests/notes.txt"
    await store.put(key, b"hello")
    delivery = await take(gateways[0])
    assert isinstance(delivery.message, Unreadable)
    await delivery.quarantine("unreadable: not a request", None)
    assert await store.get(key) is None
    aside = await store.get("orders/quarantine/notes.txt")
    assert aside.body == b"hello"
    assert aside.metadata["gateway-reason"] == "unreadable: not a request"
    assert list(await gateways[1].receive(1, 0)) == []


async def test_a_stranger_s_object_that_may_not_be_put_aside_is_left_and_the_loop_goes_on(
    store, address
):
    await store.put("orders/requests/notes.txt", b"hello")
    async with FaultProxy(address_of(store)) as proxy:
        proxy.inject(denied, kind("PUT", "/quarantine/"))
        place = behind(proxy, address)
        queue = await S3Queue.open(place, QueueOptions())
        await (await take(queue)).quarantine("not a request", None)
        assert list(await queue.receive(1, 0.5)) == []
        await queue.send(sent := request())
        delivery = await take(queue)
        assert delivery.message.id == sent.id
        await delivery.answer(None)
        await queue.aclose()
    assert (await store.get("orders/requests/notes.txt")).body == b"hello"


async def test_what_was_claimed_for_nobody_and_cannot_be_given_back_comes_again(store, address):
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions(lease=LEASE))
        await queue.receive(1, 0)
        await queue.send(sent := request())
        reading = proxy.inject(delayed(0.5), kind("GET", sent.id), times=math.inf)
        receiving = asyncio.create_task(queue.receive(1, SOON))
        async with asyncio.timeout(240):
            while not reading.hits:
                await asyncio.sleep(0.01)
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        proxy.heal()
        giving_back = proxy.inject(denied, kind("PUT", sent.id), times=math.inf)
        async with asyncio.timeout(240):
            while not giving_back.hits or queue._intake._basket.ready:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # the refusal is on its way
        proxy.heal()
        (again,) = await queue.receive(1, 240)
        assert again.message.id == sent.id
        await again.answer(reply())
        await queue.aclose()


async def outcomes(queue: S3Queue, seconds: float) -> list[str]:
    """Receive for so long, as a gateway does; return ids, and what was raised, in their order."""
    found: list[str] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            for delivery in await queue.receive(10, 0.2):
                found.append(delivery.message.id)
                await delivery.answer(reply())
        except QueueUnavailable as error:
            found.append(f"raised {error}")
    return found


@pytest.mark.parametrize("fault", [denied, failed_before])
async def test_a_request_that_the_store_refuses_alone_is_told_once_and_holds_up_no_other(
    store, address, fault
):
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions(lease=LEASE))
        await queue.send(bad := request())
        refused = proxy.inject(fault, kind("GET", f"requests/{bad.id}"), times=math.inf)
        assert [one for one in await outcomes(queue, 1.0) if bad.id not in one] == []
        await queue.send(first := request())
        assert first.id in await outcomes(queue, 3 * LEASE)
        before = refused.hits
        await queue.send(good := request())
        found = await outcomes(queue, 4 * LEASE)
        assert found == [good.id]  # nothing is raised of the other
        assert refused.hits > before  # which is tried all the same
        proxy.heal()
        (healed,) = await queue.receive(1, 240)
        assert (healed.message.id, healed.attempt) == (bad.id, 1)
        assert (await queue.status()).quarantined == 0
        await queue.aclose()


async def test_what_the_store_refuses_of_all_is_told_for_as_long_and_nothing_is_put_aside(
    store, address
):
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions(lease=LEASE))
        sent = [request() for _ in range(3)]
        for one in sent:
            await queue.send(one)
        proxy.inject(denied, kind("GET", "requests/"), times=math.inf)
        found = await outcomes(queue, 2 * LEASE)
        assert found
        assert all("allow s3:GetObject" in one for one in found)
        proxy.heal()
        received: set[str] = set()
        async with asyncio.timeout(240):
            while not received.issuperset(one.id for one in sent):
                received |= set(await outcomes(queue, 0.5))
        assert (await queue.status()).quarantined == 0
        await queue.aclose()


async def test_a_request_that_cannot_be_put_aside_holds_up_no_other(store, address):
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions(lease=LEASE))
        await queue.send(bad := request())
        copying = proxy.inject(denied, kind("PUT", "quarantine/"), times=math.inf)
        await (await take(queue)).quarantine("refused", reply(is_fault=True))
        await queue.send(first := request())
        assert first.id in await outcomes(queue, 3 * LEASE)
        await queue.send(good := request())
        before = copying.hits
        assert await outcomes(queue, 4 * LEASE) == [good.id]
        assert copying.hits > before
        proxy.heal()
        async with asyncio.timeout(240):
            while (await queue.status()).quarantined != 1:
                assert await outcomes(queue, 0.5) == []
        assert (await queue.collect("alice", bad.id, 0)).reply.is_fault
        await queue.aclose()


async def test_metadata_that_is_no_text_makes_one_unreadable_request(gateways, store, address):
    name = ("alice", new_id())
    metadata = {"soapjms-soapaction": "%FF%FE"}
    await store.put(Keys(address).request(name), b"<Envelope/>", metadata=metadata)
    delivery = await take(gateways[0])
    assert isinstance(delivery.message, Unreadable)
    assert delivery.message.id == name[1]
    await delivery.quarantine("unreadable", reply(is_fault=True))
    assert (await gateways[0].collect(*name, 0)).reply.is_fault


async def test_what_a_crash_left_of_a_quarantine_is_finished_by_another(gateways, store, address):
    first, _ = gateways
    keys, ledger = Keys(address), BucketLedger(store, Keys(address))
    await first.send(sent := request())
    name = ("alice", sent.id)
    claim = Claim(token=new_token(), lease=LEASE, attempt=1)
    version = await ledger.write(name, Claimed(claim), None)
    settled = Settled(claim, sent, reply(is_fault=True), "Client: refused")
    await ledger.write(name, settled, version)
    assert list(await first.receive(1, 0.7)) == []
    assert await store.get(keys.request(name)) is None
    aside = await store.get(keys.quarantine(f"{sent.id}.alice"))
    assert aside.metadata["gateway-reason"] == "Client: refused"


async def test_another_message_under_an_answered_id_is_put_aside_and_its_caller_told(
    gateways, store, address, monkeypatch
):
    monkeypatch.setattr("gateway.queues.bucket.client.FRESH", 1e9)
    first, _ = gateways
    await first.send(sent := request(b"first"))
    await (await take(first)).answer(reply())
    stranger = await S3Queue.open(address, QueueOptions())
    await stranger.send(replace(sent, body=b"second"))
    assert list(await first.receive(1, 0.7)) == []
    # Beside the entry that the first one would have, by a mark.
    (aside,) = (await store.list(f"{Keys(address).quarantine(f'{sent.id}.alice')}~")).found
    assert (await store.get(aside.key)).body == b"second"
    with pytest.raises(IdTaken):
        await stranger.collect("alice", sent.id, 0)
    await stranger.aclose()


async def test_a_reply_whose_properties_no_bucket_can_hold_becomes_a_fault(gateways):
    first, _ = gateways
    await first.send(sent := request())
    await (await take(first)).answer(reply(soap_action="urn:" + "a" * 2000))
    assert (await first.collect("alice", sent.id, 0)).reply.is_fault


async def test_a_store_without_conditions_is_refused(address):
    objects: dict[str, bytes] = {}

    async def careless(request: web.Request) -> web.Response:
        if request.method == "PUT":
            objects[request.path] = await request.read()
        elif request.method == "DELETE":
            objects.pop(request.path, None)
            return web.Response(status=204)
        found = objects.get(request.path)
        return web.Response(body=found, status=404 if found is None else 200)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", careless)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    store = await S3Store.open(parse_bucket(f"s3://b-1?endpoint_url=http://127.0.0.1:{port}"), 4)
    with pytest.raises(QueueBroken, match="does not keep the conditions"):
        await check_conditions(store, Keys(address))
    await store.aclose()
    await runner.cleanup()


async def test_a_request_that_is_far_too_large_is_put_aside_unread_and_its_client_told(
    address, store
):
    small = await S3Queue.open(address, QueueOptions(limit=1024))
    await small.send(sent := request(b"x" * 5000))
    delivery = await take(small)
    assert isinstance(delivery.message, Unreadable)
    assert delivery.message.sender == "alice"
    await delivery.quarantine("unreadable: too large", reply(is_fault=True))
    assert (await small.collect("alice", sent.id, 0)).reply.is_fault
    aside = await store.get(Keys(address).quarantine(f"{sent.id}.alice"))
    assert aside.body == b"x" * 5000
    assert aside.metadata["soapjms-contenttype"] == "text/xml"
    await small.aclose()


async def test_a_proxy_of_the_environment_is_used_and_its_exceptions_are_kept(
    address, store, monkeypatch
):
    asked = []

    async def proxy(request: web.Request) -> web.Response:
        asked.append(str(request.url))
        return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", proxy)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{runner.addresses[0][1]}")
    through = await S3Store.open(parse_bucket("s3://b-1?endpoint_url=http://s3.invalid"), 4)
    assert await through.get("a-key") is None
    assert asked == ["http://s3.invalid/b-1/a-key"]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert await store.get("a-key") is None
    assert len(asked) == 1
    await through.aclose()
    await runner.cleanup()


async def test_a_message_that_looks_like_an_error_of_the_store_is_read_at_once(store, address):
    await store.put("a-key", b"<Code>SlowDown</Code>")
    async with FaultProxy(address_of(store)) as proxy:
        through = await S3Store.open(behind(proxy, address), 4)
        assert (await through.get("a-key")).body == b"<Code>SlowDown</Code>"
        await through.aclose()
        assert proxy.counts == {"GET": 1}


async def test_a_copy_that_failed_though_its_status_says_not_is_made_again(store, address):
    """CopyObject: an error may come after the status 200."""

    async def failed_late(_: Call, __: Forward) -> web.Response:
        return web.Response(body=b"<Error><Code>InternalError</Code></Error>")

    await store.put("a-key", b"body")
    async with FaultProxy(address_of(store)) as proxy:
        through = await S3Store.open(behind(proxy, address), 4)
        rule = proxy.inject(failed_late, kind("PUT"))
        await through.copy("a-key", "a-copy", Stored(b"", ""))
        await through.aclose()
        assert rule.hits == 1
    assert (await store.get("a-copy")).body == b"body"


async def test_a_gateway_that_was_killed_is_no_member_for_a_newcomer_and_its_sign_goes(
    store, gateways, monkeypatch
):
    monkeypatch.setattr(s3_fleet, "BEAT", 0.1)
    keys = gateways[0]._keys
    killed = keys.gateways + "0123456789abcdef"
    await store.put(killed, b"x")
    await asyncio.sleep(s3_fleet.REMOVED * 0.1 + 2 * s3_fleet.WHOLE + 0.5)
    fleet = s3_fleet.Fleet(store, keys)
    await fleet.join()
    assert {fleet.place(f"orders/requests/{new_id()}.alice") for _ in range(50)} == {0}
    assert killed not in [one.key for one in (await store.list(keys.gateways)).found]
    await fleet.leave()


GOOD = {"lease": 30, "attempt": 1, "not-before": 0, "interrupted": False}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[]",
        "[" * 100_000,
        json.dumps(GOOD | {"lease": "long"}),
        json.dumps(GOOD | {"lease": float("nan")}),
        json.dumps(GOOD | {"lease": float("inf")}),
        json.dumps(GOOD | {"lease": -1}),
        json.dumps(GOOD | {"attempt": float("inf")}),
        json.dumps(GOOD | {"attempt": None}),
        json.dumps(GOOD | {"not-before": float("-inf")}),
        json.dumps({name: value for name, value in GOOD.items() if name != "interrupted"}),
    ],
)
@pytest.mark.parametrize("state", ["claimed", "released", "resting"])
async def test_a_register_that_says_nothing_sensible_is_a_claim_that_may_have_begun(
    store, gateways, said, state
):
    ledger = BucketLedger(store, gateways[0]._keys)
    name = ("alice", new_id())
    key = gateways[0]._keys.reply(name)
    await store.put(key, said.encode(), metadata={"gateway-state": state})
    found = await ledger.look(name)
    assert (found.state, found.lease, found.interrupted) == ("claimed", 30.0, True)


@pytest.mark.parametrize(
    ("said", "lease", "delay"),
    [
        ({"lease": 1e9}, 3600, 0),
        ({"lease": 3601}, 3600, 0),
        ({"lease": 0.5}, 0.5, 0),
        ({"not-before": 1e18}, 30, 3600),
        ({"not-before": -1e18}, 30, 0),
    ],
)
async def test_what_others_write_into_a_claim_is_believed_within_bounds(
    store, gateways, said, lease, delay
):
    name = ("alice", new_id())
    key = gateways[0]._keys.reply(name)
    await store.put(key, json.dumps(GOOD | said).encode(), metadata={"gateway-state": "released"})
    found = await BucketLedger(store, gateways[0]._keys).look(name)
    assert (found.lease, claimable(found, store.clock()).delay) == (lease, delay)


@pytest.mark.parametrize("interrupted", [True, "false", 0, None])
async def test_only_what_is_said_not_to_be_interrupted_is_not(store, gateways, interrupted):
    name = ("alice", new_id())
    key = gateways[0]._keys.reply(name)
    body = json.dumps(GOOD | {"interrupted": interrupted}).encode()
    await store.put(key, body, metadata={"gateway-state": "released"})
    assert (await BucketLedger(store, gateways[0]._keys).look(name)).interrupted


async def test_a_request_whose_register_was_broken_is_not_carried_out_at_once(store, gateways):
    first, _ = gateways
    await first.send(sent := request())
    key = first._keys.reply(("alice", sent.id))
    await store.put(key, b"{}", metadata={"gateway-state": "released"})
    assert list(await first.receive(1, 1.0)) == []


# Looking for replies


def denied_as(code: str):
    """Refuse a request with 403 and such a code."""

    async def answered(call: Call, forward: Forward) -> web.Response:
        return web.Response(status=403, text=f"<Error><Code>{code}</Code></Error>")

    return answered


@pytest.fixture
def looks(monkeypatch) -> list[str]:
    """Every object that is read, by its method and key."""
    seen, read = [], S3Store._read

    async def noted(self, method, key, limit):
        seen.append(f"{method} {key}")
        return await read(self, method, key, limit)

    monkeypatch.setattr(S3Store, "_read", noted)
    return seen


async def test_the_reply_of_a_request_that_nobody_sent_is_not_waited_for(gateways, looks):
    began = time.monotonic()
    assert (await gateways[0].collect("alice", new_id(), 60)).state is State.UNKNOWN
    assert time.monotonic() - began < 30
    assert len(looks) <= 4


async def test_the_reply_of_a_request_that_another_process_sent_is_waited_for(gateways):
    first, second = gateways
    await first.send(sent := request())
    waiting = asyncio.create_task(second.collect(sent.sender, sent.id, 20))
    held = await take(first)
    await held.answer(reply())
    assert (await waiting).reply.body == reply().body


async def test_who_may_not_see_requests_looks_rarely_for_one_that_another_sent(
    gateways, looks, monkeypatch
):
    async def refused(self, key):
        raise AccessDenied(key)

    monkeypatch.setattr(S3Store, "head", refused)
    first, second = gateways
    assert (await second.collect("alice", new_id(), 4)).state is State.PENDING
    assert len(looks) <= 6
    await first.send(sent := request())
    waiting = asyncio.create_task(second.collect(sent.sender, sent.id, 30))
    held = await take(first)
    await held.answer(reply())
    assert (await waiting).reply.body == reply().body


@pytest.mark.parametrize(
    "code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "RequestTimeTooSkewed"]
)
async def test_whoever_the_store_does_not_know_does_not_wait_for_a_reply(store, address, code):
    """No wait turns that into a reply; AccessDenied may, for who may not list."""
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions())
        await queue.send(sent := request())
        proxy.inject(denied_as(code), kind("GET"), times=math.inf)
        began = time.monotonic()
        with pytest.raises(Unauthenticated, match=code):
            await queue.collect(sent.sender, sent.id, 60)
        assert time.monotonic() - began < 30
        await queue.aclose()


async def test_access_that_is_denied_means_not_yet(store, address):
    async with FaultProxy(address_of(store)) as proxy:
        queue = await S3Queue.open(behind(proxy, address), QueueOptions())
        await queue.send(sent := request())
        proxy.inject(denied_as("AccessDenied"), kind("GET"), times=math.inf)
        assert (await queue.collect(sent.sender, sent.id, 1)).state is State.PENDING
        await queue.aclose()
