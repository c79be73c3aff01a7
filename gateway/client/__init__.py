"""The client side of a queue: a request is sent, its reply collected.

Messages and zeep's calls come in, replies go out. It depends on queues, contracts and SOAP, not on
gateways.
"""

from gateway.client.transports import AsyncQueueTransport, QueueTransport, ReplyPending

__all__ = ["AsyncQueueTransport", "QueueTransport", "ReplyPending"]
