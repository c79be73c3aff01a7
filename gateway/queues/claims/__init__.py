"""The lease core of queues that machines share: how a request is claimed, held and settled once.

In come candidates (a listing of a bucket, rings, messages of SQS), each with a ledger that tells
who has it; out go deliveries. It imports what all queues have in common and, for messages, ``aws``.
"""
