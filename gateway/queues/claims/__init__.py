"""The lease core of queues that machines share: how a request is claimed, held and settled once.

Candidates come in (from a bucket's listing, rings, messages of SQS), each with a ledger that tells
who holds it; deliveries go out. It depends on the modules that all queues share, and on ``aws``.
"""
