"""Sending in message groups, which make a standard queue of AWS fair: those of one client wait
for each other, and not in front of those of others."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.errors import QueueUnavailable
from gateway.queues.aws.sqs import Outgoing

log = logging.getLogger(__name__)


class Groups:
    """Sends to one standard queue, in groups for as long as it takes them."""

    def __init__(self, send: Callable[[Outgoing], Awaitable[str]]) -> None:
        self._send = send
        self._are_taken = True

    async def send(self, outgoing: Outgoing, client: str) -> str:
        """Send a message in the group of a client; return its MessageId. Raises QueueUnavailable.

        An empty name is nobody's: the message is in no group.
        """
        if not (client and self._are_taken):
            return await self._send(outgoing)
        try:
            return await self._send(replace(outgoing, group=client))
        except QueueUnavailable as error:
            # Servers that know no groups on standard queues name the parameter.
            if "MessageGroupId" not in str(error):
                raise
        message_id = await self._send(outgoing)
        self._are_taken = False
        log.info("the queue takes no message groups: clients are not kept apart in it")
        return message_id
