"""The far side of a queue: a request is sent, its reply collected.

Messages and zeep's calls come in, replies go out. It knows queues, contracts
and SOAP; nothing of gateways.
"""

from gateway.client.transports import AsyncQueueTransport, QueueTransport, ReplyPending

__all__ = ["AsyncQueueTransport", "QueueTransport", "ReplyPending"]
