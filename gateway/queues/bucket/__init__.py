"""The queue in a bucket: requests are objects, and the reply object is the claim.

Messages come in, deliveries and replies go out. It depends on ``aws`` and ``claims``.
"""
