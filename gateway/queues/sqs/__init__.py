"""The queue on SQS: requests are its messages; replies are in a bucket, or in other queues.

Messages come in, deliveries and replies go out. It depends on ``claims``, ``bucket`` and ``aws``.
"""
