"""A gateway is killed in the middle of many calls: each call ends once, as it was promised."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from deployment import Deployment, legacy_service, log_of, start
from history import Ended, History, violations
from lxml import etree

from gateway.client.remote import Remote, RemoteSettings
from gateway.message import Message
from gateway.queue import State
from gateway.queues.registry import open_queue

CALLS = 200
KILLS = 3
CONCURRENCY = 16

SETTINGS = """\
queue = "{queue}"

[services.warehouse]
wsdl = "{legacy}?wsdl"
repeatable = ["GetOrder"]

[gateway]
concurrency = 16
attempts = 10
"""
READ = """\
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>
<CallKey xmlns="urn:example:warehouse">{key}</CallKey></s:Header><s:Body>
<GetOrder xmlns="urn:example:warehouse:types"><orderId>WH-100001</orderId></GetOrder>
</s:Body></s:Envelope>"""
ORDER = """\
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>
<CallKey xmlns="urn:example:warehouse">{key}</CallKey></s:Header><s:Body>
<PlaceOrder xmlns="urn:example:warehouse:types"><customer><name>Mill</name>
<address><street>1</street><city>Otley</city><postalCode>LS21</postalCode><country>GB</country></address>
</customer><lines><sku>PAL-0001</sku><quantity>{quantity}</quantity><unitPrice>1.00</unitPrice></lines>
<note>{key}</note></PlaceOrder></s:Body></s:Envelope>"""


def request(number: int) -> tuple[str, bool, Message]:
    """Return a call: its key, whether it is repeatable, and its message."""
    repeatable = number % 2 == 0
    key = f"{'read' if repeatable else 'order'}-{number}"
    # The quantity comes back in the total: so a reply tells which request it is about.
    body = (READ if repeatable else ORDER).format(key=key, quantity=number)
    message = Message(
        body=body.encode(), content_type="text/xml; charset=utf-8", target_service="warehouse"
    )
    return key, repeatable, message


def about(reply: Message, key: str, number: int) -> tuple[str, str]:
    """Return what kind of ending a reply is, and what it is about."""
    root = etree.fromstring(reply.body)
    if reply.is_fault:
        return "fault", root.findtext(".//faultcode").rpartition(":")[2]
    if root.find(".//{*}PlaceOrderResponse") is not None:
        right = root.findtext(".//{*}total") == f"{number}.00"
    else:
        right = root.findtext(".//{*}orderId") == "WH-100001"
    return "reply", key if right else "another"


async def one_call(remote: Remote, number: int) -> Ended:
    key, repeatable, message = request(number)
    await remote.send(message)
    endings = []
    for _ in range(2):  # collected twice: it must not change
        collected = await remote.collect(message.id, 240)
        if collected.state is State.REPLY:
            endings.append(about(collected.reply, key, number))
    return Ended(
        key=key,
        repeatable=repeatable,
        replies=tuple(text for kind, text in endings if kind == "reply"),
        faults=tuple(text for kind, text in endings if kind == "fault"),
    )


async def kill_at_work(made: Deployment, seed: int) -> int:
    """Kill and restart the gateway in the middle of calls; leave one running. Return it."""
    moments = random.Random(seed)
    gateway = start("serve", made.private)
    for _ in range(KILLS):
        begun = len(made.executions()) + moments.randrange(1, CALLS // (2 * KILLS))
        while len(made.executions()) < begun:
            await asyncio.sleep(0.005)
        gateway.kill()
        await asyncio.to_thread(gateway.wait)
        gateway = start("serve", made.private)
    return gateway


async def test_a_gateway_killed_in_the_middle_of_200_calls_breaks_no_promise(tmp_path):
    made = Deployment(tmp_path)
    made.private.parent.mkdir()
    with legacy_service("--ledger", str(made.ledger), "--delay", "0.15") as legacy:
        made.private.write_text(SETTINGS.format(queue=made.queue, legacy=legacy))
        queue = await open_queue(made.queue, tmp_path)
        remote = Remote(queue, RemoteSettings())
        killing = asyncio.create_task(kill_at_work(made, seed=1))
        try:
            ended = await asyncio.gather(
                *(one_call(remote, number) for number in range(1, CALLS + 1))
            )
        finally:
            gateway = await killing
            gateway.kill()
            gateway.wait()
            await queue.aclose()
        executed = Counter(line.partition("\t")[2] for line in made.executions())
        history = History(tuple(ended), executed, under_way=KILLS * CONCURRENCY)
        assert violations(history) == [], log_of(made.private).read_text()[-2000:]
        disturbed = [call for call in ended if call.faults or executed[call.key] > 1]
        assert disturbed, "no kill hit a call at work: the test proved nothing"
