"""Fair queuing in a standard queue of AWS, by message groups: one group for each client."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from gateway.errors import QueueUnavailable
from gateway.queues.aws.sqs import Outgoing

log = logging.getLogger(__name__)


class Groups:
    """Sends to one standard queue, in groups until it turns out not to accept them."""

    def __init__(self, send: Callable[[Outgoing], Awaitable[str]]) -> None:
        self._send = send
        self._are_taken = True

    async def send(self, outgoing: Outgoing, client: str) -> str:
        """Send a message in the group of a client; return its MessageId. Raises QueueUnavailable.

        Without a client's name the message is in no group.
        """
        if not (client and self._are_taken):
            return await self._send(outgoing)
        try:
            return await self._send(replace(outgoing, group=client))
        except QueueUnavailable as error:
            # Servers without groups in standard queues name the parameter.
            if "MessageGroupId" not in str(error):
                raise
        message_id = await self._send(outgoing)
        self._are_taken = False
        log.info("the queue does not support message groups: it has no fair queuing")
        return message_id
