"""The queue in a bucket with a doorbell: an SQS queue tells gateways of each new request.

Messages come in, deliveries and replies go out. It depends on ``bucket``, ``claims``, ``sqs`` and
``aws``.
"""
