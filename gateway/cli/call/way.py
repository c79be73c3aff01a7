"""The way of one call through the queue, and what is told where its wait ends without a reply."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from rich.markup import escape

from gateway import assembly
from gateway.cli import streams
from gateway.cli.running import run
from gateway.client.calls import opened_in
from gateway.client.remote import ACCEPTING
from gateway.errors import ConfigurationError, GatewayError, NoReplyYet
from gateway.message import Message
from gateway.queue import Queue
from gateway.queues.kind import Reach
from gateway.settings import Settings

WHO = (
    "If none comes, check that gateway up or gateway serve is running, and look for that id in "
    "its log."
)


@dataclass(slots=True)
class Way:
    """The way of one call to a service."""

    settings: Settings
    service: str
    id: str = ""
    """The request's, once it is sent, or as good as sent."""

    def send(self, message: Message, *, one_way: bool) -> Message | None:
        """Send a request, and return its reply: None for one that has none.

        Raises GatewayError, which says what to do where the request is under way all the same. Who
        ends the wait by a signal is told that, too.
        """
        try:
            return run(self._exchange(message, one_way))
        except NoReplyYet as error:
            raise GatewayError(self._pending(str(error))) from error
        except (KeyboardInterrupt, SystemExit):
            if self.id:
                _tell(self._pending("ended before the queue had an answer"))
            raise

    async def _exchange(self, message: Message, one_way: bool) -> Message | None:
        async with self._opened() as queue:
            remote = assembly.remote(self.settings, queue)
            self.id = remote.new_id()
            sent = replace(message, id=self.id)
            if not one_way:
                return await remote(sent)
            await remote.post(sent)
            return None

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[Queue]:
        """Open the queue, in no more time than a reply is waited for. Raises QueueAway."""
        if assembly.queue_abilities(self.settings).reach is Reach.PROCESS:
            raise ConfigurationError(
                f"queue: {self.settings.queue!r} is reached by the program alone that has it open: "
                "call its listener over HTTP, or choose another kind of queue."
            )
        async with contextlib.AsyncExitStack() as stack:
            async with opened_in(max(self.settings.listener.wait, ACCEPTING)):
                queue = await stack.enter_async_context(assembly.opened_queue(self.settings))
            yield queue

    def _pending(self, told: str) -> str:
        """The advice about a request that nobody waits for any more."""
        if not assembly.queue_abilities(self.settings).keeps_replies:
            return (
                f"{told}: do not send it again. Its id is {self.id}. It is still carried out, but "
                "its reply is lost: here replies go to a queue of the program that waits, and "
                "this command removes its own at the end. Set listener.wait higher; or give the "
                "queue a bucket (?replies=s3://BUCKET/PREFIX), where replies are kept for two "
                f"days. {WHO}"
            )
        listener = self.settings.listener
        url = listener.url or f"http://{listener.bind}"
        return (
            f"{told}: do not send it again. Its id is {self.id}, and its reply is kept for two "
            f"days: the listener has it at {url}/{self.service}/replies/{self.id}. {WHO}"
        )


def _tell(told: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be what has ended
        streams.console(stderr=True).print(escape(told))
